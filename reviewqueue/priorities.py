"""Which items people are given first: bringing those that wait to the front of their queues."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import transaction

from reviewqueue.models import ReviewTask, ReviewTaskQuerySet
from routing.events import record_event
from routing.models import Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Queue = ReviewTask.Queue

# Audits keep their order: who is audited when must not depend on what somebody looks at.
MOVED: Final = (Queue.ESCALATED, Queue.HOLD)
# As far as upstream itself can ask for.
FRONT: Final = 1000


def waiting_in(*, stream: Stream, items: Collection[UUID]) -> dict[UUID, int]:
    """The items of these that wait for a person and can be brought forward, with their priority."""
    rows = _waiting(stream, items).values_list("item_id", "priority")
    return dict(rows)


@transaction.atomic
def bring_forward(
    *, stream: Stream, items: Collection[UUID], subject: UUID, by: "User", reason: str
) -> int:
    """Let the open held and escalated seats of the items come first; how many were moved.

    What has such a priority already stays as it is. `subject` is what the event is about.
    """
    moved = _waiting(stream, items).filter(priority__lt=FRONT).update(priority=FRONT)
    if moved:
        record_event(
            stream_id=stream.id,
            kind="tasks.brought_forward",
            subject_id=subject,
            actor_id=by.pk,
            tasks=moved,
            reason=reason,
        )
    return moved


def _waiting(stream: Stream, items: Collection[UUID]) -> ReviewTaskQuerySet:
    return ReviewTask.objects.open().filter(stream=stream, item_id__in=items, queue__in=MOVED)
