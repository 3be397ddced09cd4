"""How long reviews take."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from calibration.labels import find_cohort
from reviewqueue.claims import claim_next
from reviewqueue.models import ReviewTask
from reviewqueue.pace import Pace, Work, measure_label_work, measure_pace, seconds_per_review
from reviewqueue.recalibrations import recalibrate_stream
from reviewqueue.verdicts import Answer, record_verdict, undo_verdict
from routing.models import Stream
from tests.calibration.cohorts import make_audited_stream, post_items
from tests.scenes import KEYS, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


@pytest.fixture
def rita(stream: Stream) -> User:
    return make_person("rita", stream, "reviewer")


def answer_next(rita: User, stream: Stream, queue: str, *, active: timedelta) -> ReviewTask:
    """Answer a task that was claimed long ago, so that its active time may be long."""
    task = claim_next(user=rita, stream=stream, queue=queue)
    assert task is not None
    assert task.lease_token is not None
    ReviewTask.objects.filter(id=task.id).update(claimed_at=timezone.now() - timedelta(hours=2))
    record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=rita,
        answer=Answer("category", [KEYS[0]]),
        active_ms=int(active / timedelta(milliseconds=1)),
    )
    return task


def measured(stream: Stream) -> dict[str, float]:
    now = timezone.now()
    return seconds_per_review(
        stream=stream, start=now - timedelta(days=1), end=now + timedelta(days=1)
    )


def test_pace_is_the_mean_of_each_queue_capped_at_the_lease(stream: Stream, rita: User) -> None:
    post_items(stream, 4, confidence=0.55, at=timezone.now())
    post_items(stream, 1, confidence=0.75, at=timezone.now())
    for seconds in (10, 20, 3600):
        answer_next(rita, stream, "hold", active=timedelta(seconds=seconds))
    answer_next(rita, stream, "hold", active=timedelta(0))  # unknown
    answer_next(rita, stream, "flagged", active=timedelta(seconds=7))
    lease = stream.lease.total_seconds()
    assert measured(stream) == {"hold": (10 + 20 + lease) / 3, "flagged": 7.0}


def test_withdrawn_verdicts_and_other_streams_do_not_count(stream: Stream, rita: User) -> None:
    post_items(stream, 1, confidence=0.55, at=timezone.now())
    task = answer_next(rita, stream, "hold", active=timedelta(seconds=30))
    assert measured(stream) == {"hold": 30.0}
    assert measured(make_audited_stream("other")) == {}
    undo_verdict(verdict_id=task.verdicts.get().id, reviewer=rita)
    assert measured(stream) == {}


def test_recalibration_reports_hours_at_the_measured_pace(stream: Stream, rita: User) -> None:
    post_items(stream, 5, confidence=0.55, at=timezone.now())
    answer_next(rita, stream, "hold", active=timedelta(seconds=36))
    run = recalibrate_stream(stream=stream, at=timezone.now(), reason="a rollout")
    assert run.report["review"]["hours_now"] == pytest.approx(5 * 36 / 3600)


def test_median_pace_has_an_interval_from_six_verdicts_on(stream: Stream, rita: User) -> None:
    post_items(stream, 7, confidence=0.55)
    end = timezone.now() + timedelta(days=1)
    start = end - timedelta(days=2)
    for number in range(5):
        answer_next(rita, stream, "hold", active=timedelta(seconds=10 * number + 10))
    found = measure_pace(stream=stream, user=rita, start=start, end=end)
    assert found == Pace(verdicts=5, median=30.0, low=None, high=None)
    for seconds in (60, 70):
        answer_next(rita, stream, "hold", active=timedelta(seconds=seconds))
    found = measure_pace(stream=stream, user=rita, start=start, end=end)
    # With 7 verdicts the extremes hold the median 98.4% of the time, the next ones 87.5%.
    assert found == Pace(verdicts=7, median=40.0, low=10.0, high=70.0)
    assert measure_pace(stream=stream, user=rita, start=end, end=end).verdicts == 0


def test_work_behind_labels_is_the_time_of_their_verdicts(stream: Stream, rita: User) -> None:
    post_items(stream, 4, confidence=0.55, at=timezone.now())
    for seconds in (1800, 360, 0):
        task = answer_next(rita, stream, "hold", active=timedelta(seconds=seconds))
    cohort = find_cohort(stream=stream, at=timezone.now(), days=90)
    cap = stream.lease.total_seconds()
    expected = (min(1800.0, cap) + min(360.0, cap)) / 3600.0
    found = measure_label_work(cohort)
    assert (found[False].verdicts, found[False].untimed) == (3, 1)
    assert found[False].hours == pytest.approx(expected)
    assert found[True] == Work(0, 0.0, 0)
    undo_verdict(verdict_id=task.verdicts.get().id, reviewer=rita)
    assert measure_label_work(cohort)[False].verdicts == 2
