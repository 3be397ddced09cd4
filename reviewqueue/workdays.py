"""What a stream's people did, day by day: answers, their hours, and how many were ways out."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from routing.models import Stream
from routing.reading import reading

MILLISECONDS_PER_HOUR: Final = 3_600_000.0
# From one index alone: the columns are all in it.
BY_DAY: Final = """
    SELECT (answered_at AT TIME ZONE %(zone)s)::date AS day,
        count(*) FILTER (WHERE batch IS NULL),
        count(*) FILTER (WHERE batch IS NOT NULL),
        sum(least(active_ms, %(cap)s)),
        count(*) FILTER (WHERE batch IS NULL AND kind = 'no_category_fits'),
        count(*) FILTER (WHERE batch IS NULL AND kind = 'ambiguous'),
        count(*) FILTER (WHERE batch IS NULL AND kind = 'cannot_judge')
    FROM reviewqueue_verdict
    WHERE stream_id = %(stream)s AND answered_at >= %(start)s AND answered_at < %(end)s
        AND kind <> 'withdrawn'
    GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Workday:
    """Answers given one by one and rows closed in batches, with their active hours.

    Of the answers given one by one `none_fits`, `ambiguous` and `cannot_judge` named no single
    category. What was changed or taken back later counts: it was work.
    """

    answers: int
    batch_rows: int
    hours: float
    none_fits: int
    ambiguous: int
    cannot_judge: int


NO_WORK: Final = Workday(0, 0, 0.0, 0, 0, 0)


def read_workdays(*, stream: Stream, start: datetime, end: datetime) -> dict[date, Workday]:
    """By day of the stream's time zone, from `start` until before `end`; one query.

    Active times are capped at the lease, as everywhere.
    """
    given: dict[str, UUID | datetime | str | int] = {
        "stream": stream.id,
        "start": start,
        "end": end,
        "zone": stream.time_zone,
        "cap": int(stream.lease.total_seconds() * 1000),
    }
    with reading().cursor() as cursor:
        cursor.execute(BY_DAY, given)
        return {
            day: Workday(answers, rows, int(active or 0) / MILLISECONDS_PER_HOUR, *ways_out)
            for day, answers, rows, active, *ways_out in cursor
        }
