"""What a policy would have done with a sample of the past."""

from dataclasses import replace

import pytest

from calibration.audits import read_rates
from calibration.forecasts import forecast_routing
from calibration.labels import find_cohort
from calibration.outlooks import Outlook, look_ahead
from calibration.samples import read_sample
from routing.core.fallback import Fallback
from routing.core.policy import CategoryRule, CutOffs, Policy
from routing.models import Stream
from routing.policies import current_spec
from tests.calibration.cohorts import (
    NOON,
    VERSION,
    make_audited_stream,
    post_items,
    post_labelled,
)
from tests.scenes import KEYS

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream(db: None) -> Stream:
    """20 labelled at .95, 18 right; 10 at .75, 5 right; 10 at .40 without labels."""
    made = make_audited_stream()
    post_labelled(made, 20, right=18, confidence=0.95)
    post_labelled(made, 10, right=5, confidence=0.75, predicted=KEYS[1])
    post_items(made, 10, confidence=0.40)
    return made


@pytest.fixture
def policy(stream: Stream) -> Policy:
    return current_spec(stream.id)[1]


def look(stream: Stream, policy: Policy, *categories: str) -> Outlook:
    cohort = find_cohort(stream=stream, at=NOON, days=30)
    return look_ahead(
        sample=read_sample(cohort=cohort, policy=policy),
        policy=policy,
        rates=read_rates(stream),
        model_version=VERSION,
        categories=categories,
    )


def counts(outlook: Outlook) -> dict[str, int]:
    return {action: share.items for action, share in outlook.shares.items() if share.items}


def test_shares_errors_and_reviews_under_the_policy_in_force(
    stream: Stream, policy: Policy
) -> None:
    found = look(stream, policy)
    assert (found.items, counts(found)) == (40, {"act": 20, "act_and_review": 10, "refuse": 10})
    assert found.errors["act"].labels == 20
    assert found.errors["act"].error == pytest.approx(0.1)
    assert found.errors["act_and_review"].error == pytest.approx(0.5)
    share = found.shares["act"]
    assert (share.value, round(share.low, 3), round(share.high, 3)) == (0.5, 0.352, 0.648)
    cohort = find_cohort(stream=stream, at=NOON, days=30)
    assert found.reviews == forecast_routing(cohort=cohort, policies=[policy])[0].reviews


def test_lower_cut_off_acts_on_more_and_errs_more(stream: Stream, policy: Policy) -> None:
    found = look(stream, replace(policy, cut_offs=CutOffs(0.7, 0.7, 0.5)))
    assert counts(found) == {"act": 30, "refuse": 10}
    assert found.errors["act"].error == pytest.approx(7 / 30)
    assert found.errors["act_and_review"].error is None


def test_cut_off_of_one_category_moves_that_alone(stream: Stream, policy: Policy) -> None:
    found = look(stream, replace(policy, rules={KEYS[1]: CategoryRule(auto=0.7)}), *KEYS)
    assert counts(found) == {"act": 30, "refuse": 10}
    share, errors = found.by_category[KEYS[1]]
    assert share is not None
    assert share.value == 1.0
    assert errors.error == pytest.approx(0.5)
    nothing, errors = found.by_category[KEYS[2]]
    assert (nothing, errors.labels) == (None, 0)


@pytest.mark.parametrize(("step", "action"), [("person", "wait"), ("uncertain", "refuse")])
def test_end_of_the_fallback_chain_is_followed(
    stream: Stream, policy: Policy, step: str, action: str
) -> None:
    found = look(stream, replace(policy, fallback=Fallback(steps=(step,))))
    assert counts(found)[action] == 10
