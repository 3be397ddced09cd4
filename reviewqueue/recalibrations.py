"""Recalibrating a stream with what is known of its reviewers' pace."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.utils.text import Truncator

from calibration.jobs import day_of, run_once
from calibration.models import LONGEST_REASON, CalibrationRun, DriftAlarm, JobRun
from calibration.runs import FITTED_DAYS, Progress, recalibrate
from calibration.watches import unanswered_alarms
from reviewqueue.pace import seconds_per_review
from routing.models import Stream

DRIFT_RECALIBRATION: Final = "drift_recalibration"


def recalibrate_stream(
    *,
    stream: Stream,
    at: datetime,
    reason: str,
    created_by_id: int | None = None,
    days: int = FITTED_DAYS,
    progress: Progress | None = None,
    finish: Callable[[CalibrationRun], None] | None = None,
) -> CalibrationRun:
    """`calibration.runs.recalibrate` with the reviewer hours that each policy costs."""
    return recalibrate(
        stream=stream,
        at=at,
        reason=reason,
        created_by_id=created_by_id,
        days=days,
        seconds_per_review=seconds_per_review(
            stream=stream, start=at - timedelta(days=days), end=at
        ),
        progress=progress,
        finish=finish,
    )


def recalibrate_after_alarm(*, stream: Stream, at: datetime) -> JobRun | None:
    """Recalibrate where a drift alarm was raised since the last refit, once a day at most.

    None where there is no such alarm, or where it was done.
    """

    def work() -> dict[str, object] | None:
        alarms = unanswered_alarms(stream=stream)
        if not alarms:
            return None
        run = recalibrate_stream(stream=stream, at=at, reason=_give_reason(alarms))
        return {"run": str(run.id), "draft": str(run.draft_id) if run.draft_id else None}

    return run_once(
        stream=stream, job=DRIFT_RECALIBRATION, period=day_of(stream, at), at=at, work=work
    )


def _give_reason(alarms: list[DriftAlarm]) -> str:
    found = [
        f"{alarm.get_side_display()} in {alarm.category or 'all categories'}" for alarm in alarms
    ]
    return Truncator(f"drift alarm: {', '.join(found)}").chars(LONGEST_REASON)
