"""The drift watch: every audited label once, in order; alarms once; anew with maps and models."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pgtrigger
import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from calibration.core.drift import observe_audits, start_drift_test
from calibration.models import AuditDraw, DriftAlarm, DriftWatch, GroundTruth, JobRun
from calibration.monitoring import read_states, watch_audits
from calibration.truth import settle_truth
from calibration.watches import find_stretch, find_watch, unanswered_alarms
from routing.core.maps import CalibrationMap
from routing.models import Announcement, Decision, Event, Policy, Stream
from tests.calibration.cohorts import (
    NOON,
    VERSION,
    label_items,
    make_audited_stream,
    post_items,
)
from tests.scenes import KEYS, publish

EVENING = NOON + timedelta(hours=6)
NEXT_DAY = EVENING + timedelta(days=1)
MAPS = {"": CalibrationMap("platt", (1.0, 0.5)).to_json()}
OTHER_MAPS = {"": CalibrationMap("platt", (1.0, -0.5)).to_json()}


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


def audit(stream: Stream, size: int, *, right: int, **fields: object) -> list[Decision]:
    """Items decided automatically and drawn, with their labels, settled as they were decided."""
    decisions = post_items(stream, size, **({"confidence": 0.95} | fields))  # type: ignore[arg-type]
    label_items(decisions, right=right)
    return decisions


def watch_at(stream: Stream, at: datetime) -> dict[str, object] | None:
    done = watch_audits(stream=stream, at=at)
    return None if done is None else done.result


def the_watch(stream: Stream) -> DriftWatch:
    return DriftWatch.objects.get(stream=stream)


def test_settled_audits_are_watched_once(stream: Stream) -> None:
    audit(stream, 20, right=19)
    assert watch_at(stream, EVENING) == {"audits": 20, "alarms": 0}
    assert watch_at(stream, EVENING) is None
    assert watch_at(stream, NEXT_DAY) is None
    audit(stream, 5, right=5, at=EVENING)
    assert watch_at(stream, NEXT_DAY) == {"audits": 5, "alarms": 0}
    watch = the_watch(stream)
    state = read_states(watch)[""]
    assert (state.audits, state.errors) == (25, 1)
    assert state.promised_errors == pytest.approx(25 * 0.05)
    assert (watch.audits, watch.evidence, watch.threshold) == (25, state.evidence, 40.0)
    assert JobRun.objects.filter(job="drift_watch").count() == 2
    assert not AuditDraw.objects.filter(watched_at=None).exists()


def test_labels_enter_in_the_order_of_their_settlement(stream: Stream) -> None:
    decisions = audit(stream, 12, right=6)
    for number, decision in enumerate(decisions):
        # Settled in turns: a wrong one, a right one.
        turn = 2 * number + 1 if number < 6 else 2 * (number - 6)
        settled = NOON + timedelta(minutes=turn)
        with pgtrigger.ignore():
            GroundTruth.objects.filter(decision=decision).update(settled_at=settled)
    watch_at(stream, EVENING)
    expected = observe_audits(
        start_drift_test(largest_risk=1.0 - 0.9),
        correct=[0.0, 1.0] * 6,
        confidence=[0.95] * 12,
    )
    assert read_states(the_watch(stream))[""] == expected


def test_only_automatic_labelled_decisions_are_watched(stream: Stream) -> None:
    post_items(stream, 3, confidence=0.95)  # drawn, not judged
    label_items(post_items(stream, 3, confidence=0.55), right=0)  # held
    label_items(post_items(stream, 3, confidence=0.75), right=0)  # flagged
    label_items(post_items(stream, 2, confidence=0.95), right=0, pi=None)  # a complaint
    assert watch_at(stream, EVENING) is None
    assert not DriftWatch.objects.exists()


def test_uncertain_label_is_not_watched(stream: Stream) -> None:
    decisions = audit(stream, 2, right=2)
    with pgtrigger.ignore():
        GroundTruth.objects.filter(decision=decisions[0]).update(kind="uncertain", categories=[])
    assert watch_at(stream, EVENING) == {"audits": 1, "alarms": 0}


def test_label_is_watched_after_its_undo_window(stream: Stream) -> None:
    audit(stream, 4, right=4)
    assert watch_at(stream, NOON + timedelta(minutes=59)) is None
    assert watch_at(stream, NOON + timedelta(minutes=60)) == {"audits": 4, "alarms": 0}


def test_overturned_label_is_not_watched_again(stream: Stream) -> None:
    decision = audit(stream, 1, right=1)[0]
    watch_at(stream, EVENING)
    settle_truth(
        stream_id=stream.id,
        item_id=decision.item_id,
        decision_id=decision.id,
        kind="category",
        categories=[KEYS[1]],
        pi=1.0,
        blind=True,
        source="audit",
        settled_at=EVENING + timedelta(minutes=1),
    )
    assert watch_at(stream, NEXT_DAY) is None
    assert the_watch(stream).audits == 1


def test_broken_promise_raises_one_alarm_with_its_event(stream: Stream) -> None:
    audit(stream, 60, right=30)
    assert watch_at(stream, EVENING) == {"audits": 60, "alarms": 2}
    whole, category = DriftAlarm.objects.order_by("category")
    assert (whole.category, whole.side, whole.audits, whole.errors, whole.threshold) == (
        "",
        "more",
        60,
        30,
        40.0,
    )
    assert whole.promised_errors == pytest.approx(3.0)
    assert whole.evidence >= 40.0
    assert category.category == KEYS[0]
    assert category.threshold == pytest.approx(2 * 3 / 0.05)
    events = Event.objects.filter(kind="drift.alarm").order_by("id")
    assert {event.subject_id for event in events} == {whole.id, category.id}
    assert events[0].happened_at == EVENING
    assert {event.data["side"] for event in events} == {"more"}
    audit(stream, 60, right=30, at=EVENING)
    assert watch_at(stream, NEXT_DAY) == {"audits": 60, "alarms": 0}
    assert DriftAlarm.objects.count() == 2
    assert Event.objects.filter(kind="drift.alarm").count() == 2


def test_alarm_is_announced(stream: Stream) -> None:
    audit(stream, 60, right=30)
    watch_at(stream, EVENING)
    told = Announcement.objects.filter(stream=stream, kind="drift.alarm")
    messages = {row.subject_id: row.data for row in told}
    expected = {
        alarm.id: {
            "stream": "helpdesk",
            "alarm": str(alarm.id),
            "category": category,
            "side": "more",
            "model_version": VERSION,
            "audits": 60,
            "errors": 30,
            "promised_errors": alarm.promised_errors,
        }
        for alarm in DriftAlarm.objects.all()
        for category in [alarm.category or None]
    }
    assert messages == expected
    assert {data["category"] for data in messages.values()} == {None, KEYS[0]}


def test_fewer_errors_than_promised_alarm_too(stream: Stream) -> None:
    publish(stream, auto=0.60, flagged=0.60)
    audit(stream, 60, right=60, confidence=0.65)
    watch_at(stream, EVENING)
    assert set(DriftAlarm.objects.values_list("category", "side")) == {
        ("", "fewer"),
        (KEYS[0], "fewer"),
    }


def test_kept_promise_raises_nothing(stream: Stream) -> None:
    for day in range(5):
        audit(stream, 60, right=57, at=NOON + timedelta(days=day))
        watch_at(stream, EVENING + timedelta(days=day))
    assert the_watch(stream).audits == 300
    assert not DriftAlarm.objects.exists()


def test_alarm_is_append_only(stream: Stream) -> None:
    audit(stream, 60, right=30)
    watch_at(stream, EVENING)
    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        DriftAlarm.objects.update(audits=1)


def test_category_that_drifts_alone_is_named(stream: Stream) -> None:
    for number, decision in enumerate(audit(stream, 300, right=294, predicted=KEYS[0])):
        settled = NOON + timedelta(seconds=number)
        with pgtrigger.ignore():
            GroundTruth.objects.filter(decision=decision).update(settled_at=settled)
    for number, decision in enumerate(audit(stream, 12, right=4, predicted=KEYS[2])):
        # Among the others, so that all together hide them.
        settled = NOON + timedelta(seconds=25 * number)
        with pgtrigger.ignore():
            GroundTruth.objects.filter(decision=decision).update(settled_at=settled)
    watch_at(stream, EVENING)
    assert list(DriftAlarm.objects.values_list("category", "side")) == [(KEYS[2], "more")]


def test_new_maps_begin_a_new_watch_and_unchanged_ones_do_not(stream: Stream) -> None:
    first = publish(stream, maps=MAPS, model_versions=[VERSION])
    audit(stream, 20, right=10)
    watch_at(stream, EVENING)
    publish(stream, maps=MAPS, model_versions=[VERSION], auto=0.85)
    audit(stream, 10, right=10, at=EVENING)
    watch_at(stream, NEXT_DAY)
    watch = the_watch(stream)
    assert (watch.policy_id, watch.audits) == (first.id, 30)
    second = publish(stream, maps=OTHER_MAPS, model_versions=[VERSION])
    audit(stream, 7, right=7, confidence=0.99, at=NEXT_DAY)
    watch_at(stream, NEXT_DAY + timedelta(days=1))
    assert find_watch(stream=stream)[0] == DriftWatch.objects.get(policy=second)
    assert DriftWatch.objects.get(policy=second).audits == 7
    assert DriftWatch.objects.get(policy=first).audits == 30


def test_other_model_begins_a_new_watch(stream: Stream) -> None:
    audit(stream, 20, right=10)
    watch_at(stream, EVENING)
    audit(stream, 5, right=5, version="model-2", at=NEXT_DAY)
    watch_at(stream, NEXT_DAY + timedelta(days=1))
    found = DriftWatch.objects.order_by("id").values_list("model_version", "audits")
    assert list(found) == [(VERSION, 20), ("model-2", 5)]
    watch, _stretch = find_watch(stream=stream)
    assert watch is not None
    assert watch.model_version == "model-2"


def test_rollback_to_earlier_maps_begins_a_new_stretch(stream: Stream) -> None:
    publish(stream, maps=MAPS, model_versions=[VERSION])
    publish(stream, maps=OTHER_MAPS, model_versions=[VERSION])
    last = publish(stream, maps=MAPS, model_versions=[VERSION])
    stretch = find_stretch(stream=stream, model_version=VERSION)
    assert stretch is not None
    assert (stretch.policy_ids, stretch.first_version) == ((last.id,), 4)


def test_maps_of_another_model_do_not_matter_to_this_one(stream: Stream) -> None:
    publish(stream, maps=MAPS, model_versions=["model-2"])
    stretch = find_stretch(stream=stream, model_version=VERSION)
    assert stretch is not None
    assert stretch.first_version == 1
    assert len(stretch.policy_ids) == Policy.objects.published().count() == 2


def test_clock_moved_back_or_on_watches_everything_once(stream: Stream) -> None:
    audit(stream, 20, right=19)
    assert watch_at(stream, NEXT_DAY) == {"audits": 20, "alarms": 0}
    assert watch_at(stream, EVENING) is None  # a day that was not done, but nothing is new
    audit(stream, 5, right=5)
    assert watch_at(stream, EVENING) == {"audits": 5, "alarms": 0}
    assert watch_at(stream, NEXT_DAY) is None
    assert watch_at(stream, NEXT_DAY + timedelta(days=9)) is None
    assert the_watch(stream).audits == 25


def test_statements_do_not_grow_with_the_audits(stream: Stream) -> None:
    counts = []
    for day, size in enumerate((3, 60)):
        audit(stream, size, right=size, at=NOON + timedelta(days=day))
        with CaptureQueriesContext(connection) as queries:
            watch_at(stream, EVENING + timedelta(days=day))
        counts.append(len(queries))
    # The first day also makes the watch, in a savepoint.
    assert counts[1] <= counts[0]


def test_alarms_wait_for_a_recalibration(stream: Stream) -> None:
    assert unanswered_alarms(stream=stream) == []
    audit(stream, 60, right=30)
    watch_at(stream, EVENING)
    assert len(unanswered_alarms(stream=stream)) == 2


def run_at_once(call: Callable[[], object], times: int) -> None:
    start = Barrier(times)

    def begin() -> None:
        try:
            start.wait()
            call()
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as threads:
        for future in [threads.submit(begin) for _ in range(times)]:
            future.result()


@pytest.mark.django_db(transaction=True)
def test_two_watches_at_once_see_each_audit_once() -> None:
    stream = make_audited_stream()
    audit(stream, 60, right=30)
    run_at_once(lambda: watch_audits(stream=stream, at=EVENING), 4)
    assert the_watch(stream).audits == 60
    assert JobRun.objects.get().result == {"audits": 60, "alarms": 2}
    assert Event.objects.filter(kind="drift.alarm").count() == 2


@pytest.mark.django_db(transaction=True)
def test_watches_of_two_days_at_once_see_each_audit_once() -> None:
    stream = make_audited_stream()
    audit(stream, 60, right=57)
    days = iter([EVENING, NEXT_DAY])
    run_at_once(lambda: watch_audits(stream=stream, at=next(days)), 2)
    assert the_watch(stream).audits == 60
