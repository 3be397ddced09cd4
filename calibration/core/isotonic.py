"""The isotonic fit: accuracy as any rising function of the raw confidence.

    minimise  sum_i w_i (y_i - m(p_i))^2  over rising m

by pooling adjacent violators (Ayer et al., Annals of Mathematical Statistics 26, 1955); equal
confidences are one point with their weights summed. The solution is a step function, stored as the
ends of its steps and linear between them, as scikit-learn's is. At each end of the scale half a
label of each outcome is added, (k + 1/2) / (n + 1): a step of which all labels were right would
otherwise promise certainty. Zadrozny & Elkan, KDD 2002.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from calibration.core.calibrators import Fit, explain_refusal, read_sample, refuse
from calibration.core.estimates import FloatArray
from routing.core.maps import CalibrationMap

_HALF = 0.5


def fit_isotonic(
    *, raw: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None
) -> Fit:
    """Weighted isotonic map of (n,) raw confidences, outcomes and weights w = 1/pi.

    A map of one step over differing confidences is flagged, as a falling one is for the others.
    Raises CalibrationError for what is no probability, outcome or weight.
    """
    sample = read_sample(raw, correct, weights)
    if refusal := explain_refusal(sample):
        return refuse(sample, refusal)
    x, y = pool_adjacent(sample.raw, sample.correct, sample.normalised, at_ends=_HALF)
    knots = tuple(zip(x.tolist(), y.tolist(), strict=True))
    flagged = x[0] < x[-1] and y[0] == y[-1]
    note = f"isotonic, {len(knots)} knots"
    if flagged:
        note = "accuracy does not rise with the raw confidence: every item gets the mean accuracy"
    return Fit(CalibrationMap("isotonic", knots=knots), sample.n_eff, flagged, note)


def pool_adjacent(
    points: FloatArray, outcomes: FloatArray, weights: FloatArray, *, at_ends: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Ends x (k,), strictly rising, and levels y (k,) of the steps that fit (n,) outcomes best.

    A step over one value has one end. ``at_ends`` is the weight of a label of each outcome that
    is added to the lowest and to the highest point.
    """
    order = np.argsort(points)
    x = points[order]
    # One array carries weight and outcome through the sort: an item is reached once, not twice.
    signed = (weights * (2.0 * outcomes - 1.0))[order]
    total = np.abs(signed)
    positive = np.maximum(signed, 0.0)
    first = np.append(0, np.flatnonzero(x[1:] != x[:-1]) + 1)
    if first.size < x.size:
        x, total, positive = (
            x[first],
            np.add.reduceat(total, first),
            np.add.reduceat(positive, first),
        )
    for lowest_or_highest in (0, -1):
        total[lowest_or_highest] += 2.0 * at_ends
        positive[lowest_or_highest] += at_ends
    fitted = isotonic_regression(positive / total, weights=total)
    begin, end = fitted.blocks[:-1], fitted.blocks[1:] - 1
    level = np.clip(fitted.x[begin], 0.0, 1.0)
    ends = np.stack([x[begin], x[end]], axis=1)
    kept = np.stack([np.ones_like(begin, dtype=np.bool_), end > begin], axis=1)
    return ends[kept], np.repeat(level, 2).reshape(-1, 2)[kept]
