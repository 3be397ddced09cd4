"""The outbox: what upstream is told is a row first, written in the transaction of what it tells.

The floor above gives the rows their positions and sends them (`reviewqueue.sequencer`,
`reviewqueue.deliveries`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models.functions import Now
from django.utils import timezone

from routing.models import Announcement


def announce(
    *,
    stream_id: UUID,
    kind: Announcement.Kind,
    subject_id: UUID,
    due_at: datetime | None = None,
    **data: object,
) -> Announcement:
    """Tell upstream of something that is about no item; by default as soon as possible.

    `data` holds ids, categories and numbers, never a payload or what somebody wrote.
    """
    return Announcement.objects.create(
        stream_id=stream_id,
        kind=kind,
        subject_id=subject_id,
        due_at=due_at or timezone.now(),
        data=data,
    )


def announce_all(announcements: Iterable[Announcement]) -> None:
    """Store announcements about items, in one statement."""
    Announcement.objects.bulk_create(announcements)


def withdraw_announcements(
    *, stream_id: UUID, item_ids: Sequence[UUID], kinds: Sequence[Announcement.Kind]
) -> bool:
    """Let nothing of these kinds be told of the items; False where something was told already.

    The conditional UPDATE is what decides between an undo and the sequencer. After a False the
    caller must roll back: some of it may be withdrawn by then.
    """
    about = Announcement.objects.filter(
        stream_id=stream_id, item_id__in=item_ids, kind__in=kinds, withdrawn_at__isnull=True
    )
    about.filter(position__isnull=True).update(withdrawn_at=Now())
    return not about.filter(position__isnull=False).exists()


def withdraw_announcements_of(*, stream_id: UUID, subject_id: UUID) -> bool:
    """Let nothing be told of one verdict; False where something was told already."""
    about = Announcement.objects.filter(
        stream_id=stream_id,
        kind__in=Announcement.Kind.values,
        subject_id=subject_id,
        withdrawn_at__isnull=True,
    )
    about.filter(position__isnull=True).update(withdrawn_at=Now())
    return not about.filter(position__isnull=False).exists()
