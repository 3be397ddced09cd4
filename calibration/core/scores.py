"""Weighted calibration scores of a stream.

    ECE   = sum_b (W_b / W) |acc_b - conf_b| = sum_b |sum_{i in b} w_i (y_i - p_i)| / sum w
    Brier = sum w (p - y)^2 / sum w
    log   = -sum w (y ln p + (1 - y) ln(1 - p)) / sum w

ECE after Guo et al. (arXiv 1706.04599), with inclusion weights. Its bins are half-open, the last
one closed: bin min(floor(p B), B - 1). The adaptive ECE is the same sum over bins of equal mass
(Nixon et al., arXiv 1904.01685): bin floor(B F(p)), F(p) the share of the mass under p and half of
the mass at p, so that equal confidences share a bin and turning the scale round changes nothing.

Neither is ever 0 on finitely many labels, so each is shown beside its noise floor: what a
perfectly calibrated stream of the same design would score.
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
_CELLS = 4096


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
    promise, outcomes, mass = check_labels(confidence, correct, weights)
    excess = np.bincount(bin_numbers(promise, bins), weights=mass * (outcomes - promise))
    return float(np.abs(excess).sum() / mass.sum())


def adaptive_calibration_error(
    *,
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    bins: int = 15,
) -> float:
    """Weighted ECE over ``bins`` bins of equal mass, from (n,) arrays; ``weights`` None is equal.

    Raises CalibrationError without labels, or for what is no probability, outcome or weight.
    """
    promise, outcomes, mass = check_labels(confidence, correct, weights)
    number = mass_numbers(promise, mass, bins)
    excess = np.bincount(number, weights=mass * (outcomes - promise))
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
    promise, mass = check_design(confidence, weights)
    return _simulate_floor(promise, mass, bin_numbers(promise, bins), seed=seed, draws=draws)


def adaptive_noise_floor(
    *,
    confidence: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    seed: int,
    bins: int = 15,
    draws: int = 100,
) -> float:
    """Mean adaptive ECE of ``draws`` simulated streams whose labels keep every promise exactly."""
    promise, mass = check_design(confidence, weights)
    number = mass_numbers(promise, mass, bins)
    return _simulate_floor(promise, mass, number, seed=seed, draws=draws)


def brier_score(
    *, confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None
) -> float:
    """Weighted mean squared difference of confidence and outcome (Brier, 1950)."""
    promise, outcomes, mass = check_labels(confidence, correct, weights)
    return hajek_mean((promise - outcomes) ** 2, mass)


def log_loss(
    *, confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None
) -> LogLoss:
    """Weighted mean log loss; confidences within 1e-12 of 0 or 1 are clipped and counted."""
    promise, outcomes, mass = check_labels(confidence, correct, weights)
    losses, clipped = label_losses(promise, outcomes)
    return LogLoss(hajek_mean(losses, mass), clipped)


def label_losses(promise: FloatArray, outcomes: FloatArray) -> tuple[FloatArray, int]:
    """(n,) log loss of each label, and how many confidences were clipped."""
    clipped = np.clip(promise, LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP)
    losses = -np.log(np.where(outcomes == 1.0, clipped, 1.0 - clipped))
    return losses, int(np.count_nonzero(clipped != promise))


def bin_numbers(promise: FloatArray, bins: int) -> IndexArray:
    """(n,) bin of each confidence, min(floor(p B), B - 1)."""
    _check_bins(bins)
    return np.minimum((promise * bins).astype(np.intp), bins - 1)


def mass_numbers(promise: FloatArray, mass: FloatArray, bins: int) -> IndexArray:
    """(n,) bin of each confidence among ``bins`` of equal mass, floor(B F(p)).

    Only what shares a narrow cell with a boundary is sorted; every other cell lies within a bin.
    """
    _check_bins(bins)
    cell = (promise * _CELLS).astype(np.intp)
    end = np.cumsum(np.bincount(cell, weights=mass, minlength=_CELLS + 1))
    start = np.append(0.0, end[:-1])
    boundaries = np.arange(1, bins) * (end[-1] / bins)
    divided = np.zeros(_CELLS + 1, dtype=np.bool_)
    divided[np.minimum(np.searchsorted(end, boundaries), _CELLS)] = True
    number: IndexArray = np.searchsorted(boundaries, start, side="right")[cell]
    near = np.flatnonzero(divided[cell])
    near = near[np.argsort(promise[near])]
    middle = _middle_masses(promise[near], mass[near], cell[near], start)
    number[near] = np.searchsorted(boundaries, middle, side="right")
    return number


def _middle_masses(
    rising: FloatArray, mass: FloatArray, cell: IndexArray, start: FloatArray
) -> FloatArray:
    """(m,) mass under each confidence and half of that at it; ``start`` is that under each cell."""
    if not rising.size:
        return rising
    first = np.flatnonzero(np.append(True, rising[1:] != rising[:-1]))
    own = np.add.reduceat(mass, first)
    under = np.cumsum(own) - own
    fresh = np.append(True, cell[first][1:] != cell[first][:-1])
    under += (start[cell[first]] - under)[fresh][np.cumsum(fresh) - 1]
    return np.asarray(
        np.repeat(under + own / 2.0, np.diff(np.append(first, rising.size))), dtype=np.float64
    )


def check_design(
    confidence: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray]:
    """(n,) confidences and weights, at least one; CalibrationError otherwise."""
    promise = as_probabilities("confidence", confidence)
    if not promise.size:
        raise CalibrationError("confidence", "there are no labels; report 'not enough labels'")
    return promise, as_weights("weights", weights, promise.size)


def check_labels(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(n,) confidences, outcomes and weights, at least one; CalibrationError otherwise."""
    promise, mass = check_design(confidence, weights)
    return promise, as_outcomes("correct", correct, promise.size), mass


def _simulate_floor(
    promise: FloatArray, mass: FloatArray, number: IndexArray, *, seed: int, draws: int
) -> float:
    random = np.random.default_rng(seed)
    total = 0.0
    for _ in range(draws):
        kept = random.random(promise.size) < promise
        excess = np.bincount(number, weights=mass * (kept - promise))
        total += float(np.abs(excess).sum())
    return total / draws / float(mass.sum())


def _check_bins(bins: int) -> None:
    if bins < 1:
        raise CalibrationError("bins", f"{bins} is too few; give 1 or more")
