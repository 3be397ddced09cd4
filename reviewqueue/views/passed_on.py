"""What somebody skipped or escalated last, as long as it can be taken back: also after a reload.

The session remembers it: without a script the button comes with the next page.
"""

from typing import Final

from django.urls import reverse
from django.utils.translation import gettext as _

from reviewqueue.claims import SKIP_REST
from reviewqueue.escalations import find_escalation, seconds_to_take_back
from reviewqueue.htmx import PersonRequest
from reviewqueue.models import ReviewTask
from reviewqueue.skips import find_skip, free_for
from reviewqueue.views.screens import Screen, TakeBack, with_last_told
from routing.models import Event, Stream

REMEMBERED: Final = "passed_on"
# By the kind of its event: the address that takes it back.
UNDO: Final = {"task.skipped": "undo-skip", "task.escalated": "undo-escalation"}


def word_passed_on(task: ReviewTask, kind: str) -> str:
    """What became of the item, for the status bar."""
    if kind == "task.escalated":
        return _("Escalated %(item)s to the experts") % {"item": task.item.external_id}
    words = _("Skipped %(item)s: it waits for others, and comes back to you in %(minutes)d min")
    minutes = SKIP_REST.total_seconds() // 60
    return words % {"item": task.item.external_id, "minutes": minutes}


def remember_passed_on(request: PersonRequest, task: ReviewTask, event: Event) -> TakeBack:
    """How it is taken back, now and on the pages that follow."""
    request.session[REMEMBERED] = [str(task.stream_id), str(task.id), event.kind]
    return _take_back(task, event)


def with_passed_on(request: PersonRequest, screen: Screen) -> Screen:
    """The screen with what was passed on last in its stream told, where it can be taken back."""
    answered = 0 if screen.last is None else screen.last.undo_left
    told = find_last_passed_on(request, screen.stream, undo_left=answered)
    return screen if told is None else with_last_told(screen, *told)


def find_last_passed_on(
    request: PersonRequest, stream: Stream, *, undo_left: int
) -> tuple[str, TakeBack] | None:
    """What is told of what was passed on last in the stream, while it can be taken back.

    Unless the person has answered something since, whose undo has `undo_left` seconds: that is
    what they undo next. It is forgotten when its time is over.
    """
    stream_id, task_id, kind = request.session.get(REMEMBERED, ("", "", ""))
    if stream_id != str(stream.id):
        return None
    found = _find(request, stream, task_id, kind)
    if found is None or not (take_back := _take_back(*found)).seconds:
        del request.session[REMEMBERED]
        return None
    return None if undo_left > take_back.seconds else (word_passed_on(found[0], kind), take_back)


def _find(
    request: PersonRequest, stream: Stream, task_id: str, kind: str
) -> tuple[ReviewTask, Event] | None:
    """The task and how it was passed on; None where it was taken back, or is begun upon."""
    if kind == "task.skipped":
        waiting = free_for(request.user)
    else:
        waiting = ReviewTask.objects.open().filter(queue=ReviewTask.Queue.ESCALATED)
    tasks = waiting.filter(id=task_id, stream=stream).select_related("item", "stream")
    if (task := tasks.first()) is None:
        return None
    event = find_skip(task, request.user) if kind == "task.skipped" else find_escalation(task)
    if event is None or event.actor_id != request.user.pk:
        return None
    return task, event


def _take_back(task: ReviewTask, event: Event) -> TakeBack:
    return TakeBack(
        address=reverse(UNDO[event.kind], args=[task.id]),
        seconds=seconds_to_take_back(event, task),
    )
