"""Fits of the maps from raw to calibrated confidence.

Platt scaling: calibrated = s(a z + b), z = ln(p / (1 - p)) of the clipped raw confidence, s the
logistic function (Platt 1999; on logits Guo et al., arXiv 1706.04599). The weights are normalised
to the Kish size n_eff = sum(w)^2 / sum(w^2), so that a ridge of fixed strength stays a prior:

    sum_i w_i logloss(y_i, s(a z_i + b)) + ridge / 2 ((a - 1)^2 + b^2)

pulls towards the identity a = 1, b = 0 where the labels do not say. The Newton steps are halved
until the gradient shrinks; on a convex loss that always ends, where plain Newton diverges on a
network whose scores are saturated.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from calibration.core.estimates import (
    FloatArray,
    as_outcomes,
    as_probabilities,
    as_weights,
    hajek_mean,
    kish_size,
)
from calibration.core.scores import label_losses
from routing.core.maps import CLIP, IDENTITY, CalibrationMap
from routing.core.signals import round_signal

FEWEST_LABELS = 30.0
RIDGE = 1e-2
_HISTOGRAM_BINS = 4096
_HISTOGRAM_FROM = 4 * _HISTOGRAM_BINS
_MOST_STEPS = 100
_MOST_HALVINGS = 40
# Squared distance to the minimum in standard errors at which the last step is taken.
_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted map, the effective number of labels behind it, and what a person should know.

    ``flagged`` marks a map that the labels do not really support; ``note`` says why.
    """

    map: CalibrationMap
    n_eff: float
    flagged: bool
    note: str


@dataclass(frozen=True, slots=True)
class Refit:
    """A fit on all labels, the labels' confidences (n,) under fits that did not see them, and
    the weighted log loss that those save over the maps in force, with its standard error."""

    fit: Fit
    held_out: FloatArray
    gain: float
    error: float

    @property
    def wins(self) -> bool:
        """Whether the labels support the fit, and it is better by over two standard errors."""
        return not self.fit.flagged and self.gain > 2.0 * self.error


@dataclass(frozen=True, slots=True)
class _Points:
    """Grouped labels: logit, total weight and weight of the correct ones, each (m,)."""

    z: FloatArray
    total: FloatArray
    positive: FloatArray


def fit_platt(*, raw: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None) -> Fit:
    """Weighted Platt map of (n,) raw confidences, outcomes and weights w = 1/pi.

    Fewer than 30 effective labels, or labels that all say the same, give the identity, flagged.
    A slope that would turn the order of the scores round is held at 0 and flagged.
    Raises CalibrationError for what is no probability, outcome or weight.
    """
    scores, outcomes, mass = _check_labels(raw, correct, weights)
    n_eff = kish_size(mass)
    refusal = _explain_refusal(n_eff, outcomes)
    if refusal:
        return Fit(IDENTITY, n_eff, True, refusal)
    slope, intercept = _solve_platt(scores, outcomes, mass)
    if slope > 0.0:
        note = f"platt, slope {slope:.3f}, intercept {intercept:.3f}"
        return Fit(CalibrationMap("platt", (slope, intercept)), n_eff, False, note)
    level = float(logit(hajek_mean(outcomes, mass)))
    note = (
        "accuracy does not rise with the raw confidence: every item gets the mean accuracy; "
        "check that these labels belong to this model"
    )
    return Fit(CalibrationMap("platt", (0.0, level)), n_eff, True, note)


def refit_platt(
    *,
    raw: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    current: FloatArray,
    fold: npt.NDArray[np.integer],
) -> Refit:
    """Platt scaling on all labels, compared out of fold with the confidences ``current`` (n,).

    ``fold`` (n,) numbers the part of each label; the labels of a part get their confidence from
    a fit on the other parts. A flagged fit is not compared: its gain is 0.
    """
    scores, outcomes, mass = _check_labels(raw, correct, weights)
    fit = fit_platt(raw=scores, correct=outcomes, weights=mass)
    if fit.flagged:
        return Refit(fit, current, 0.0, 0.0)
    held_out = np.empty_like(scores)
    for number in np.unique(fold):
        away = fold != number
        partial = fit_platt(raw=scores[away], correct=outcomes[away], weights=mass[away]).map
        held_out[~away] = partial.apply(scores[~away])
    held_out = round_signal(held_out)
    saved = label_losses(current, outcomes)[0] - label_losses(held_out, outcomes)[0]
    gain = hajek_mean(saved, mass)
    error = sqrt(float(np.dot(mass**2, (saved - gain) ** 2))) / float(mass.sum())
    return Refit(fit, held_out, gain, error)


def _check_labels(
    raw: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    scores = as_probabilities("raw", raw)
    return (
        scores,
        as_outcomes("correct", correct, scores.size),
        as_weights("weights", weights, scores.size),
    )


def _explain_refusal(n_eff: float, outcomes: FloatArray) -> str:
    if n_eff < FEWEST_LABELS:
        return f"identity: {n_eff:.1f} effective labels, {FEWEST_LABELS:.0f} are needed for a fit"
    if outcomes.min() == outcomes.max():
        what = "right" if outcomes[0] == 1.0 else "wrong"
        return f"identity: all labels say that the model was {what}, which fixes no slope"
    return ""


def _solve_platt(scores: FloatArray, outcomes: FloatArray, mass: FloatArray) -> tuple[float, float]:
    z: FloatArray = logit(np.clip(scores, CLIP, 1.0 - CLIP))
    total = mass * (kish_size(mass) / float(mass.sum()))
    points = _Points(z, total, total * outcomes)
    start = (1.0, 0.0)
    if z.size >= _HISTOGRAM_FROM:
        start = _descend(_histogram(points), start)
    return _descend(points, start)


def _histogram(points: _Points) -> _Points:
    """The points on 4,096 bins of the logit, each at its weighted mean: a cheap warm start."""
    low, high = float(points.z.min()), float(points.z.max())
    scale = (_HISTOGRAM_BINS - 1) / max(high - low, 1e-9)
    number = ((points.z - low) * scale).astype(np.intp)
    total, moment, positive = (
        np.asarray(np.bincount(number, weights=weights), dtype=np.float64)
        for weights in (points.total, points.total * points.z, points.positive)
    )
    kept = total > 0.0
    return _Points(moment[kept] / total[kept], total[kept], positive[kept])


def _descend(points: _Points, start: tuple[float, float]) -> tuple[float, float]:
    """Damped Newton to the minimum of the ridged loss, from (slope, intercept) ``start``."""
    a, b = start
    gradient, hessian = _differentiate(points, a, b)
    for _ in range(_MOST_STEPS):
        step = np.linalg.solve(hessian, gradient)
        if float(gradient @ step) < _TOLERANCE:
            return a - float(step[0]), b - float(step[1])
        norm, share = float(gradient @ gradient), 1.0
        for _ in range(_MOST_HALVINGS):
            next_a, next_b = a - share * float(step[0]), b - share * float(step[1])
            gradient, hessian = _differentiate(points, next_a, next_b)
            if float(gradient @ gradient) < norm:
                break
            share /= 2.0
        else:
            return a, b
        a, b = next_a, next_b
    return a, b


def _differentiate(points: _Points, a: float, b: float) -> tuple[FloatArray, FloatArray]:
    """Gradient (2,) and Hessian (2, 2) of the ridged loss in slope and intercept."""
    share: FloatArray = expit(a * points.z + b)
    expected = points.total * share
    residual = expected - points.positive
    curvature = expected * (1.0 - share)
    leverage = curvature * points.z
    mixed = float(leverage.sum())
    gradient = np.array(
        [
            float(np.dot(residual, points.z)) + RIDGE * (a - 1.0),
            float(residual.sum()) + RIDGE * b,
        ]
    )
    hessian = np.array(
        [
            [float(np.dot(leverage, points.z)) + RIDGE, mixed],
            [mixed, float(curvature.sum()) + RIDGE],
        ]
    )
    return gradient, hessian
