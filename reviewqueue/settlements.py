"""Settlements: what a verdict does to its item, and what an undo takes back of it.

An item has one first seat, or two where two people judge it apart. It is settled when all its first
seats are answered and agree; where they differ an adjudicator decides, and where one of them
cannot judge an expert does. A deciding seat, an expert's or an adjudicator's, settles it alone.

The caller holds a lock of the item's row: of two seats that are answered at the same moment the
later one sees the earlier.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q

from calibration.models import GroundTruth
from calibration.truth import settle_truths, withdraw_truth
from reviewqueue.announcements import (
    announce_settled,
    make_settled_announcements,
    withdraw_settled,
)
from reviewqueue.models import ReviewTask, Verdict, VerdictQuerySet
from routing.items import state_before_verdict
from routing.models import Event, Item
from routing.rows import insert_together

Kind = Verdict.Kind
Queue = ReviewTask.Queue
State = ReviewTask.State

DECIDING: Final = (Queue.ESCALATED, Queue.ADJUDICATION)
# Seats 1 and 2 are opened with the item; later ones by a verdict.
FIRST_SEATS: Final = (1, 2)


SETTLE_ITEM: Final = """
    UPDATE routing_item SET state = 'settled', settled_at = %(at)s WHERE id = %(item)s
"""


def store_verdict(*, task: ReviewTask, verdict: Verdict, event: Event, alone: bool) -> None:
    """Store a new verdict with its event, and do what follows for its item.

    `alone`: the item has no other seat that counts and no label yet.
    """
    at = verdict.answered_at
    if task.known_id is not None:  # a known answer measures its giver and settles nothing
        insert_together(verdict, event)
    elif alone and (verdict.kind != Kind.CANNOT_JUDGE or task.queue == Queue.ESCALATED):
        settle = SETTLE_ITEM, {"item": task.item_id, "at": at}
        told = make_settled_announcements(task, verdict, stream=task.stream)
        insert_together(verdict, _truth_of_seat(task, verdict, at), *told, event, before=settle)
    else:
        insert_together(verdict, event)
        apply_verdict(task=task, verdict=verdict, at=at)


def apply_verdict(*, task: ReviewTask, verdict: Verdict, at: datetime) -> None:
    """Settle the item, pass it on to an expert or an adjudicator, or wait for its other seat."""
    others = _other_seats(task)
    if verdict.kind == Kind.CANNOT_JUDGE and task.queue != Queue.ESCALATED:
        if not any(seat.queue == Queue.ESCALATED for seat in others):
            _open_seat(task, Queue.ESCALATED, at)
    elif task.queue in DECIDING:
        settle_item(task=task, verdict=verdict, at=at)
        _cancel(others, at)
    elif any(seat.queue in DECIDING for seat in others):
        return  # whoever holds that seat has the last word
    elif all(seat.state == State.ANSWERED for seat in others):
        if all(is_same_answer(verdict, other) for other in _live_verdicts(others)):
            settle_item(task=task, verdict=verdict, at=at)
        else:
            _open_seat(task, Queue.ADJUDICATION, at)


def settle_item(*, task: ReviewTask, verdict: Verdict, at: datetime) -> None:
    """Make the verdict the item's label, with the chance and the queue of its seat."""
    settle_by(_truth_of_seat(task, verdict, at))
    announce_settled([(task, verdict)], stream=task.stream)


def settle_by(truth: GroundTruth) -> None:
    """Make this the item's label from its time on."""
    settle_truths([truth])
    settled = Item.objects.filter(id=truth.item_id)
    settled.update(state=Item.State.SETTLED, settled_at=truth.settled_at)


def make_truth(
    verdict: Verdict,
    *,
    decision_id: UUID,
    pi: float | None,
    blind: bool,
    source: str,
    at: datetime,
) -> GroundTruth:
    """The label that the verdict makes, not stored yet; the rest says how it came to be one."""
    return GroundTruth(
        stream_id=verdict.stream_id,
        item_id=verdict.item_id,
        decision_id=decision_id,
        kind=label_kind(verdict),
        categories=list(verdict.categories),
        pi=pi,
        blind=blind,
        source=source,
        verdict_id=verdict.id,
        settled_at=at,
    )


def _truth_of_seat(task: ReviewTask, verdict: Verdict, at: datetime) -> GroundTruth:
    return make_truth(
        verdict,
        decision_id=task.decision_id,
        pi=task.pi,
        blind=task.blind,
        source=task.queue,
        at=at,
    )


def label_kind(verdict: Verdict) -> GroundTruth.Kind:
    """The kind of label that the verdict makes: who decides and cannot judge leaves it uncertain.

    Raises ValueError for a withdrawal, which makes none.
    """
    if verdict.kind == Kind.CANNOT_JUDGE:
        return GroundTruth.Kind.UNCERTAIN
    return GroundTruth.Kind(verdict.kind)


def is_same_answer(first: Verdict, second: Verdict) -> bool:
    """Whether two people said the same: kind and categories, in whatever order or words."""
    return first.kind == second.kind and set(first.categories) == set(second.categories)


def first_answers(item_ids: Sequence[UUID]) -> VerdictQuerySet:
    """What the first seats of the items have said, live; neither deciding seats nor known ones."""
    return (
        Verdict.objects.live()
        .filter(item_id__in=item_ids, task__seat__in=FIRST_SEATS, task__known__isnull=True)
        .exclude(task__queue__in=DECIDING)
    )


def take_back(*, task: ReviewTask, verdict: Verdict, at: datetime) -> bool:
    """Undo what the verdict did to its item; False, with nothing changed, where it is too late.

    Too late is when somebody has begun on the seat that the verdict opened, a deciding seat was
    answered since, or upstream was told. Seats that were cancelled when it settled the item stay
    cancelled.
    """
    others = _other_seats(task)
    later = [] if task.queue == Queue.ESCALATED else _seats_opened_by(verdict, others)
    if later is None:
        return False
    if not withdraw_settled(stream_id=task.stream_id, item_ids=[task.item_id]):
        return False
    if later:
        ReviewTask.objects.filter(id__in=[seat.id for seat in later]).delete()
    if withdraw_truth(stream_id=task.stream_id, item_id=task.item_id, at=at):
        Item.objects.filter(id=task.item_id).update(
            state=state_before_verdict(task.decision.action), settled_at=None
        )
    return True


def _seats_opened_by(verdict: Verdict, others: Sequence[ReviewTask]) -> list[ReviewTask] | None:
    """The seats that go when the verdict goes; None where it must stay."""
    deciding = [seat for seat in others if seat.queue in DECIDING]
    if any(seat.state == State.ANSWERED for seat in deciding):
        return None
    doubted = any(other.kind == Kind.CANNOT_JUDGE for other in _live_verdicts(others))
    gone = [
        seat
        for seat in deciding
        if seat.seat not in FIRST_SEATS
        and seat.state != State.ANSWERED
        and (
            seat.queue == Queue.ADJUDICATION or (verdict.kind == Kind.CANNOT_JUDGE and not doubted)
        )
    ]
    begun = Verdict.objects.filter(task__in=gone).exists() if gone else False
    if begun or any(seat.state != State.OPEN for seat in gone):
        return None
    return gone


def _other_seats(task: ReviewTask) -> list[ReviewTask]:
    """The item's other seats that count, locked: nobody claims one until this is done."""
    return list(
        ReviewTask.objects.select_for_update(of=("self",))
        .filter(stream_id=task.stream_id, item_id=task.item_id, known__isnull=True)
        .exclude(id=task.id)
        .exclude(state=State.CANCELLED)
        .order_by("seat")
    )


def _live_verdicts(seats: Iterable[ReviewTask]) -> list[Verdict]:
    answered = [seat.id for seat in seats if seat.state == State.ANSWERED]
    return list(Verdict.objects.live().filter(task_id__in=answered)) if answered else []


def _open_seat(task: ReviewTask, queue: str, at: datetime) -> None:
    """Another seat of the same item, under the conditions of the first ones."""
    taken = ReviewTask.objects.filter(stream_id=task.stream_id, item_id=task.item_id)
    ReviewTask.objects.create(
        stream_id=task.stream_id,
        item_id=task.item_id,
        decision_id=task.decision_id,
        queue=queue,
        seat=1 + max(*FIRST_SEATS, *taken.values_list("seat", flat=True)),
        blind=task.blind,
        pi=task.pi,
        priority=task.priority,
        due_at=max(task.due_at, at),
        opened_at=at,
    )


def _cancel(seats: Iterable[ReviewTask], at: datetime) -> None:
    """Close what nobody needs to answer any more; who holds such a seat is told on answering."""
    idle = [seat.id for seat in seats if seat.state in (State.OPEN, State.CLAIMED)]
    if idle:
        ReviewTask.objects.filter(id__in=idle).update(
            state=State.CANCELLED, lease_expires_at=None, closed_at=at
        )


def published_verdict(item: Item) -> Verdict | None:
    """The verdict that settled the item, once upstream may know: past its undo window."""
    return told_verdicts([item.id]).first()


def told_verdicts(item_ids: Sequence[UUID]) -> VerdictQuerySet:
    """What upstream may know of settled items: the old answer while an overturn can be undone."""
    labels = GroundTruth.objects.current().filter(item_id__in=item_ids)
    settling = labels.values("verdict_id")
    # Of these items alone: by the labels' verdicts it would read all that were ever given.
    told = Verdict.objects.told().filter(item_id__in=item_ids)
    return told.filter(Q(id__in=settling) | Q(superseded_by__in=settling))
