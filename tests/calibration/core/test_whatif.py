"""The what-if curve by hand, against the estimates, and on too little."""

import numpy as np
import pytest

from calibration.core.errors import CalibrationError
from calibration.core.estimates import Draw, clopper_pearson_interval, hajek_mean
from calibration.core.whatif import Errors, Outcome, estimate_errors, whatif_curve

CONFIDENCE = [0.95, 0.7, 0.95, 0.8, 0.6]
CORRECT = [1, 0, 0, 1, 1]
WEIGHTS = [20.0, 1.0, 20.0, 2.0, 1.0]


def test_curve_by_hand() -> None:
    curve = whatif_curve(confidence=CONFIDENCE, correct=CORRECT, weights=WEIGHTS)
    assert curve.cut_off.tolist() == [0.95, 0.8, 0.7, 0.6]
    assert curve.share.tolist() == [40 / 44, 42 / 44, 43 / 44, 1.0]
    assert curve.error.tolist() == [20 / 40, 20 / 42, 21 / 43, 21 / 44]
    assert curve.labels.tolist() == [2, 3, 4, 5]


def test_interval_by_hand() -> None:
    curve = whatif_curve(confidence=CONFIDENCE, correct=CORRECT, weights=WEIGHTS)
    found = curve.at(0.8)
    n = 42**2 / 804
    mild = (n * 20 / 42 + 0.5) / (n + 1)
    spread = (400 * (1 - mild) ** 2 + 404 * mild**2) / 42**2
    share = 20 / 42
    expected = Draw(share, share * (1 - share) / spread).interval(0.95)
    assert (found.cut_off, found.share, found.labels) == (0.8, 42 / 44, 3)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)


def test_cut_off_between_confidences_takes_the_next_above() -> None:
    curve = whatif_curve(confidence=CONFIDENCE, correct=CORRECT, weights=WEIGHTS)
    assert curve.at(0.75).error == curve.at(0.8).error
    assert curve.at(0.0).error == 21 / 44
    assert curve.at(0.96) == Outcome(0.96, 0.0, 0, None, None, None)


def test_cut_off_belongs_to_its_band() -> None:
    assert whatif_curve(confidence=[0.9], correct=[1], weights=None).at(0.9).labels == 1


def test_shares_are_the_frames_where_it_is_given() -> None:
    curve = whatif_curve(
        confidence=CONFIDENCE,
        correct=CORRECT,
        weights=WEIGHTS,
        frame_confidence=[0.99, 0.95, 0.85, 0.65],
        frame_count=[10, 20, 30, 40],
    )
    assert curve.share == pytest.approx([0.3, 0.6, 0.6, 1.0], abs=1e-12)
    assert curve.at(0.97).share == pytest.approx(0.1, abs=1e-12)
    assert curve.at(0.97).error is None


def test_no_errors_use_the_kish_size() -> None:
    found = whatif_curve(confidence=[0.9] * 30, correct=[1] * 30, weights=[20.0] * 30).at(0.5)
    assert found.error == 0.0
    assert (found.low, found.high) == pytest.approx(clopper_pearson_interval(0, 30), abs=1e-12)


def test_curve_equals_the_estimates_at_every_cut_off() -> None:
    random = np.random.default_rng(2)
    raw = np.round(random.beta(4, 1, 3000), 3)
    correct = (random.random(3000) < raw).astype(float)
    weights = np.where(raw > 0.9, 20.0, 1.0)
    curve = whatif_curve(confidence=raw, correct=correct, weights=weights)
    for number in range(0, curve.cut_off.size, 50):
        above = raw >= curve.cut_off[number]
        assert curve.error[number] == pytest.approx(
            hajek_mean(1.0 - correct[above], weights[above]), abs=1e-12
        )
    thinned = curve.thin(50)
    assert len(thinned) == 50
    assert thinned[-1].share == 1.0
    for one in thinned:
        assert one.error is not None
        assert one.low is not None
        assert one.high is not None
        assert one.low <= one.error <= one.high


def test_interval_covers_the_future_error() -> None:
    random, covered = np.random.default_rng(8), 0
    for _ in range(200):
        raw = random.uniform(0.5, 1.0, 4000)
        correct = (random.random(4000) < raw).astype(float)
        pi = np.where(raw >= 0.9, 0.1, 1.0)
        seen = random.random(4000) < pi
        found = whatif_curve(confidence=raw[seen], correct=correct[seen], weights=1 / pi[seen]).at(
            0.8
        )
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.1 <= found.high
    assert covered >= 188


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"confidence": [], "correct": []}, "confidence: there are no labels"),
        ({"confidence": [float("nan")], "correct": [1]}, "confidence"),
        ({"confidence": [0.5], "correct": [2]}, "correct"),
        ({"confidence": [0.5], "correct": [1], "frame_confidence": [0.5]}, "frame_count"),
        (
            {"confidence": [0.5], "correct": [1], "frame_confidence": [0.5], "frame_count": [0]},
            "frame_count: must be counts",
        ),
    ],
)
def test_degenerate_input_is_refused(call: dict[str, list[float]], words: str) -> None:
    with pytest.raises(CalibrationError, match=words):
        whatif_curve(**({"weights": None} | call))  # type: ignore[arg-type]


def test_impossible_weights_and_cut_offs_are_refused() -> None:
    with pytest.raises(CalibrationError, match="weights"):
        whatif_curve(confidence=[0.5], correct=[1], weights=[0.0])
    curve = whatif_curve(confidence=[0.5], correct=[1], weights=None)
    with pytest.raises(CalibrationError, match="cut_off"):
        curve.at(1.5)
    with pytest.raises(CalibrationError, match="points"):
        curve.thin(0)


def test_errors_of_chosen_labels_are_those_of_the_curve_s_end() -> None:
    curve = whatif_curve(confidence=CONFIDENCE, correct=CORRECT, weights=WEIGHTS)
    end = curve.at(0.6)
    found = estimate_errors(correct=CORRECT, weights=WEIGHTS)
    assert (found.labels, found.error) == (5, end.error)
    assert (found.low, found.high) == pytest.approx((end.low, end.high))


def test_errors_without_labels_are_not_said() -> None:
    assert estimate_errors(correct=[], weights=[]) == Errors(0, None, None, None)
