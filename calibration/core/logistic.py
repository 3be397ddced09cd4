"""Weighted logistic regression in a handful of coefficients, held near a prior.

    minimise  sum_i w_i logloss(y_i, s(theta . x_i)) + sum_j precision_j / 2 (theta_j - prior_j)^2

by Newton steps that are halved until the gradient shrinks. On a convex loss that always ends,
where plain Newton diverges on a network whose scores are saturated. Many points are first met as
a histogram, each bin at its weighted means: from its minimum two steps on the points suffice.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from calibration.core.estimates import FloatArray

# The gradient (k,) and the Newton step (k,) to be taken off the coefficients there.
Slopes = tuple[FloatArray, FloatArray]

_HISTOGRAM_BINS = 4096
_HISTOGRAM_FROM = 4 * _HISTOGRAM_BINS
# Points at a time, so that what lies between reading them and their sums stays in the cache.
_CHUNK = 1 << 14
_MOST_STEPS = 100
_MOST_HALVINGS = 40
# Squared distance to the minimum in standard errors at which the last step is taken.
_TOLERANCE = 1e-12
_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True, slots=True)
class Points:
    """Grouped labels: regressors (k, m), total weight (m,) and weight of the correct ones (m,)."""

    columns: FloatArray
    total: FloatArray
    positive: FloatArray


@dataclass(frozen=True, slots=True)
class Prior:
    """Independent normal priors of the coefficients: means and precisions (1/variance), (k,)."""

    mean: FloatArray
    precision: FloatArray


def solve_logistic(points: Points, prior: Prior, *, along: FloatArray) -> FloatArray:
    """The coefficients (k,) of least ridged loss. ``along`` (m,) is what the histogram bins."""
    start = prior.mean
    if along.size >= _HISTOGRAM_FROM:
        start = descend(_slopes_of(_histogram(points, along), prior), start)
    return descend(_slopes_of(points, prior), start)


def descend(slopes: Callable[[FloatArray], Slopes], start: FloatArray) -> FloatArray:
    """Damped Newton from ``start`` (k,) to where the gradient vanishes."""
    at = start
    gradient, step = slopes(at)
    for _ in range(_MOST_STEPS):
        if float(gradient @ step) < _TOLERANCE:
            return np.asarray(at - step, dtype=np.float64)
        norm, share = float(gradient @ gradient), 1.0
        for _ in range(_MOST_HALVINGS):
            following = at - share * step
            gradient, next_step = slopes(following)
            if float(gradient @ gradient) < norm:
                break
            share /= 2.0
        else:
            return at
        at, step = following, next_step
    return at


def sigmoid(x: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)), any shape; beyond +-700 it is constant."""
    return np.asarray(
        1.0 / (1.0 + np.exp(-np.clip(x, -_LARGEST_EXPONENT, _LARGEST_EXPONENT))), dtype=np.float64
    )


def _slopes_of(points: Points, prior: Prior) -> Callable[[FloatArray], Slopes]:
    def slopes(theta: FloatArray) -> Slopes:
        gradient = prior.precision * (theta - prior.mean)
        hessian = np.diag(prior.precision)
        for begin in range(0, points.total.size, _CHUNK):
            here = slice(begin, begin + _CHUNK)
            columns = points.columns[:, here]
            share = sigmoid(theta @ columns)
            expected = points.total[here] * share
            gradient += columns @ (expected - points.positive[here])
            hessian += (columns * (expected * (1.0 - share))) @ columns.T
        return gradient, np.asarray(np.linalg.solve(hessian, gradient), dtype=np.float64)

    return slopes


def _histogram(points: Points, along: FloatArray) -> Points:
    low, high = float(along.min()), float(along.max())
    scale = (_HISTOGRAM_BINS - 1) / max(high - low, 1e-9)
    number = ((along - low) * scale).astype(np.intp)

    def gather(values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(number, weights=values), dtype=np.float64)

    total = gather(points.total)
    kept = total > 0.0
    columns = np.stack([gather(points.total * column)[kept] for column in points.columns])
    return Points(columns / total[kept], total[kept], gather(points.positive)[kept])
