"""What waits in a stream's queues and for how long, whoever may work them.

Reading stops at a bound in each queue, so that it costs the same at a backlog of a million. What is
read is then first in line: the most urgent and, among equals, the first due.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reviewqueue.lines import IN_ORDER, OPEN_IN_BATCH, OPEN_SINGLY
from reviewqueue.models import ReviewTask
from routing.models import Stream
from routing.reading import reading

# One index range of `task_next` a queue, one of `task_batch`, and what is in somebody's hands.
READ: Final = f"""
    SELECT wanted.queue, found.* FROM unnest(%(queues)s::text[]) AS wanted (queue)
    CROSS JOIN LATERAL (
        SELECT count(*), count(*) FILTER (WHERE is_held),
            count(*) FILTER (WHERE due_at <= now()),
            count(*) FILTER (WHERE due_at > now() AND due_at <= now() + interval '1 day'),
            min(opened_at), percentile_disc(0.5) WITHIN GROUP (ORDER BY opened_at)
        FROM (
            (SELECT opened_at, due_at, false AS is_held
            FROM reviewqueue_reviewtask AS task
            WHERE task.stream_id = %(stream)s AND task.queue = wanted.queue
                AND {OPEN_SINGLY}
            ORDER BY {IN_ORDER}
            LIMIT %(bound)s)
            UNION ALL
            (SELECT opened_at, due_at, false
            FROM reviewqueue_reviewtask AS task
            WHERE wanted.queue = 'flagged' AND task.stream_id = %(stream)s
                AND {OPEN_IN_BATCH}
            ORDER BY {IN_ORDER}
            LIMIT %(bound)s)
            UNION ALL
            SELECT opened_at, due_at, true
            FROM reviewqueue_reviewtask AS task
            WHERE task.stream_id = %(stream)s AND task.queue = wanted.queue
                AND task.state = 'claimed'
        ) AS line) AS found
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in one queue, in hand or not; where there `is_more`, the first in line.

    `soon` are due within a day; `oldest` and `median` are when the oldest and the middle one of
    those that were read came up for review, None where nothing waits.
    """

    queue: str
    waiting: int
    held: int
    overdue: int
    soon: int
    oldest: datetime | None
    median: datetime | None
    is_more: bool


def read_backlogs(*, stream: Stream, bound: int) -> list[Backlog]:
    """The backlog of each queue in their usual order, `bound` tasks of each at most; one query.

    The flagged queue has two lines, the batch and what is judged singly, each read to the bound.
    """
    queues = list(ReviewTask.Queue.values)
    with reading().cursor() as cursor:
        cursor.execute(READ, {"stream": stream.id, "queues": queues, "bound": bound + 1})
        found = {
            queue: Backlog(
                queue=queue,
                waiting=waiting,
                held=held,
                overdue=overdue,
                soon=soon,
                oldest=oldest,
                median=median,
                is_more=waiting - held > bound,
            )
            for queue, waiting, held, overdue, soon, oldest, median in cursor
        }
    return [found[queue] for queue in queues]
