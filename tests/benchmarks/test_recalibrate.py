"""The benchmark of a recalibration, at a small size."""

import pytest

from benchmarks.recalibrate import make_labelled_stream, recalibrate_here
from calibration.models import CalibrationRun, GroundTruth
from routing.models import Item


@pytest.mark.django_db(transaction=True)
def test_labelled_stream_is_recalibrated_whole() -> None:
    stream = make_labelled_stream("labelled", labels=3_000, categories=7)
    assert GroundTruth.objects.usable().filter(stream=stream).count() == 3_000
    assert {len(item.scores) for item in Item.objects.all()[:50]} == {7}

    found = recalibrate_here("labelled")

    run = CalibrationRun.objects.get()
    assert (run.labels, len(run.report["labels"]["by_category"])) == (3_000, 7)
    assert run.report["queues"]["items"] == 3_000
    assert run.report["labels"]["items"] > 3_000 * 5
    assert sorted(found) == ["recalibrate_mib", "recalibrate_s"]
    assert 0.0 < found["recalibrate_s"] < 60.0
    assert found["recalibrate_mib"] > 50.0
