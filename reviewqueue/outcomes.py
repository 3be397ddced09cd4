"""The feed of outcomes: what people decided, in the order in which it was published.

A cursor is the position that was read last. Positions are given to committed rows only
(`reviewqueue.sequencer`), so that who goes on from a cursor misses nothing and reads nothing twice.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet
from django.db.models.functions import Now

from reviewqueue.messages import Message, read_message
from reviewqueue.sequencer import sequence_due
from routing.models import Announcement, Stream

Kind = Announcement.Kind

# In the words of the index `announcement_outcomes`.
KINDS: Final = (Kind.SETTLED, Kind.OVERTURNED)
MOST: Final = 1_000
_CURSOR: Final = re.compile(r"o(0|[1-9][0-9]{0,17})")


class CursorError(ValueError):
    """This is no cursor of the feed; send the `next` of an earlier answer, or none to begin."""


class CursorAheadError(CursorError):
    """This cursor is ahead of the feed, which was restored from a backup since."""

    def __init__(self, last: int) -> None:
        super().__init__(
            f"{CursorAheadError.__doc__} The last that it still has is o{last}: go on from there."
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Outcomes, the cursor after the last of them, and whether there are more already.

    There may be more after none: a read gives positions to a thousand announcements of all kinds.
    """

    outcomes: Sequence[Message]
    next: str
    more: bool


def read_outcomes(*, stream: Stream, after: str = "", limit: int = MOST) -> Page:
    """Up to `limit` outcomes after the cursor; what fell due meanwhile is there to be read.

    Raises:
        CursorError: `after` is none.
        CursorAheadError: it was given out before a backup was restored that does not know it. What
            comes now would count up to it unseen.
    """
    position = _read_cursor(after)
    sequence_due(stream.id)
    # Before the page is read: what another gives positions to meanwhile is in the page then.
    is_due = _without_position(stream).exists()
    found = Announcement.objects.filter(stream=stream, kind__in=KINDS, position__gt=position)
    rows = list(
        found.select_related("item")
        .defer("item__payload", "item__scores", "item__blocks")
        .order_by("position")[: limit + 1]
    )
    if position and not rows:
        _refuse_ahead(stream, position)
    page = rows[:limit]
    last = page[-1].position if page else position
    return Page([read_message(row) for row in page], f"o{last}", is_due or len(rows) > limit)


def _without_position(stream: Stream) -> QuerySet[Announcement]:
    """Outcomes that are due and were left to the next read, or to a sequencer that is at it."""
    return Announcement.objects.filter(
        stream=stream,
        kind__in=KINDS,
        position__isnull=True,
        withdrawn_at__isnull=True,
        due_at__lte=Now(),
    )


def _refuse_ahead(stream: Stream, position: int) -> None:
    given = Announcement.objects.filter(stream=stream, position__isnull=False)
    last = given.order_by("-position").values_list("position", flat=True).first() or 0
    if position > last:
        raise CursorAheadError(last)


def _read_cursor(text: str) -> int:
    if not text:
        return 0
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise CursorError(CursorError.__doc__)
    return int(found[1])
