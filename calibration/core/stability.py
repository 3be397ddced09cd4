"""Population stability index: how far a distribution has moved from a reference window.

    PSI = sum_b (p_b - r_b) ln(p_b / r_b)

over cells b, with p and r the shares now and in the reference, each cell counted half an item
extra so that an empty one stays finite (Siddiqi, "Credit Risk Scorecards", 2006; the symmetric
Kullback-Leibler divergence). Without any change it is about (cells - 1) (1/n + 1/m), which is given
beside it as its noise floor. By custom under .10 is *stable*, under .25 *moved*, above *shifted*.
A fine histogram is first grouped into cells of equal mass in the reference.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from calibration.core.errors import CalibrationError
from calibration.core.estimates import FloatArray, as_vector

FEWEST_ITEMS = 100.0
GROUPS = 10
_MOVED, _SHIFTED = 0.10, 0.25


@dataclass(frozen=True, slots=True)
class Stability:
    """The index, what it would be by chance, and the word for it; None and a reason without."""

    value: float | None
    noise_floor: float | None
    verdict: Literal["stable", "moved", "shifted", "not_enough_items"]
    reason: str = ""


def measure_stability(
    *, reference: npt.ArrayLike, current: npt.ArrayLike, groups: int | None = None
) -> Stability:
    """PSI between counts (b,) of the same cells; grouped into ``groups`` ordered cells if given.

    Under 100 items in either window there is no figure. CalibrationError for negative counts.
    """
    before = _as_counts("reference", reference)
    now = _as_counts("current", current, before.size)
    for name, counts in (("reference", before), ("current", now)):
        if counts.sum() < FEWEST_ITEMS:
            reason = f"{counts.sum():.0f} items in the {name} window, {FEWEST_ITEMS:.0f} are needed"
            return Stability(None, None, "not_enough_items", reason)
    if groups is not None:
        number = group_cells(before, groups)
        before, now = (
            np.asarray(np.bincount(number, weights=counts, minlength=groups), dtype=np.float64)
            for counts in (before, now)
        )
    used = before + now > 0.0
    before, now = before[used], now[used]
    n, m, cells = float(before.sum()), float(now.sum()), before.size
    old = (before + 0.5) / (n + 0.5 * cells)
    new = (now + 0.5) / (m + 0.5 * cells)
    value = float(np.dot(new - old, np.log(new / old)))
    # Rounding alone can take equal shares a hair away from 0.
    value = max(0.0, value)
    verdict: Literal["stable", "moved", "shifted"] = "stable"
    if value >= _MOVED:
        verdict = "moved" if value < _SHIFTED else "shifted"
    return Stability(value, (cells - 1.0) * (1.0 / n + 1.0 / m), verdict)


def group_cells(reference: FloatArray, groups: int) -> npt.NDArray[np.intp]:
    """(b,) group from 0 to ``groups`` - 1 of each ordered cell, about equal reference mass each."""
    if groups < 1:
        raise CalibrationError("groups", f"{groups} is too few; give 1 or more")
    reached = np.cumsum(reference) - reference / 2.0
    number: npt.NDArray[np.intp] = (reached / reference.sum() * groups).astype(np.intp)
    return np.minimum(number, groups - 1)


def _as_counts(field: str, values: npt.ArrayLike, size: int | None = None) -> FloatArray:
    counts = as_vector(field, values, size)
    if counts.size and not (counts.min() >= 0.0 and counts.max() < np.inf):
        raise CalibrationError(field, "holds what is no count; give numbers from 0 up")
    return counts
