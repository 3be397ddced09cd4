"""What is known of a stream's payloads: the fields that came last, and items to look at."""

from django.db import connection

from routing.models import Item, Stream

RECENT = 50
FIELDS_LISTED = 60

# The newest items by `item_stream_received`; the number of fields is bounded, whatever was posted.
RECENT_FIELDS = """
    SELECT field
    FROM (
        SELECT payload FROM routing_item
        WHERE stream_id = %s
        ORDER BY received_at DESC
        LIMIT %s
    ) AS recent
    CROSS JOIN LATERAL jsonb_object_keys(recent.payload) AS field
    GROUP BY field
    ORDER BY count(*) DESC, field
    LIMIT %s
"""


def list_fields(stream: Stream) -> list[str]:
    """Payload fields of the stream: in its own order, those it lays out, those that came last."""
    with connection.cursor() as cursor:
        cursor.execute(RECENT_FIELDS, [stream.id, RECENT, FIELDS_LISTED])
        recent = [name for (name,) in cursor.fetchall()]
    return list(dict.fromkeys([*stream.payload_order, *stream.payload_fields, *recent]))


def find_recent_item(stream: Stream, *, at: int) -> Item | None:
    """The item `at` places behind the newest one, among the last `RECENT`."""
    newest = Item.objects.filter(stream=stream).order_by("-received_at", "-id")
    return newest[at : at + 1].first() if 0 <= at < RECENT else None
