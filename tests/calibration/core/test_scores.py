"""Scores by hand, against scikit-learn, and the noise floor against its known size."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import brier_score_loss as sklearn_brier
from sklearn.metrics import log_loss as sklearn_log_loss

from calibration.core.errors import CalibrationError
from calibration.core.scores import (
    adaptive_calibration_error,
    adaptive_noise_floor,
    bin_numbers,
    brier_score,
    ece_noise_floor,
    expected_calibration_error,
    log_loss,
    mass_numbers,
)

FloatArray = npt.NDArray[np.float64]


def test_ece_weighted_by_hand() -> None:
    # Two bins: [0, .5) misses by .2 with weight 1, [.5, 1] by .75 - .6 and .9 over weights 3, 2.
    score = expected_calibration_error(
        confidence=[0.2, 0.6, 0.9], correct=[0, 1, 0], weights=[1, 3, 2], bins=2
    )
    assert score == pytest.approx((0.2 + abs(3 * 0.4 - 2 * 0.9)) / 6, abs=1e-15)


def test_ece_equals_the_textbook_sum_over_bins() -> None:
    random = np.random.default_rng(2)
    confidence, weights = random.random(3000), random.choice([1.0, 10.0, 20.0], 3000)
    correct = (random.random(3000) < confidence**2).astype(float)
    expected = 0.0
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        last = number == 14
        inside = (confidence >= low) & ((confidence < high) | (last & (confidence <= high)))
        if inside.any():
            mass = weights[inside]
            accuracy = np.average(correct[inside], weights=mass)
            promise = np.average(confidence[inside], weights=mass)
            expected += mass.sum() / weights.sum() * abs(accuracy - promise)
    score = expected_calibration_error(confidence=confidence, correct=correct, weights=weights)
    assert score == pytest.approx(expected, abs=1e-12)


def test_ece_integer_weights_equal_repeated_labels() -> None:
    confidence, correct, times = np.array([0.3, 0.7, 0.95]), np.array([1, 0, 1]), [2, 5, 3]
    repeated = expected_calibration_error(
        confidence=confidence.repeat(times), correct=correct.repeat(times), weights=None
    )
    assert repeated == pytest.approx(
        expected_calibration_error(confidence=confidence, correct=correct, weights=times), abs=1e-12
    )


def test_bins_zero_and_one_each_fall_in_a_bin() -> None:
    assert bin_numbers(np.array([0.0, 0.0999, 0.1, 0.95, 1.0]), 10).tolist() == [0, 0, 1, 9, 9]


def test_ece_constant_score_is_one_bin() -> None:
    score = expected_calibration_error(
        confidence=[0.8] * 10, correct=[1] * 5 + [0] * 5, weights=None
    )
    assert score == pytest.approx(0.3, abs=1e-12)


@pytest.mark.parametrize("labels", [200, 1000, 5000])
def test_noise_floor_equals_its_normal_approximation(labels: int) -> None:
    """In each bin the excess is nearly normal, so its mean size is sqrt(2 v / pi)."""
    confidence = np.random.default_rng(4).uniform(0.2, 0.8, labels)
    weights = np.where(confidence > 0.5, 3.0, 1.0)
    variance = np.bincount(
        bin_numbers(confidence, 15), weights=weights**2 * confidence * (1 - confidence)
    )
    expected = float(np.sqrt(2 / np.pi * variance).sum() / weights.sum())
    floor = ece_noise_floor(confidence=confidence, weights=weights, seed=1, draws=400)
    assert floor == pytest.approx(expected, rel=0.04)


def test_noise_floor_is_what_a_calibrated_stream_scores() -> None:
    random = np.random.default_rng(6)
    confidence = random.beta(9.0, 0.6, 1000)
    scores = [
        expected_calibration_error(
            confidence=confidence, correct=random.random(1000) < confidence, weights=None
        )
        for _ in range(200)
    ]
    floor = ece_noise_floor(confidence=confidence, weights=None, seed=7)
    assert floor == pytest.approx(float(np.mean(scores)), rel=0.05)
    assert floor == ece_noise_floor(confidence=confidence, weights=None, seed=7)


def test_brier_and_log_loss_equal_scikit_learn() -> None:
    random = np.random.default_rng(9)
    confidence, weights = random.uniform(0.01, 0.99, 500), random.uniform(0.5, 20.0, 500)
    correct = random.random(500) < confidence
    brier = brier_score(confidence=confidence, correct=correct, weights=weights)
    assert brier == pytest.approx(
        sklearn_brier(correct, confidence, sample_weight=weights), abs=1e-12
    )
    loss = log_loss(confidence=confidence, correct=correct, weights=weights)
    assert loss.clipped == 0
    assert loss.value == pytest.approx(
        sklearn_log_loss(correct, confidence, sample_weight=weights), abs=1e-12
    )


def test_log_loss_clips_and_counts() -> None:
    loss = log_loss(confidence=[0.0, 1.0, 0.5, 1.0], correct=[0, 0, 1, 1], weights=None)
    assert loss.clipped == 3
    assert loss.value == pytest.approx((-np.log(1e-12) - np.log(0.5)) / 4, rel=1e-4)


def bin_by_rank(confidence: FloatArray, weights: FloatArray, bins: int) -> list[int]:
    """Bins of equal mass from their definition, one confidence at a time."""
    middle = np.array(
        [
            weights[confidence < one].sum() + weights[confidence == one].sum() / 2
            for one in confidence
        ]
    )
    return [int(number) for number in np.floor(bins * middle / weights.sum() + 1e-9)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("decimals", [1, 6])
def test_adaptive_bins_equal_their_definition(seed: int, decimals: int) -> None:
    random = np.random.default_rng(seed)
    size, bins = int(random.integers(1, 300)), int(random.integers(1, 20))
    spread = random.choice([1.0, 1e-4])
    confidence = np.round(random.random(size) * spread, decimals)
    weights = random.choice([1.0, 2.5, 20.0], size)
    found = mass_numbers(confidence, weights, bins)
    assert found.tolist() == bin_by_rank(confidence, weights, bins)


def test_adaptive_bins_of_distinct_equal_labels_hold_as_many_each() -> None:
    confidence = np.random.default_rng(1).beta(9.0, 0.5, 3000)
    found = mass_numbers(confidence, np.ones(3000), 15)
    assert np.bincount(found).tolist() == [200] * 15


def test_adaptive_error_equals_quantile_bins() -> None:
    random = np.random.default_rng(2)
    confidence = random.beta(5.0, 1.0, 1500)
    correct = (random.random(1500) < confidence**2).astype(float)
    order = np.argsort(confidence)
    expected = sum(
        abs(correct[part].mean() - confidence[part].mean()) / 15
        for part in np.array_split(order, 15)
    )
    score = adaptive_calibration_error(confidence=confidence, correct=correct, weights=None)
    assert score == pytest.approx(expected, abs=1e-12)


def test_adaptive_error_integer_weights_equal_repeated_labels() -> None:
    random = np.random.default_rng(3)
    confidence, times = np.round(random.random(200), 2), random.integers(1, 5, 200)
    correct = (random.random(200) < 0.5).astype(float)
    repeated = adaptive_calibration_error(
        confidence=confidence.repeat(times), correct=correct.repeat(times), weights=None
    )
    weighted = adaptive_calibration_error(confidence=confidence, correct=correct, weights=times)
    assert weighted == pytest.approx(repeated, abs=1e-12)


def test_adaptive_error_never_splits_a_tie() -> None:
    """Half of the labels at .9, all right, and half at 1, all wrong: never averaged away."""
    confidence, correct = [0.9] * 50 + [1.0] * 50, [1] * 50 + [0] * 50
    score = adaptive_calibration_error(confidence=confidence, correct=correct, weights=None)
    assert score == pytest.approx(0.5 * 0.1 + 0.5 * 1.0, abs=1e-12)
    constant = adaptive_calibration_error(confidence=[0.8] * 10, correct=[1, 0] * 5, weights=None)
    assert constant == pytest.approx(0.3, abs=1e-12)


def test_adaptive_noise_floor_is_what_a_calibrated_stream_scores() -> None:
    random = np.random.default_rng(6)
    confidence, weights = random.beta(9.0, 0.6, 1000), random.choice([1.0, 20.0], 1000)
    scores = [
        adaptive_calibration_error(
            confidence=confidence, correct=random.random(1000) < confidence, weights=weights
        )
        for _ in range(200)
    ]
    floor = adaptive_noise_floor(confidence=confidence, weights=weights, seed=7)
    assert floor == pytest.approx(float(np.mean(scores)), rel=0.05)


@pytest.mark.parametrize(
    "score", [expected_calibration_error, adaptive_calibration_error, brier_score, log_loss]
)
def test_scores_refuse_no_labels_and_nan(score: object) -> None:
    assert callable(score)
    with pytest.raises(CalibrationError, match="confidence: there are no labels"):
        score(confidence=[], correct=[], weights=[])
    with pytest.raises(CalibrationError, match=r"confidence\[0\]: nan is not"):
        score(confidence=[float("nan")], correct=[1], weights=None)
    with pytest.raises(CalibrationError, match=r"weights\[0\]: inf is not"):
        score(confidence=[0.5], correct=[1], weights=[float("inf")])


def test_noise_floor_refuses_no_labels_and_no_bins() -> None:
    with pytest.raises(CalibrationError, match="confidence: there are no labels"):
        ece_noise_floor(confidence=[], weights=None, seed=1)
    with pytest.raises(CalibrationError, match="bins: 0 is too few"):
        ece_noise_floor(confidence=[0.5], weights=None, seed=1, bins=0)
    with pytest.raises(CalibrationError, match="confidence: there are no labels"):
        adaptive_noise_floor(confidence=[], weights=[], seed=1)
    with pytest.raises(CalibrationError, match="bins: 0 is too few"):
        adaptive_calibration_error(confidence=[0.5], correct=[1], weights=None, bins=0)
