"""Accuracy of everything that was routed, from the few items that have a label.

Augmented inverse probability weighting: the map m says what to expect of every item of the frame,
and the labels, weighted, say by how much m is off. Over N items, xi_i = 1 for the labelled ones,

    psi_i = m(x_i) + xi_i (y_i - m(x_i)) / pi_i,    accuracy = mean psi,    variance = var psi / N

(Zrnic and Candes, "Active statistical inference", arXiv 2403.03208). It is unbiased whatever m is,
and the tighter the better m is. m is the Platt fit of the labels, cross-fitted: each of two folds
of labels meets the fit of the other one, so that no label is compared with a fit that saw it. The
frame is rolled up and has no folds; its items meet the mean of both fits, which are equally right
for them.

The interval is Korn and Graubard's with n* = acc (1 - acc) / variance (see `estimates`), so that it
stays within [0, 1]. The statement is about the model's next items as well as these.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.core.calibrators import fit_platt
from calibration.core.errors import CalibrationError
from calibration.core.estimates import (
    Draw,
    FloatArray,
    as_outcomes,
    as_probabilities,
    as_vector,
    hajek_mean,
    inclusion_weights,
    kish_size,
)

FOLDS = 2


@dataclass(frozen=True, slots=True)
class PopulationAccuracy:
    """Share of the frame's ``items`` that the model got right, with its 95% interval.

    ``n_eff`` is the number of independent labels that would say as much; ``note`` tells where
    the map had nothing to add.
    """

    value: float
    low: float
    high: float
    n_eff: float
    labels: int
    items: float
    note: str = ""


def estimate_population(
    *,
    raw: npt.ArrayLike,
    correct: npt.ArrayLike,
    pi: npt.ArrayLike,
    fold: npt.NDArray[np.integer],
    frame_raw: npt.ArrayLike,
    frame_count: npt.ArrayLike,
    level: float = 0.95,
) -> PopulationAccuracy:
    """AIPW accuracy of a frame of (m,) raw confidences and item counts, from (n,) labels.

    The labels' items are among the frame's. ``fold`` (n,) is 0 or 1 and must hang on nothing but
    chance. Labels that all say the same leave the map nothing to learn: then the estimate is
    theirs alone. Raises CalibrationError without labels, for a frame smaller than its labels, and
    for what is no probability, outcome or fold.
    """
    scores = as_probabilities("raw", raw)
    outcomes = as_outcomes("correct", correct, scores.size)
    weights = inclusion_weights(pi, scores.size)
    routed = as_probabilities("frame_raw", frame_raw)
    counts = as_vector("frame_count", frame_count, routed.size)
    _check_sizes(scores, fold, counts)
    items = float(counts.sum())
    if outcomes.min() == outcomes.max():
        alike = Draw(float(outcomes[0]), kish_size(weights))
        note = "all labels say the same: the estimate is theirs alone"
        return _report(alike, scores.size, items, level, note)
    labelled, expected = _cross_fit(scores, outcomes, weights, fold, routed)
    residual = weights * (outcomes - labelled)
    value = (float(np.dot(counts, expected)) + float(residual.sum())) / items
    squares = float(np.dot(counts, expected**2))
    squares += float(((labelled + residual) ** 2 - labelled**2).sum())
    variance = (squares / items - value * value) / items
    if not 0.0 < value < 1.0 or variance <= 0.0:
        # So near an end that the correction overshoots: the weighted labels say what can be said.
        plain = Draw(hajek_mean(outcomes, weights), kish_size(weights))
        note = "the map's correction left [0, 1]: the estimate is the labels' alone"
        return _report(plain, scores.size, items, level, note)
    draw = Draw(value, value * (1.0 - value) / variance)
    return _report(draw, scores.size, items, level, "")


def _check_sizes(scores: FloatArray, fold: npt.NDArray[np.integer], counts: FloatArray) -> None:
    if not scores.size:
        raise CalibrationError("raw", "there are no labels; report 'not enough labels'")
    if fold.shape != scores.shape or not np.isin(fold, np.arange(FOLDS)).all():
        raise CalibrationError("fold", "must give 0 or 1 for each label")
    if counts.size and not (counts.min() >= 0.0 and counts.max() < np.inf):
        raise CalibrationError("frame_count", "holds what is no count; give numbers from 0 up")
    if counts.sum() < scores.size:
        raise CalibrationError(
            "frame_count",
            f"{counts.sum():g} items for {scores.size} labels; count every item that was routed",
        )


def _cross_fit(
    scores: FloatArray,
    outcomes: FloatArray,
    weights: FloatArray,
    fold: npt.NDArray[np.integer],
    routed: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """m of the labels (n,), each under the fit of the other fold, and of the frame (m,)."""
    labelled, expected = np.empty_like(scores), np.zeros_like(routed)
    for number in range(FOLDS):
        away = fold != number
        fitted = fit_platt(raw=scores[away], correct=outcomes[away], weights=weights[away]).map
        labelled[~away] = fitted.apply(scores[~away])
        expected += fitted.apply(routed) / FOLDS
    return labelled, expected


def _report(draw: Draw, labels: int, items: float, level: float, note: str) -> PopulationAccuracy:
    low, high = draw.interval(level)
    return PopulationAccuracy(draw.value, low, high, draw.n, labels, items, note)
