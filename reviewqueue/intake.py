"""Taking items in: decide and store, in one transaction and a constant number of statements
whatever the size of the batch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from reviewqueue.deciding import Batch, IntakeError, read_posted
from reviewqueue.intake_rows import IntakeRows, read_standing
from routing.alarms import find_unknown
from routing.core.evidence import EvidenceTable
from routing.core.rules import Decision as Outcome
from routing.core.rules import RemoteAnswer
from routing.core.signals import stored_matrix
from routing.ids import uuid7
from routing.items import (
    Post,
    fingerprint,
    has_fingerprint,
    insert_items,
    insert_with,
    latest_decisions,
    state_before_verdict,
)
from routing.models import Decision, Item, Stream
from routing.policies import current_spec, published_spec, spec_of
from routing.sentences import insert_sentences

__all__ = [
    "ConflictError",
    "IntakeError",
    "Taken",
    "decide_again",
    "decide_only",
    "read_taken",
    "take_in",
]

NOT_ASKED: Final = RemoteAnswer(error="not asked, since the item came with its label")


class ConflictError(IntakeError):
    """The external id is taken by an item with another body; use another id.

    `stored` and `posted` are the fingerprints of the two, in hexadecimal.
    """

    def __init__(self, message: str, *, external_id: str, stored: str, posted: str) -> None:
        super().__init__(message, field="external_id", value=external_id)
        self.stored = stored
        self.posted = posted


class Taken(NamedTuple):
    """A decision about a post: made now, or read where the same body was taken before.

    Both ids are None where nothing was stored; `created` tells whether it was stored now, and
    `erased_at` when what the stored item held was erased.
    """

    external_id: str
    item_id: UUID | None
    decision_id: UUID | None
    made: Outcome | Decision
    policy_version: int
    created: bool
    erased_at: datetime | None = None


def decide_only(*, stream: Stream, posts: Sequence[Post]) -> list[Taken | IntakeError]:
    """What would be decided about each post, with nothing stored; capacity is left out of account.

    Raises:
        NoPolicyError: the stream has no published policy.
    """
    _, spec = current_spec(stream.id)
    batch = Batch(
        spec, posts, scores=read_posted(stream, spec, posts, at=timezone.now()), remote=None
    )
    made = dict(zip(batch.good, batch.decide(), strict=True))
    return [
        batch.errors.get(number)
        or Taken(post.external_id, None, None, made[number], spec.version, created=False)
        for number, post in enumerate(posts)
    ]


def take_in(
    *,
    stream: Stream,
    posts: Sequence[Post],
    received_at: datetime | None = None,
    labelled: bool = False,
) -> list[Taken | IntakeError]:
    """Decide and store posts; each gets its own answer, in order.

    A post that was taken before gets its stored decision; the same external id with another
    body is a `ConflictError`. `received_at` is for imports of the past; by default now.
    `labelled` is for imports in which every item brings its label: nothing waits, is seated or
    drawn, and each decision comes to be labelled with probability 1. The caller settles them.

    Raises:
        NoPolicyError: the stream has no published policy.
    """
    received_at = received_at or timezone.now()
    standing = read_standing(stream)
    policy_id, spec = spec_of(standing.policy_id)
    scores = read_posted(stream, spec, posts, at=received_at)
    batch = Batch(spec, posts, scores=scores, remote=NOT_ASKED if labelled else None)
    rows = IntakeRows(stream, standing, policy_id, received_at, labelled=labelled)
    answers: dict[int, Taken | IntakeError] = dict(batch.errors)
    if _fits_one_statement(batch, rows):
        answers |= _take_alone(batch, rows)
    else:
        with transaction.atomic():
            answers |= _take_together(batch, rows)
    known = [number for number in batch.good if number not in answers]
    answers |= _answer_known(stream, {number: posts[number] for number in known})
    return [answers[number] for number in range(len(posts))]


def _fits_one_statement(batch: Batch, rows: IntakeRows) -> bool:
    """Whether an item comes alone and nothing is locked, announced or noted besides its rows."""
    if len(batch.posts) != 1 or rows.labelled or rows.tells:
        return False
    return not (
        isinstance(batch.matrix, EvidenceTable)
        or rows.stream.hold_capacity is not None
        or "remote" in batch.spec.fallback.steps
        or find_unknown(batch.spec, [batch.posts[0].model_version])
    )


def _take_alone(batch: Batch, rows: IntakeRows) -> dict[int, Taken | IntakeError]:
    """Store the only post, unless its id is known; one statement needs no transaction around it."""
    [number], [post], [outcome] = batch.good, batch.posts, batch.decide()
    item_id = uuid7()
    answer = _add(rows, batch, 0, outcome, item_id)
    is_new = insert_with(
        *rows.parts(decided_at=rows.at),
        item_id=item_id,
        stream_id=rows.stream.id,
        post=post,
        state=state_before_verdict(outcome.action),
        received_at=rows.at,
    )
    return {number: answer} if is_new else {}


def _take_together(batch: Batch, rows: IntakeRows) -> dict[int, Taken | IntakeError]:
    """Store those posts whose ids are new."""
    decided = batch.decide() if rows.labelled else batch.decide_within(rows.stream)
    ids = _insert(
        rows.stream,
        batch,
        states=[
            Item.State.ROUTED if rows.labelled else state_before_verdict(outcome.action)
            for outcome in decided
        ],
        at=rows.at,
    )
    answers: dict[int, Taken | IntakeError] = {
        number: _add(rows, batch, place, outcome, item_id)
        for place, (number, outcome, item_id) in enumerate(
            zip(batch.good, decided, ids, strict=True)
        )
        if item_id is not None
    }
    rows.store()
    rows.tell(batch.spec)
    rows.note_models(batch.spec)
    return answers


def _add(rows: IntakeRows, batch: Batch, place: int, outcome: Outcome, item_id: UUID) -> Taken:
    """Gather what a new item brings along; `place` is its own among the good posts."""
    post = batch.posts[place]
    matched, remote = batch.opinions.matched[place], batch.opinions.remote[place]
    decision_id = rows.add(post, outcome, item_id, matched, remote, at_capacity=batch.full[place])
    return Taken(post.external_id, item_id, decision_id, outcome, batch.spec.version, created=True)


def _insert(
    stream: Stream, batch: Batch, *, states: Sequence[str], at: datetime
) -> list[UUID | None]:
    if isinstance(batch.matrix, EvidenceTable):
        return insert_sentences(
            stream_id=stream.id,
            posts=batch.posts,
            evidence=batch.matrix,
            states=states,
            received_at=at,
        )
    return insert_items(stream_id=stream.id, posts=batch.posts, states=states, received_at=at)


def decide_again(*, decision: Decision, remote: RemoteAnswer) -> Decision.Action:
    """Decide an item anew, under the policy of `decision`, now that the remote model was asked.

    The caller has locked the item's question and withdrawn its open seat; the further decision
    brings the seat or the draw that goes with it. Returns its action.
    """
    item, stream = decision.item, decision.stream
    post = Post(
        external_id=item.external_id,
        payload=item.payload,
        scores=item.scores,
        secondary=item.secondary,
        model_version=item.model_version,
        priority=item.priority,
        due_at=item.due_at,
    )
    spec = published_spec(decision.policy_id)
    scores = stored_matrix(spec.categories, [item.scores])
    batch = Batch(spec, [post], scores=scores, remote=remote)
    [outcome] = batch.decide()
    standing = read_standing(stream)
    rows = IntakeRows(stream, standing, decision.policy_id, item.received_at, labelled=False)
    rows.add(post, outcome, item.id, batch.opinions.matched[0], remote, at_capacity=False)
    rows.store(decided_at=timezone.now(), instead_of=decision)
    rows.tell(spec)
    action = Decision.Action(outcome.action)
    Item.objects.filter(id=item.id).update(state=state_before_verdict(action))
    return action


def _answer_known(stream: Stream, posts: Mapping[int, Post]) -> dict[int, Taken | IntakeError]:
    if not posts:
        return {}
    stored = latest_decisions(
        stream_id=stream.id, external_ids={post.external_id for post in posts.values()}
    )
    return {number: _answer_again(post, stored[post.external_id]) for number, post in posts.items()}


def _answer_again(post: Post, decision: Decision) -> Taken | ConflictError:
    stored = bytes(decision.item.fingerprint)
    if has_fingerprint(post, stored):
        return read_taken(decision)
    return ConflictError(
        f"external_id {post.external_id!r} is taken by an item with another body; "
        "post this one under another id.",
        external_id=post.external_id,
        stored=stored.hex(),
        posted=fingerprint(post).hex(),
    )


def read_taken(decision: Decision) -> Taken:
    """A stored decision, its item and policy loaded, as the answer to a post."""
    item, version = decision.item, decision.policy.version or 0
    return Taken(
        item.external_id,
        item.id,
        decision.id,
        decision,
        version,
        created=False,
        erased_at=item.erased_at,
    )
