"""The review screen and what its buttons do."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from reviewqueue.access import Seats
from reviewqueue.claims import (
    claim_ahead,
    escalate_task,
    release_ahead,
    release_others,
    release_task,
    renew_lease,
    rests_from,
    skip_task,
)
from reviewqueue.escalations import find_escalation
from reviewqueue.htmx import INVALID, LOST, PersonRequest, go_to, is_htmx, respond, signed_in
from reviewqueue.models import ReviewTask
from reviewqueue.skips import find_skip
from reviewqueue.verdicts import (
    LateVerdictError,
    VerdictError,
    add_verdict,
    find_recorded,
    repeats,
)
from reviewqueue.views.answer_form import AnswerForm, EscalationForm, read_lease
from reviewqueue.views.in_hand import (
    TEMPLATE,
    go_on,
    lost,
    next_screen,
    show,
    take_up_shown,
    visible_task,
    workable_stream,
)
from reviewqueue.views.passed_on import remember_passed_on, with_passed_on, word_passed_on
from reviewqueue.views.screens import address_of_task, card_of, show_ahead, show_task


@require_GET
@signed_in
def review(request: PersonRequest, stream_key: str, queue: str) -> HttpResponse:
    """The next item of a queue; the one in hand if there is one."""
    stream = workable_stream(request.user, stream_key, queue)
    screen = next_screen(request.user, stream, queue)
    if screen.empty is not None and screen.empty.leads_to_batch:
        return go_to(request, screen.empty.next_address)
    return show(request, with_passed_on(request, screen))


@require_POST
@signed_in
def post_verdict(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Record the answer and show the next item, in one request."""
    task, seats = visible_task(request.user, task_id)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        if "lease_token" in form.errors or task.holder_id != request.user.pk:
            return lost(request, task, form)
        screen = show_task(user=request.user, task=task, entry=form.entry())
        return show(request, screen, status=INVALID)
    try:
        with transaction.atomic():
            add_verdict(
                task_id=task.id,
                lease_token=form.cleaned_data["lease_token"],
                reviewer=request.user,
                answer=form.answer(),
                active_ms=form.cleaned_data["active_ms"] or 0,
            )
            shown = take_up_shown(request, task)
    except LateVerdictError:
        return _answer_late(request, task, seats, form)
    except VerdictError as error:
        entry = form.entry(errors={error.field or "categories": str(error)})
        screen = show_task(user=request.user, task=task, entry=entry)
        return show(request, screen, status=INVALID)
    return go_on(request, seats, task, shown=shown)


def _answer_late(
    request: PersonRequest, task: ReviewTask, seats: Seats, form: AnswerForm
) -> HttpResponse:
    """An answer that arrives twice is recorded once; any other that comes late is refused."""
    recorded = find_recorded(
        task_id=task.id, lease_token=form.cleaned_data["lease_token"], reviewer=request.user
    )
    if recorded is None:
        return lost(request, task, form)
    if repeats(recorded, form.answer()):
        return go_on(request, seats, task, shown=take_up_shown(request, task))
    words = _("You have answered this item already, and that answer stands. Undo it to change it.")
    return lost(request, task, form, words)


@require_POST
@signed_in
def skip(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Pass the item on and show the next."""
    task, seats = visible_task(request.user, task_id)
    token = read_lease(request.POST)
    with transaction.atomic():
        skipped = token is not None and skip_task(
            task_id=task.id, user=request.user, lease_token=token
        )
        shown = take_up_shown(request, task)
    if not skipped and not rests_from(task_id=task.id, user=request.user):
        told = _("Not skipped: your time with this item was over, or it is answered already")
        return go_on(request, seats, task, told=told, shown=shown)
    told = word_passed_on(task, "task.skipped")
    event = find_skip(task, request.user)
    take_back = None if event is None else remember_passed_on(request, task, event)
    return go_on(request, seats, task, told=told, take_back=take_back, shown=shown)


@require_POST
@signed_in
def escalate(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Hand the item to the experts, with the comment, and show the next."""
    task, seats = visible_task(request.user, task_id)
    form = EscalationForm(request.POST)
    with transaction.atomic():
        held = form.is_valid() and escalate_task(
            task_id=task.id,
            user=request.user,
            lease_token=form.cleaned_data["lease_token"],
            comment=form.cleaned_data["comment"],
        )
        escalation = find_escalation(task)
        if escalation is None or (not held and escalation.actor_id != request.user.pk):
            return lost(request, task, AnswerForm(request.POST))
        shown = take_up_shown(request, task)
    told = word_passed_on(task, escalation.kind)
    take_back = remember_passed_on(request, task, escalation)
    return go_on(request, seats, task, told=told, take_back=take_back, shown=shown)


@require_POST
@signed_in
def release(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Give the item back and go home, where the button for it stands."""
    task, _seats = visible_task(request.user, task_id)
    token = read_lease(request.POST)
    if token is not None:
        release_others(user=request.user, kept=task)
        if release_task(task_id=task.id, user=request.user, lease_token=token):
            words = _("%(item)s is out of your hand and waits again.")
            messages.info(request, words % {"item": task.item.external_id})
    return go_to(request, "home")


@require_POST
@signed_in
def ahead(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """The item after the one in hand, leased and ready to be shown; 204 when there is none."""
    task, seats = visible_task(request.user, task_id)
    if task.queue not in seats.queues:
        raise PermissionDenied
    if not is_htmx(request):
        return go_to(request, address_of_task(task))
    found = claim_ahead(user=request.user, stream=task.stream, queue=task.queue, in_hand=task.id)
    if found is None:
        return HttpResponse(status=204)
    return show(request, show_ahead(user=request.user, task=found))


@require_POST
@signed_in
def unused(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Give an item ahead back unread, from a page that is being left and reads no answer."""
    task, _seats = visible_task(request.user, task_id)
    token = read_lease(request.POST)
    if token is not None:
        release_ahead(task_id=task.id, user=request.user, lease_token=token)
    return HttpResponse(status=204)


@require_POST
@signed_in
def heartbeat(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """Keep the item for another lease; 409 with nothing left when it was lost."""
    task, _seats = visible_task(request.user, task_id)
    token = read_lease(request.POST)
    ends = token and renew_lease(task_id=task.id, user=request.user, lease_token=token)
    if not is_htmx(request):
        return go_to(request, address_of_task(task))
    if not ends:
        task.lease_expires_at = None
        task.lease_token = token
        task.refresh_from_db(fields=["state"])
        context = {"task": card_of(task)}
        return respond(request, TEMPLATE, context, part="lease", status=LOST)
    task.lease_expires_at = ends
    return respond(request, TEMPLATE, {"task": card_of(task)}, part="lease")
