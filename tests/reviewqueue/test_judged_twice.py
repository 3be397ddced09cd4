"""Which items two people judge: the keyed hash's draw, at intake and when audits open."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from calibration.audits import read_rates
from calibration.forecasts import forecast_routing
from calibration.labels import find_cohort
from reviewqueue.deciding import count_free_seats
from reviewqueue.models import ReviewTask
from reviewqueue.seats import open_audit_seats
from routing.models import Category, Stream
from routing.policies import current_spec
from tests.calibration.cohorts import NOON, make_audited_stream, post_items
from tests.scenes import KEYS

pytestmark = pytest.mark.django_db

HELD, FLAGGED, ACTED = 0.55, 0.75, 0.95


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


def set_rates(stream: Stream, **rates: float) -> None:
    Stream.objects.filter(id=stream.id).update(**rates)
    stream.refresh_from_db()


def seats_by_item() -> list[int]:
    """How many seats each item has, in the order in which the items came."""
    found: dict[object, int] = {}
    for item_id in ReviewTask.objects.order_by("item_id", "seat").values_list("item_id", flat=True):
        found[item_id] = found.get(item_id, 0) + 1
    return list(found.values())


def test_nothing_is_judged_twice_without_a_rate(stream: Stream) -> None:
    post_items(stream, 5, confidence=HELD)
    post_items(stream, 5, confidence=FLAGGED)
    assert seats_by_item() == [1] * 10


def test_rate_is_the_category_s_own_if_it_has_one(stream: Stream) -> None:
    set_rates(stream, double_rate=1.0)
    Category.objects.filter(stream=stream, key=KEYS[1]).update(double_rate=0.0)
    post_items(stream, 2, confidence=HELD)
    post_items(stream, 2, confidence=HELD, predicted=KEYS[1])
    assert seats_by_item() == [2, 2, 1, 1]
    rates = read_rates(stream)
    assert [rates.double(key) for key in KEYS] == [1.0, 0.0, 1.0]
    assert [rates.audit(key) for key in KEYS] == [1.0, 1.0, 1.0]


def test_share_comes_out_at_about_the_rate(stream: Stream) -> None:
    set_rates(stream, double_rate=0.3)
    post_items(stream, 400, confidence=HELD)
    assert 85 <= seats_by_item().count(2) <= 155


def test_rows_of_the_batch_and_escalated_items_are_never_judged_twice() -> None:
    stream = make_audited_stream("mixed")
    set_rates(stream, double_rate=1.0, bulk_label_rate=0.0)
    post_items(stream, 3, confidence=FLAGGED)
    assert seats_by_item() == [1, 1, 1]
    set_rates(stream, bulk_label_rate=1.0)
    post_items(stream, 1, confidence=FLAGGED)
    assert seats_by_item() == [1, 1, 1, 2]
    assert list(ReviewTask.objects.filter(seat=2).values_list("queue", "blind", "pi")) == [
        ("flagged", True, 1.0)
    ]


def test_audits_are_judged_twice_when_their_seats_open(stream: Stream) -> None:
    set_rates(stream, double_rate=1.0)
    post_items(stream, 3, confidence=ACTED)
    done = open_audit_seats(stream=stream, at=NOON)
    assert done is not None
    assert done.result == {"drawn": 3, "opened": 3, "settled": 0, "seated": 0}
    assert seats_by_item() == [2, 2, 2]
    assert set(ReviewTask.objects.values_list("queue", "blind", "pi")) == {("audit", True, 1.0)}


def test_statements_of_a_batch_stay_constant(stream: Stream) -> None:
    set_rates(stream, double_rate=1.0)

    def count_queries(size: int) -> int:
        with CaptureQueriesContext(connection) as context:
            post_items(stream, size, confidence=HELD)
        return len(context)

    post_items(stream, 1, confidence=HELD)  # the policy is read once
    twice = count_queries(10)
    assert count_queries(50) == twice
    set_rates(stream, double_rate=0.0)
    assert count_queries(50) == twice


def test_capacity_counts_items_not_seats(stream: Stream) -> None:
    set_rates(stream, double_rate=1.0, hold_capacity=10)
    post_items(stream, 3, confidence=HELD)
    assert count_free_seats(stream) == 7


def test_second_seats_cost_hours_too(stream: Stream) -> None:
    set_rates(stream, double_rate=0.5, audit_rate=0.2, bulk_label_rate=0.1)
    for confidence in (HELD, FLAGGED, ACTED, 0.40):
        post_items(stream, 5, confidence=confidence)
    cohort = find_cohort(stream=stream, at=NOON, days=30)
    (forecast,) = forecast_routing(cohort=cohort, policies=[current_spec(stream.id)[1]])
    assert forecast.reviews == pytest.approx(
        {
            "audit": 0.5 * 0.2 * 1.5,
            "flagged": 0.25 * (1 + 0.1 * 0.5),
            "hold": 0.25 * 1.5,
            "escalated": 0.0,
        }
    )
