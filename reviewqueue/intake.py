"""Taking items in: decide, store, seat and draw, in one transaction and a constant number of
statements whatever the size of the batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from calibration.audits import Draw, hash_draws, is_judged_twice, read_rates, record_draws
from calibration.core.sampling import combined_pi
from calibration.frames import Cell, note_cells
from reviewqueue.announcements import announce_routed
from reviewqueue.deciding import Batch, IntakeError, read_posted
from reviewqueue.models import RemoteAsk, ReviewTask
from routing.alarms import note_unknown_models
from routing.core.policy import Policy as PolicySpec
from routing.core.rules import Decision as Outcome
from routing.core.rules import RemoteAnswer
from routing.core.signals import stored_matrix
from routing.ids import uuid7
from routing.items import (
    NewDecision,
    Post,
    copy_rows,
    fingerprint,
    insert_decisions,
    insert_items,
    latest_decisions,
    state_before_verdict,
)
from routing.models import Decision, Item, Policy, Stream
from routing.policies import current_spec, published_spec

__all__ = [
    "ConflictError",
    "IntakeError",
    "Taken",
    "decide_again",
    "decide_only",
    "read_taken",
    "take_in",
]

# A refused or automatic item has no seat; whether it gets one is the audit's draw.
QUEUE_OF_ACTION: Final = {
    Decision.Action.WAIT: ReviewTask.Queue.HOLD,
    Decision.Action.ACT_AND_REVIEW: ReviewTask.Queue.FLAGGED,
    Decision.Action.ESCALATE: ReviewTask.Queue.ESCALATED,
}
FLAGGED_DUE: Final = timedelta(days=1)
NOT_ASKED: Final = RemoteAnswer(error="not asked, since the item came with its label")


class ConflictError(IntakeError):
    """The external id is taken by an item with another body; use another id.

    `stored` and `posted` are the fingerprints of the two, in hexadecimal.
    """

    def __init__(self, message: str, *, external_id: str, stored: str, posted: str) -> None:
        super().__init__(message, field="external_id", value=external_id)
        self.stored = stored
        self.posted = posted


@dataclass(frozen=True, slots=True)
class Taken:
    """A decision about a post: made now, or read where the same body was taken before.

    Both ids are None where nothing was stored; `created` tells whether it was stored now.
    """

    external_id: str
    item_id: UUID | None
    decision_id: UUID | None
    made: Outcome | Decision
    policy_version: int
    created: bool


def decide_only(*, stream: Stream, posts: Sequence[Post]) -> list[Taken | IntakeError]:
    """What would be decided about each post, with nothing stored; capacity is left out of account.

    Raises:
        NoPolicyError: the stream has no published policy.
    """
    _, spec = current_spec(stream.id)
    batch = Batch(spec, posts, scores=read_posted(stream, spec, posts), remote=None)
    made = dict(zip(batch.good, batch.decide(), strict=True))
    return [
        batch.errors.get(number)
        or Taken(post.external_id, None, None, made[number], spec.version, created=False)
        for number, post in enumerate(posts)
    ]


@transaction.atomic
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
    policy_id, spec = current_spec(stream.id)
    scores = read_posted(stream, spec, posts)
    batch = Batch(spec, posts, scores=scores, remote=NOT_ASKED if labelled else None)
    decided = batch.decide() if labelled else batch.decide_within(stream)
    ids = insert_items(
        stream_id=stream.id,
        posts=batch.posts,
        states=[
            Item.State.ROUTED if labelled else state_before_verdict(outcome.action)
            for outcome in decided
        ],
        received_at=received_at,
    )
    intake = _Intake(stream, policy_id, received_at, labelled=labelled)
    answers: dict[int, Taken | IntakeError] = dict(batch.errors)
    for place, (number, outcome, item_id) in enumerate(zip(batch.good, decided, ids, strict=True)):
        if item_id is not None:
            made_from = batch.opinions.matched[place], batch.opinions.remote[place]
            decision_id = intake.add(
                posts[number], outcome, item_id, *made_from, at_capacity=batch.full[place]
            )
            answers[number] = Taken(
                posts[number].external_id, item_id, decision_id, outcome, spec.version, created=True
            )
    intake.store()
    intake.tell(spec)
    intake.note_models(spec)
    known = [number for number in batch.good if number not in answers]
    answers |= _answer_known(stream, {number: posts[number] for number in known})
    return [answers[number] for number in range(len(posts))]


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
    intake = _Intake(stream, decision.policy_id, item.received_at, labelled=False)
    intake.add(post, outcome, item.id, batch.opinions.matched[0], remote, at_capacity=False)
    intake.store(decided_at=timezone.now(), instead_of=decision)
    intake.tell(spec)
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
    stored, posted = bytes(decision.item.fingerprint), fingerprint(post)
    if stored == posted:
        return read_taken(decision)
    return ConflictError(
        f"external_id {post.external_id!r} is taken by an item with another body; "
        "post this one under another id.",
        external_id=post.external_id,
        stored=stored.hex(),
        posted=posted.hex(),
    )


def read_taken(decision: Decision) -> Taken:
    """A stored decision, its item and policy loaded, as the answer to a post."""
    item, version = decision.item, decision.policy.version or 0
    return Taken(item.external_id, item.id, decision.id, decision, version, created=False)


class _Intake:
    """The rows that newly stored items bring along, gathered for one COPY per table."""

    def __init__(self, stream: Stream, policy_id: UUID, at: datetime, *, labelled: bool) -> None:
        self.labelled = labelled
        self.stream = stream
        self.policy_id = policy_id
        self.at = at
        self.day = at.astimezone(ZoneInfo(stream.time_zone)).date()
        self.rates = read_rates(stream)
        self.decisions: list[NewDecision] = []
        self.tasks: list[tuple[object, ...]] = []
        self.draws: list[Draw] = []
        self.cells: list[Cell] = []
        self.asks: list[tuple[UUID, ...]] = []

    def add(
        self,
        post: Post,
        outcome: Outcome,
        item_id: UUID,
        matched: Sequence[str],
        remote: RemoteAnswer | None,
        *,
        at_capacity: bool,
    ) -> UUID:
        queue = QUEUE_OF_ACTION.get(Decision.Action(outcome.action))
        decision_id = uuid7()
        if self.labelled:
            pi = 1.0
        elif queue is None:
            pi = self._audit(item_id, decision_id, outcome)
        elif queue == ReviewTask.Queue.FLAGGED:
            pi = self.stream.bulk_label_rate
            drawn = self._draws(item_id, pi, "flagged")
            twice = drawn and self._twice(item_id, outcome)
            chance = pi if drawn else None
            self._seat(post, queue, item_id, decision_id, blind=drawn, pi=chance, twice=twice)
        else:
            pi = 1.0
            blind = self._draws(item_id, self.stream.blind_rate, "blind")
            twice = queue != ReviewTask.Queue.ESCALATED and self._twice(item_id, outcome)
            self._seat(post, queue, item_id, decision_id, blind=blind, pi=pi, twice=twice)
        if outcome.asks:
            self.asks.append((uuid7(), self.stream.id, item_id, decision_id))
        self.decisions.append(
            NewDecision(
                decision_id, item_id, self.policy_id, outcome, pi, matched, remote, at_capacity
            )
        )
        self.cells.append(
            Cell(
                day=self.day,
                policy_id=self.policy_id,
                model_version=post.model_version,
                category=outcome.predicted,
                queue=outcome.queue,
                pi=pi,
                raw_confidence=outcome.raw_confidence,
            )
        )
        return decision_id

    def _audit(self, item_id: UUID, decision_id: UUID, outcome: Outcome) -> float:
        """Draw for the audit, and for the top-up besides; the chance to come by either."""
        rates = {"audit": self.rates.audit(outcome.predicted)}
        if self.stream.topup_rate and outcome.confidence >= self.stream.topup_from:
            rates["topup"] = self.stream.topup_rate
        pi = combined_pi(*rates.values())
        if any(self._draws(item_id, rate, purpose) for purpose, rate in rates.items()):
            self.draws.append(Draw(item_id, decision_id, pi))
        return pi

    def _twice(self, item_id: UUID, outcome: Outcome) -> bool:
        return is_judged_twice(rates=self.rates, item_id=item_id, predicted=outcome.predicted)

    def _draws(self, item_id: UUID, rate: float, purpose: str) -> bool:
        return hash_draws(stream_id=self.stream.id, item_id=item_id, rate=rate, purpose=purpose)

    def _seat(
        self,
        post: Post,
        queue: str,
        item_id: UUID,
        decision_id: UUID,
        *,
        blind: bool,
        pi: float | None,
        twice: bool,
    ) -> None:
        patience = (
            FLAGGED_DUE
            if queue == ReviewTask.Queue.FLAGGED
            else timedelta(hours=self.stream.hold_hours)
        )
        due_at = post.due_at or self.at + patience
        ids = self.stream.id, item_id, decision_id
        alike = "open", blind, pi, post.priority, due_at, self.at
        self.tasks += [(uuid7(), *ids, queue, seat, *alike) for seat in ((1, 2) if twice else (1,))]

    def note_models(self, spec: PolicySpec) -> None:
        """Raise alarms about what comes in now; labelled items are history, on which none act."""
        if not self.labelled:
            note_unknown_models(
                stream_id=self.stream.id,
                policy_id=self.policy_id,
                spec=spec,
                model_versions=[cell.model_version for cell in self.cells],
                at=self.at,
            )

    def tell(self, spec: PolicySpec) -> None:
        """Announce where the items went; not those that came with a label, which none acts on."""
        if self.decisions and not self.labelled:
            announce_routed(
                self.stream, self.decisions, spec_version=spec.version, at=timezone.now()
            )

    def store(
        self, *, decided_at: datetime | None = None, instead_of: Decision | None = None
    ) -> None:
        """Write it all. Further decisions say when they were made, and instead of which one."""
        if not self.decisions:
            return
        at = decided_at or self.at
        insert_decisions(stream_id=self.stream.id, decisions=self.decisions, decided_at=at)
        record_draws(stream_id=self.stream.id, draws=self.draws, drawn_at=at)
        note_cells(stream_id=self.stream.id, cells=self.cells)
        if instead_of is not None:
            note_cells(stream_id=self.stream.id, cells=[self._cell_of(instead_of)], count=-1)
        if self.tasks:
            copy_rows(ReviewTask._meta.db_table, TASK_COLUMNS, self.tasks)
        if self.asks:
            self._store_asks()

    def _store_asks(self) -> None:
        model_id = Policy.objects.values_list("remote_model_id", flat=True).get(id=self.policy_id)
        copy_rows(
            RemoteAsk._meta.db_table,
            ASK_COLUMNS,
            ((*ids, model_id, "due", 0, self.at, self.at, "") for ids in self.asks),
        )

    def _cell_of(self, decision: Decision) -> Cell:
        return Cell(
            day=self.day,
            policy_id=decision.policy_id,
            model_version=decision.item.model_version,
            category=decision.predicted,
            queue=decision.queue,
            pi=decision.label_pi,
            raw_confidence=decision.raw_confidence,
        )


ASK_COLUMNS: Final = (
    *("id", "stream_id", "item_id", "decision_id", "model_id"),
    *("state", "tries", "due_at", "asked_at", "error"),
)
TASK_COLUMNS: Final = (
    "id",
    "stream_id",
    "item_id",
    "decision_id",
    "queue",
    "seat",
    "state",
    "blind",
    "pi",
    "priority",
    "due_at",
    "opened_at",
)
