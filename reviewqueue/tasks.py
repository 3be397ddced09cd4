"""Celery tasks of the top floor: ids in, one command, one line in the log.

Beat starts the sweeps (`reviewqueue.schedule`); each rings once for every stream that may be due,
and the job's own row decides whether it still has to be done.
"""

import logging
from typing import Final

from celery import shared_task
from django.db.models import Exists, OuterRef
from django.utils import timezone

from calibration.core.calibrators import FEWEST_LABELS
from calibration.jobs import quarter_of, run_once
from calibration.labels import count_labels, find_cohort
from calibration.monitoring import watch_audits
from calibration.runs import FITTED_DAYS
from calibration.shifts import measure_shift
from calibration.tasks import measure_month
from reviewqueue import (
    claims,
    deliveries,
    erasures,
    run_requests,
    second_opinions,
    sequencer,
    sessions,
)
from reviewqueue.doorbell import Task, ring
from reviewqueue.insight.making import make_next
from reviewqueue.recalibrations import recalibrate_after_alarm, recalibrate_stream
from reviewqueue.seats import open_audit_seats
from reviewqueue.shared_cache import drop_expired
from routing.models import Policy, Stream

logger = logging.getLogger(__name__)

QUARTERLY_RECALIBRATION: Final = "quarterly_recalibration"


@shared_task  # type: ignore[untyped-decorator]
def expire_leases() -> None:
    """Give every task whose lease ran out back to its queue."""
    expired = claims.expire_leases()
    if expired:
        logger.info("%d leases ran out", expired)


@shared_task  # type: ignore[untyped-decorator]
def ask_remote_models() -> None:
    """Ask remote models for the second opinions that are due."""
    asked = second_opinions.ask_due_models()
    if asked:
        logger.info("%d second opinions were asked for", asked)


@shared_task  # type: ignore[untyped-decorator]
def sequence_announcements() -> None:
    """Give what is due its position, and ring for the webhooks that hear of it."""
    given = sequencer.sequence_all()
    if given:
        logger.info("%d announcements were given their position", given)
        ring(send_deliveries)


@shared_task  # type: ignore[untyped-decorator]
def send_deliveries() -> None:
    """Send webhooks what is due."""
    tries = deliveries.send_due()
    if tries:
        logger.info("%d deliveries were tried", tries)


@shared_task  # type: ignore[untyped-decorator]
def delete_old_deliveries() -> None:
    """Drop the log of deliveries that are long over."""
    deleted = deliveries.delete_old_deliveries()
    if deleted:
        logger.info("%d old deliveries were dropped", deleted)


@shared_task  # type: ignore[untyped-decorator]
def drop_ended_sessions() -> None:
    """Forget the sessions that ran out, and the tries of sign-ins that count no more."""
    dropped, expired = sessions.drop_ended_sessions(), drop_expired()
    if dropped or expired:
        logger.info("%d sessions and %d counts that ran out were dropped", dropped, expired)


@shared_task  # type: ignore[untyped-decorator]
def work_run_requests() -> None:
    """Do the oldest recalibration that somebody asked for, and ring for the next."""
    request = run_requests.work_next()
    if request is not None:
        logger.info("%s: the recalibration asked for is %s", request.stream.key, request.state)
        ring(work_run_requests)


@shared_task  # type: ignore[untyped-decorator]
def make_insight_sheets() -> None:
    """Count and draw what an insight page waits for, and ring for the next."""
    sheet = make_next()
    if sheet is not None:
        logger.info("%s: made in %.1f s", sheet, sheet.seconds)
        ring(make_insight_sheets)


@shared_task  # type: ignore[untyped-decorator]
def sweep_retention() -> None:
    """Ring for every stream that keeps what its items hold for so long and no longer."""
    for stream_id in Stream.objects.filter(retention_days__isnull=False).values_list(
        "id", flat=True
    ):
        ring(erase_expired_items, stream_id)


@shared_task  # type: ignore[untyped-decorator]
def sweep_audits() -> None:
    """Ring for the weekly audit of every stream."""
    _ring_for_streams(open_weekly_audit)


@shared_task  # type: ignore[untyped-decorator]
def sweep_tables() -> None:
    """Ring for the monthly table of every stream."""
    _ring_for_streams(measure_month)


@shared_task  # type: ignore[untyped-decorator]
def sweep_recalibrations() -> None:
    """Ring for the quarterly recalibration of every stream."""
    _ring_for_streams(recalibrate_quarter)


@shared_task  # type: ignore[untyped-decorator]
def sweep_drift() -> None:
    """Ring for the daily drift watch of every stream."""
    _ring_for_streams(watch_drift)


@shared_task  # type: ignore[untyped-decorator]
def erase_expired_items(stream_id: str) -> None:
    """Erase what the items of a stream hold that are past its retention."""
    stream = Stream.objects.get(id=stream_id)
    done = erasures.erase_expired(stream=stream, at=timezone.now())
    if done is not None:
        logger.info("%s: retention of %s: %s", stream.key, done.period, done.result)


@shared_task  # type: ignore[untyped-decorator]
def open_weekly_audit(stream_id: str) -> None:
    """Open this week's audit seats of a stream."""
    stream = Stream.objects.get(id=stream_id)
    done = open_audit_seats(stream=stream, at=timezone.now())
    if done is not None:
        logger.info("%s: audit of %s: %s", stream.key, done.period, done.result)


@shared_task  # type: ignore[untyped-decorator]
def recalibrate_quarter(stream_id: str) -> None:
    """Propose this quarter's policy of a stream, once there are labels enough for a fit."""
    stream = Stream.objects.get(id=stream_id)
    at = timezone.now()
    quarter = quarter_of(stream, at)

    def work() -> dict[str, object] | None:
        cohort = find_cohort(stream=stream, at=at, days=FITTED_DAYS)
        if count_labels(cohort) < FEWEST_LABELS:
            return None
        run = recalibrate_stream(stream=stream, at=at, reason=f"quarterly recalibration {quarter}")
        return {"run": str(run.id), "draft": str(run.draft_id) if run.draft_id else None}

    done = run_once(stream=stream, job=QUARTERLY_RECALIBRATION, period=quarter, at=at, work=work)
    if done is not None:
        logger.info("%s: recalibration of %s: %s", stream.key, quarter, done.result)


@shared_task  # type: ignore[untyped-decorator]
def watch_drift(stream_id: str) -> None:
    """Show the drift test today's audits, and recalibrate if it raised an alarm.

    Each step is a job of its own, so an alarm stands even where the recalibration fails.
    """
    stream = Stream.objects.get(id=stream_id)
    at = timezone.now()
    for step in (watch_audits, measure_shift, recalibrate_after_alarm):
        done = step(stream=stream, at=at)
        if done is not None:
            logger.info("%s: %s of %s: %s", stream.key, done.job, done.period, done.result)


def _ring_for_streams(task: Task) -> None:
    """Ring for each stream that decides; the next sweep makes up for rings that go unheard."""
    published = Policy.objects.published().filter(stream_id=OuterRef("id"))
    for stream_id in Stream.objects.filter(Exists(published)).values_list("id", flat=True):
        ring(task, stream_id)
