"""Taking back what was just done: a verdict, an overturn, a skip, an escalation."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from reviewqueue.access import verdicts_visible_to
from reviewqueue.claims import release_others
from reviewqueue.escalations import (
    find_escalation,
    seconds_to_take_back,
    take_back_escalation,
)
from reviewqueue.htmx import PersonRequest, go_to, is_htmx, signed_in
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.overturns import undo_overturn
from reviewqueue.skips import find_skip, take_back_skip
from reviewqueue.verdicts import UndoWindowPassedError, undo_verdict
from reviewqueue.views.answer_form import Entry, entry_of
from reviewqueue.views.in_hand import show, too_late, visible_task
from reviewqueue.views.screens import address_of_task, show_task


@require_POST
@signed_in
def undo(request: PersonRequest, verdict_id: UUID) -> HttpResponse:
    """Take the own verdict back within its window; its item is in hand again."""
    verdict = get_object_or_404(
        verdicts_visible_to(request.user).select_related("task__stream"), id=verdict_id
    )
    try:
        if Verdict.objects.overturns().filter(id=verdict_id).exists():
            return _undo_overturn(request, verdict)
        task = undo_verdict(verdict_id=verdict_id, reviewer=request.user)
    except UndoWindowPassedError:
        words = _("Too late to undo: the verdict has been passed on, or is undone already.")
        return too_late(request, verdict.task, words)
    return _back_in_hand(request, task, entry_of(verdict))


@require_POST
@signed_in
def undo_escalation(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Take an item back from the experts in time; it is in hand again."""
    task, _seats = visible_task(request.user, task_id)
    escalation = find_escalation(task)
    if escalation is None or escalation.actor_id != request.user.pk:
        raise Http404
    if not take_back_escalation(task=task, user=request.user):
        words = _("Too late to undo: the item stays with the experts.")
        return too_late(request, task, words)
    return _back_in_hand(request, task)


@require_POST
@signed_in
def undo_skip(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Take an item back that was skipped, in time; it is in hand again, also when asked twice."""
    task, _seats = visible_task(request.user, task_id)
    skip = find_skip(task, request.user)
    if skip is None and task.holder_id != request.user.pk:
        raise Http404
    taken = take_back_skip(task=task, user=request.user)
    if taken or ReviewTask.objects.leased_to(request.user).filter(id=task.id).exists():
        return _back_in_hand(request, task)
    if skip is not None and seconds_to_take_back(skip, task):
        return too_late(request, task, _("Not undone: somebody else has this item by now."))
    return too_late(request, task, _("Too late to undo: the item stays skipped."))


def _undo_overturn(request: PersonRequest, verdict: Verdict) -> HttpResponse:
    """Back to the item, whose earlier answer stands again."""
    undo_overturn(verdict_id=verdict.id, by=request.user)
    messages.success(request, _("The overturn is undone; the earlier answer stands again."))
    return go_to(request, reverse("item", args=[verdict.task.stream.key, verdict.item_id]))


def _back_in_hand(
    request: PersonRequest, task: ReviewTask, entry: Entry | None = None
) -> HttpResponse:
    """The item, and after it what the person was reading when they took it back."""
    release_others(user=request.user, kept=task, keep_ahead=is_htmx(request))
    if not is_htmx(request):
        return go_to(request, address_of_task(task))
    task, _seats = visible_task(request.user, task.id)
    return show(request, show_task(user=request.user, task=task, entry=entry))
