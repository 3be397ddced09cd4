"""The sequencer: gives announcements their positions, and hands them to the webhooks.

A position from the writing transaction would be visible out of order: whoever read up to 8 would
never see the 7 that commits later. So positions are given afterwards, to committed rows that are
due, by one sequencer at a time under an advisory lock of the stream that its commit releases.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from reviewqueue.webhook_models import Delivery, Webhook
from routing.models import Announcement

SEQUENCE_LOCK: Final = 0x52515F53  # "RQ_S": who gives positions in a stream
AT_ONCE: Final = 1_000

# Who undoes one of these rows has it locked; it is passed over, and withdrawn by then or due still.
GIVE_POSITIONS: Final = """
    WITH due AS (
        SELECT id, item_id, due_at FROM routing_announcement
        WHERE stream_id = %(stream)s AND position IS NULL AND withdrawn_at IS NULL
            AND due_at <= statement_timestamp()
        ORDER BY due_at, id LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ), counted AS (
        SELECT id,
            row_number() OVER (ORDER BY due_at, id) AS place,
            CASE WHEN item_id IS NOT NULL THEN
                row_number() OVER (PARTITION BY item_id ORDER BY due_at, id) + coalesce((
                    SELECT max(earlier.sequence) FROM routing_announcement earlier
                    WHERE earlier.item_id = due.item_id), 0)
            END AS sequence
        FROM due
    )
    UPDATE routing_announcement told
    SET sequence = counted.sequence, position = counted.place + coalesce((
        SELECT max(position) FROM routing_announcement WHERE stream_id = %(stream)s), 0)
    FROM counted WHERE told.id = counted.id
    RETURNING told.id, told.kind, told.position
"""


def sequence_all() -> int:
    """Give positions in every stream where something is due; returns how many were given."""
    due = Announcement.objects.filter(
        position__isnull=True, withdrawn_at__isnull=True, due_at__lte=Now()
    )
    streams = due.order_by().values_list("stream_id", flat=True).distinct()
    return sum(sequence_stream(stream_id) for stream_id in list(streams))


def sequence_stream(stream_id: UUID) -> int:
    """Give positions to all that is due in the stream, a thousand to a transaction.

    Returns how many were given here: none where somebody else is at it.
    """
    given = 0
    while done := sequence_due(stream_id):
        given += done
        if done < AT_ONCE:
            break
    return given


@transaction.atomic
def sequence_due(stream_id: UUID) -> int:
    """Give positions to what is due, up to a thousand rows; returns how many, 0 beside another.

    The deliveries to the stream's webhooks are made in the same transaction.
    """
    with connection.cursor() as cursor:
        # A statement of its own, so that the next one sees what the last sequencer committed.
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [SEQUENCE_LOCK, str(stream_id)]
        )
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(GIVE_POSITIONS, {"stream": stream_id, "limit": AT_ONCE})
        told = sorted(cursor.fetchall(), key=lambda row: int(row[2]))
    if told:
        _hand_out(stream_id, [(row[0], row[1]) for row in told])
    return len(told)


def _hand_out(stream_id: UUID, told: Sequence[tuple[UUID, str]]) -> None:
    """A delivery for each webhook that hears of it: two statements."""
    hearing = Webhook.objects.filter(stream_id=stream_id).exclude(state=Webhook.State.DISABLED)
    # Locked, so that who disables one gives up what is made here too.
    webhooks = list(hearing.select_for_update(no_key=True).order_by("id"))
    Delivery.objects.bulk_create(
        Delivery(stream_id=stream_id, announcement_id=announcement_id, webhook=webhook)
        for announcement_id, kind in told
        for webhook in webhooks
        if kind in webhook.events
    )
