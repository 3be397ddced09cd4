"""The last escalation of somebody's, as long as it can be taken back: also after a reload.

The session remembers it: without a script the button comes with the next page.
"""

from typing import Final

from django.urls import reverse
from django.utils.translation import gettext as _

from reviewqueue.escalations import find_escalation, seconds_to_take_back
from reviewqueue.htmx import PersonRequest
from reviewqueue.models import ReviewTask
from reviewqueue.views.screens import Screen, TakeBack, with_last_told
from routing.models import Event, Stream

REMEMBERED: Final = "escalated"


def word_escalated(task: ReviewTask) -> str:
    """What became of the item, for the status bar."""
    return _("Escalated %(item)s to the experts") % {"item": task.item.external_id}


def remember_escalation(request: PersonRequest, task: ReviewTask, escalation: Event) -> TakeBack:
    """How the escalation is taken back, now and on the pages that follow."""
    request.session[REMEMBERED] = [str(task.stream_id), str(task.id)]
    return _take_back(task, escalation)


def with_escalation(request: PersonRequest, screen: Screen) -> Screen:
    """The screen with the last escalation of its stream told, where it can be taken back."""
    answered = 0 if screen.last is None else screen.last.undo_left
    told = find_last_escalation(request, screen.stream, undo_left=answered)
    return screen if told is None else with_last_told(screen, *told)


def find_last_escalation(
    request: PersonRequest, stream: Stream, *, undo_left: int
) -> tuple[str, TakeBack] | None:
    """What is told of the last escalation of the stream, while it can be taken back.

    Unless the person has answered something since, whose undo has `undo_left` seconds: that is
    what they undo next. It is forgotten when its time is over.
    """
    stream_id, task_id = request.session.get(REMEMBERED, ("", ""))
    if stream_id != str(stream.id):
        return None
    task = (
        ReviewTask.objects.open()
        .filter(id=task_id, stream=stream, queue=ReviewTask.Queue.ESCALATED)
        .select_related("item", "stream")
        .first()
    )
    escalation = None if task is None else find_escalation(task)
    if task is None or escalation is None or escalation.actor_id != request.user.pk:
        del request.session[REMEMBERED]
        return None
    take_back = _take_back(task, escalation)
    if not take_back.seconds:
        del request.session[REMEMBERED]
        return None
    if undo_left > take_back.seconds:
        return None
    return word_escalated(task), take_back


def _take_back(task: ReviewTask, escalation: Event) -> TakeBack:
    return TakeBack(
        address=reverse("undo-escalation", args=[task.id]),
        seconds=seconds_to_take_back(escalation, task),
    )
