"""What somebody has in hand, for home: it may be given back from there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from reviewqueue.models import ReviewTask

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class InHand:
    """A task under a lease that still runs; `external_id` is its item's."""

    task_id: UUID
    lease_token: UUID | None
    external_id: str


def read_in_hand(user: "User") -> dict[tuple[UUID, str], InHand]:
    """The item in hand by stream and queue, not the one ahead of it; in one query."""
    held = (
        ReviewTask.objects.leased_to(user)
        .singly()
        .order_by("stream", "queue", "claimed_at")
        .distinct("stream", "queue")
        .values_list("stream", "queue", "id", "lease_token", "item__external_id")
    )
    return {
        (stream, queue): InHand(task_id, token, external_id)
        for stream, queue, task_id, token, external_id in held
    }
