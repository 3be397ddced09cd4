"""The review screen and what its buttons do."""

from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from reviewqueue.access import (
    queues_workable_by,
    streams_visible_to,
    tasks_visible_to,
    verdicts_visible_to,
)
from reviewqueue.claims import (
    claim_ahead,
    escalate_task,
    release_ahead,
    release_others,
    release_task,
    renew_lease,
    skip_task,
    take_up,
)
from reviewqueue.htmx import INVALID, LOST, PersonRequest, go_to, is_htmx, respond, signed_in
from reviewqueue.models import ReviewTask
from reviewqueue.verdicts import (
    LateVerdictError,
    UndoWindowPassedError,
    VerdictError,
    has_recorded,
    record_verdict,
    undo_verdict,
)
from reviewqueue.views.answer_form import AheadForm, AnswerForm, LeaseForm, entry_of
from reviewqueue.views.screens import (
    Screen,
    card_of,
    show_ahead,
    show_bar,
    show_next,
    show_task,
    with_notice,
    with_told,
)
from routing.models import Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TEMPLATE = "review/task.html"


@require_GET
@signed_in
def review(request: PersonRequest, stream_key: str, queue: str) -> HttpResponse:
    """The next item of a queue; the one in hand if there is one."""
    stream = _workable_stream(request.user, stream_key, queue)
    return _show(request, show_next(user=request.user, stream=stream, queue=queue))


@require_POST
@signed_in
def post_verdict(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Record the answer and show the next item, in one request."""
    task = _visible_task(request.user, task_id)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        if "lease_token" in form.errors:
            return _lost(request, task, form)
        screen = show_task(user=request.user, task=task, entry=form.entry())
        return _show(request, screen, status=INVALID)
    token, answer = form.cleaned_data["lease_token"], form.answer()
    try:
        with transaction.atomic():
            record_verdict(
                task_id=task.id,
                lease_token=token,
                reviewer=request.user,
                answer=answer,
                active_ms=form.cleaned_data["active_ms"] or 0,
            )
            shown = _take_up_shown(request, task)
    except LateVerdictError:
        # Sent again because the reply was lost: nothing is recorded twice, nor refused.
        if not has_recorded(
            task_id=task.id, lease_token=token, reviewer=request.user, answer=answer
        ):
            return _lost(request, task, form)
        shown = _take_up_shown(request, task)
    except VerdictError as error:
        entry = form.entry(errors={error.field or "categories": str(error)})
        screen = show_task(user=request.user, task=task, entry=entry)
        return _show(request, screen, status=INVALID)
    return _go_on(request, task, shown=shown)


@require_POST
@signed_in
def skip(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Pass the item on and show the next."""
    task = _visible_task(request.user, task_id)
    form = LeaseForm(request.POST)
    with transaction.atomic():
        if form.is_valid():
            token = form.cleaned_data["lease_token"]
            skip_task(task_id=task.id, user=request.user, lease_token=token)
        shown = _take_up_shown(request, task)
    # A lease that was lost meanwhile gave the item back already, which is what was asked for.
    told = _("Skipped %(item)s") % {"item": task.item.external_id}
    return _go_on(request, task, told=told, shown=shown)


@require_POST
@signed_in
def escalate(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Hand the item to the experts and show the next."""
    task = _visible_task(request.user, task_id)
    form = LeaseForm(request.POST)
    with transaction.atomic():
        held = form.is_valid() and escalate_task(
            task_id=task.id, user=request.user, lease_token=form.cleaned_data["lease_token"]
        )
        if not held and task.queue != ReviewTask.Queue.ESCALATED:
            return _lost(request, task, AnswerForm(request.POST))
        shown = _take_up_shown(request, task)
    told = _("Escalated %(item)s to the experts") % {"item": task.item.external_id}
    return _go_on(request, task, told=told, shown=shown)


@require_POST
@signed_in
def release(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Give the item back and go home."""
    task = _visible_task(request.user, task_id)
    form = LeaseForm(request.POST)
    if form.is_valid():
        token = form.cleaned_data["lease_token"]
        release_others(user=request.user, kept=task)
        release_task(task_id=task.id, user=request.user, lease_token=token)
    return go_to(request, "home")


@require_POST
@signed_in
def ahead(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """The item after the one in hand, leased and ready to be shown; 204 when there is none."""
    task = _visible_task(request.user, task_id)
    if task.queue not in queues_workable_by(request.user, task.stream):
        raise PermissionDenied
    if not is_htmx(request):
        return go_to(request, _address(task))
    found = claim_ahead(user=request.user, stream=task.stream, queue=task.queue, in_hand=task.id)
    if found is None:
        return HttpResponse(status=204)
    return _show(request, show_ahead(user=request.user, task=found))


@require_POST
@signed_in
def unused(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Give an item ahead back unread, from a page that is being left and reads no answer."""
    task = _visible_task(request.user, task_id)
    form = LeaseForm(request.POST)
    if form.is_valid():
        token = form.cleaned_data["lease_token"]
        release_ahead(task_id=task.id, user=request.user, lease_token=token)
    return HttpResponse(status=204)


@require_POST
@signed_in
def heartbeat(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Keep the item for another lease; 409 with nothing left when it was lost."""
    task = _visible_task(request.user, task_id)
    form = LeaseForm(request.POST)
    ends = form.is_valid() and renew_lease(
        task_id=task.id, user=request.user, lease_token=form.cleaned_data["lease_token"]
    )
    if not is_htmx(request):
        return go_to(request, _address(task))
    if not ends:
        task.lease_expires_at = None
        task.lease_token = form.cleaned_data.get("lease_token")
        context = {"task": card_of(task)}
        return respond(request, TEMPLATE, context, part="lease", status=LOST)
    task.lease_expires_at = ends
    return respond(request, TEMPLATE, {"task": card_of(task)}, part="lease")


@require_POST
@signed_in
def undo(request: PersonRequest, verdict_id: UUID) -> HttpResponse:
    """Take the own verdict back within its window; its item is in hand again."""
    verdict = get_object_or_404(
        verdicts_visible_to(request.user).select_related("task__stream"), id=verdict_id
    )
    stream, queue = verdict.task.stream, verdict.task.queue
    try:
        task = undo_verdict(verdict_id=verdict_id, reviewer=request.user)
    except UndoWindowPassedError:
        words = _("Too late to undo: the verdict has been passed on, or is undone already.")
        if not is_htmx(request):
            messages.error(request, words)
            return go_to(request, _address(verdict.task))
        screen = show_next(user=request.user, stream=stream, queue=queue)
        return _show(request, with_notice(screen, words), status=LOST)
    # Who takes an answer back goes on afterwards with what they were reading.
    release_others(user=request.user, kept=task, keep_ahead=is_htmx(request))
    if not is_htmx(request):
        return go_to(request, _address(task))
    task = _visible_task(request.user, task.id)
    screen = show_task(user=request.user, task=task, entry=entry_of(verdict))
    return _show(request, screen)


def _show(
    request: PersonRequest,
    screen: Screen,
    *,
    status: int = 200,
    part: str = "work",
) -> HttpResponse:
    context = {"screen": screen, "section": "review", "is_demo": screen.stream.is_demo}
    with timezone.override(ZoneInfo(screen.stream.time_zone)):
        return respond(
            request,
            TEMPLATE,
            context,
            part=part,
            status=status,
            address=screen.address,
            target=f"#{part}",
        )


def _take_up_shown(request: PersonRequest, task: ReviewTask) -> bool | None:
    """Have in hand what the page shows after `task` already; None if it waits to be told."""
    if not is_htmx(request) or "ahead" not in request.POST:
        return None
    form = AheadForm(request.POST)
    return form.is_valid() and take_up(
        user=request.user,
        stream=task.stream,
        queue=task.queue,
        task_id=form.cleaned_data["ahead"],
        lease_token=form.cleaned_data["ahead_token"],
    )


def _go_on(
    request: PersonRequest, task: ReviewTask, *, told: str = "", shown: bool | None = None
) -> HttpResponse:
    """The next item after `task`, with `told` about what became of that.

    Where the next is `shown` and in hand already, only what the status bar tells.
    """
    user, stream, queue = request.user, task.stream, task.queue
    if not is_htmx(request):
        if told:
            messages.info(request, told)
        return go_to(request, _queue_address(stream, queue))
    if queue not in queues_workable_by(user, stream):
        return go_to(request, "home")
    if shown:
        bar = show_bar(user=user, stream=stream, queue=queue)
        return _show(request, with_told(bar, told) if told else bar, part="statusbar")
    screen = show_next(user=user, stream=stream, queue=queue, taking_up=True)
    if shown is False:
        screen = with_notice(
            screen, _("Your time with the item that was shown for a moment was over.")
        )
    return _show(request, with_told(screen, told) if told else screen)


def _lost(request: PersonRequest, task: ReviewTask, form: AnswerForm) -> HttpResponse:
    """409: nothing was recorded, and what was entered stays on the page."""
    form.is_valid()
    words = _("Your time with this item was over, or it has been answered already.")
    screen = show_task(user=request.user, task=task, entry=form.entry(), late=words)
    return _show(request, screen, status=LOST)


def _visible_task(user: "User", task_id: UUID) -> ReviewTask:
    tasks = tasks_visible_to(user).select_related("item", "decision__policy", "stream")
    task = get_object_or_404(tasks, id=task_id)
    if task.holder_id != user.pk:  # somebody else's lease is nobody's business
        task.lease_token = task.lease_expires_at = None
    return task


def _workable_stream(user: "User", stream_key: str, queue: str) -> Stream:
    """The stream: 404 when it may not be seen or has no such queue, 403 when not worked."""
    if queue not in ReviewTask.Queue.values:
        raise Http404
    stream = get_object_or_404(streams_visible_to(user), key=stream_key)
    if queue not in queues_workable_by(user, stream):
        raise PermissionDenied
    return stream


def _address(task: ReviewTask) -> str:
    return _queue_address(task.stream, task.queue)


def _queue_address(stream: Stream, queue: str) -> str:
    return reverse("review", args=[stream.key, queue])
