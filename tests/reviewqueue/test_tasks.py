"""The tasks of the top floor: once a period, two at once, and by a real Celery worker."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from urllib.parse import urlsplit, urlunsplit

import pytest
from celery import Celery
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from calibration.jobs import quarter_of, week_of
from calibration.models import AuditDraw, CalibrationRun, FrameCount, FrameDelta, JobRun
from calibration.tasks import fold_frame_deltas
from reviewqueue import tasks
from reviewqueue.claims import claim_next
from reviewqueue.models import ReviewTask
from reviewqueue.schedule import SWEEPS
from reviewqueue.seats import open_audit_seats
from routing.models import Policy, Stream
from tests.calibration.cohorts import label_items, make_audited_stream, post_items
from tests.scenes import make_bare_stream, make_person

PROJECT = Path(__file__).resolve().parents[2]
# Long enough for a slow machine; nothing here waits for as long as that unless it fails.
PATIENCE_SECONDS = 60.0


def wait_until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.mark.django_db
def test_expired_leases_are_freed() -> None:
    stream = make_audited_stream()
    post_items(stream, 2, confidence=0.55, at=timezone.now())
    rita = make_person("rita", stream, "reviewer")
    task = claim_next(user=rita, stream=stream, queue="hold")
    assert task is not None
    tasks.expire_leases()
    assert ReviewTask.objects.get(id=task.id).state == "claimed"
    ReviewTask.objects.filter(id=task.id).update(lease_expires_at=timezone.now() - timedelta(1))
    tasks.expire_leases()
    assert ReviewTask.objects.get(id=task.id).state == "open"


@pytest.mark.django_db
def test_quarter_is_recalibrated_once_there_are_labels_for_a_fit() -> None:
    stream = make_audited_stream()
    now = timezone.now()
    decisions = post_items(stream, 80, confidence=0.95, at=now)
    label_items(decisions[:29], right=15)
    tasks.recalibrate_quarter(str(stream.id))
    assert not JobRun.objects.exists()
    # So many that the fit has enough of them without any of its folds.
    label_items(decisions[29:], right=25)
    tasks.recalibrate_quarter(str(stream.id))
    tasks.recalibrate_quarter(str(stream.id))
    run = CalibrationRun.objects.get()
    assert (run.kind, run.labels) == ("refit", 80)
    assert run.draft_id is not None
    job = JobRun.objects.get()
    assert (job.job, job.period) == ("quarterly_recalibration", quarter_of(stream, now))
    assert job.result == {"run": str(run.id), "draft": str(run.draft_id)}
    assert Policy.objects.published().count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_audits_at_once_open_one_sample() -> None:
    stream = make_audited_stream()
    post_items(stream, 50, confidence=0.95, at=timezone.now())
    start = Barrier(4)

    def audit() -> None:
        try:
            start.wait()
            tasks.open_weekly_audit(str(stream.id))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        for future in [threads.submit(audit) for _ in range(4)]:
            future.result()
    assert JobRun.objects.get().result["opened"] == 50
    assert ReviewTask.objects.filter(queue="audit").count() == 50
    assert ReviewTask.objects.filter(queue="audit").values("item_id").distinct().count() == 50


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first_fails", [False, True])
def test_second_audit_waits_for_the_first_and_works_only_if_that_failed(
    first_fails: bool,
) -> None:
    stream = make_audited_stream()
    post_items(stream, 5, confidence=0.95, at=timezone.now())

    def audit() -> None:
        try:
            tasks.open_weekly_audit(str(stream.id))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            first = open_audit_seats(stream=stream, at=timezone.now())
            assert first is not None
            second = threads.submit(audit)
            wait_until(lambda: _count_waiting() == 1, "the second audit does not wait")
            transaction.set_rollback(first_fails)
        second.result(timeout=PATIENCE_SECONDS)
    row = JobRun.objects.get()
    assert (row.id == first.id) is not first_fails
    assert row.period == week_of(stream, timezone.now())
    assert ReviewTask.objects.filter(queue="audit").count() == 5
    assert not AuditDraw.objects.filter(opened_at=None).exists()


def _count_waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_two_recalibrations_at_once_make_one_draft() -> None:
    stream = make_audited_stream()
    label_items(post_items(stream, 200, confidence=0.95, at=timezone.now()), right=150)
    start = Barrier(2)

    def recalibrate() -> None:
        try:
            start.wait()
            tasks.recalibrate_quarter(str(stream.id))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        for future in [threads.submit(recalibrate) for _ in range(2)]:
            future.result()
    assert CalibrationRun.objects.count() == 1
    assert Policy.objects.filter(version=None).count() == 1
    assert JobRun.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_folders_at_once_count_everything_once() -> None:
    stream = make_audited_stream()
    for _ in range(10):
        post_items(stream, 5, confidence=0.95, at=timezone.now())
    start = Barrier(2)

    def fold() -> None:
        try:
            start.wait()
            fold_frame_deltas()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        for future in [threads.submit(fold) for _ in range(2)]:
            future.result()
    assert not FrameDelta.objects.exists()
    assert FrameCount.objects.get().count == 50


def _url_of_test_database() -> str:
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


@contextmanager
def celery_worker(queue: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of a queue of its own on the test database."""
    command = [sys.executable, "-m", "celery", "-A", "reviewqueue", "worker"]
    options = ["--queues", queue, "--pool", "threads", "--concurrency", "2", "--loglevel", "INFO"]
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [*command, *options, "--without-gossip", "--without-mingle"],
            cwd=PROJECT,
            env={**os.environ, "DATABASE_URL": _url_of_test_database()},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield worker
        finally:
            worker.terminate()
            worker.wait(timeout=PATIENCE_SECONDS)


def _count_done(log: Path, task: str) -> int:
    """How often a task is said to have succeeded: once for each message that was taken."""
    return sum(f".{task}[" in line and "succeeded" in line for line in log.read_text().splitlines())


@pytest.mark.django_db(transaction=True)
def test_real_worker_does_every_sweep_of_the_schedule(tmp_path: Path) -> None:
    stream = make_audited_stream()
    make_bare_stream("without-a-policy")
    now = timezone.now()
    post_items(stream, 60, confidence=0.95, at=now)
    label_items(post_items(stream, 60, confidence=0.55, at=now), right=30)
    queue, log = f"test-{uuid.uuid4()}", tmp_path / "worker.log"
    rung = ("open_weekly_audit", "measure_month", "recalibrate_quarter")
    beat = Celery("beat", broker=settings.CELERY_BROKER_URL)
    beat.conf.task_default_queue = queue
    # What beat publishes is what each sweep is named; what a sweep rings for is routed alike.
    with celery_worker("celery," + queue, log) as worker:
        for sweep in SWEEPS:
            beat.send_task(sweep.task)

        def all_done() -> bool:
            assert worker.poll() is None, log.read_text()
            return JobRun.objects.count() == 3 and not FrameDelta.objects.exists()

        wait_until(all_done, log.read_text())
        for _ in range(2):  # a second beat, and a third
            for sweep in SWEEPS:
                beat.send_task(sweep.task)
        wait_until(lambda: all(_count_done(log, name) == 3 for name in rung), log.read_text())
    assert set(JobRun.objects.values_list("job", flat=True)) == {
        "weekly_audit",
        "monthly_table",
        "quarterly_recalibration",
    }
    assert ReviewTask.objects.filter(queue="audit").count() == 60
    assert sorted(CalibrationRun.objects.values_list("kind", flat=True)) == ["refit", "table"]
    assert "Traceback" not in log.read_text()
    assert Stream.objects.count() == 2
