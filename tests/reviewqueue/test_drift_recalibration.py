"""An alarm of the drift watch starts one recalibration, by the daily task and by nobody twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from calibration.models import CalibrationRun, DriftAlarm, DriftWatch, JobRun
from calibration.monitoring import watch_audits
from reviewqueue import tasks
from reviewqueue.recalibrations import recalibrate_after_alarm, recalibrate_stream
from routing.models import Event, Policy, Stream
from tests.calibration.cohorts import label_items, make_audited_stream, post_items
from tests.scenes import KEYS


def audit(stream: Stream, size: int, *, right: int) -> None:
    """Automatic items that were judged two hours ago: past the undo window."""
    at = timezone.now() - timedelta(hours=2)
    label_items(post_items(stream, size, confidence=0.95, at=at), right=right)


@pytest.mark.django_db
def test_alarm_starts_a_recalibration_once() -> None:
    stream = make_audited_stream()
    audit(stream, 100, right=60)
    tasks.watch_drift(str(stream.id))
    tasks.watch_drift(str(stream.id))
    run = CalibrationRun.objects.get()
    assert (run.kind, run.labels) == ("refit", 100)
    assert run.reason == (
        "drift alarm: more errors than promised in all categories, "
        f"more errors than promised in {KEYS[0]}"
    )
    assert run.draft_id is not None
    jobs = {job.job: job.result for job in JobRun.objects.all()}
    assert jobs == {
        "drift_watch": {"audits": 100, "alarms": 2},
        "drift_recalibration": {"run": str(run.id), "draft": str(run.draft_id)},
    }
    assert Policy.objects.published().count() == 1


@pytest.mark.django_db
def test_kept_promise_starts_nothing() -> None:
    stream = make_audited_stream()
    audit(stream, 100, right=95)
    tasks.watch_drift(str(stream.id))
    assert DriftWatch.objects.get().audits == 100
    assert not CalibrationRun.objects.exists()
    assert list(JobRun.objects.values_list("job", flat=True)) == ["drift_watch"]


@pytest.mark.django_db
def test_stream_without_a_policy_or_labels_is_left_alone() -> None:
    stream = make_audited_stream()
    tasks.watch_drift(str(stream.id))
    assert not JobRun.objects.exists()
    assert not DriftWatch.objects.exists()


@pytest.mark.django_db
def test_recalibration_since_the_alarm_answers_it() -> None:
    stream = make_audited_stream()
    audit(stream, 100, right=60)
    now = timezone.now()
    watch_audits(stream=stream, at=now)
    recalibrate_stream(stream=stream, at=now + timedelta(seconds=1), reason="by hand")
    assert recalibrate_after_alarm(stream=stream, at=now + timedelta(seconds=2)) is None
    assert CalibrationRun.objects.count() == 1


@pytest.mark.django_db
def test_recalibration_that_fails_leaves_the_alarm_and_is_done_next_time() -> None:
    stream = make_audited_stream()
    audit(stream, 100, right=60)
    now = timezone.now()
    watch_audits(stream=stream, at=now)
    assert DriftAlarm.objects.count() == 2
    # The task was killed here; the next sweep finds the alarm without a run.
    tasks.watch_drift(str(stream.id))
    assert CalibrationRun.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_drift_tasks_at_once_alarm_and_recalibrate_once() -> None:
    stream = make_audited_stream()
    audit(stream, 100, right=60)
    start = Barrier(3)

    def watch() -> None:
        try:
            start.wait()
            tasks.watch_drift(str(stream.id))
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as threads:
        for future in [threads.submit(watch) for _ in range(3)]:
            future.result()
    assert DriftWatch.objects.get().audits == 100
    assert Event.objects.filter(kind="drift.alarm").count() == 2
    assert CalibrationRun.objects.count() == 1
    assert Policy.objects.filter(version=None).count() == 1
