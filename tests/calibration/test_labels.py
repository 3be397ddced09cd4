"""The evidence of a cohort: which labels and items belong to it, and how they are counted."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pgtrigger
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from calibration import labels
from calibration.frames import fold_deltas
from calibration.labels import TAIL, Evidence, count_labels, find_cohort, read_evidence
from calibration.models import FrameDelta, GroundTruth
from routing.models import Stream
from tests.calibration.cohorts import (
    NOON,
    label_items,
    make_audited_stream,
    post_items,
    post_labelled,
)
from tests.scenes import KEYS

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


def read(stream: Stream, days: int = 30) -> Evidence:
    return read_evidence(find_cohort(stream=stream, at=NOON, days=days))


def test_cohort_is_whole_days_of_the_streams_zone(stream: Stream) -> None:
    stream.time_zone = "Pacific/Auckland"  # thirteen hours ahead: noon is the 19th there
    cohort = find_cohort(stream=stream, at=NOON, days=2)
    assert (cohort.first_day.isoformat(), cohort.last_day.isoformat()) == (
        "2026-11-18",
        "2026-11-19",
    )
    assert cohort.start == datetime(2026, 11, 17, 11, tzinfo=UTC)
    assert cohort.end == datetime(2026, 11, 19, 11, tzinfo=UTC)


def test_days_under_one_are_refused(stream: Stream) -> None:
    with pytest.raises(ValueError, match="days is 0; give 1 or more"):
        find_cohort(stream=stream, at=NOON, days=0)


def test_current_version_is_that_of_most_items_on_the_newest_day(stream: Stream) -> None:
    post_items(stream, 9, confidence=0.95, version="old", at=NOON - timedelta(days=1))
    post_items(stream, 2, confidence=0.95, version="canary")
    post_items(stream, 3, confidence=0.95, version="new")
    assert find_cohort(stream=stream, at=NOON, days=30).model_version == "new"
    yesterday = NOON - timedelta(days=1)
    assert find_cohort(stream=stream, at=yesterday, days=30).model_version == "old"


def test_label_on_a_category_that_no_policy_has_counts_as_wrong(stream: Stream) -> None:
    decisions = post_items(stream, 4, confidence=0.95)
    stream.categories.create(key="printer", label="Printer", position=9)
    stream.categories.filter(key=KEYS[1]).update(retired_at=NOON)
    for decision, keys in zip(
        decisions, [[KEYS[0]], [KEYS[1]], ["printer"], ["printer", KEYS[0]]], strict=True
    ):
        label_items([decision], right=1)
        kind = GroundTruth.Kind.CATEGORY if len(keys) == 1 else GroundTruth.Kind.AMBIGUOUS
        with pgtrigger.ignore():
            GroundTruth.objects.filter(decision=decision).update(categories=keys, kind=kind)
    evidence = read(stream)
    assert evidence.categories == (KEYS[0],)
    by_item = dict(
        zip(evidence.labels.tail.tolist(), evidence.labels.correct.tolist(), strict=True)
    )
    assert [by_item[one.item_id.int & TAIL] for one in decisions] == [1.0, 0.0, 0.0, 1.0]


def test_only_labels_of_the_window_and_version_with_a_known_chance_count(stream: Stream) -> None:
    label_items(post_items(stream, 3, confidence=0.95), right=2)
    label_items(post_items(stream, 1, confidence=0.95), right=1, pi=None)
    label_items(post_items(stream, 1, confidence=0.95, version="old"), right=1)
    label_items(post_items(stream, 1, confidence=0.95, at=NOON - timedelta(days=30)), right=1)
    label_items(post_items(stream, 1, confidence=0.95), right=1)
    newest = GroundTruth.objects.order_by("-id")[0]
    GroundTruth.objects.filter(id=newest.id).update(superseded_at=NOON)
    evidence = read(stream)
    assert evidence.labels.correct.sum() == 2
    assert len(evidence.labels) == count_labels(evidence.cohort) == 3
    assert evidence.frame.items == 5  # labelled or not, but neither the old model's nor the old


def test_ambiguous_is_right_among_those_that_would_do_and_no_category_fits_is_wrong(
    stream: Stream,
) -> None:
    label_items(post_items(stream, 4, confidence=0.95), right=4)
    ids = list(GroundTruth.objects.order_by("id").values_list("id", flat=True))
    ambiguous, none_fits = GroundTruth.Kind.AMBIGUOUS, GroundTruth.Kind.NONE_FITS
    with pgtrigger.ignore():
        GroundTruth.objects.filter(id=ids[0]).update(kind=ambiguous, categories=[KEYS[1], KEYS[0]])
        GroundTruth.objects.filter(id=ids[1]).update(kind=ambiguous, categories=[KEYS[1], KEYS[2]])
        GroundTruth.objects.filter(id=ids[2]).update(kind=none_fits, categories=[])
        GroundTruth.objects.filter(id=ids[3]).update(kind="uncertain", categories=[])
    evidence = read(stream)
    assert len(evidence.labels) == 3
    assert evidence.labels.correct.sum() == 1


def test_labels_know_their_category_stratum_and_chance(stream: Stream) -> None:
    stream.audit_rate = 0.25
    stream.save()
    label_items(post_items(stream, 2, confidence=0.95, predicted=KEYS[2]), right=1, pi=0.25)
    post_labelled(stream, 1, right=1, confidence=0.55)
    evidence = read(stream)
    labels = evidence.labels
    named = {
        (
            evidence.categories[labels.category[row]],
            evidence.strata[labels.stratum[row]],
            labels.raw[row],
            labels.pi[row],
        )
        for row in range(3)
    }
    assert named == {
        (KEYS[2], "auto 0.25", 0.95, 0.25),
        (KEYS[0], "hold 1.0", 0.55, 1.0),
    }
    assert sorted(labels.weights.tolist()) == [1.0, 4.0, 4.0]


def test_frame_is_the_same_before_and_after_folding(stream: Stream) -> None:
    post_items(stream, 30, confidence=0.951)
    post_items(stream, 20, confidence=0.95, at=NOON - timedelta(days=3))
    post_items(stream, 10, confidence=0.66, predicted=KEYS[1])
    before = read(stream).frame
    fold_deltas()
    assert not FrameDelta.objects.exists()
    after = read(stream).frame
    assert before.items == 60
    for name in ("raw", "count", "category", "stratum"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name), err_msg=name)
    mean = float(np.dot(before.raw, before.count) / before.count.sum())
    assert mean == pytest.approx((30 * 0.951 + 20 * 0.95 + 10 * 0.66) / 60, abs=1e-12)


def test_open_labels_are_what_the_design_gives_and_nobody_gave_yet(stream: Stream) -> None:
    stream.audit_rate, stream.bulk_label_rate = 0.5, 0.5
    stream.save()
    held = post_items(stream, 4, confidence=0.55)
    label_items(held[:1], right=1)
    post_items(stream, 200, confidence=0.95)
    post_items(stream, 200, confidence=0.75)
    opened = read(stream).open
    # 3 held, and of the 400 others those that were drawn: 200 give or take four deviations of 10.
    assert 163 <= opened.count <= 243
    assert opened.weight == 3 + 2 * (opened.count - 3)


def test_query_count_does_not_grow_with_categories(stream: Stream) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as context:
            read(stream)
        return len(context)

    post_labelled(stream, 1, right=1, confidence=0.95)
    assert count_queries() == 7
    for key in KEYS[1:]:
        post_labelled(stream, 3, right=1, confidence=0.85, predicted=key)
        post_labelled(stream, 3, right=1, confidence=0.55, predicted=key)
    assert count_queries() == 7


def test_stream_without_items_gives_empty_evidence(stream: Stream) -> None:
    evidence = read(stream)
    assert (len(evidence.labels), evidence.frame.items, evidence.open.count) == (0, 0, 0)
    assert evidence.cohort.model_version == ""


def test_labels_without_a_frame_row_still_have_their_stratum(stream: Stream) -> None:
    post_labelled(stream, 2, right=1, confidence=0.95)
    FrameDelta.objects.update(day="2026-01-01")
    cohort = find_cohort(stream=stream, at=NOON, days=330)
    FrameDelta.objects.all().delete()
    evidence = read_evidence(cohort)
    assert evidence.strata == ("auto 1.0",)
    assert evidence.frame.items == 0
    assert evidence.frame.stratum.tolist() == [0]


def test_labels_to_come_of_a_large_cohort_are_told_by_the_design(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.audit_rate = 0.25
    stream.save()
    label_items(post_items(stream, 10, confidence=0.55)[:4], right=2)
    label_items(post_items(stream, 40, confidence=0.95)[:2], right=2, pi=0.25)
    label_items(post_items(stream, 3, confidence=0.75)[:1], right=1)
    uncertain = GroundTruth.objects.filter(decision__queue="hold").order_by("id")[0]
    with pgtrigger.ignore():
        GroundTruth.objects.filter(id=uncertain.id).update(kind="uncertain", categories=[])
    exact = read(stream).open
    monkeypatch.setattr(labels, "COUNTED_UP_TO", 1)
    told = read(stream).open
    # Held 10 - 4, flagged 3 - 1, each with a chance of 1; of 40 at 0.25 eight more than two.
    assert (told.count, told.weight) == (6 + 2 + 8, 6.0 + 2.0 + 8 / 0.25)
    assert exact.count >= 8


def test_labels_to_come_need_no_look_at_the_items(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_items(post_items(stream, 10, confidence=0.55)[:4], right=2)
    monkeypatch.setattr(labels, "COUNTED_UP_TO", 1)
    with CaptureQueriesContext(connection) as queries:
        read(stream)
    from_decisions = [
        query["sql"] for query in queries if 'FROM "routing_decision"' in query["sql"]
    ]
    assert from_decisions == []
