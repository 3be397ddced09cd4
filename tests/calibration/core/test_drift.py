"""The drift test by hand, by simulation with seeds, and stopped and resumed."""

import json

import numpy as np
import pytest

from benchmarks.drift_studies import (
    A_WEEK,
    draw_streams,
    false_alarm_share,
    median_delay,
    naive_alarm_share,
)
from calibration.core.drift import (
    DriftState,
    first_alarms,
    observe_audits,
    start_drift_test,
    trace_evidence,
)
from calibration.core.errors import CalibrationError

LAMBDA_SHARES = np.geomspace(0.01, 0.5, 10)


def watch(correct: list[int], confidence: float = 0.95, **settings: float) -> DriftState:
    state = start_drift_test(**({"largest_risk": 0.1} | settings))
    return observe_audits(state, correct=correct, confidence=[confidence] * len(correct))


def test_evidence_of_two_audits_by_hand() -> None:
    state = watch([0, 1], confidence=0.95)
    stakes = LAMBDA_SHARES / 0.11
    more = (1 / 2 * (1 + stakes * (1 - 0.06)) + 1 / 6) * (1 - stakes * 0.06)
    fewer = (1 / 2 * (1 + LAMBDA_SHARES * (0.04 - 1)) + 1 / 6) * (1 + LAMBDA_SHARES * 0.04)
    assert state.more.capital == pytest.approx(more, abs=1e-12)
    assert state.fewer.capital == pytest.approx(fewer, abs=1e-12)
    assert state.more.evidence == pytest.approx(more.mean() + 1 / 3, abs=1e-12)
    assert state.fewer.evidence == pytest.approx(fewer.mean() + 1 / 3, abs=1e-12)
    assert (state.audits, state.errors, state.threshold) == (2, 1, 40.0)
    assert state.promised_errors == pytest.approx(0.1, abs=1e-15)


def test_new_test_has_evidence_one() -> None:
    state = start_drift_test(largest_risk=0.1)
    assert (state.evidence, state.audits, state.more.alarm_at) == (1.0, 0, None)


def test_state_resumed_anywhere_equals_one_go() -> None:
    random = np.random.default_rng(5)
    confidence = random.uniform(0.85, 1.0, 500)
    correct = (random.random(500) < confidence - 0.05).astype(int)
    whole = observe_audits(
        start_drift_test(largest_risk=0.1), correct=correct, confidence=confidence
    )
    state = start_drift_test(largest_risk=0.1)
    for start, end in ((0, 1), (1, 60), (60, 60), (60, 333), (333, 500)):
        state = observe_audits(state, correct=correct[start:end], confidence=confidence[start:end])
        state = DriftState.from_json(json.loads(json.dumps(state.to_json())))
    assert state == whole


def test_evidence_is_one_on_average_at_the_edge_of_the_promise() -> None:
    # All sequences of six audits at the largest error rate that the slack allows.
    risk, total = 0.06, 0.0
    for number in range(64):
        right = [1 - (number >> bit & 1) for bit in range(6)]
        chance = float(np.prod([1 - risk if one else risk for one in right]))
        total += chance * watch(right, confidence=0.95).more.evidence
    assert total == pytest.approx(1.0, abs=1e-12)


def test_fewer_errors_side_is_one_on_average_at_its_edge() -> None:
    risk, total = 0.19, 0.0
    for number in range(64):
        right = [1 - (number >> bit & 1) for bit in range(6)]
        chance = float(np.prod([1 - risk if one else risk for one in right]))
        total += chance * watch(right, confidence=0.8, largest_risk=0.3).fewer.evidence
    assert total == pytest.approx(1.0, abs=1e-12)


def test_false_alarms_stay_under_alpha_over_two_years() -> None:
    assert false_alarm_share(streams=200, weeks=104, seed=1) <= 0.05
    # Without the slack the promise is at its very edge: the bound still holds.
    assert false_alarm_share(streams=200, weeks=104, seed=2, slack=0.0) <= 0.05


def test_naive_weekly_test_alarms_nearly_always() -> None:
    assert naive_alarm_share(streams=200, weeks=104, seed=3) > 0.9


@pytest.mark.parametrize(("factor", "low", "high"), [(2.0, 12, 20), (3.0, 4, 7), (5.0, 2, 3)])
def test_delay_of_a_growing_error_rate(factor: float, low: float, high: float) -> None:
    assert low <= median_delay(streams=150, factor=factor, seed=4, weeks=60) <= high


def test_alarm_stays_at_its_first_audit() -> None:
    state = watch([0] * 30 + [1] * 2000)
    first = state.more.alarm_at
    assert first is not None
    assert first <= 10
    assert state.more.evidence < state.threshold <= state.more.peak
    assert watch([0] * first).more.alarm_at == first
    assert watch([0] * (first - 1)).more.alarm_at is None


def test_fewer_errors_than_promised_alarms_on_the_other_side() -> None:
    state = watch([1] * 400, confidence=0.7, largest_risk=0.4)
    assert state.fewer.alarm_at is not None
    assert state.more.alarm_at is None


def test_smaller_alpha_asks_for_more_evidence() -> None:
    strict = watch([0] * 30, alpha=0.05 / 77)
    assert strict.threshold == pytest.approx(3080.0)
    loose, strict_at = watch([0] * 30).more.alarm_at, strict.more.alarm_at
    assert loose is not None
    assert strict_at is not None
    assert loose < strict_at


def test_long_drift_stays_finite() -> None:
    state = watch([0] * 5000, confidence=0.99)
    assert np.isfinite(state.evidence)
    assert DriftState.from_json(json.loads(json.dumps(state.to_json()))) == state


def test_riskier_items_than_expected_keep_the_capital_positive() -> None:
    state = watch([1, 0, 1, 1], confidence=0.2, largest_risk=0.05)
    assert min(state.more.capital) > 0.0


def test_first_alarms_agrees_with_one_stream_at_a_time() -> None:
    correct = draw_streams(streams=4, weeks=20, seed=6, factor=4.0)
    confidence = np.full(correct.shape, 0.95)
    together = first_alarms(correct=correct, confidence=confidence, largest_risk=0.05)
    for row, found in zip(correct, together.tolist(), strict=True):
        state = observe_audits(
            start_drift_test(largest_risk=0.05), correct=row, confidence=[0.95] * (20 * A_WEEK)
        )
        sides = [at for at in (state.more.alarm_at, state.fewer.alarm_at) if at is not None]
        assert min(sides) == found


@pytest.mark.parametrize(
    ("settings", "field"),
    [({"alpha": 0.0}, "alpha"), ({"largest_risk": 0.0}, "largest_risk")],
)
def test_impossible_test_is_refused(settings: dict[str, float], field: str) -> None:
    with pytest.raises(CalibrationError, match=field):
        start_drift_test(**({"largest_risk": 0.1} | settings))


@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.1])
def test_impossible_confidence_is_refused(bad: float) -> None:
    with pytest.raises(CalibrationError, match="confidence"):
        watch([1], confidence=bad)


def test_broken_state_names_what_is_wrong() -> None:
    document = start_drift_test(largest_risk=0.1).to_json()
    with pytest.raises(CalibrationError, match="state: has no side"):
        DriftState.from_json({})
    with pytest.raises(CalibrationError, match="state: has no 'audits'"):
        DriftState.from_json({key: document[key] for key in document if key != "audits"})
    with pytest.raises(CalibrationError, match="audits: nan is no finite number"):
        DriftState.from_json(document | {"audits": float("nan")})
    with pytest.raises(CalibrationError, match="capital: must be a list of 10"):
        DriftState.from_json(
            document | {"more": {"capital": [1.0], "evidence": 1.0, "peak": 1.0, "alarm_at": None}}
        )


def test_traced_evidence_ends_where_the_test_does() -> None:
    random = np.random.default_rng(8)
    confidence = random.uniform(0.9, 1.0, 300)
    correct = (random.random(300) < confidence - 0.1).astype(float)
    state = start_drift_test(largest_risk=0.1)
    after = observe_audits(state, correct=correct, confidence=confidence)
    more, fewer = trace_evidence(correct=correct, confidence=confidence, largest_risk=0.1)
    assert (more[-1], fewer[-1]) == (after.more.evidence, after.fewer.evidence)
    assert (more.max(), int((more >= 40.0).argmax()) + 1) == (after.more.peak, after.more.alarm_at)
