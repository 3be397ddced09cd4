"""Flagged items closed by the table: confirm the rest, correct exceptions, take it all back.

Rows closed in bulk settle their items, but their labels have no inclusion probability: they enter
no estimate.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from calibration.models import GroundTruth
from calibration.truth import settle_truths, withdraw_truths
from reviewqueue.announcements import announce_settled, withdraw_settled
from reviewqueue.batch_answers import confirming_answer, read_sentences
from reviewqueue.batch_claims import held_batch
from reviewqueue.claims import UNCLAIMED, note_skips
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.settlements import make_truth
from reviewqueue.verdicts import (
    Answer,
    LateVerdictError,
    UndoWindowPassedError,
    VerdictError,
    check_answer,
    check_grounds,
    make_verdict,
    make_withdrawal,
)
from routing.events import record_events
from routing.items import state_before_verdict
from routing.models import Item, Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Kind = Verdict.Kind
LONGEST_WINDOW: Final = timedelta(hours=1)  # the most that a stream's undo window can be


class BatchError(VerdictError):
    """A table that cannot be recorded: `rows` says by task id what is wrong with each."""

    def __init__(self, rows: Mapping[UUID, str]) -> None:
        super().__init__(BatchError.__doc__ or "")
        self.rows = rows


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a table: counts, and the external ids of the rows that somebody else has."""

    batch: UUID
    confirmed: int
    corrected: int
    left: int
    lost: tuple[str, ...]


@transaction.atomic
def confirm_batch(
    *,
    user: "User",
    stream: Stream,
    lease_token: UUID,
    confirmed: Collection[UUID],
    corrections: Mapping[UUID, Answer],
    left: Collection[UUID] = (),
    blocks: Mapping[UUID, str] | None = None,
    active_ms: int = 0,
) -> BatchResult:
    """Close the confirmed and the corrected rows and give the others back, in one transaction.

    Keys are task ids. A constant number of statements, whatever the number of rows. Rows that are
    not held under this lease any more are named in the result; they cost the others nothing.
    `blocks`: the block by which a confirmed sentence is supported, "" for none in particular; the
    one that is cited where none is named. `active_ms` is the whole table's and shared out evenly.

    Raises:
        BatchError: an answer does not hold together; nothing was recorded.
        LateVerdictError: none of the rows is held any more; nothing was recorded.
    """
    now = timezone.now()
    asked = {*confirmed, *corrections, *left}
    held = held_batch(user, stream).filter(lease_token=lease_token)
    tasks = {
        task.id: task
        for task in held.select_for_update(of=("self",)).select_related("decision", "stream")
    }
    if not tasks:
        raise LateVerdictError(LateVerdictError.__doc__ or "")
    sentences = read_sentences(stream, tasks.values())
    answers = {
        task_id: corrections.get(task_id)
        or confirming_answer(
            tasks[task_id].decision,
            sentence=sentences.get(tasks[task_id].item_id),
            block=(blocks or {}).get(task_id),
        )
        for task_id in (*confirmed, *corrections)
        if task_id in tasks
    }
    _check_answers(answers, stream, tasks, sentences)
    batch = uuid4()
    verdicts = _close(tasks, answers, user, active_ms=active_ms, now=now, batch=batch)
    _settle(tasks, verdicts, stream, now)
    _tell("verdict.recorded", stream, user, verdicts, batch=batch, now=now)
    passed_on = [task_id for task_id in left if task_id in tasks and task_id not in answers]
    rest = [task_id for task_id in tasks if task_id not in answers]
    ReviewTask.objects.filter(id__in=rest).update(**UNCLAIMED)
    _pass_on(stream, user, passed_on, now)
    count = sum(task_id in answers and task_id not in corrections for task_id in confirmed)
    return BatchResult(
        batch=batch,
        confirmed=count,
        corrected=len(answers) - count,
        left=len(passed_on),
        lost=name_rows(stream, asked - set(tasks)),
    )


def _check_answers(
    answers: Mapping[UUID, Answer],
    stream: Stream,
    tasks: Mapping[UUID, ReviewTask],
    sentences: Mapping[UUID, Item],
) -> None:
    taxonomy = {category.key: category for category in stream.categories.all()}
    wrong: dict[UUID, str] = {}
    for task_id, answer in answers.items():
        if answer.kind == Kind.CANNOT_JUDGE:
            wrong[task_id] = _("Leave it out here and judge it by itself.")
            continue
        try:
            check_answer(answer, stream, taxonomy=taxonomy)
            item_id = tasks[task_id].item_id
            check_grounds(answer, stream, item_id, item=sentences.get(item_id))
        except VerdictError as error:
            wrong[task_id] = str(error)
    if wrong:
        raise BatchError(wrong)


def _close(
    tasks: Mapping[UUID, ReviewTask],
    answers: Mapping[UUID, Answer],
    user: "User",
    *,
    active_ms: int,
    now: datetime,
    batch: UUID,
) -> list[Verdict]:
    """Answer the tasks, whose rows are locked, and store their verdicts."""
    ReviewTask.objects.filter(id__in=list(answers)).update(
        state=ReviewTask.State.ANSWERED, lease_expires_at=None, closed_at=now
    )
    chains = Verdict.objects.filter(task__in=list(answers), superseded_by__isnull=True)
    last = dict(chains.values_list("task_id", "id"))
    share = active_ms // max(1, len(answers))
    return Verdict.objects.bulk_create(
        make_verdict(
            tasks[task_id],
            user,
            answer,
            active_ms=share,
            now=now,
            last_id=last.get(task_id),
            batch=batch,
        )
        for task_id, answer in answers.items()
    )


def _settle(
    tasks: Mapping[UUID, ReviewTask], verdicts: Sequence[Verdict], stream: Stream, now: datetime
) -> None:
    settle_truths(
        [
            make_truth(
                verdict,
                decision_id=tasks[verdict.task_id].decision_id,
                pi=None,
                blind=False,
                source=GroundTruth.Source.FLAGGED,
                at=now,
            )
            for verdict in verdicts
        ]
    )
    items = Item.objects.filter(id__in=[verdict.item_id for verdict in verdicts])
    items.update(state=Item.State.SETTLED, settled_at=now)
    announce_settled(
        [(tasks[verdict.task_id], verdict) for verdict in verdicts],
        stream=stream,
    )


def _tell(
    kind: str,
    stream: Stream,
    user: "User",
    verdicts: Sequence[Verdict],
    *,
    batch: UUID,
    now: datetime,
) -> None:
    record_events(
        stream_id=stream.id,
        kind=kind,
        about=[
            (verdict.item_id, {"verdict": str(verdict.id), "batch": str(batch)})
            for verdict in verdicts
        ],
        actor_id=user.pk,
        happened_at=now,
    )


def _pass_on(stream: Stream, user: "User", task_ids: Sequence[UUID], now: datetime) -> None:
    """What was left on purpose rests for this person, so that it does not come back at once."""
    note_skips(stream_id=stream.id, user=user, task_ids=task_ids)
    record_events(
        stream_id=stream.id,
        kind="task.skipped",
        about=[(task_id, {}) for task_id in task_ids],
        actor_id=user.pk,
        happened_at=now,
    )


def name_rows(stream: Stream, task_ids: Collection[UUID]) -> tuple[str, ...]:
    """The external ids of rows of the stream's batch, in the order they were opened."""
    rows = ReviewTask.objects.in_batch().filter(stream=stream, id__in=list(task_ids))
    return tuple(rows.order_by("id").values_list("item__external_id", flat=True))


@transaction.atomic
def undo_batch(*, batch: UUID, user: "User") -> list[Verdict]:
    """Take back every verdict of the table that nobody was told of yet; the rows are in hand again.

    Those that were undone one by one, or erased, are left out; of the others all or none. Rows of
    the same stream that were claimed since wait in the queue again. Returns the verdicts taken
    back.

    Raises:
        UndoWindowPassedError: nothing of it can be undone any more.
    """
    found = Verdict.objects.live().filter(
        reviewer=user,
        batch=batch,
        answered_at__gt=Now() - LONGEST_WINDOW,
        published_at__gt=Now(),
    )
    # Items first, as whoever answers or erases has it.
    items = Item.objects.filter(id__in=found.values("item_id")).order_by("id")
    list(items.select_for_update(no_key=True).values_list("id"))
    standing = found.filter(item__erased_at__isnull=True)
    locked = list(
        standing.select_related("task__decision", "task__stream")
        .select_for_update(of=("task",))
        .order_by("id")
    )
    # Asked again under the locks: somebody's other window may have been faster.
    taken_back = set(
        Verdict.objects.filter(supersedes__in=locked).values_list("supersedes_id", flat=True)
    )
    verdicts = [verdict for verdict in locked if verdict.id not in taken_back]
    if not verdicts:
        raise UndoWindowPassedError(UndoWindowPassedError.__doc__ or "")
    now = timezone.now()
    stream = verdicts[0].task.stream
    item_ids = [verdict.item_id for verdict in verdicts]
    if not withdraw_settled(stream_id=stream.id, item_ids=item_ids):
        raise UndoWindowPassedError(UndoWindowPassedError.__doc__ or "")
    Verdict.objects.bulk_create(make_withdrawal(verdict, verdict.task, now) for verdict in verdicts)
    withdraw_truths(stream_id=stream.id, item_ids=item_ids, at=now)
    _unsettle(verdicts)
    held_batch(user, stream).update(**UNCLAIMED)
    ReviewTask.objects.filter(id__in=[verdict.task_id for verdict in verdicts]).update(
        state=ReviewTask.State.CLAIMED,
        lease_token=uuid4(),
        lease_expires_at=Now() + stream.lease,
        closed_at=None,
    )
    _tell("verdict.undone", stream, user, verdicts, batch=batch, now=now)
    return verdicts


def _unsettle(verdicts: Sequence[Verdict]) -> None:
    """What the machine said decides the state again: in practice one for all flagged items."""
    states: dict[Item.State, list[UUID]] = {}
    for verdict in verdicts:
        state = state_before_verdict(verdict.task.decision.action)
        states.setdefault(state, []).append(verdict.item_id)
    for state, item_ids in states.items():
        Item.objects.filter(id__in=item_ids).update(state=state, settled_at=None)
