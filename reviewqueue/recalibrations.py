"""Recalibrating a stream with what is known of its reviewers' pace."""

from datetime import datetime, timedelta

from calibration.models import CalibrationRun
from calibration.runs import FITTED_DAYS, recalibrate
from reviewqueue.pace import seconds_per_review
from routing.models import Stream


def recalibrate_stream(
    *,
    stream: Stream,
    at: datetime,
    reason: str,
    created_by_id: int | None = None,
    days: int = FITTED_DAYS,
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
    )
