"""Smooth calibration error: its definition by quadrature, relplot, weights and single points."""

import numpy as np
import numpy.typing as npt
import pytest
from relplot.metrics import smECE
from scipy.optimize import brentq

from calibration.core.errors import CalibrationError
from calibration.core.smooth import smooth_calibration_error, smooth_noise_floor

FloatArray = npt.NDArray[np.float64]


def draw_labels(size: int, power: float, seed: int) -> tuple[FloatArray, FloatArray]:
    random = np.random.default_rng(seed)
    confidence = random.beta(6.0, 1.0, size)
    return confidence, (random.random(size) < confidence**power).astype(float)


def by_quadrature(confidence: FloatArray, correct: FloatArray, weights: FloatArray) -> float:
    """The fixed point with the reflected kernel as a sum of mirror images, on a fine grid."""
    grid = np.linspace(0.0, 1.0, 4001)
    share = weights * (correct - confidence) / weights.sum()

    def excess(bandwidth: float) -> float:
        curve = np.zeros_like(grid)
        for turn in range(-4, 5):
            for mirrored in (confidence, -confidence):
                away = (grid[:, None] - (mirrored + 2 * turn)) / bandwidth
                curve += np.exp(-(away**2) / 2) @ share
        curve /= bandwidth * np.sqrt(2 * np.pi)
        return float(np.trapezoid(np.abs(curve), grid)) - bandwidth

    return float(brentq(excess, 1e-3, 1.0, xtol=1e-7))


@pytest.mark.parametrize("power", [1.0, 1.3, 3.0])
def test_smooth_error_equals_its_definition(power: float) -> None:
    confidence, correct = draw_labels(150, power, seed=1)
    weights = np.where(confidence > 0.9, 20.0, 1.0)
    score = smooth_calibration_error(confidence=confidence, correct=correct, weights=weights)
    assert score == pytest.approx(by_quadrature(confidence, correct, weights), abs=2e-6)


@pytest.mark.parametrize("size", [50, 1000, 20_000])
@pytest.mark.parametrize("power", [1.0, 1.5, 3.0])
def test_smooth_error_equals_relplot(size: int, power: float) -> None:
    """To .001: relplot stops its bisection at a step of 2^-10."""
    confidence, correct = draw_labels(size, power, seed=2)
    score = smooth_calibration_error(confidence=confidence, correct=correct, weights=None)
    assert score == pytest.approx(smECE(confidence, correct), abs=1e-3)


@pytest.mark.parametrize("correct", [0, 1])
@pytest.mark.parametrize("confidence", [0.0, 0.001, 0.12345, 0.5, 0.9, 0.9999, 1.0])
def test_one_point_alone_scores_its_distance(confidence: float, correct: int) -> None:
    score = smooth_calibration_error(confidence=[confidence], correct=[correct], weights=[7.0])
    assert score == pytest.approx(abs(correct - confidence), abs=1e-6)


def test_weight_two_is_the_point_twice() -> None:
    confidence, correct = draw_labels(300, 1.5, seed=3)
    times = np.random.default_rng(4).integers(1, 5, 300)
    repeated = smooth_calibration_error(
        confidence=confidence.repeat(times), correct=correct.repeat(times), weights=None
    )
    weighted = smooth_calibration_error(confidence=confidence, correct=correct, weights=times)
    assert weighted == pytest.approx(repeated, abs=1e-8)


def test_smooth_error_hardly_moves_with_the_confidences_where_binned_error_jumps() -> None:
    confidence = np.array([0.4999, 0.5001] * 50)
    correct = np.array([1, 0] * 50)
    score = smooth_calibration_error(confidence=confidence, correct=correct, weights=None)
    assert score < 0.02  # two bins with their edge at a half would say .5


def test_noise_floor_is_what_a_calibrated_stream_scores() -> None:
    random = np.random.default_rng(6)
    confidence, weights = random.beta(9.0, 0.6, 800), random.choice([1.0, 20.0], 800)
    scores = [
        smooth_calibration_error(
            confidence=confidence, correct=random.random(800) < confidence, weights=weights
        )
        for _ in range(100)
    ]
    floor = smooth_noise_floor(confidence=confidence, weights=weights, seed=7)
    assert floor == pytest.approx(float(np.mean(scores)), rel=0.1)
    assert floor == smooth_noise_floor(confidence=confidence, weights=weights, seed=7)


def test_noise_floor_is_nothing_where_nothing_is_left_to_chance() -> None:
    floor = smooth_noise_floor(confidence=[0.0, 1.0, 1.0], weights=None, seed=1)
    assert floor == pytest.approx(0.0, abs=2e-4)


def test_smooth_error_refuses_no_labels_and_nan() -> None:
    with pytest.raises(CalibrationError, match="confidence: there are no labels"):
        smooth_calibration_error(confidence=[], correct=[], weights=None)
    with pytest.raises(CalibrationError, match=r"confidence\[0\]: nan is not"):
        smooth_calibration_error(confidence=[np.nan], correct=[1], weights=None)
    with pytest.raises(CalibrationError, match="confidence: there are no labels"):
        smooth_noise_floor(confidence=[], weights=None, seed=1)
