"""How much waits in a queue, for home and for the status bar.

Counting stops at a bound, so that a page costs the same at a backlog of a million.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import connection
from django.utils.translation import gettext as _

from reviewqueue.lines import IN_BATCH, IN_ORDER, OPEN_IN_BATCH, OPEN_SINGLY

if TYPE_CHECKING:
    from django.contrib.auth.models import User

COUNTED_UP_TO = 2_000

# One index range of `task_next` a queue, one of `task_batch` where it is flagged, and what the
# person holds. The oldest and the overdue are those among the counted.
WAITING: Final = f"""
    SELECT wanted.stream_id, wanted.queue, found.waiting, found.oldest, found.due, found.overdue,
        found.in_batch, found.of_today
    FROM unnest(%(streams)s::uuid[], %(queues)s::text[]) AS wanted (stream_id, queue)
    JOIN routing_stream AS stream ON stream.id = wanted.stream_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS waiting, min(opened_at) AS oldest,
            min(due_at) FILTER (WHERE due_at > now()) AS due,
            count(*) FILTER (WHERE due_at <= now()) AS overdue,
            count(*) FILTER (WHERE in_batch) AS in_batch,
            count(*) FILTER (WHERE in_batch AND state = 'open'
                AND opened_at >= date_trunc('day', now(), stream.time_zone)) AS of_today
        FROM (
            (SELECT opened_at, due_at, state, false AS in_batch
            FROM reviewqueue_reviewtask AS task
            WHERE task.stream_id = wanted.stream_id AND task.queue = wanted.queue
                AND {OPEN_SINGLY}
            ORDER BY {IN_ORDER}
            LIMIT %(bound)s)
            UNION ALL
            (SELECT opened_at, due_at, state, true AS in_batch
            FROM reviewqueue_reviewtask AS task
            WHERE wanted.queue = 'flagged' AND task.stream_id = wanted.stream_id
                AND {OPEN_IN_BATCH}
            ORDER BY {IN_ORDER}
            LIMIT %(bound)s)
            UNION ALL
            SELECT opened_at, due_at, state, {IN_BATCH} AS in_batch
            FROM reviewqueue_reviewtask AS task
            WHERE task.holder_id = %(user)s AND task.stream_id = wanted.stream_id
                AND task.queue = wanted.queue AND task.state = 'claimed'
        ) AS counted) AS found
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one queue of one stream.

    Of `count`, `batch` are rows of the flagged batch, and of these `today` make tomorrow's.
    """

    count: int
    oldest: datetime | None
    due: datetime | None
    overdue: int
    batch: int = 0
    today: int = 0

    @property
    def parts(self) -> str:
        """How the flagged queue is made up; empty for any other."""
        if not self.batch:
            return ""
        words = {"batch": count_in_words(self.batch), "blind": count_in_words(self.singles)}
        if not self.singles:
            return _("%(batch)s in the batch") % words
        return _("%(blind)s blind, %(batch)s in the batch") % words

    @property
    def batch_words(self) -> str:
        return count_in_words(self.batch)

    @property
    def singles(self) -> int:
        """What is judged one by one."""
        return self.count - self.batch

    @property
    def words(self) -> str:
        return count_in_words(self.count)

    @property
    def overdue_words(self) -> str:
        return count_in_words(self.overdue)


NOTHING = Waiting(count=0, oldest=None, due=None, overdue=0)


def count_waiting(
    *, user: "User", queues: Sequence[tuple[UUID, str]]
) -> dict[tuple[UUID, str], Waiting]:
    """What waits in each of the (stream id, queue) pairs, in one statement.

    What `user` has in hand waits too.
    """
    if not queues:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            WAITING,
            {
                "streams": [stream_id for stream_id, _name in queues],
                "queues": [queue for _id, queue in queues],
                "bound": COUNTED_UP_TO + 1,
                "user": user.pk,
            },
        )
        return {(row[0], row[1]): Waiting(*row[2:]) for row in cursor.fetchall()}


# Queues that are longer than what is counted: when to look again. While they are, the next
# seconds' answer is the same, and a count reads two thousand rows that claims have just touched.
_LONG: Final[dict[tuple[UUID, str], float]] = {}
LOOK_AGAIN_SECONDS: Final = 5.0

LEFT: Final = f"""
    SELECT count(*) FROM (
        SELECT 1 FROM reviewqueue_reviewtask AS task
        WHERE task.stream_id = %s AND task.queue = %s AND {OPEN_SINGLY}
        LIMIT %s) AS counted
"""  # noqa: S608 - made of constants


def count_left(*, stream_id: UUID, queue: str) -> int:
    """Open tasks of a queue that are judged singly, counted up to one more than `COUNTED_UP_TO`.

    Up to there always as they are now; beyond, the answer may be some seconds old.
    """
    now = time.monotonic()
    if _LONG.get((stream_id, queue), 0.0) > now:
        return COUNTED_UP_TO + 1
    with connection.cursor() as cursor:
        cursor.execute(LEFT, [stream_id, queue, COUNTED_UP_TO + 1])
        (count,) = cursor.fetchone()
    if count > COUNTED_UP_TO:
        _LONG[stream_id, queue] = now + LOOK_AGAIN_SECONDS
    return int(count)


def count_in_words(count: int) -> str:
    """A count as it is shown: "1,204", and "2,000+" where counting stopped."""
    if count > COUNTED_UP_TO:
        return f"{intcomma(COUNTED_UP_TO)}+"
    return str(intcomma(count))
