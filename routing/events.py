"""The append-only record of what happened, written in the transaction that makes it happen."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from routing.models import Event


def make_event(
    *,
    stream_id: UUID,
    kind: str,
    subject_id: UUID,
    actor_id: int | None = None,
    happened_at: datetime | None = None,
    **data: object,
) -> Event:
    """That `kind` happened to `subject_id`, not stored yet.

    `data` holds ids, numbers and what a person wrote about it, never a payload. `happened_at` is
    for imports of the past; by default now.
    """
    return Event(
        stream_id=stream_id,
        kind=kind,
        subject_id=subject_id,
        actor_id=actor_id,
        data=data,
        happened_at=happened_at or timezone.now(),
    )


def record_event(
    *,
    stream_id: UUID,
    kind: str,
    subject_id: UUID,
    actor_id: int | None = None,
    happened_at: datetime | None = None,
    **data: object,
) -> Event:
    """Note that `kind` happened to `subject_id`; as `make_event`."""
    event = make_event(
        stream_id=stream_id,
        kind=kind,
        subject_id=subject_id,
        actor_id=actor_id,
        happened_at=happened_at,
        **data,
    )
    event.save(force_insert=True)
    return event


def record_events(
    *,
    stream_id: UUID,
    kind: str,
    about: Iterable[tuple[UUID, Mapping[str, object]]],
    actor_id: int | None = None,
    happened_at: datetime,
) -> None:
    """Note `kind` for each (subject id, data) of `about`, in one statement."""
    Event.objects.bulk_create(
        Event(
            stream_id=stream_id,
            kind=kind,
            subject_id=subject_id,
            actor_id=actor_id,
            data=dict(data),
            happened_at=happened_at,
        )
        for subject_id, data in about
    )
