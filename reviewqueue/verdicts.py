"""Verdicts: recording a person's answer, and taking it back within the undo window."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from calibration.models import GroundTruth
from calibration.truth import settle_truth, withdraw_truth
from reviewqueue.models import ReviewTask, Verdict
from routing.events import record_event
from routing.items import state_before_verdict
from routing.models import Decision, Item, Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Kind = Verdict.Kind
Queue = ReviewTask.Queue

AMBIGUOUS_AT_LEAST: Final = 2


class VerdictError(ValueError):
    """A verdict that cannot be recorded; `field` is the place in the form."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class LateVerdictError(VerdictError):
    """The lease ran out or somebody else has the task; nothing was recorded."""


class UndoWindowPassedError(VerdictError):
    """The undo window is over, or the verdict is not the task's last."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reviewer answered: a kind of `Verdict.Kind` with its categories."""

    kind: str
    categories: Sequence[str] = field(default_factory=tuple)
    proposed_name: str = ""
    comment: str = ""


def check_answer(answer: Answer, stream: Stream) -> None:
    """Raises VerdictError, naming the field, when the answer does not hold together."""
    _check_categories(answer, stream)
    if len(set(answer.categories)) != len(answer.categories):
        raise VerdictError("A category was named twice; name each once.", field="categories")
    count = len(answer.categories)
    if answer.kind == Kind.CATEGORY and count != 1:
        raise VerdictError("Choose exactly one category.", field="categories")
    if answer.kind == Kind.AMBIGUOUS and count < AMBIGUOUS_AT_LEAST:
        raise VerdictError("Mark at least two categories that would do.", field="categories")
    if answer.kind in (Kind.NONE_FITS, Kind.CANNOT_JUDGE) and count:
        raise VerdictError("This answer names no category.", field="categories")
    if answer.kind not in (Kind.CATEGORY, Kind.AMBIGUOUS, Kind.NONE_FITS, Kind.CANNOT_JUDGE):
        raise VerdictError(f"{answer.kind!r} is no answer; choose one of the form.", field="kind")


def _check_categories(answer: Answer, stream: Stream) -> None:
    """Every category that is active now may be chosen, whatever the item was decided among."""
    asked = [key for key in answer.categories if "\0" not in key]
    found = {one.key: one for one in stream.categories.filter(key__in=asked)} if asked else {}
    for key in answer.categories:
        category = found.get(key)
        if category is None:
            message = _("“%(key)s” is no category of this stream; choose one of the list.")
            raise VerdictError(message % {"key": Truncator(key).chars(60)}, field="categories")
        if category.retired_at is not None:
            day = timezone.localtime(category.retired_at, ZoneInfo(stream.time_zone)).date()
            message = _("%(category)s was retired on %(day)s; choose another category.")
            shown = {"category": category.label, "day": date_format(day, "j F Y")}
            raise VerdictError(message % shown, field="categories")


@transaction.atomic
def record_verdict(
    *,
    task_id: UUID,
    lease_token: UUID,
    reviewer: "User",
    answer: Answer,
    active_ms: int = 0,
    at: datetime | None = None,
) -> Verdict:
    """Close the task with this answer and settle its item, in one transaction.

    The one conditional UPDATE decides who wins; the loser's answer is refused, not swallowed.
    `at` is for imports of the past: the answer was given then.

    Raises:
        LateVerdictError: the lease does not hold any more.
        VerdictError: the answer contradicts itself.
    """
    now = at or timezone.now()
    task = (
        ReviewTask.objects.select_related("stream", "decision")
        .filter(id=task_id, holder=reviewer)
        .first()
    )
    if task is None:
        raise LateVerdictError(LateVerdictError.__doc__ or "")
    check_answer(answer, task.stream)
    held = ReviewTask.objects.leased_to(reviewer).filter(id=task_id, lease_token=lease_token)
    if not held.update(state=ReviewTask.State.ANSWERED, lease_expires_at=None, closed_at=now):
        raise LateVerdictError(LateVerdictError.__doc__ or "")
    verdict = _add_verdict(task, reviewer, answer, active_ms, now)
    if answer.kind == Kind.CANNOT_JUDGE and task.queue != Queue.ESCALATED:
        _seat_expert(task, now)
    else:
        _settle(task, verdict, now)
    record_event(
        stream_id=task.stream_id,
        kind="verdict.recorded",
        subject_id=task.item_id,
        actor_id=reviewer.pk,
        happened_at=now,
        verdict=str(verdict.id),
    )
    return verdict


def has_recorded(*, task_id: UUID, lease_token: UUID, reviewer: "User", answer: Answer) -> bool:
    """Whether this very answer of the reviewer stands already, given under the same lease."""
    return (
        Verdict.objects.live()
        .filter(
            task_id=task_id,
            task__lease_token=lease_token,
            reviewer=reviewer,
            kind=answer.kind,
            categories=list(answer.categories),
            proposed_name=answer.proposed_name.strip(),
            comment=answer.comment.strip(),
        )
        .exists()
    )


def _add_verdict(
    task: ReviewTask, reviewer: "User", answer: Answer, active_ms: int, now: datetime
) -> Verdict:
    opened_at = min(task.claimed_at or now, now)
    longest = int((now - opened_at) / timedelta(milliseconds=1))
    last = Verdict.objects.filter(task=task, superseded_by__isnull=True).first()
    return Verdict.objects.create(
        stream_id=task.stream_id,
        item_id=task.item_id,
        task=task,
        reviewer=reviewer,
        kind=answer.kind,
        categories=list(answer.categories),
        proposed_name=answer.proposed_name.strip(),
        comment=answer.comment.strip(),
        blind=task.blind,
        confirms=agrees(task.decision, answer),
        supersedes=last,
        opened_at=opened_at,
        active_ms=max(0, min(active_ms, longest)),
        answered_at=now,
        published_at=now + task.stream.undo_window,
    )


def agrees(decision: Decision, answer: Answer) -> bool:
    """Whether the machine's answer is the reviewer's, or among those that would do."""
    return decision.predicted in answer.categories


def _settle(task: ReviewTask, verdict: Verdict, now: datetime) -> None:
    kind = (
        GroundTruth.Kind.UNCERTAIN
        if verdict.kind == Kind.CANNOT_JUDGE
        else GroundTruth.Kind(verdict.kind)
    )
    settle_truth(
        stream_id=task.stream_id,
        item_id=task.item_id,
        decision_id=task.decision_id,
        kind=kind,
        categories=verdict.categories,
        pi=task.pi,
        blind=task.blind,
        source=task.queue,
        verdict_id=verdict.id,
        settled_at=now,
    )
    Item.objects.filter(id=task.item_id).update(state=Item.State.SETTLED, settled_at=now)


def _seat_expert(task: ReviewTask, now: datetime) -> None:
    """Another seat of the same item, for somebody who can judge it."""
    ReviewTask.objects.create(
        stream_id=task.stream_id,
        item_id=task.item_id,
        decision_id=task.decision_id,
        queue=Queue.ESCALATED,
        seat=task.seat + 1,
        blind=task.blind,
        pi=task.pi,
        priority=task.priority,
        due_at=max(task.due_at, now),
        opened_at=now,
    )


@transaction.atomic
def undo_verdict(*, verdict_id: UUID, reviewer: "User") -> ReviewTask:
    """Take a verdict back before anybody was told; the task is the reviewer's again.

    Raises:
        UndoWindowPassedError: the window is over, the verdict was superseded, or an expert has
            begun on what it passed on.
    """
    refused = UndoWindowPassedError(UndoWindowPassedError.__doc__ or "")
    verdict = (
        Verdict.objects.live()
        .filter(id=verdict_id, reviewer=reviewer, published_at__gt=Now())
        .first()
    )
    if verdict is None:
        raise refused
    task = (
        ReviewTask.objects.select_for_update(of=("self",))
        .select_related("stream", "decision")
        .get(id=verdict.task_id)
    )
    if Verdict.objects.filter(supersedes=verdict).exists():
        raise refused
    if verdict.kind == Kind.CANNOT_JUDGE and not _withdraw_expert_seat(task):
        raise refused
    now = timezone.now()
    _add_withdrawal(verdict, task, now)
    withdraw_truth(stream_id=task.stream_id, item_id=task.item_id, at=now)
    Item.objects.filter(id=task.item_id).update(
        state=state_before_verdict(task.decision.action), settled_at=None
    )
    _take_up_again(task)
    record_event(
        stream_id=task.stream_id,
        kind="verdict.undone",
        subject_id=task.item_id,
        actor_id=reviewer.pk,
        verdict=str(verdict.id),
    )
    return task


def _add_withdrawal(verdict: Verdict, task: ReviewTask, now: datetime) -> None:
    Verdict.objects.create(
        stream_id=task.stream_id,
        item_id=task.item_id,
        task=task,
        reviewer=verdict.reviewer,
        kind=Kind.WITHDRAWN,
        blind=task.blind,
        confirms=False,
        supersedes=verdict,
        opened_at=verdict.answered_at,
        active_ms=0,
        answered_at=now,
        published_at=now,
    )


def _take_up_again(task: ReviewTask) -> None:
    """Give an answered task back to its holder under a new lease."""
    task.state = ReviewTask.State.CLAIMED
    task.lease_token = uuid4()
    task.lease_expires_at = Now() + task.stream.lease
    task.closed_at = None
    task.save(update_fields=["state", "lease_token", "lease_expires_at", "closed_at"])
    task.refresh_from_db(fields=["lease_expires_at"])


def _withdraw_expert_seat(task: ReviewTask) -> bool:
    if task.queue == Queue.ESCALATED:
        return True  # an expert's "cannot judge" settled the item and opened no seat
    unstarted = ReviewTask.objects.open().filter(item_id=task.item_id, seat=task.seat + 1)
    # Locked, or an expert could claim the seat between the look and the removal.
    seat = unstarted.filter(verdicts=None).select_for_update(of=("self",)).first()
    if seat is None:
        return False
    seat.delete()
    return True


def published_verdict(item: Item) -> Verdict | None:
    """The item's verdict that upstream may know: live, and past its undo window."""
    return Verdict.objects.live().filter(item=item, published_at__lte=Now()).order_by("-id").first()
