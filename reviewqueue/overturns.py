"""Overturns: an answer that upstream was told, replaced by another one, and that taken back.

The overturning verdict supersedes the old one on the same seat. It settles the item anew with the
seat's own chance, blindness and queue: how the item came to be labelled does not change when its
label does.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from calibration.models import GroundTruth
from calibration.truth import withdraw_truth
from reviewqueue.announcements import announce_overturned, withdraw_overturn
from reviewqueue.models import ReviewTask, Verdict, VerdictQuerySet
from reviewqueue.settlements import make_truth, settle_by
from reviewqueue.verdicts import (
    Answer,
    UndoWindowPassedError,
    VerdictError,
    agrees,
    check_answer,
    check_grounds,
    is_superseded,
    lock_seat,
)
from routing.events import record_event

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Kind = Verdict.Kind

JUDGEMENTS: Final = (Kind.CATEGORY, Kind.NONE_FITS, Kind.AMBIGUOUS)


class NotOverturnableError(VerdictError):
    """The verdict cannot be overturned, or not any more; the message says why."""


def may_be_overturned(verdict: Verdict) -> bool:
    """Whether `overturn_verdict` would take an answer now, as far as one can tell without a lock.

    `verdict` with its task and item.
    """
    return not (_refuse(verdict) or is_superseded(verdict))


@transaction.atomic
def overturn_verdict(
    *, verdict_id: UUID, by: "User", answer: Answer, active_ms: int = 0
) -> Verdict:
    """Give the item another answer; upstream is told once the undo window is over.

    Who may is for the caller to ask (`access.verdicts_overturnable_by`). The seat's row is locked,
    so of two overturns at once one stands and the other is refused.

    Raises:
        NotOverturnableError: the verdict can still be undone, was replaced meanwhile, or is not
            what settles its item, or the item was erased.
        VerdictError: the answer contradicts itself, says what stands already or gives no reason.
    """
    verdict = _with_item_locked(Verdict.objects.filter(id=verdict_id)).get()
    task = lock_seat(verdict)
    if is_superseded(verdict):
        raise NotOverturnableError(
            _("Somebody else has changed this verdict meanwhile; look at the item again.")
        )
    refused = _refuse(verdict)
    if refused:
        raise NotOverturnableError(refused)
    _check_overturn(verdict, answer)
    made = _add_overturn(verdict, task, by, answer, active_ms)
    _settle_anew(made, task, at=made.answered_at, settled_at=made.answered_at)
    if task.known_id is None:
        announce_overturned(task, made, before=verdict)
    record_event(
        stream_id=task.stream_id,
        kind="verdict.overturned",
        subject_id=task.item_id,
        actor_id=by.pk,
        happened_at=made.answered_at,
        verdict=str(made.id),
        overturned=str(verdict.id),
        queue=task.queue,
    )
    return made


@transaction.atomic
def undo_overturn(*, verdict_id: UUID, by: "User") -> Verdict:
    """Bring the earlier answer back, as a further verdict in its giver's name.

    Nobody was told of the overturn, so there is nothing to wait for: it counts as published when
    the earlier one was.

    Raises:
        UndoWindowPassedError: the window is over, or the overturn was superseded.
    """
    overturn = _with_item_locked(
        Verdict.objects.live()
        .overturns()
        .filter(id=verdict_id, reviewer=by, published_at__gt=Now(), item__erased_at__isnull=True)
    ).first()
    if overturn is None or overturn.supersedes is None:
        raise UndoWindowPassedError(UndoWindowPassedError.__doc__ or "")
    task = lock_seat(overturn)
    if is_superseded(overturn) or not withdraw_overturn(overturn):
        raise UndoWindowPassedError(UndoWindowPassedError.__doc__ or "")
    earlier = overturn.supersedes
    back = _bring_back(earlier, overturn, task)
    _settle_anew(back, task, at=timezone.now(), settled_at=earlier.answered_at)
    record_event(
        stream_id=task.stream_id,
        kind="verdict.overturn_undone",
        subject_id=task.item_id,
        actor_id=by.pk,
        verdict=str(back.id),
        undone=str(overturn.id),
        queue=task.queue,
    )
    return back


def _with_item_locked(verdicts: VerdictQuerySet) -> VerdictQuerySet:
    """With stream and item, whose row is locked: it is not erased before this is done."""
    locked = verdicts.select_for_update(of=("item",), no_key=True)
    return locked.select_related("stream", "item", "supersedes").defer(
        "item__payload", "item__scores", "item__blocks"
    )


def _bring_back(earlier: Verdict, overturn: Verdict, task: ReviewTask) -> Verdict:
    return Verdict.objects.create(
        stream_id=earlier.stream_id,
        item_id=earlier.item_id,
        task=task,
        reviewer_id=earlier.reviewer_id,
        kind=earlier.kind,
        categories=earlier.categories,
        proposed_name=earlier.proposed_name,
        comment=earlier.comment,
        block=earlier.block,
        off_topic=earlier.off_topic,
        claims=earlier.claims,
        blind=earlier.blind,
        confirms=earlier.confirms,
        batch=earlier.batch,
        supersedes=overturn,
        opened_at=earlier.opened_at,
        active_ms=earlier.active_ms,
        answered_at=earlier.answered_at,
        published_at=earlier.published_at,
    )


def _refuse(verdict: Verdict) -> str:
    """Why the verdict cannot be overturned, in words; empty where it can."""
    if verdict.kind == Kind.WITHDRAWN:
        return _("This verdict was taken back; there is nothing to overturn.")
    if verdict.item.erased_at is not None:
        return _("What this item held was erased; its answer stays as it is.")
    if verdict.published_at > timezone.now():
        return _("This verdict can still be undone; nobody was told of it yet.")
    if verdict.task.known_id is not None:
        settles = verdict.kind != Kind.CANNOT_JUDGE
    else:
        settles = (
            GroundTruth.objects.current()
            .filter(stream_id=verdict.stream_id, item_id=verdict.item_id, verdict_id=verdict.id)
            .exists()
        )
    return "" if settles else _("This verdict is not what the item was settled by.")


def _check_overturn(verdict: Verdict, answer: Answer) -> None:
    if answer.kind not in JUDGEMENTS:
        raise VerdictError(
            _("An overturn says what the answer is; choose one of the form."), field="categories"
        )
    check_answer(answer, verdict.stream)
    check_grounds(answer, verdict.stream, verdict.item_id)
    given = (verdict.kind, set(verdict.categories), verdict.proposed_name, verdict.block)
    said = (answer.kind, set(answer.categories), answer.proposed_name.strip(), answer.block)
    if given == said:
        raise VerdictError(_("That is the answer already."), field="categories")
    if not answer.comment.strip():
        raise VerdictError(
            _("Say why in a comment: whoever reads the item's history will ask."), field="comment"
        )


def _add_overturn(
    verdict: Verdict, task: ReviewTask, by: "User", answer: Answer, active_ms: int
) -> Verdict:
    now = timezone.now()
    active = min(timedelta(milliseconds=max(0, active_ms)), task.stream.lease)
    words = replace(
        answer, proposed_name=answer.proposed_name.strip(), comment=answer.comment.strip()
    )
    return Verdict.objects.create(
        stream_id=verdict.stream_id,
        item_id=verdict.item_id,
        task=task,
        reviewer=by,
        kind=words.kind,
        categories=list(words.categories),
        proposed_name=words.proposed_name,
        comment=words.comment,
        block=words.block,
        off_topic=words.off_topic,
        claims=None if words.claims is None else list(words.claims),
        # Given beside what was said before, however the seat itself was judged.
        blind=False,
        confirms=agrees(task.decision, words),
        supersedes=verdict,
        opened_at=now - active,
        active_ms=int(active / timedelta(milliseconds=1)),
        answered_at=now,
        published_at=now + task.stream.undo_window,
    )


def _settle_anew(verdict: Verdict, task: ReviewTask, *, at: datetime, settled_at: datetime) -> None:
    """Let the item's label be this verdict's; how it came to be labelled stays as it was."""
    if task.known_id is not None:
        return
    label = GroundTruth.objects.current().get(stream_id=task.stream_id, item_id=task.item_id)
    withdraw_truth(stream_id=task.stream_id, item_id=task.item_id, at=at)
    settle_by(
        make_truth(
            verdict,
            decision_id=label.decision_id,
            pi=label.pi,
            blind=label.blind,
            source=label.source,
            at=settled_at,
        )
    )
