"""Cut-offs: costs against brute force, certificates by hand and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from calibration.core.errors import CalibrationError
from calibration.core.thresholds import (
    CostCutOffs,
    Costs,
    certified_cut_off,
    cut_offs_from_costs,
    fewest_audits,
    plan_audits,
)

COST = st.floats(0.0, 1000.0)


def test_costs_by_hand() -> None:
    cut_offs = cut_offs_from_costs(Costs(error=50.0, review=2.0, delay=5.0, irreversible=0.4))
    assert cut_offs.auto == pytest.approx(1 - 2 / 30, abs=1e-15)
    assert cut_offs.flagged == pytest.approx(1 - 5 / 20, abs=1e-15)


def test_costs_that_cross_drop_flagged() -> None:
    cut_offs = cut_offs_from_costs(Costs(error=50.0, review=10.0, delay=1.0, irreversible=0.8))
    assert cut_offs.auto == cut_offs.flagged == pytest.approx(1 - 11 / 50, abs=1e-15)


def test_costs_dear_delay_lowers_both_cut_offs() -> None:
    usual = cut_offs_from_costs(Costs(error=50.0, review=10.0, delay=1.0, irreversible=0.8))
    urgent = cut_offs_from_costs(Costs(error=50.0, review=10.0, delay=20.0, irreversible=0.8))
    assert urgent.auto < usual.auto
    assert urgent.flagged < usual.flagged


@given(error=COST, review=COST, delay=COST, irreversible=st.floats(0, 1), q=st.floats(0, 1))
def test_costs_the_queue_chosen_is_the_cheapest(
    error: float, review: float, delay: float, irreversible: float, q: float
) -> None:
    costs = Costs(error=error, review=review, delay=delay, irreversible=irreversible)
    cut_offs = cut_offs_from_costs(costs)
    assert 0.0 <= cut_offs.flagged <= cut_offs.auto <= 1.0
    auto = (1 - q) * error
    flagged = review + irreversible * (1 - q) * error
    hold = review + delay
    chosen = auto if q >= cut_offs.auto else flagged if q >= cut_offs.flagged else hold
    assert chosen <= min(auto, flagged, hold) + 1e-9 * (1 + error + review + delay)


def test_costs_harmless_errors_are_always_acted_on() -> None:
    costs = Costs(error=0.0, review=1.0, delay=1.0, irreversible=0.5)
    assert cut_offs_from_costs(costs) == CostCutOffs(auto=0.0, flagged=0.0)


@pytest.mark.parametrize(
    ("field", "value"), [("error", -1.0), ("review", float("nan")), ("irreversible", 1.5)]
)
def test_costs_outside_are_named(field: str, value: float) -> None:
    good = {"error": 1.0, "review": 1.0, "delay": 1.0, "irreversible": 0.5}
    with pytest.raises(CalibrationError, match=f"^{field}: {value} is"):
        Costs(**{**good, field: value})


def test_fewest_audits_fixture() -> None:
    assert fewest_audits(alpha=0.02, delta=0.05) == 149
    assert binom.cdf(0, 149, 0.02) <= 0.05 < binom.cdf(0, 148, 0.02)


@pytest.mark.parametrize(("true_error", "published"), [(0.005, 389), (0.01, 969), (0.015, 4319)])
def test_plan_audits_near_the_published_figures(true_error: float, published: int) -> None:
    planned = plan_audits(true_error=true_error, alpha=0.02, delta=0.05)
    assert planned == pytest.approx(published, rel=0.01)


def test_plan_audits_is_the_smallest_number() -> None:
    planned = plan_audits(true_error=0.01, alpha=0.05, delta=0.1, power=0.9)
    assert planned is not None
    smallest = next(
        n
        for n in range(45, 10_000)
        if binom.cdf(max(k for k in range(n) if binom.cdf(k, n, 0.05) <= 0.1), n, 0.01) >= 0.9
    )
    assert planned == smallest


def test_plan_audits_hopeless_error_has_no_number() -> None:
    assert plan_audits(true_error=0.02, alpha=0.02, delta=0.05) is None
    assert plan_audits(true_error=0.0199, alpha=0.02, delta=0.05) is None


def test_plan_audits_impossible_error_is_refused() -> None:
    with pytest.raises(CalibrationError, match="true_error: nan is no share"):
        plan_audits(true_error=float("nan"), alpha=0.02, delta=0.05)


def test_certificate_error_free_audits() -> None:
    confidence = np.linspace(1.0, 0.9, 149)
    found = certified_cut_off(
        confidence=confidence, correct=np.ones(149), pi=np.full(149, 0.05), alpha=0.02, delta=0.05
    )
    assert found.cut_off == 0.9
    assert (found.audits, found.errors, found.share, found.audits_needed) == (149, 0, 1.0, 0)


def test_certificate_too_few_audits_says_how_many_more() -> None:
    found = certified_cut_off(
        confidence=np.linspace(1.0, 0.9, 100), correct=np.ones(100), pi=np.full(100, 0.05),
        alpha=0.02, delta=0.05,
    )  # fmt: skip
    assert (found.cut_off, found.audits_needed, found.tested) == (None, 49, 0)
    empty = certified_cut_off(confidence=[], correct=[], pi=[], alpha=0.02, delta=0.05)
    assert (empty.cut_off, empty.audits_needed) == (None, 149)


def test_certificate_one_early_error_is_not_yet() -> None:
    correct = np.ones(300)
    correct[:2] = 0
    found = certified_cut_off(
        confidence=np.linspace(1.0, 0.9, 300), correct=correct, pi=np.ones(300),
        alpha=0.02, delta=0.05,
    )  # fmt: skip
    assert (found.cut_off, found.tested) == (None, 1)
    expected = 2.5 / 301
    planned = plan_audits(true_error=expected, alpha=0.02, delta=0.05)
    assert planned is not None
    assert found.audits_needed is not None
    assert 0 < found.audits_needed <= planned - 300 + 1


def test_certificate_hopeless_stream_has_no_number() -> None:
    found = certified_cut_off(
        confidence=np.linspace(1.0, 0.9, 400), correct=np.arange(400) % 2, pi=np.ones(400),
        alpha=0.02, delta=0.05,
    )  # fmt: skip
    assert (found.cut_off, found.audits_needed) == (None, None)


def test_certificate_stops_at_the_first_failure() -> None:
    """Errors crowd between ranks 200 and 230, so what would pass again below is not reached."""
    correct = np.ones(4000)
    correct[200:230] = 0
    confidence = np.linspace(1.0, 0.5, 4000)
    found = certified_cut_off(
        confidence=confidence, correct=correct, pi=np.full(4000, 0.1), alpha=0.02, delta=0.05
    )
    assert binom.cdf(30, 4000, 0.02) < 0.05
    assert (found.audits, found.errors) == (189, 0)
    assert found.cut_off == round(float(confidence[188]), 9)
    assert found.tested == 3


def test_certificate_ties_are_never_split() -> None:
    confidence = np.repeat([0.99999, 0.95, 0.9], [100, 400, 300])
    found = certified_cut_off(
        confidence=confidence, correct=np.arange(800) < 500, pi=np.ones(800), alpha=0.02, delta=0.05
    )
    assert (found.cut_off, found.audits, found.share) == (0.95, 500, 0.625)


def test_certificate_hypotheses_share_the_risk() -> None:
    pooled, alone = (
        certified_cut_off(
            confidence=np.linspace(1.0, 0.9, 200),
            correct=np.ones(200),
            pi=np.ones(200),
            alpha=0.02,
            delta=0.05,
            hypotheses=hypotheses,
        )
        for hypotheses in (1, 10)
    )
    assert pooled.cut_off == 0.9
    assert alone.cut_off is None
    assert alone.audits_needed == fewest_audits(alpha=0.02, delta=0.005) - 200


def test_certificate_mixed_chances_are_refused() -> None:
    with pytest.raises(CalibrationError, match="uniformly audited stratum"):
        certified_cut_off(
            confidence=[0.9, 0.95], correct=[1, 1], pi=[0.05, 1.0], alpha=0.02, delta=0.05
        )


@pytest.mark.parametrize(("alpha", "delta"), [(0.0, 0.05), (0.02, 1.0), (float("nan"), 0.05)])
def test_certificate_levels_outside_are_refused(alpha: float, delta: float) -> None:
    with pytest.raises(CalibrationError, match="is out of range"):
        certified_cut_off(confidence=[], correct=[], pi=[], alpha=alpha, delta=delta)


def test_certificate_keeps_its_promise_where_the_best_looking_cut_off_breaks_it() -> None:
    """The error rises as the confidence falls: down to the 60% point it is 1% in all."""
    random, runs, size = np.random.default_rng(17), 400, 3000
    falling = np.linspace(1.0, 0.0, size)
    rank = np.arange(1, size + 1) / size
    error = 0.02 * rank / 0.6
    above = np.cumsum(error) / np.arange(1, size + 1)
    broken = naive_broken = certified = 0
    for _ in range(runs):
        correct = random.random(size) >= error
        found = certified_cut_off(
            confidence=falling, correct=correct, pi=np.full(size, 0.05), alpha=0.01, delta=0.05
        )
        if found.cut_off is not None:
            certified += 1
            broken += bool(above[found.audits - 1] > 0.01)
        seen = np.cumsum(~correct) / np.arange(1, size + 1)
        fine = np.flatnonzero(seen[148:] <= 0.01)
        naive_broken += bool(fine.size and above[148 + fine[-1]] > 0.01)
    assert certified > 0.3 * runs
    assert broken <= 0.08 * runs
    assert naive_broken > 0.3 * runs
