"""A short past that the product itself made: items taken in, seated, judged, labelled and told.

What `growth_rows` multiplies. Four fifths are acted on, of which one in twenty is audited; a tenth
is flagged and closed by the table or, drawn, singly; the rest is held or refused. One item in a
hundred is held and left waiting.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.utils import timezone

from benchmarks.cast import CATEGORIES
from calibration.frames import fold_deltas
from calibration.monitoring import watch_audits
from reviewqueue.batch_claims import claim_batch
from reviewqueue.batches import confirm_batch
from reviewqueue.claims import claim_next
from reviewqueue.intake import IntakeError, take_in
from reviewqueue.models import Membership, ReviewTask, Verdict
from reviewqueue.seats import open_audit_seats
from reviewqueue.sequencer import sequence_all
from reviewqueue.verdicts import Answer, record_verdict
from routing.items import Post
from routing.models import Category, Policy, Stream
from routing.policies import publish_policy

Queue = ReviewTask.Queue

REVIEWERS: Final = 20
# Where the top score lies, and how often.
BANDS: Final = ((0.90, 0.999, 0.82), (0.70, 0.90, 0.10), (0.50, 0.70, 0.06), (0.30, 0.50, 0.02))
AT_ONCE: Final = 250
LEFT_HELD: Final = 0.01
LEFT_FLAGGED: Final = 0.001
ERROR_RATE: Final = 0.03
CANNOT_JUDGE_RATE: Final = 0.01
TEXT: Final = (
    "Since this morning the connection drops about a minute after I sign in. I have restarted "
    "the laptop twice and tried the other network as well, with the same result."
)


@dataclass(frozen=True, slots=True)
class Past:
    """The stream, the posts as they were taken in, and the people who judged them."""

    stream: Stream
    posts: Sequence[Post]
    reviewers: Sequence[User]


def make_past(key: str, *, items: int, span: timedelta, end: datetime, seed: int) -> Past:
    """Take in and judge `items` items that came in over the `span` before `end`."""
    rng = random.Random(seed)
    stream = _make_stream(key)
    reviewers = _make_people(stream, "reviewer", REVIEWERS, Membership.Role.REVIEWER)
    others = {
        Queue.ESCALATED: _make_people(stream, "expert", 2, Membership.Role.EXPERT),
        Queue.ADJUDICATION: _make_people(stream, "adjudicator", 2, Membership.Role.ADJUDICATOR),
    }
    posts, truths = _make_posts(items, rng)
    slices = [posts[first : first + AT_ONCE] for first in range(0, items, AT_ONCE)]
    for number, part in enumerate(slices):
        at = end - span + (number + 0.5) * span / len(slices)
        for taken in take_in(stream=stream, posts=part, received_at=at):
            if isinstance(taken, IntakeError):
                raise taken
    open_audit_seats(stream=stream, at=end)
    waiting = round(LEFT_HELD * items)
    for queue in (Queue.AUDIT, Queue.FLAGGED, Queue.HOLD, Queue.ESCALATED, Queue.ADJUDICATION):
        people = others.get(queue, reviewers)
        left = waiting if queue == Queue.HOLD else 0
        _work(stream, queue, people, truths, rng, leave=left)
    _close_tables(stream, reviewers, truths, rng, leave=round(LEFT_FLAGGED * items))
    sequence_all()
    while fold_deltas():
        pass
    watch_audits(stream=stream, at=timezone.now())
    return Past(stream, posts, reviewers)


def grown_id(clone: int, number: int) -> str:
    """The external id of an item in a clone of the past."""
    return f"grown-{clone:06}-{number:05}"


def _make_stream(key: str) -> Stream:
    # Upstream is told of what was judged at once, so that nothing of the past is still to be told.
    stream = Stream.objects.create(key=key, name=key.title(), undo_seconds=0, double_rate=0.05)
    Category.objects.bulk_create(
        Category(stream=stream, key=name, label=name.replace("_", " ").title(), position=position)
        for position, name in enumerate(_keys())
    )
    policy = Policy.objects.create(stream=stream, min_margin=0.10)
    publish_policy(policy_id=policy.id, reason="to be measured", published_by_id=None)
    return stream


def _make_people(stream: Stream, name: str, count: int, role: str) -> list[User]:
    people = User.objects.bulk_create(
        User(username=f"{stream.key}-{name}-{number}", password="!") for number in range(count)
    )
    Membership.objects.bulk_create(
        Membership(stream=stream, user=person, role=role) for person in people
    )
    return people


def _keys() -> list[str]:
    return [f"category_{position:03}" for position in range(CATEGORIES)]


def _make_posts(count: int, rng: random.Random) -> tuple[list[Post], dict[str, str]]:
    """Posts, and by external id the category that each is of."""
    posts: list[Post] = []
    truths: dict[str, str] = {}
    for number in range(count):
        external_id = f"template-{number:05}"
        top, truth, scores = make_scores(rng)
        truths[external_id] = truth if rng.random() < max(0.05, top - 0.03) else rng.choice(_keys())
        posts.append(make_post(external_id, scores))
    return posts, truths


def make_scores(rng: random.Random) -> tuple[float, str, dict[str, float]]:
    """The top score, its category, and the scores of all categories."""
    low, high, _share = rng.choices(BANDS, [share for _low, _high, share in BANDS])[0]
    top = round(rng.uniform(low, high), 6)
    keys = rng.sample(_keys(), CATEGORIES)
    shares = sorted((rng.random() ** 3 for _ in keys[1:]), reverse=True)
    rest = [round((1.0 - top) * share / sum(shares), 6) for share in shares]
    # The second best stays under the best, also where the best is low.
    rest[0] = min(rest[0], round(0.8 * top, 6))
    scores = dict(zip(keys, [top, *rest], strict=True))
    scores[keys[-1]] = round(scores[keys[-1]] + max(0.0, 1.0 - sum(scores.values())), 6)
    return top, keys[0], scores


def make_post(external_id: str, scores: dict[str, float]) -> Post:
    """An item of about 300 bytes with its scores."""
    payload = {"subject": f"VPN drops, {external_id}", "body": TEXT}
    return Post(external_id, payload, scores, model_version="v1")


def _work(
    stream: Stream,
    queue: str,
    people: Sequence[User],
    truths: dict[str, str],
    rng: random.Random,
    *,
    leave: int,
) -> None:
    """Answer the open seats of a queue one by one, but for the last `leave`."""
    open_seats = ReviewTask.objects.open().singly().filter(stream=stream, queue=queue)
    for _ in range(open_seats.count() - leave):
        for person in rng.sample(people, len(people)):
            task = claim_next(user=person, stream=stream, queue=queue)
            if task is not None and task.lease_token is not None:
                answer = _choose(truths[task.item.external_id], queue, rng)
                record_verdict(
                    task_id=task.id,
                    lease_token=task.lease_token,
                    reviewer=person,
                    answer=answer,
                    active_ms=round(1000 * rng.lognormvariate(2.0, 0.5)),
                )
                break


def _choose(truth: str, queue: str, rng: random.Random) -> Answer:
    first_hand = queue not in (Queue.ESCALATED, Queue.ADJUDICATION)
    if first_hand and rng.random() < CANNOT_JUDGE_RATE:
        return Answer(Verdict.Kind.CANNOT_JUDGE)
    wrong = first_hand and rng.random() < ERROR_RATE
    return Answer(Verdict.Kind.CATEGORY, (rng.choice(_keys()) if wrong else truth,))


def _close_tables(
    stream: Stream,
    people: Sequence[User],
    truths: dict[str, str],
    rng: random.Random,
    *,
    leave: int,
) -> None:
    """Close what is flagged by tables, but for the last `leave` rows."""
    rows = ReviewTask.objects.open().in_batch().filter(stream=stream)
    while (left := rows.count() - leave) > 0:
        person = rng.choice(people)
        size = min(50, left)
        tasks = claim_batch(user=person, stream=stream, size=size, with_today=True)
        token = tasks[0].lease_token if tasks else None
        if token is None:
            return
        said = {task.id: truths[task.item.external_id] for task in tasks}
        right = {task.id for task in tasks if said[task.id] == task.decision.predicted}
        confirm_batch(
            user=person,
            stream=stream,
            lease_token=token,
            confirmed=right,
            corrections={
                key: Answer(Verdict.Kind.CATEGORY, (truth,))
                for key, truth in said.items()
                if key not in right
            },
            active_ms=2_000 * size,
        )
