"""The review screen and what its buttons do."""

from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from reviewqueue.access import Seats, find_seats, find_task, verdicts_visible_to
from reviewqueue.claims import SKIP_REST, escalate_task, release_task, renew_lease, skip_task
from reviewqueue.escalations import (
    find_escalation,
    queue_it_left,
    seconds_to_take_back,
    take_back_escalation,
)
from reviewqueue.htmx import INVALID, LOST, PersonRequest, go_to, is_htmx, respond, signed_in
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.overturns import undo_overturn
from reviewqueue.pictures import let_pictures_in
from reviewqueue.verdicts import (
    LateVerdictError,
    UndoWindowPassedError,
    VerdictError,
    find_recorded,
    record_verdict,
    undo_verdict,
)
from reviewqueue.views.answer_form import AnswerForm, EscalationForm, LeaseForm, entry_of
from reviewqueue.views.screens import (
    Screen,
    TakeBack,
    card_of,
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
    stream = workable_stream(request.user, stream_key, queue)
    screen = show_next(user=request.user, stream=stream, queue=queue)
    if screen.empty is not None and screen.empty.leads_to_batch:
        return go_to(request, screen.empty.next_address)
    return _show(request, screen)


@require_POST
@signed_in
def post_verdict(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Record the answer and show the next item, in one request."""
    task, seats = _visible_task(request.user, task_id)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        if "lease_token" in form.errors:
            return _lost(request, task, form)
        screen = show_task(user=request.user, task=task, entry=form.entry())
        return _show(request, screen, status=INVALID)
    try:
        record_verdict(
            task_id=task.id,
            lease_token=form.cleaned_data["lease_token"],
            reviewer=request.user,
            answer=form.answer(),
            active_ms=form.cleaned_data["active_ms"] or 0,
        )
    except LateVerdictError:
        return _answer_late(request, task, seats, form)
    except VerdictError as error:
        entry = form.entry(errors={error.field or "categories": str(error)})
        screen = show_task(user=request.user, task=task, entry=entry)
        return _show(request, screen, status=INVALID)
    return _go_on(request, seats, task.queue)


def _answer_late(
    request: PersonRequest, task: ReviewTask, seats: Seats, form: AnswerForm
) -> HttpResponse:
    """An answer that arrives twice is recorded once; any other that comes late is refused."""
    recorded = find_recorded(
        task_id=task.id, lease_token=form.cleaned_data["lease_token"], reviewer=request.user
    )
    if recorded is None:
        return _lost(request, task, form)
    answer = form.answer()
    if (recorded.kind, recorded.categories) == (answer.kind, list(answer.categories)):
        return _go_on(request, seats, task.queue)
    words = _("You have answered this item already, and that answer stands. Undo it to change it.")
    return _lost(request, task, form, words)


@require_POST
@signed_in
def skip(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Pass the item on and show the next."""
    task, seats = _visible_task(request.user, task_id)
    form = LeaseForm(request.POST)
    if form.is_valid():
        skip_task(task_id=task.id, user=request.user, lease_token=form.cleaned_data["lease_token"])
    # A lease that was lost meanwhile gave the item back already, which is what was asked for.
    told = _("Skipped %(item)s: it waits for others, and comes back to you in %(minutes)d min") % {
        "item": task.item.external_id,
        "minutes": SKIP_REST.total_seconds() // 60,
    }
    return _go_on(request, seats, task.queue, told=told)


@require_POST
@signed_in
def escalate(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Hand the item to the experts, with the comment, and show the next."""
    task, seats = _visible_task(request.user, task_id)
    form = EscalationForm(request.POST)
    held = form.is_valid() and escalate_task(
        task_id=task.id,
        user=request.user,
        lease_token=form.cleaned_data["lease_token"],
        comment=form.cleaned_data["comment"],
    )
    escalation = find_escalation(task)
    if escalation is None or (not held and escalation.actor_id != request.user.pk):
        return _lost(request, task, AnswerForm(request.POST))
    told = _("Escalated %(item)s to the experts") % {"item": task.item.external_id}
    take_back = TakeBack(
        address=reverse("undo-escalation", args=[task.id]),
        seconds=seconds_to_take_back(escalation, task),
    )
    return _go_on(request, seats, task.queue, told=told, take_back=take_back)


@require_POST
@signed_in
def undo_escalation(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Take an item back from the experts in time; it is in hand again."""
    task, _seats = _visible_task(request.user, task_id)
    escalation = find_escalation(task)
    if escalation is None or escalation.actor_id != request.user.pk:
        raise Http404
    if not take_back_escalation(task=task, user=request.user):
        words = _("Too late to undo: the item stays with the experts.")
        return _too_late(request, task, words)
    _give_others_back(request.user, task)
    if not is_htmx(request):
        return go_to(request, _address(task))
    task, _seats = _visible_task(request.user, task.id)
    return _show(request, show_task(user=request.user, task=task))


@require_POST
@signed_in
def release(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Give the item back and go home."""
    task, _seats = _visible_task(request.user, task_id)
    form = LeaseForm(request.POST)
    if form.is_valid():
        token = form.cleaned_data["lease_token"]
        release_task(task_id=task.id, user=request.user, lease_token=token)
    return go_to(request, "home")


@require_POST
@signed_in
def heartbeat(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Keep the item for another lease; 409 with nothing left when it was lost."""
    task, _seats = _visible_task(request.user, task_id)
    form = LeaseForm(request.POST)
    ends = form.is_valid() and renew_lease(
        task_id=task.id, user=request.user, lease_token=form.cleaned_data["lease_token"]
    )
    if not is_htmx(request):
        return go_to(request, _address(task))
    if not ends:
        task.lease_expires_at = None
        task.lease_token = form.cleaned_data.get("lease_token")
        task.refresh_from_db(fields=["state"])
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
    try:
        if Verdict.objects.overturns().filter(id=verdict_id).exists():
            return _undo_overturn(request, verdict)
        task = undo_verdict(verdict_id=verdict_id, reviewer=request.user)
    except UndoWindowPassedError:
        words = _("Too late to undo: the verdict has been passed on, or is undone already.")
        return _too_late(request, verdict.task, words)
    _give_others_back(request.user, task)
    if not is_htmx(request):
        return go_to(request, _address(task))
    task, _seats = _visible_task(request.user, task.id)
    screen = show_task(user=request.user, task=task, entry=entry_of(verdict))
    return _show(request, screen)


def _undo_overturn(request: PersonRequest, verdict: Verdict) -> HttpResponse:
    """Back to the item, whose earlier answer stands again."""
    undo_overturn(verdict_id=verdict.id, by=request.user)
    messages.success(request, _("The overturn is undone; the earlier answer stands again."))
    return go_to(request, reverse("item", args=[verdict.task.stream.key, verdict.item_id]))


def _show(request: PersonRequest, screen: Screen, *, status: int = 200) -> HttpResponse:
    context = {"screen": screen, "section": "review", "is_demo": screen.stream.is_demo}
    with timezone.override(ZoneInfo(screen.stream.time_zone)):
        page = respond(
            request, TEMPLATE, context, part="work", status=status, address=screen.address
        )
    return let_pictures_in(request, page, screen.stream)


def _too_late(request: PersonRequest, task: ReviewTask, words: str) -> HttpResponse:
    """409: what should be undone stands; the next item of its queue comes with the reason."""
    if not is_htmx(request):
        messages.error(request, words)
        return go_to(request, _address(task))
    screen = show_next(user=request.user, stream=task.stream, queue=task.queue)
    return _show(request, with_notice(screen, words), status=LOST)


def _go_on(
    request: PersonRequest,
    seats: Seats,
    queue: str,
    *,
    told: str = "",
    take_back: TakeBack | None = None,
) -> HttpResponse:
    """The next item, with `told` about what became of the one before."""
    if not is_htmx(request):
        if told:
            messages.info(request, told)
        return go_to(request, _queue_address(seats.stream, queue))
    if queue not in seats.queues:
        return go_to(request, "home")
    screen = show_next(user=request.user, stream=seats.stream, queue=queue)
    return _show(request, with_told(screen, told, take_back) if told else screen)


def _lost(
    request: PersonRequest, task: ReviewTask, form: AnswerForm, words: str = ""
) -> HttpResponse:
    """409: nothing was recorded, and what was entered stays on the page."""
    form.is_valid()
    words = words or _word_loss(task)
    screen = show_task(user=request.user, task=task, entry=form.entry(), late=words)
    return _show(request, screen, status=LOST)


def _word_loss(task: ReviewTask) -> str:
    state, queue = ReviewTask.objects.values_list("state", "queue").get(id=task.id)
    if state == ReviewTask.State.CANCELLED:
        return _("Somebody else’s answer has settled this item meanwhile, so yours is not needed.")
    if queue == ReviewTask.Queue.ESCALATED != task.queue:
        return _("This item was passed on to the experts meanwhile.")
    return _("Your time with this item was over, or somebody else has answered it.")


def _give_others_back(user: "User", kept: ReviewTask) -> None:
    """One item in hand: those that came after an undone one wait in the queue again."""
    held = (
        ReviewTask.objects.singly()
        .filter(holder=user, stream_id=kept.stream_id, state=ReviewTask.State.CLAIMED)
        .exclude(id=kept.id)
    )
    for task_id, token in held.values_list("id", "lease_token"):
        if token is not None:
            release_task(task_id=task_id, user=user, lease_token=token)


def _visible_task(user: "User", task_id: UUID) -> tuple[ReviewTask, Seats]:
    """The task, and the queues of its stream that the user may work; else 404."""
    found = find_task(user, task_id)
    if found is None:
        raise Http404
    task, seats = found
    if task.queue == ReviewTask.Queue.ESCALATED and task.queue not in seats.queues:
        task.queue = queue_it_left(task)  # where the user has it from, and goes on
    if task.holder_id != user.pk:  # somebody else's lease is nobody's business
        task.lease_token = task.lease_expires_at = None
    return task, seats


def workable_stream(user: "User", stream_key: str, queue: str) -> Stream:
    """The stream: 404 when it may not be seen or has no such queue, 403 when not worked."""
    seats = find_seats(user, stream_key) if queue in ReviewTask.Queue.values else None
    if seats is None:
        raise Http404
    if queue not in seats.queues:
        raise PermissionDenied
    return seats.stream


def _address(task: ReviewTask) -> str:
    return _queue_address(task.stream, task.queue)


def _queue_address(stream: Stream, queue: str) -> str:
    return reverse("review", args=[stream.key, queue])
