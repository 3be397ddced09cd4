"""The tasks of the calibration floor."""

import pytest
from django.utils import timezone

from calibration.models import CalibrationRun, FrameCount, FrameDelta, JobRun
from calibration.tasks import fold_frame_deltas, measure_month
from routing.models import Stream
from tests.calibration.cohorts import label_items, make_audited_stream, post_items

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


def test_fold_empties_the_notes_into_the_counts(stream: Stream) -> None:
    post_items(stream, 5, confidence=0.95)
    post_items(stream, 3, confidence=0.95)
    assert FrameDelta.objects.count() == 2
    fold_frame_deltas()
    assert not FrameDelta.objects.exists()
    assert FrameCount.objects.get().count == 8


def test_month_is_measured_once(stream: Stream) -> None:
    now = timezone.now()
    label_items(post_items(stream, 5, confidence=0.95, at=now), right=4)
    measure_month(str(stream.id))
    measure_month(str(stream.id))
    run = CalibrationRun.objects.get()
    assert (run.kind, run.labels, run.reason) == ("table", 5, f"monthly table {now:%Y-%m}")
    job = JobRun.objects.get()
    assert (job.job, job.period) == ("monthly_table", f"{now:%Y-%m}")
    assert job.result == {"run": str(run.id), "labels": 5}


def test_month_without_labels_is_left_open(stream: Stream) -> None:
    now = timezone.now()
    decisions = post_items(stream, 5, confidence=0.95, at=now)
    measure_month(str(stream.id))
    assert not CalibrationRun.objects.exists()
    assert not JobRun.objects.exists()
    label_items(decisions, right=5)
    measure_month(str(stream.id))
    assert CalibrationRun.objects.get().labels == 5
