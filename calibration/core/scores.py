"""Weighted calibration scores of a stream.

    ECE   = sum_b (W_b / W) |acc_b - conf_b| = sum_b |sum_{i in b} w_i (y_i - p_i)| / sum w
    Brier = sum w (p - y)^2 / sum w
    log   = -sum w (y ln p + (1 - y) ln(1 - p)) / sum w

Bins are half-open, the last one closed: bin min(floor(p B), B - 1). ECE after Guo et al. (arXiv
1706.04599), with inclusion weights. It is never 0 on finitely many labels, so it is shown beside
its noise floor: what a perfectly calibrated stream of the same design would score.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from calibration.core.errors import CalibrationError
from calibration.core.estimates import (
    FloatArray,
    IndexArray,
    as_outcomes,
    as_probabilities,
    as_weights,
    hajek_mean,
)

LOG_LOSS_CLIP = 1e-12


class LogLoss(NamedTuple):
    """Mean log loss in nats, and the number of confidences that had to be clipped for it."""

    value: float
    clipped: int


def expected_calibration_error(
    *,
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    bins: int = 15,
) -> float:
    """Weighted ECE over ``bins`` equal-width bins, from (n,) arrays; ``weights`` None is equal.

    Raises CalibrationError without labels, or for what is no probability, outcome or weight.
    """
    promise, outcomes, mass = _check_labels(confidence, correct, weights)
    excess = np.bincount(bin_numbers(promise, bins), weights=mass * (outcomes - promise))
    return float(np.abs(excess).sum() / mass.sum())


def ece_noise_floor(
    *,
    confidence: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    seed: int,
    bins: int = 15,
    draws: int = 100,
) -> float:
    """Mean ECE of ``draws`` simulated streams whose labels keep every promise exactly.

    The (n,) confidences and weights are those of the real labels, so the design is the same.
    """
    promise = as_probabilities("confidence", confidence)
    mass = as_weights("weights", weights, promise.size)
    if not promise.size:
        raise CalibrationError("confidence", "there are no labels; report 'not enough labels'")
    number = bin_numbers(promise, bins)
    random = np.random.default_rng(seed)
    total = 0.0
    for _ in range(draws):
        kept = random.random(promise.size) < promise
        excess = np.bincount(number, weights=mass * (kept - promise))
        total += float(np.abs(excess).sum())
    return total / draws / float(mass.sum())


def brier_score(
    *, confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None
) -> float:
    """Weighted mean squared difference of confidence and outcome (Brier, 1950)."""
    promise, outcomes, mass = _check_labels(confidence, correct, weights)
    return hajek_mean((promise - outcomes) ** 2, mass)


def log_loss(
    *, confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None
) -> LogLoss:
    """Weighted mean log loss; confidences within 1e-12 of 0 or 1 are clipped and counted."""
    promise, outcomes, mass = _check_labels(confidence, correct, weights)
    losses, clipped = label_losses(promise, outcomes)
    return LogLoss(hajek_mean(losses, mass), clipped)


def label_losses(promise: FloatArray, outcomes: FloatArray) -> tuple[FloatArray, int]:
    """(n,) log loss of each label, and how many confidences were clipped."""
    clipped = np.clip(promise, LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP)
    losses = -np.log(np.where(outcomes == 1.0, clipped, 1.0 - clipped))
    return losses, int(np.count_nonzero(clipped != promise))


def bin_numbers(promise: FloatArray, bins: int) -> IndexArray:
    """(n,) bin of each confidence, min(floor(p B), B - 1)."""
    if bins < 1:
        raise CalibrationError("bins", f"{bins} is too few; give 1 or more")
    return np.minimum((promise * bins).astype(np.intp), bins - 1)


def _check_labels(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    promise = as_probabilities("confidence", confidence)
    if not promise.size:
        raise CalibrationError("confidence", "there are no labels; report 'not enough labels'")
    outcomes = as_outcomes("correct", correct, promise.size)
    return promise, outcomes, as_weights("weights", weights, promise.size)
