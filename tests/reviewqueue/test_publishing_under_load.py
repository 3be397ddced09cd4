"""Publishing while items come in: whole policies only, each from the very next item on."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Barrier, Event, Semaphore
from typing import TypeVar

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from reviewqueue.access import issue_api_key
from reviewqueue.intake import Taken, take_in
from routing.core.rules import Decision as Outcome
from routing.core.rules import decide
from routing.core.signals import score_matrix
from routing.items import Post, reason_documents
from routing.models import CategoryRule, Decision, Policy, Stream
from routing.models import Event as Happened
from routing.policies import AlreadyPublishedError, copy_policy, load_spec, publish_policy
from tests.conftest import Upstream, make_body
from tests.routing.admin.conftest import log_in
from tests.scenes import KEYS, make_bare_stream, publish

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
PUBLICATIONS = 20
WORKERS = 3
BATCH = 12
PATIENCE = 60.0
# Every part of a policy differs, so that parts of two of them would show.
STRICT: dict[str, object] = {
    "auto": 0.99,
    "flagged": 0.98,
    "hold": 0.97,
    "min_margin": 0.9,
    "max_entropy": 0.05,
    "maps": {"": {"kind": "platt", "parameters": [0.5, -1.0]}},
    "model_versions": ["m1"],
}
LAX: dict[str, object] = {
    "auto": 0.30,
    "flagged": 0.20,
    "hold": 0.10,
    "maps": {"": {"kind": "platt", "parameters": [2.0, 1.0]}},
    "model_versions": ["m1"],
}
STRICT_RULE: dict[str, object] = {"mandatory_review": True, "mandatory_reason": "Strict."}
LAX_RULE: dict[str, object] = {"watch": 0.05}


def make_draft(stream: Stream, number: int) -> Policy:
    """Strict drafts with even numbers, lax ones with odd; with a rule for every category."""
    fields, rule = ((STRICT, STRICT_RULE), (LAX, LAX_RULE))[number % 2]
    draft = Policy.objects.create(stream=stream, **fields)
    for category in stream.categories.all():
        CategoryRule.objects.create(stream=stream, policy=draft, category=category, **rule)
    return draft


def scores_of(number: int) -> tuple[float, float, float]:
    top = 0.50 + (number % 9) * 0.05
    return (round(top, 2), round((1.0 - top) * 0.7, 4), round((1.0 - top) * 0.3, 4))


@dataclass
class Load:
    """What the threads share: the newest version known to be committed, and a sign of life."""

    stream: Stream
    committed: int = 1
    done: Event = field(default_factory=Event)
    batches: Semaphore = field(default_factory=lambda: Semaphore(0))

    def post(self, name: str, count: int) -> list[int]:
        """The versions that a batch was decided by."""
        posts = [
            Post(
                f"{name}-{number}",
                {},
                dict(zip(KEYS, scores_of(number), strict=True)),
                model_version="m1",
            )
            for number in range(count)
        ]
        taken = take_in(stream=self.stream, posts=posts)
        return [each.policy_version for each in taken if isinstance(each, Taken)]

    def keep_posting(self, name: str, post: Callable[[str, int], list[int]]) -> set[int]:
        """Post batches until the publisher is through; the versions they met."""
        met: set[int] = set()
        batch = 0
        while not self.done.is_set():
            committed = self.committed
            versions = post(f"{name}-{batch}", BATCH)
            assert len(versions) == BATCH
            assert len(set(versions)) == 1
            assert versions[0] >= committed
            met.update(versions)
            batch += 1
            self.batches.release()
        return met

    def keep_publishing(self, drafts: list[Policy]) -> None:
        try:
            for draft in drafts:
                published = publish_policy(
                    policy_id=draft.id, reason="under load", published_by_id=None
                )
                assert published.version == self.committed + 1
                self.committed = published.version
                assert self.post(f"next-{published.version}", 1) == [published.version]
                for _batch in range(WORKERS):
                    assert self.batches.acquire(timeout=PATIENCE)
        finally:
            self.done.set()


def post_over_http(upstream: Upstream) -> Callable[[str, int], list[int]]:
    def post(name: str, count: int) -> list[int]:
        bodies = [
            make_body(f"{name}-{number}", scores_of(number), model_version="m1")
            for number in range(count)
        ]
        answer = upstream.post("items/batch", bodies)
        assert answer.status_code == 200
        results = json.loads(answer.content)["results"]
        return [result["decision"]["policy_version"] for result in results]

    return post


def run_all(works: Sequence[Callable[[], T]]) -> list[T]:
    """What each gave, all begun at once, each in a thread and a connection of its own."""
    start = Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        try:
            start.wait(PATIENCE)
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


def describe(made: Outcome | Decision) -> tuple[object, ...]:
    """All that a decision says, stored or made."""
    reasons = made.reasons if isinstance(made, Decision) else reason_documents(made)
    return (
        made.queue,
        made.action,
        made.predicted,
        made.category or None,
        made.raw_confidence,
        made.confidence,
        made.margin,
        made.entropy,
        [tuple(each) for each in made.alternatives],
        list(made.watch),
        json.loads(json.dumps(reasons)),
    )


def count_stored_as_decided(policy: Policy) -> int:
    """How many decisions name the policy; each must be what its rows, read anew, decide."""
    stored = list(Decision.objects.filter(policy=policy).select_related("item").order_by("id"))
    spec = load_spec(policy)
    matrix, errors = score_matrix(spec.categories, [each.item.scores for each in stored])
    assert errors == {}
    made = decide(spec, matrix, model_versions=[each.item.model_version for each in stored])
    assert [describe(each) for each in stored] == [describe(each) for each in made]
    return len(stored)


def test_every_item_is_decided_by_one_whole_policy_and_the_next_by_the_newest() -> None:
    stream = make_bare_stream(audit_rate=0.0)
    publish(stream)
    drafts = [make_draft(stream, number) for number in range(PUBLICATIONS)]
    load = Load(stream)
    upstream = Upstream(Client(), issue_api_key(name="load", streams=[stream])[1], stream.key)
    met: list[set[int]] = []

    def keep_posting(name: str, post: Callable[[str, int], list[int]]) -> None:
        try:
            met.append(load.keep_posting(name, post))
        finally:
            load.batches.release(PUBLICATIONS)  # whoever fails keeps nobody waiting

    run_all(
        [
            partial(load.keep_publishing, drafts),
            *(partial(keep_posting, f"w{n}", load.post) for n in range(1, WORKERS)),
            partial(keep_posting, "http", post_over_http(upstream)),
        ]
    )
    policies = list(stream.policies.order_by("version"))
    assert [policy.version for policy in policies] == list(range(1, PUBLICATIONS + 2))
    counts = [count_stored_as_decided(policy) for policy in policies]
    assert sum(counts) == Decision.objects.filter(stream=stream).count()
    # That it was a test at all: most versions decided batches, and the two kinds differ.
    assert len(set().union(*met)) > PUBLICATIONS // 2
    assert all(counts[1:])
    queues = [
        set(Decision.objects.filter(policy=policy).values_list("queue", flat=True))
        for policy in policies[1:3]
    ]
    assert [{"auto", "flagged"} & each for each in queues] == [set(), {"flagged"}]


def publish_in_admin(client: Client, draft: Policy) -> Callable[[], tuple[int, str]]:
    """The publication that somebody has before them: what the page showed, sent when called."""
    path = f"/admin/routing/policy/{draft.id}/publish/"
    seen = client.get(path).context["form"]["seen"].value()

    def send() -> tuple[int, str]:
        response = client.post(path, {"reason": "a race", "seen": seen})
        return response.status_code, response.content.decode()

    return send


def make_admins(count: int) -> list[Client]:
    names = [f"admin{number}" for number in range(count)]
    return [
        log_in(User.objects.create_user(name, is_staff=True, is_superuser=True)) for name in names
    ]


def make_drafts(stream: Stream) -> list[Policy]:
    """Two drafts of the version in force."""
    base = stream.policies.published().order_by("-version")[0]
    cut_offs = (0.95, 0.97)
    return [
        copy_policy(policy=base, created_by_id=None, changes={"auto": auto}) for auto in cut_offs
    ]


@pytest.mark.parametrize("turn", range(3))
def test_of_two_admins_with_drafts_of_one_base_one_wins_and_the_other_is_told(turn: int) -> None:
    stream = make_bare_stream()
    publish(stream)
    drafts = make_drafts(stream)
    admins = make_admins(2)
    sent = [publish_in_admin(*pair) for pair in zip(admins, drafts, strict=True)]
    answers = run_all(sent)
    assert sorted(status for status, _page in answers) == [302, 422]
    for draft, (status, page) in zip(drafts, answers, strict=True):
        draft.refresh_from_db()
        assert draft.version == (2 if status == 302 else None)
        assert ("Something changed while you were reading" in page) == (status == 422)
    assert Happened.objects.filter(kind="policy.published").count() == 2


@pytest.mark.parametrize("turn", range(3))
def test_of_two_publications_of_one_draft_one_wins_and_the_other_is_told(turn: int) -> None:
    stream = make_bare_stream()
    publish(stream)
    draft = make_drafts(stream)[0]

    def run() -> str:
        try:
            publish_policy(policy_id=draft.id, reason="a race", published_by_id=None)
        except AlreadyPublishedError:
            return "told"
        return "won"

    assert sorted(run_all([run, run])) == ["told", "won"]
    assert Happened.objects.filter(kind="policy.published", subject_id=draft.id).count() == 1


@pytest.mark.parametrize("turn", range(3))
def test_admin_is_told_when_a_command_publishes_first(turn: int) -> None:
    stream = make_bare_stream()
    publish(stream)
    shown, other = make_drafts(stream)
    send = publish_in_admin(make_admins(1)[0], shown)

    def run() -> tuple[int, str]:
        publish_policy(policy_id=other.id, reason="a race", published_by_id=None)
        return 0, ""

    status, _page = run_all([send, run])[0]
    shown.refresh_from_db()
    other.refresh_from_db()
    assert (status, shown.version, other.version) in [(302, 2, 3), (422, None, 2)]
