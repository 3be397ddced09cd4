"""Accuracy of everything that was routed, from the few items that have a label.

Augmented inverse probability weighting: the map m says what to expect of every item of the frame,
and the labels, weighted, say by how much m is off. Over N items, xi_i = 1 for the labelled ones,

    psi_i = m(x_i) + xi_i (y_i - m(x_i)) / pi_i,    accuracy = mean psi,    variance = var psi / N

(Zrnic and Candes, "Active statistical inference", arXiv 2403.03208). It is unbiased whatever m is,
and the tighter the better m is. m is the Platt fit of the labels, cross-fitted: each of two folds
of labels meets the fit of the other one, so that no label is compared with a fit that saw it. The
frame is rolled up and has no folds; its items meet the mean of both fits, which are equally right
for them.

Items that were certain to be labelled (pi = 1) need no m: their labels are one binomial part of
the estimate, as in `estimates`. For the sampled part the interval is Korn and Graubard's with
n* = acc (1 - acc) / variance, where half a wrong and half a right label are added to the variance,
or a sample with an error or two would look surer than it is: the squares sum(w^2 (y - m)^2) become

    n / (n + 1) (sum(w^2 (y - m)^2) + mean(w^2) (mean(m^2) + mean((1 - m)^2)) / 2)

The statement is about the model's next items as well as these.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

from calibration.core.calibrators import fit_platt
from calibration.core.errors import CalibrationError
from calibration.core.estimates import (
    Draw,
    FloatArray,
    Proportion,
    as_outcomes,
    as_probabilities,
    as_vector,
    hajek_mean,
    inclusion_weights,
    kish_size,
)

FOLDS = 2
# Above this weight a label was drawn; under it, certain, and differs by rounding only.
_CERTAIN = 1.0 + 1e-9


@dataclass(frozen=True, slots=True)
class PopulationAccuracy:
    """Share of the frame's ``items`` that the model got right, with its 95% interval.

    ``note`` tells where the map had nothing to add to the ``labels``.
    """

    value: float
    low: float
    high: float
    labels: int
    items: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Labels:
    raw: FloatArray
    correct: FloatArray
    weights: FloatArray
    fold: npt.NDArray[np.integer]
    sampled: npt.NDArray[np.bool_]


def estimate_population(
    *,
    raw: npt.ArrayLike,
    correct: npt.ArrayLike,
    pi: npt.ArrayLike,
    fold: npt.NDArray[np.integer],
    frame_raw: npt.ArrayLike,
    frame_pi: npt.ArrayLike,
    frame_count: npt.ArrayLike,
    level: float = 0.95,
) -> PopulationAccuracy:
    """AIPW accuracy of a frame of (m,) raw confidences, chances and counts, from (n,) labels.

    The labels' items are among the frame's. ``fold`` (n,) is 0 or 1 and must hang on nothing but
    chance. Raises CalibrationError without labels, for a frame smaller than its labels, for items
    without a chance of a label, and for what is no probability, outcome or fold.
    """
    scores = as_probabilities("raw", raw)
    outcomes = as_outcomes("correct", correct, scores.size)
    weights = inclusion_weights(pi, scores.size)
    labels = _Labels(scores, outcomes, weights, np.asarray(fold), weights > _CERTAIN)
    routed = as_probabilities("frame_raw", frame_raw)
    chance = as_probabilities("frame_pi", frame_pi, routed.size)
    counts = as_vector("frame_count", frame_count, routed.size)
    _check(labels, chance, counts)
    drawn = chance * _CERTAIN < 1.0
    known, unknown = float(counts[~drawn].sum()), float(counts[drawn].sum())
    parts: list[tuple[float, Draw]] = []
    note = ""
    if known:
        sure = outcomes[~labels.sampled]
        share = float(sure.mean()) if sure.size else 0.5
        parts.append(
            (known / (known + unknown), Draw(share, float(sure.size), simple=sure.size > 0))
        )
    if unknown:
        draw, note = _estimate_sampled(labels, routed[drawn], counts[drawn])
        parts.append((unknown / (known + unknown), draw))
    estimate = Proportion(tuple(parts))
    low, high = estimate.interval(level)
    return PopulationAccuracy(estimate.value, low, high, scores.size, known + unknown, note)


def _check(labels: _Labels, chance: FloatArray, counts: FloatArray) -> None:
    size = labels.raw.size
    if not size:
        raise CalibrationError("raw", "there are no labels; report 'not enough labels'")
    if labels.fold.shape != (size,) or not np.isin(labels.fold, np.arange(FOLDS)).all():
        raise CalibrationError("fold", "must give 0 or 1 for each label")
    if counts.size and not (counts.min() >= 0.0 and counts.max() < inf):
        raise CalibrationError("frame_count", "holds what is no count; give numbers from 0 up")
    if counts.sum() < size:
        raise CalibrationError(
            "frame_count",
            f"{counts.sum():g} items for {size} labels; count every item that was routed",
        )
    never = float(counts[chance == 0.0].sum())
    if never:
        raise CalibrationError(
            "frame_pi",
            f"{never:g} items had no chance of a label, so nothing is known of them; leave them "
            "out and say so",
        )


def _estimate_sampled(labels: _Labels, routed: FloatArray, counts: FloatArray) -> tuple[Draw, str]:
    """The sampled part as a draw, and a note where it is the labels' alone."""
    outcomes, weights = labels.correct[labels.sampled], labels.weights[labels.sampled]
    if not outcomes.size:
        return Draw(hajek_mean(labels.correct, labels.weights), 0.0), "no sampled item has a label"
    plain = Draw(hajek_mean(outcomes, weights), kish_size(weights))
    if outcomes.min() == outcomes.max():
        return plain, "the sampled labels all say the same: the estimate is theirs alone"
    labelled, expected = _cross_fit(labels, routed)
    items, n = float(counts.sum()), outcomes.size
    residual = weights * (outcomes - labelled)
    value = (float(np.dot(counts, expected)) + float(residual.sum())) / items
    if not 0.0 < value < 1.0:
        return plain, "the map's correction left [0, 1]: the estimate is the labels' alone"
    spare = float((labelled**2).mean() + ((1.0 - labelled) ** 2).mean()) / 2.0
    squares = float(np.dot(residual, residual)) + float((weights**2).mean()) * spare
    total = float(np.dot(counts, expected**2)) + 2.0 * float(np.dot(residual, labelled))
    variance = ((total + squares * n / (n + 1.0)) / items - value * value) / items
    return Draw(value, value * (1.0 - value) / variance if variance > 0.0 else plain.n), ""


def _cross_fit(labels: _Labels, routed: FloatArray) -> tuple[FloatArray, FloatArray]:
    """m of the sampled labels under the fit of the other fold, and of the frame (m,)."""
    found, expected = np.empty_like(labels.raw), np.zeros_like(routed)
    for number in range(FOLDS):
        away = labels.fold != number
        fitted = fit_platt(
            raw=labels.raw[away], correct=labels.correct[away], weights=labels.weights[away]
        ).map
        found[~away] = fitted.apply(labels.raw[~away])
        expected += fitted.apply(routed) / FOLDS
    return found[labels.sampled], expected
