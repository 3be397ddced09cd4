"""Verdicts: recording a person's answer, and taking it back within the undo window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from reviewqueue.closings import close_task
from reviewqueue.grounds import find_contradiction
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.settlements import store_verdict, take_back
from routing.events import make_event, record_event
from routing.models import Category, Decision, Item, Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Kind = Verdict.Kind

AMBIGUOUS_AT_LEAST: Final = 2


class VerdictError(ValueError):
    """A verdict that cannot be recorded; `field` is the place in the form."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class LateVerdictError(VerdictError):
    """The lease ran out, somebody else has the task, or another answer settled the item; nothing
    was recorded."""


class UndoWindowPassedError(VerdictError):
    """The undo window is over, somebody went on from the verdict, it is not the task's last, or the
    item was erased."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reviewer answered: a kind of `Verdict.Kind` with its categories.

    Of a drafted sentence also the id of the block that supports it, whether what was retrieved is
    about something else, and of each posted claim whether it is supported.
    """

    kind: str
    categories: Sequence[str] = field(default_factory=tuple)
    proposed_name: str = ""
    comment: str = ""
    block: str = ""
    off_topic: bool = False
    claims: Sequence[bool] | None = None


def check_answer(
    answer: Answer, stream: Stream, *, taxonomy: Mapping[str, Category] | None = None
) -> None:
    """Raises VerdictError, naming the field, when the answer does not hold together.

    `taxonomy`: the stream's categories by key, where they have been read for many answers.
    """
    _check_categories(answer, stream, taxonomy)
    if len(set(answer.categories)) != len(answer.categories):
        raise VerdictError(_("A category was named twice; name each once."), field="categories")
    count = len(answer.categories)
    if answer.kind == Kind.CATEGORY and count != 1:
        raise VerdictError(_("Choose exactly one category."), field="categories")
    if answer.kind == Kind.AMBIGUOUS and count < AMBIGUOUS_AT_LEAST:
        raise VerdictError(_("Mark at least two categories that would do."), field="categories")
    if answer.kind in (Kind.NONE_FITS, Kind.CANNOT_JUDGE) and count:
        raise VerdictError(_("This answer names no category."), field="categories")
    if answer.kind not in (Kind.CATEGORY, Kind.AMBIGUOUS, Kind.NONE_FITS, Kind.CANNOT_JUDGE):
        message = _("“%(kind)s” is no answer; choose one of the form.")
        raise VerdictError(message % {"kind": answer.kind}, field="kind")
    if stream.is_grounded and answer.kind in (Kind.AMBIGUOUS, Kind.NONE_FITS):
        raise VerdictError(_("A sentence is supported or it is not; choose one."), field="kind")


def check_grounds(
    answer: Answer, stream: Stream, item_id: UUID, *, item: Item | None = None
) -> None:
    """Raises VerdictError, naming the field, where block or claims are not the sentence's.

    `item`: the sentence, where it has been read for many answers.
    """
    if not stream.is_grounded:
        if answer.block or answer.off_topic or answer.claims is not None:
            raise VerdictError(_("Only a drafted sentence has blocks and claims."), field="block")
        return
    found = find_contradiction(
        item_id=item_id,
        categories=answer.categories,
        block=answer.block,
        claims=answer.claims,
        item=item,
    )
    if found is not None:
        raise VerdictError(found.message, field=found.field)


def _check_categories(
    answer: Answer, stream: Stream, taxonomy: Mapping[str, Category] | None
) -> None:
    """Every category that is active now may be chosen, whatever the item was decided among."""
    asked = [key for key in answer.categories if "\0" not in key]
    found = taxonomy
    if found is None:
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


def add_verdict(
    *,
    task_id: UUID,
    lease_token: UUID,
    reviewer: "User",
    answer: Answer,
    active_ms: int = 0,
    at: datetime | None = None,
) -> Verdict:
    """Close the task with this answer and do what follows for its item.

    The caller's transaction must end with an error that is raised here. The one conditional UPDATE
    decides who wins; the loser's answer is refused, not swallowed. The item's row is locked before:
    what its other seats have said is then known for certain. `at` is for imports of the past: the
    answer was given then.

    Raises:
        LateVerdictError: the lease does not hold any more.
        VerdictError: the answer contradicts itself.
    """
    now = at or timezone.now()
    closed = close_task(task_id=task_id, user=reviewer, lease_token=lease_token, now=now)
    if closed is None:
        raise LateVerdictError(LateVerdictError.__doc__ or "")
    task = closed.task
    check_answer(answer, task.stream, taxonomy=closed.taxonomy)
    check_grounds(answer, task.stream, task.item_id)
    verdict = make_verdict(
        task, reviewer, answer, active_ms=active_ms, now=now, last_id=closed.last
    )
    event = make_event(
        stream_id=task.stream_id,
        kind="verdict.recorded",
        subject_id=task.item_id,
        actor_id=reviewer.pk,
        happened_at=now,
        verdict=str(verdict.id),
    )
    store_verdict(task=task, verdict=verdict, event=event, alone=closed.alone)
    return verdict


# In a transaction of its own.
record_verdict = transaction.atomic(add_verdict)


def find_recorded(*, task_id: UUID, lease_token: UUID, reviewer: "User") -> Verdict | None:
    """The live verdict that the reviewer gave under this lease, for a request that comes twice."""
    answered = ReviewTask.objects.filter(
        id=task_id, lease_token=lease_token, holder=reviewer, state=ReviewTask.State.ANSWERED
    )
    return Verdict.objects.live().filter(task__in=answered, reviewer=reviewer).first()


def make_verdict(
    task: ReviewTask,
    reviewer: "User",
    answer: Answer,
    *,
    active_ms: int,
    now: datetime,
    last_id: UUID | None,
    batch: UUID | None = None,
) -> Verdict:
    """The verdict, not stored yet; `task` with stream and decision, `last_id` what it follows."""
    opened_at = min(task.claimed_at or now, now)
    longest = int((now - opened_at) / timedelta(milliseconds=1))
    return Verdict(
        stream_id=task.stream_id,
        item_id=task.item_id,
        task=task,
        reviewer=reviewer,
        kind=answer.kind,
        categories=list(answer.categories),
        proposed_name=answer.proposed_name.strip(),
        comment=answer.comment.strip(),
        block=answer.block,
        off_topic=answer.off_topic,
        claims=None if answer.claims is None else list(answer.claims),
        blind=task.blind,
        confirms=agrees(task.decision, answer),
        batch=batch,
        supersedes_id=last_id,
        opened_at=opened_at,
        active_ms=max(0, min(active_ms, longest)),
        answered_at=now,
        published_at=now + task.stream.undo_window,
    )


def repeats(verdict: Verdict, answer: Answer) -> bool:
    """Whether the answer says what the verdict does, comment and proposed name included."""
    said = (verdict.kind, verdict.categories, verdict.proposed_name, verdict.comment)
    words = answer.proposed_name.strip(), answer.comment.strip()
    grounds = verdict.block, verdict.off_topic, verdict.claims
    claims = None if answer.claims is None else list(answer.claims)
    return (*said, *grounds) == (
        answer.kind,
        list(answer.categories),
        *words,
        answer.block,
        answer.off_topic,
        claims,
    )


def agrees(decision: Decision, answer: Answer) -> bool:
    """Whether the machine's answer is the reviewer's, or among those that would do."""
    return decision.predicted in answer.categories


@transaction.atomic
def undo_verdict(*, verdict_id: UUID, reviewer: "User") -> ReviewTask:
    """Take a verdict back before anybody was told; the task is the reviewer's again.

    Where the verdict had settled the item, it is not settled any more; seats that were cancelled
    by that stay so, their holders were told.

    Raises:
        UndoWindowPassedError: the window is over, the verdict was superseded, or an expert or an
            adjudicator has begun on what it passed on.
    """
    refused = UndoWindowPassedError(UndoWindowPassedError.__doc__ or "")
    verdict = (
        Verdict.objects.live()
        .select_for_update(of=("item",), no_key=True)
        .select_related("item")
        .defer("item__payload", "item__scores", "item__blocks")
        .filter(id=verdict_id, reviewer=reviewer, published_at__gt=Now())
        # The undo of an overturn brings an answer back and no task: `overturns.undo_overturn`.
        .filter(Q(supersedes__isnull=True) | Q(supersedes__kind=Kind.WITHDRAWN))
        .filter(item__erased_at__isnull=True)
        .first()
    )
    if verdict is None:
        raise refused
    task = lock_seat(verdict)
    if is_superseded(verdict):
        raise refused
    now = timezone.now()
    if task.known_id is None and not take_back(task=task, verdict=verdict, at=now):
        raise refused
    _add_withdrawal(verdict, task, now)
    _take_up_again(task)
    record_event(
        stream_id=task.stream_id,
        kind="verdict.undone",
        subject_id=task.item_id,
        actor_id=reviewer.pk,
        verdict=str(verdict.id),
    )
    return task


def lock_seat(verdict: Verdict) -> ReviewTask:
    """The verdict's seat, locked: whoever supersedes a verdict of it waits here for the other."""
    return (
        ReviewTask.objects.select_for_update(of=("self",))
        .select_related("stream", "decision")
        .get(id=verdict.task_id)
    )


def is_superseded(verdict: Verdict) -> bool:
    """Whether another verdict of its seat has followed; for certain only under `lock_seat`."""
    return Verdict.objects.filter(supersedes=verdict).exists()


def _add_withdrawal(verdict: Verdict, task: ReviewTask, now: datetime) -> None:
    make_withdrawal(verdict, task, now).save(force_insert=True)


def make_withdrawal(verdict: Verdict, task: ReviewTask, now: datetime) -> Verdict:
    """The row that takes a verdict back, not stored yet."""
    return Verdict(
        stream_id=task.stream_id,
        item_id=task.item_id,
        task=task,
        reviewer_id=verdict.reviewer_id,
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
