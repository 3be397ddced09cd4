"""Taking a skip back in time."""

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from reviewqueue.claims import claimed_by
from reviewqueue.escalations import seconds_to_take_back
from reviewqueue.models import ReviewTask, ReviewTaskQuerySet, TaskSkip
from routing.events import record_event
from routing.models import Event

if TYPE_CHECKING:
    from django.contrib.auth.models import User

State = ReviewTask.State


def find_skip(task: ReviewTask, user: "User") -> Event | None:
    """The user's skip of the task, if that is the last that they did with it."""
    own = Event.objects.filter(stream_id=task.stream_id, subject_id=task.id, actor=user)
    last = own.order_by("-id").first()
    return last if last is not None and last.kind == "task.skipped" else None


def free_for(user: "User") -> ReviewTaskQuerySet:
    """Seats that nobody has, of items of which the user has no other.

    A seat that was slipped in never opens: skipped, it is cancelled, and still its holder's alone.
    """
    elsewhere = ReviewTask.objects.filter(
        stream_id=OuterRef("stream_id"), item_id=OuterRef("item_id"), holder=user
    ).exclude(id=OuterRef("id"))
    free = Q(state=State.OPEN) | Q(state=State.CANCELLED, known__isnull=False, holder=user)
    return ReviewTask.objects.filter(free, ~Exists(elsewhere))


@transaction.atomic
def take_back_skip(*, task: ReviewTask, user: "User") -> bool:
    """Put a task that the user skipped in their hand again; whether that was still possible.

    It is while the window of a verdict's undo lasts and nobody else has the task. The item's other
    seats rest no longer either.
    """
    skip = find_skip(task, user)
    if skip is None or not seconds_to_take_back(skip, task):
        return False
    taken = (
        free_for(user)
        .filter(id=task.id, queue=task.queue)
        .update(closed_at=None, **claimed_by(user, task.stream))
    )
    if not taken:
        return False
    seats = ReviewTask.objects.filter(stream_id=task.stream_id, item_id=task.item_id)
    TaskSkip.objects.filter(task__in=seats, user=user).delete()
    record_event(
        stream_id=task.stream_id, kind="task.skip_undone", subject_id=task.id, actor_id=user.pk
    )
    return True
