"""What upstream reads of an announcement, in the feed and in a webhook: the same bytes every time.

The document is made from what never changes once the announcement has a position.
"""

import json
from datetime import UTC
from typing import TypedDict

from routing.models import Announcement


class Message(TypedDict):
    """An announcement as upstream reads it."""

    id: str
    type: str
    timestamp: str
    data: dict[str, object]


def read_message(announcement: Announcement) -> Message:
    """The document; `announcement` with its item."""
    about: dict[str, object] = {}
    if announcement.item is not None:
        about = {
            "item": str(announcement.item_id),
            "external_id": announcement.item.external_id,
            "sequence": announcement.sequence,
        }
    return Message(
        id=str(announcement.id),
        type=announcement.kind,
        timestamp=announcement.due_at.astimezone(UTC).isoformat(),
        data={**about, **announcement.data},
    )


def write_message(message: Message) -> bytes:
    """The document as the body of a request; keys in order, so that a try equals the last."""
    return json.dumps(message, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
