"""Escalations by people: taking one back in time, and what the expert should know of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from reviewqueue.claims import claimed_by
from reviewqueue.models import ReviewTask, Verdict
from routing.events import record_event
from routing.models import Event

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

Queue = ReviewTask.Queue


@dataclass(frozen=True, slots=True)
class PassedOn:
    """That somebody passed an item on to the experts, and what they wrote; never who.

    `unable`: they answered "cannot judge", else they escalated it unanswered.
    """

    unable: bool
    comment: str
    at: datetime


def find_escalation(task: ReviewTask) -> Event | None:
    """The last time that somebody escalated the task; its data holds the queue it left."""
    return _escalations(task).order_by("-id").first()


def queue_it_left(task: ReviewTask) -> str:
    """The queue that an escalated task came from; hold where that was not noted."""
    escalation = find_escalation(task)
    return str(Queue.HOLD) if escalation is None else _queue_left(escalation)


def _escalations(task: ReviewTask) -> "QuerySet[Event]":
    return Event.objects.filter(stream_id=task.stream_id, subject_id=task.id, kind="task.escalated")


def _queue_left(escalation: Event) -> str:
    return str(escalation.data.get("queue", Queue.HOLD))


def seconds_to_take_back(event: Event, task: ReviewTask) -> int:
    """What is left of the window, which is that of a verdict's undo; 0 when it is over."""
    ends = event.happened_at + task.stream.undo_window
    return max(0, round((ends - timezone.now()).total_seconds()))


@transaction.atomic
def take_back_escalation(*, task: ReviewTask, user: "User") -> bool:
    """Put a task that the user escalated in their hand again; whether that was still possible.

    It is while the window lasts, no expert has begun, and the user has no other seat of the item.
    """
    escalation = find_escalation(task)
    if escalation is None or escalation.actor_id != user.pk:
        return False
    if not seconds_to_take_back(escalation, task):
        return False
    waiting = ReviewTask.objects.open().filter(id=task.id, queue=Queue.ESCALATED)
    taken = waiting.exclude(item__tasks__holder=user).update(
        queue=_queue_left(escalation), **claimed_by(user, task.stream)
    )
    if taken:
        record_event(
            stream_id=task.stream_id,
            kind="task.escalation_undone",
            subject_id=task.id,
            actor_id=user.pk,
        )
    return bool(taken)


def read_passed_on(task: ReviewTask) -> list[PassedOn]:
    """Why people passed the item of an escalated task on, the newest last; two queries.

    A blind seat shows only what was written by somebody who judged blind too, so that nothing of
    the machine's answer comes along.
    """
    if task.queue != Queue.ESCALATED:
        return []
    found = [
        PassedOn(unable=False, comment=str(event.data.get("comment", "")), at=event.happened_at)
        for event in _escalations(task).order_by("id")
    ]
    unable = (
        Verdict.objects.live()
        .filter(item_id=task.item_id, kind=Verdict.Kind.CANNOT_JUDGE)
        .exclude(task_id=task.id)
    )
    if task.blind:
        unable = unable.filter(blind=True)
    found += [
        PassedOn(unable=True, comment=verdict.comment, at=verdict.answered_at)
        for verdict in unable.order_by("id")
    ]
    return sorted(found, key=lambda passed: passed.at)
