"""How much was routed where: day by day, folded or not."""

from datetime import date, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from calibration.frames import fold_deltas
from calibration.volumes import count_queues_by_day
from routing.models import Stream
from tests.calibration.cohorts import NOON, make_audited_stream, post_items

pytestmark = pytest.mark.django_db


def test_queues_are_counted_by_day_of_every_model(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    stream, other = make_audited_stream(), make_audited_stream("other")
    post_items(stream, 3, confidence=0.95)
    post_items(stream, 1, confidence=0.55)
    fold_deltas()
    post_items(stream, 2, confidence=0.95, version="model-2")
    post_items(stream, 1, confidence=0.75, at=NOON - timedelta(days=1))
    post_items(stream, 9, confidence=0.75, at=NOON - timedelta(days=5))
    post_items(other, 5, confidence=0.95)
    with django_assert_num_queries(1):
        found = count_queues_by_day(
            stream=stream, first=date(2026, 11, 15), last=date(2026, 11, 18)
        )
    assert found == {
        date(2026, 11, 17): {"flagged": 1},
        date(2026, 11, 18): {"auto": 5, "hold": 1},
    }


def test_stream_without_items_has_no_days() -> None:
    stream: Stream = make_audited_stream()
    day = date(2026, 11, 18)
    assert count_queues_by_day(stream=stream, first=day, last=day) == {}
