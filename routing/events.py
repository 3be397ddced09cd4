"""The append-only record of what happened, written in the transaction that makes it happen."""

from datetime import datetime
from uuid import UUID

from django.utils import timezone

from routing.models import Event


def record_event(
    *,
    stream_id: UUID,
    kind: str,
    subject_id: UUID,
    actor_id: int | None = None,
    happened_at: datetime | None = None,
    **data: object,
) -> Event:
    """Note that `kind` happened to `subject_id`.

    `data` holds ids, numbers and what a person wrote about it, never a payload. `happened_at` is
    for imports of the past; by default now.
    """
    return Event.objects.create(
        stream_id=stream_id,
        kind=kind,
        subject_id=subject_id,
        actor_id=actor_id,
        data=data,
        happened_at=happened_at or timezone.now(),
    )
