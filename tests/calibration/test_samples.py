"""The sample of a stream's past: what routing reads of it, stored and read back."""

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from calibration import samples
from calibration.labels import count_routed, find_cohort
from calibration.samples import Sample, read_sample
from routing.core.routes import route
from routing.core.rules import ACTIONS
from routing.models import Decision, Stream
from routing.models.draws import is_drawn_by_id
from routing.policies import current_spec
from tests.calibration.cohorts import (
    NOON,
    VERSION,
    label_items,
    make_audited_stream,
    post_items,
)
from tests.grounded_scenes import AMBER, GREEN, REFUSED, make_grounded_stream, post_sentence
from tests.scenes import KEYS, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


def sample_of(stream: Stream) -> Sample:
    cohort = find_cohort(stream=stream, at=NOON, days=30)
    return read_sample(cohort=cohort, policy=current_spec(stream.id)[1])


def test_sample_routes_as_the_decisions_did(stream: Stream) -> None:
    publish(stream, {KEYS[1]: {"watch": 0.3}}, min_margin=0.2)
    for confidence in (0.95, 0.75, 0.55, 0.40, 0.34):
        post_items(stream, 1, confidence=confidence, predicted=KEYS[0])
    policy = current_spec(stream.id)[1]
    readings = sample_of(stream).items
    routes = route(policy, readings.signals(), readings.matrix(policy), [VERSION] * len(readings))
    decided = Decision.objects.order_by("-decided_at", "-id").values_list("action", flat=True)
    assert [ACTIONS[place] for place in routes.action.tolist()] == list(decided)


def test_labels_weigh_by_their_chance_and_say_what_was_right(stream: Stream) -> None:
    label_items(post_items(stream, 3, confidence=0.95), right=2, pi=0.25)
    post_items(stream, 2, confidence=0.55)
    sample = sample_of(stream)
    assert (len(sample.items), len(sample.labelled)) == (5, 3)
    assert sorted(sample.correct.tolist()) == [0.0, 1.0, 1.0]
    assert sample.weights.tolist() == [4.0, 4.0, 4.0]


def test_bytes_are_read_back_equal(stream: Stream) -> None:
    publish(stream, {KEYS[1]: {"watch": 0.3}})
    label_items(post_items(stream, 2, confidence=0.95), right=1)
    sample = sample_of(stream)
    again = Sample.from_bytes(sample.to_bytes())
    assert np.array_equal(again.items.watched, sample.items.watched)
    assert np.array_equal(again.labelled.raw_confidence, sample.labelled.raw_confidence)
    assert again.correct.tolist() == sample.correct.tolist()


def test_sample_of_nothing_has_no_rows(stream: Stream) -> None:
    sample = Sample.from_bytes(sample_of(stream).to_bytes())
    assert (len(sample.items), len(sample.labelled)) == (0, 0)
    cohort = find_cohort(stream=stream, at=NOON, days=30)
    assert count_routed(cohort) == (None, 0)


def test_routed_items_are_counted_from_their_first_day(stream: Stream) -> None:
    post_items(stream, 3, confidence=0.95)
    cohort = find_cohort(stream=stream, at=NOON, days=30)
    assert count_routed(cohort) == (NOON.date(), 3)


def test_sample_of_drafted_sentences_routes_as_the_decisions_did(db: None) -> None:
    drafts = make_grounded_stream()
    for name, signals in (("green", GREEN), ("amber", AMBER), ("refused", REFUSED)):
        post_sentence(drafts, name, signals=signals)
    policy = current_spec(drafts.id)[1]
    cohort = find_cohort(stream=drafts, at=timezone.now(), days=30)
    readings = read_sample(cohort=cohort, policy=policy).items
    routes = route(policy, readings.signals(), readings.matrix(policy), [""] * len(readings))
    decided = Decision.objects.order_by("-decided_at", "-id").values_list("action", flat=True)
    assert [ACTIONS[place] for place in routes.action.tolist()] == list(decided)
    assert len(decided) == 3


def test_large_cohort_is_thinned_by_its_items_ids(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_items(stream, 600, confidence=0.95)
    monkeypatch.setattr(samples, "MOST_ITEMS", 150)
    size = len(sample_of(stream).items)
    assert 100 < size < 200
    assert len(sample_of(stream).items) == size
    monkeypatch.setattr(samples, "MOST_ITEMS", 300)
    assert len(sample_of(stream).items) > size


@pytest.mark.parametrize("rate", [1 / 4, 1 / 16, 1 / 40])
def test_draw_by_id_has_its_share_and_lies_within_every_larger_one(
    stream: Stream, rate: float
) -> None:
    post_items(stream, 800, confidence=0.95)
    found = set(Decision.objects.filter(is_drawn_by_id("item_id", rate)).values_list("item_id"))
    larger = set(
        Decision.objects.filter(is_drawn_by_id("item_id", 2 * rate)).values_list("item_id")
    )
    spread = 5.0 * (800 * rate * (1 - rate)) ** 0.5
    assert abs(len(found) - 800 * rate) < spread
    assert found < larger
    assert Decision.objects.filter(is_drawn_by_id("item_id", 1.0)).count() == 800


def test_small_draw_is_read_from_its_index(stream: Stream) -> None:
    post_items(stream, 400, confidence=0.95)
    drawn = Decision.objects.filter(
        is_drawn_by_id("item_id", 1 / 32), stream=stream, decided_at__gte=NOON - timedelta(days=1)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE routing_decision")
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "decision_sampled" in drawn.order_by().explain()
