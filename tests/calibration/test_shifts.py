"""Scores and queue shares of the last week against the first ones of the maps in force."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from calibration.frames import fold_deltas
from calibration.models import DriftWatch, JobRun
from calibration.shifts import measure_shift, measure_weeks
from calibration.watches import find_stretch
from routing.models import Stream
from tests.calibration.cohorts import make_audited_stream, post_items


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream(audit_rate=0.05)


def published(stream: Stream) -> datetime:
    at = stream.policies.get().published_at
    assert at is not None
    return at


def post_day(stream: Stream, day: int, *, auto: int, held: int) -> None:
    at = published(stream) + timedelta(days=day)
    post_items(stream, auto, confidence=0.95, at=at)
    post_items(stream, held, confidence=0.55, at=at)


def test_same_scores_are_stable(stream: Stream) -> None:
    post_day(stream, 0, auto=160, held=40)
    post_day(stream, 10, auto=160, held=40)
    fold_deltas()  # what is folded and what is not counts alike
    post_day(stream, 28, auto=160, held=40)
    at = published(stream) + timedelta(days=30)
    done = measure_shift(stream=stream, at=at)
    assert done is not None
    assert done.job == "score_shift"
    watch = DriftWatch.objects.get()
    assert watch.shift == done.result
    first = published(stream).date()
    assert watch.shift["reference"] == [
        first.isoformat(),
        (first + timedelta(days=23)).isoformat(),
    ]
    assert watch.shift["recent"] == [
        (first + timedelta(days=24)).isoformat(),
        (first + timedelta(days=30)).isoformat(),
    ]
    assert watch.shift["scores"]["verdict"] == watch.shift["queues"]["verdict"] == "stable"
    assert watch.shift["scores"]["value"] == pytest.approx(0.0, abs=1e-3)
    assert watch.audits == 0


def test_shyer_scores_and_more_holds_are_shifted(stream: Stream) -> None:
    post_day(stream, 0, auto=160, held=40)
    post_day(stream, 60, auto=40, held=160)
    measure_shift(stream=stream, at=published(stream) + timedelta(days=60))
    shift = DriftWatch.objects.get().shift
    assert (shift["scores"]["verdict"], shift["queues"]["verdict"]) == ("shifted", "shifted")


def test_shift_is_measured_once_a_day(stream: Stream) -> None:
    post_day(stream, 0, auto=160, held=40)
    at = published(stream) + timedelta(days=9)
    assert measure_shift(stream=stream, at=at) is not None
    assert measure_shift(stream=stream, at=at) is None
    assert measure_shift(stream=stream, at=at + timedelta(days=1)) is not None
    assert DriftWatch.objects.count() == 1


def test_too_few_items_say_so(stream: Stream) -> None:
    post_day(stream, 0, auto=160, held=40)
    measure_shift(stream=stream, at=published(stream) + timedelta(days=9))
    found = DriftWatch.objects.get().shift["scores"]
    assert found == {
        "value": None,
        "noise_floor": None,
        "verdict": "not_enough_items",
        "reason": "0 items in the current window, 100 are needed",
    }


def test_first_week_is_not_compared_with_itself(stream: Stream) -> None:
    post_day(stream, 0, auto=160, held=40)
    assert measure_shift(stream=stream, at=timezone.now() + timedelta(days=6)) is None
    assert not JobRun.objects.exists()
    assert not DriftWatch.objects.exists()


def test_other_models_items_are_left_out(stream: Stream) -> None:
    post_day(stream, 0, auto=160, held=40)
    at = published(stream) + timedelta(days=9)
    post_items(stream, 300, confidence=0.55, version="model-2", at=published(stream))
    post_day(stream, 9, auto=160, held=40)
    measure_shift(stream=stream, at=at)
    assert DriftWatch.objects.get().shift["queues"]["value"] == pytest.approx(0.0, abs=1e-6)


def test_weeks_are_compared_with_the_first_ones(stream: Stream) -> None:
    post_day(stream, 0, auto=160, held=40)
    post_day(stream, 31, auto=160, held=40)
    post_day(stream, 40, auto=40, held=160)
    at = published(stream) + timedelta(days=41)
    stretch = find_stretch(stream=stream, model_version="model-1")
    assert stretch is not None
    reference, weeks = measure_weeks(stream=stream, stretch=stretch, at=at, weeks=2)
    first = published(stream).date()
    assert reference == (first, first + timedelta(days=27))
    assert [(week.items, week.scores.verdict, week.queues.verdict) for week in weeks] == [
        (200.0, "stable", "stable"),
        (200.0, "shifted", "shifted"),
    ]
    early = published(stream) + timedelta(days=1)
    assert measure_weeks(stream=stream, stretch=stretch, at=early, weeks=2) == (None, [])
