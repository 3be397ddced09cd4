"""Periodic jobs that run once a period, however often and by whomever they are started.

The row that says so is written in the job's own transaction: a job that fails leaves none and
is done at the next occasion, two that start together wait for each other and one finds it done.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from calibration.models import JobRun
from routing.ids import uuid7
from routing.models import Stream

MONTHS_PER_QUARTER: Final = 3


def day_of(stream: Stream, at: datetime) -> str:
    """Day in the stream's time zone, such as 2026-11-22."""
    return at.astimezone(ZoneInfo(stream.time_zone)).date().isoformat()


def week_of(stream: Stream, at: datetime) -> str:
    """ISO week in the stream's time zone, such as 2026-W47."""
    year, week, _ = at.astimezone(ZoneInfo(stream.time_zone)).isocalendar()
    return f"{year}-W{week:02d}"


def month_of(stream: Stream, at: datetime) -> str:
    """Month in the stream's time zone, such as 2026-11."""
    return f"{at.astimezone(ZoneInfo(stream.time_zone)):%Y-%m}"


def quarter_of(stream: Stream, at: datetime) -> str:
    """Quarter in the stream's time zone, such as 2026-Q4."""
    local = at.astimezone(ZoneInfo(stream.time_zone))
    return f"{local.year}-Q{(local.month - 1) // MONTHS_PER_QUARTER + 1}"


@transaction.atomic
def run_once(
    *,
    stream: Stream,
    job: str,
    period: str,
    at: datetime,
    work: Callable[[], dict[str, object] | None],
) -> JobRun | None:
    """Do `work` unless the job was done for this period; its result is kept in the row.

    None where it was done before, and where `work` returns None: it found nothing to do, so
    the period stays open and what comes later in it is not left for the next.
    """
    row_id = uuid7()
    with connection.cursor() as cursor:
        # Waits for a transaction that is doing the same job, and then sees how it ended.
        cursor.execute(
            """
            INSERT INTO calibration_jobrun (id, stream_id, job, period, done_at, result)
            VALUES (%s, %s, %s, %s, %s, '{}')
            ON CONFLICT ON CONSTRAINT job_period_unique DO NOTHING
            """,
            [row_id, stream.id, job, period, at],
        )
        if not cursor.rowcount:
            return None
    result = work()
    if result is None:
        JobRun.objects.filter(id=row_id).delete()
        return None
    row = JobRun.objects.get(id=row_id)
    row.result = result
    row.save(update_fields=["result"])
    return row
