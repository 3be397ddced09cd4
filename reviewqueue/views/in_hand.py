"""What the actions of the review screen share: the task they are about, and what comes after it."""

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from reviewqueue import logs
from reviewqueue.access import Seats, find_seats, find_task, workable_seats
from reviewqueue.claims import take_up
from reviewqueue.disclosure import disclose
from reviewqueue.escalations import queue_it_left
from reviewqueue.htmx import LOST, PersonRequest, go_to, is_htmx, respond
from reviewqueue.models import ReviewTask
from reviewqueue.pictures import draw_in_stream
from reviewqueue.views.answer_form import AheadForm, AnswerForm
from reviewqueue.views.home import choose_first, read_groups
from reviewqueue.views.screens import (
    Screen,
    TakeBack,
    address_of_task,
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


def workable_stream(user: "User", stream_key: str, queue: str) -> Stream:
    """The stream: 404 when it may not be seen or has no such queue, 403 when not worked."""
    seats = find_seats(user, stream_key) if queue in ReviewTask.Queue.values else None
    if seats is None:
        raise Http404
    if queue not in seats.queues:
        raise PermissionDenied
    return seats.stream


def visible_task(user: "User", task_id: UUID) -> tuple[ReviewTask, Seats]:
    """The task, and the queues of its stream that the user may work; else 404."""
    found = find_task(user, task_id)
    if found is None:
        raise Http404
    task, seats = found
    logs.bind(stream=seats.stream.key, item=task.item_id)
    if task.queue == ReviewTask.Queue.ESCALATED and task.queue not in seats.queues:
        task.queue = queue_it_left(task)  # where the user has it from, and goes on
    if task.holder_id != user.pk:  # somebody else's lease is nobody's business
        task.lease_token = task.lease_expires_at = None
    return task, seats


def next_screen(user: "User", stream: Stream, queue: str, *, taking_up: bool = False) -> Screen:
    """The next item; where the stream has nothing left, what home would put first instead."""
    screen = show_next(user=user, stream=stream, queue=queue, taking_up=taking_up)
    if screen.empty is None or screen.empty.next_address:
        return screen
    others = [seats for seats in workable_seats(user) if seats.stream.id != stream.id]
    first = choose_first(read_groups(user, others))
    if first is None:
        return screen
    empty = replace(screen.empty, next_address=first.address, next_words=first.words)
    return replace(screen, empty=empty)


def show(
    request: PersonRequest, screen: Screen, *, status: int = 200, part: str = "work"
) -> HttpResponse:
    """The screen; for HTMX a part of it, swapped in for that part."""
    context = {"screen": screen, "section": "review", "is_demo": screen.stream.is_demo}
    return draw_in_stream(
        request,
        screen.stream,
        lambda: respond(
            request,
            TEMPLATE,
            context,
            part=part,
            status=status,
            address=screen.address,
            target=f"#{part}",
        ),
    )


def take_up_shown(request: PersonRequest, task: ReviewTask) -> bool | None:
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


def go_on(
    request: PersonRequest,
    seats: Seats,
    task: ReviewTask,
    *,
    told: str = "",
    take_back: TakeBack | None = None,
    shown: bool | None = None,
) -> HttpResponse:
    """What comes after `task`, with `told` about what became of it.

    That is the next item of its queue; where that is `shown` and in hand already, only what the
    status bar tells. After a row of the flagged batch it is the table, a page of its own.
    """
    queue = task.queue
    if task.in_batch or not is_htmx(request):
        if told and not (take_back and take_back.seconds):  # else the status bar tells it
            messages.info(request, told)
        return go_to(request, _address_after(task))
    if queue not in seats.queues:
        return go_to(request, "home")
    if shown:
        screen = show_bar(user=request.user, stream=seats.stream, queue=queue)
    else:
        screen = next_screen(request.user, seats.stream, queue, taking_up=True)
    if shown is False:
        words = _("Your time with the item that was shown for a moment was over.")
        screen = with_notice(screen, words)
    if told:
        screen = with_told(screen, told, take_back)
    return show(request, screen, part="statusbar" if shown else "work")


def too_late(request: PersonRequest, task: ReviewTask, words: str) -> HttpResponse:
    """409: what should be undone stands; the next item of its queue comes with the reason."""
    if not is_htmx(request):
        messages.error(request, words)
        return go_to(request, address_of_task(task))
    screen = next_screen(request.user, task.stream, task.queue)
    return show(request, with_notice(screen, words), status=LOST)


def lost(
    request: PersonRequest, task: ReviewTask, form: AnswerForm, words: str = ""
) -> HttpResponse:
    """409: nothing was recorded, and what was entered stays on the page."""
    form.is_valid()
    words = words or _word_loss(task)
    if task.holder_id != request.user.pk:
        _withhold(request.user, task)
    screen = show_task(user=request.user, task=task, entry=form.entry(), late=words)
    if task.holder_id != request.user.pk:
        screen = replace(screen, passed_on=())
    return show(request, screen, status=LOST)


def _withhold(user: "User", task: ReviewTask) -> None:
    """Show no more of somebody else's task than the item's own page would."""
    if not disclose(viewer=user, stream=task.stream, item=task.item).machine:
        task.blind = True


def _word_loss(task: ReviewTask) -> str:
    state, queue = ReviewTask.objects.values_list("state", "queue").get(id=task.id)
    if state == ReviewTask.State.CANCELLED:
        return _("Somebody else’s answer has settled this item meanwhile, so yours is not needed.")
    if queue == ReviewTask.Queue.ESCALATED != task.queue:
        return _("This item was passed on to the experts meanwhile.")
    return _("Your time with this item was over, or somebody else has answered it.")


def _address_after(task: ReviewTask) -> str:
    """Where to go on when the task is done with: after a row of the batch back to its table."""
    if task.in_batch:
        return reverse("batch", args=[task.stream.key])
    return address_of_task(task)
