"""Celery tasks of the calibration floor: ids in, one command, one line in the log."""

import logging
from typing import Final

from celery import shared_task
from django.utils import timezone

from calibration.frames import fold_deltas
from calibration.jobs import month_of, run_once
from calibration.labels import count_labels, find_cohort
from calibration.runs import MEASURED_DAYS, measure
from routing.models import Stream

logger = logging.getLogger(__name__)

MONTHLY_TABLE: Final = "monthly_table"
FOLD_AT_ONCE: Final = 100_000


@shared_task  # type: ignore[untyped-decorator]
def fold_frame_deltas() -> None:
    """Add the noted counts to the frame counts, until few are left."""
    while (folded := fold_deltas(limit=FOLD_AT_ONCE)) == FOLD_AT_ONCE:
        logger.info("folded %d frame deltas, more are waiting", folded)


@shared_task  # type: ignore[untyped-decorator]
def measure_month(stream_id: str) -> None:
    """Store this month's reliability table, once there are labels to make it from."""
    stream = Stream.objects.get(id=stream_id)
    at = timezone.now()
    month = month_of(stream, at)

    def work() -> dict[str, object] | None:
        cohort = find_cohort(stream=stream, at=at, days=MEASURED_DAYS)
        if not count_labels(cohort):
            return None
        run = measure(stream=stream, at=at, reason=f"monthly table {month}")
        return {"run": str(run.id), "labels": run.labels}

    done = run_once(stream=stream, job=MONTHLY_TABLE, period=month, at=at, work=work)
    if done is not None:
        logger.info("%s: %s of %s: %s", stream.key, MONTHLY_TABLE, month, done.result)
