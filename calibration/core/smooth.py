"""Smooth calibration error: ECE with a kernel instead of bins.

    r_s(t)  = sum_i w_i (y_i - p_i) K_s(t, p_i) / sum w      K_s the Gaussian reflected at 0 and 1
    smECE_s = integral over [0, 1] of |r_s(t)|
    smECE   = the fixed point s* = smECE_{s*}

after Blasiok & Nakkiran (arXiv 2309.12236), with inclusion weights. Unlike ECE it is continuous in
the confidences, and its bandwidth is found, not chosen: smECE_s falls as s grows, so there is
exactly one fixed point, and bisection finds it.

The reflected kernel is the heat kernel on [0, 1]: cosines are its eigenfunctions,

    K_s(t, p) = 1 + 2 sum_k exp(-(pi k s)^2 / 2) cos(pi k t) cos(pi k p).

So one histogram of w (y - p), each point shared linearly between its two neighbours on the grid,
and its cosine transform (DCT-I) serve every bandwidth: a factor and a transform back, whatever the
number of labels. A point alone has r of one sign and scores |y - p|.
"""

import numpy as np
import numpy.typing as npt
from scipy.fft import dct

from calibration.core.estimates import FloatArray
from calibration.core.scores import check_design, check_labels

# Steps of the grid: a bandwidth of a thousandth still spans four.
_STEPS = 4096
_BISECTIONS = 30
_FLOOR_STEPS = 1024
_FLOOR_BISECTIONS = 12


def smooth_calibration_error(
    *, confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None
) -> float:
    """Weighted smECE of (n,) confidences, outcomes and weights; ``weights`` None is equal.

    Raises CalibrationError without labels, or for what is no probability, outcome or weight.
    """
    promise, outcomes, mass = check_labels(confidence, correct, weights)
    excess = mass * (outcomes - promise)
    nodes = _Grid(promise, _STEPS).share(excess) / float(mass.sum())
    return float(_find_fixed_point(nodes[None, :], _BISECTIONS)[0])


def smooth_noise_floor(
    *,
    confidence: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    seed: int,
    draws: int = 100,
) -> float:
    """Mean smECE of ``draws`` simulated streams whose labels keep every promise exactly.

    The (n,) confidences and weights are those of the real labels, so the design is the same.
    """
    promise, mass = check_design(confidence, weights)
    grid = _Grid(promise, _FLOOR_STEPS)
    random = np.random.default_rng(seed)
    nodes = np.empty((draws, _FLOOR_STEPS + 1))
    for row in nodes:
        kept = random.random(promise.size) < promise
        row[:] = grid.share(mass * (kept - promise))
    return float(_find_fixed_point(nodes / float(mass.sum()), _FLOOR_BISECTIONS).mean())


class _Grid:
    """Where (n,) points lie among ``steps`` + 1 equidistant nodes on [0, 1]."""

    def __init__(self, points: FloatArray, steps: int) -> None:
        place = points * steps
        self.node = place.astype(np.intp)
        self.rest = place - self.node
        self.size = steps + 1

    def share(self, values: FloatArray) -> FloatArray:
        """(steps + 1,) sums of the values, each split between the nodes on its two sides."""
        nodes = np.bincount(self.node, weights=values, minlength=self.size)
        passed_on = np.bincount(self.node, weights=values * self.rest, minlength=self.size)
        nodes -= passed_on
        nodes[1:] += passed_on[:-1]
        return np.asarray(nodes, dtype=np.float64)


def _find_fixed_point(nodes: FloatArray, bisections: int) -> FloatArray:
    """(m,) fixed points of (m, steps + 1) histograms of w (y - p) / sum w."""
    doubled = nodes.copy()
    doubled[:, [0, -1]] *= 2.0
    waves = dct(doubled, type=1, axis=1) / 2.0
    low, high = np.zeros(len(nodes)), np.ones(len(nodes))
    for _ in range(bisections):
        middle = (low + high) / 2.0
        above = _smooth_error(waves, middle) > middle
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2.0


def _smooth_error(waves: FloatArray, bandwidth: FloatArray) -> FloatArray:
    """(m,) smECE_s at the bandwidths (m,): smoothed back onto the grid, then the trapezoid rule."""
    number = np.arange(waves.shape[1])
    damped = waves * np.exp(-((np.pi * number * bandwidth[:, None]) ** 2) / 2.0)
    size = np.abs(dct(damped, type=1, axis=1))
    ends = (size[:, 0] + size[:, -1]) / 2.0
    return np.asarray((size.sum(axis=1) - ends) / (waves.shape[1] - 1), dtype=np.float64)
