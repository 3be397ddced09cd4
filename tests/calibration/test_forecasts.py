"""What a policy would do with the newest items."""

from dataclasses import replace

import pytest

from calibration import forecasts
from calibration.forecasts import Forecast, expected_hours, forecast_routing
from calibration.labels import Cohort, find_cohort
from routing.core.policy import CategoryRule, CutOffs
from routing.core.policy import Policy as PolicySpec
from routing.models import Category, Stream
from routing.policies import current_spec
from tests.calibration.cohorts import NOON, make_audited_stream, post_items
from tests.scenes import KEYS

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream(audit_rate=0.05)


@pytest.fixture
def cohort(stream: Stream) -> Cohort:
    """60 at .95, of them 20 of the last category, 30 at .75, 10 at .55."""
    post_items(stream, 40, confidence=0.95)
    post_items(stream, 20, confidence=0.95, predicted=KEYS[2])
    post_items(stream, 30, confidence=0.75)
    post_items(stream, 10, confidence=0.55)
    return find_cohort(stream=stream, at=NOON, days=30)


@pytest.fixture
def policy(stream: Stream) -> PolicySpec:
    return current_spec(stream.id)[1]


def test_shares_are_those_of_the_rules(cohort: Cohort, policy: PolicySpec) -> None:
    strict = replace(policy, cut_offs=CutOffs(0.97, 0.9, 0.6))
    now, draft = forecast_routing(cohort=cohort, policies=[policy, strict])
    assert now.items == 100
    assert now.queues == {"auto": 0.6, "flagged": 0.3, "hold": 0.1, "reject": 0.0}
    assert draft.queues == {"auto": 0.0, "flagged": 0.6, "hold": 0.3, "reject": 0.1}
    assert now.reviews == pytest.approx(
        {"audit": 0.6 * 0.05, "flagged": 0.3, "hold": 0.1, "escalated": 0.0}
    )


def test_watch_levels_mandates_and_gates_count(cohort: Cohort, policy: PolicySpec) -> None:
    rules = {
        KEYS[2]: CategoryRule(mandatory_review=True, mandatory_reason="costly"),
        KEYS[1]: CategoryRule(watch=0.2),
    }
    (watched,) = forecast_routing(cohort=cohort, policies=[replace(policy, rules=rules)])
    # At .55 the other two have .225 each; at .75 and .95 too little to be watched.
    assert watched.queues == {"auto": 0.4, "flagged": 0.3, "hold": 0.3, "reject": 0.0}
    (gated,) = forecast_routing(cohort=cohort, policies=[replace(policy, min_margin=0.8)])
    assert gated.queues == {"auto": 0.6, "flagged": 0.0, "hold": 0.4, "reject": 0.0}


def test_category_with_its_own_audit_rate_costs_its_own_share(
    stream: Stream, cohort: Cohort, policy: PolicySpec
) -> None:
    Category.objects.filter(stream=stream, key=KEYS[2]).update(audit_rate=1.0)
    (forecast,) = forecast_routing(cohort=cohort, policies=[policy])
    assert forecast.reviews["audit"] == pytest.approx(0.4 * 0.05 + 0.2)


def test_newest_items_are_taken_where_there_are_too_many(
    stream: Stream, cohort: Cohort, policy: PolicySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasts, "MOST_ITEMS", 7)
    monkeypatch.setattr(forecasts, "CHUNK", 3)
    (forecast,) = forecast_routing(cohort=cohort, policies=[policy])
    assert (forecast.items, forecast.queues["hold"]) == (7, 1.0)


def test_items_that_name_a_retired_category_are_routed_as_they_would_be(
    cohort: Cohort, policy: PolicySpec
) -> None:
    changed = replace(policy, categories=(*KEYS[:2], "other"))
    (forecast,) = forecast_routing(cohort=cohort, policies=[changed])
    assert forecast.items == 100
    assert forecast.queues == {"auto": 0.4, "flagged": 0.3, "hold": 0.1, "reject": 0.2}


def test_hours_take_the_mean_pace_for_a_queue_without_one() -> None:
    forecast = Forecast(10, {}, {"hold": 0.5, "audit": 0.1})
    hours = expected_hours(forecast, items=7200, seconds_per_review={"hold": 20.0, "flagged": 40.0})
    assert hours == pytest.approx(7200 * (0.5 * 20.0 + 0.1 * 30.0) / 3600)
    assert expected_hours(forecast, items=7200, seconds_per_review={}) is None
