"""Maps that differ by category, each as far as its labels say so.

    s(a z + b + d_k),  d_k ~ N(0, 1/4)        z the logit of the raw confidence, k its category

a and b are shared by all categories, the shift d_k is its own, shrunk to nothing where it has few
labels: a category without any is mapped as the stream is. This is penalised logistic regression,
the mode of a random-intercept model with a known variance (Gelman & Hill 2007, ch. 12); the
weights are normalised to the Kish size of all labels. Its Hessian is an arrow, a block of two
bordered by a diagonal, so that a Newton step costs the same per label whatever the number K of
categories.

A category with 200 effective labels of its own can bear a slope of its own as well: Platt on its
labels alone, with the shared a and b as the mean and 1/4 as the variance of the prior.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.core.calibrators import (
    RIDGE,
    Sample,
    explain_refusal,
    level_out,
    logit_of,
    read_sample,
    refuse,
    solve_platt,
)
from calibration.core.errors import CalibrationError
from calibration.core.estimates import FloatArray, IndexArray, kish_size
from calibration.core.logistic import Prior, Slopes, descend, sigmoid
from routing.core.maps import CalibrationMap
from routing.core.policy import STREAM_WIDE

PRECISION = 4.0
OWN_SLOPE_FROM = 200.0


@dataclass(frozen=True, slots=True)
class CategoryFit:
    """Maps by category key, the stream's under "", and what a person should know of them.

    ``flagged`` marks maps that the labels do not really support; then there is the stream's only.
    """

    maps: Mapping[str, CalibrationMap]
    n_eff: float
    flagged: bool
    note: str


def fit_intercepts(
    *,
    raw: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    category: npt.NDArray[np.integer],
    keys: Sequence[str],
    sloped: Sequence[str] = (),
) -> CategoryFit:
    """One Platt map for the stream and one for each category that has labels.

    ``category`` (n,) indexes ``keys``; the categories ``sloped`` get a slope of their own.
    Raises CalibrationError for what is no probability, outcome, weight or category.
    """
    sample = read_sample(raw, correct, weights)
    code = _read_codes(category, sample.raw.size, len(keys))
    if refusal := explain_refusal(sample):
        fit = refuse(sample, refusal)
        return CategoryFit({STREAM_WIDE: fit.map}, fit.n_eff, True, fit.note)
    slope, intercept, *shift = _solve(sample, code, len(keys)).tolist()
    if slope <= 0.0:
        fit = level_out(sample)
        return CategoryFit({STREAM_WIDE: fit.map}, fit.n_eff, True, fit.note)
    shared = CalibrationMap("platt", (slope, intercept))
    maps = {STREAM_WIDE: shared}
    seen = np.bincount(code, minlength=len(keys)) > 0
    for number, key in enumerate(keys):
        if seen[number]:
            maps[key] = CalibrationMap("platt", (slope, intercept + shift[number]))
        if seen[number] and key in sloped:
            maps[key] = _fit_own(sample.part(code == number), shared) or maps[key]
    note = _describe(shared, {keys[n]: shift[n] for n in np.flatnonzero(seen).tolist()})
    return CategoryFit(maps, sample.n_eff, False, note)


def categories_with_slope(
    *, weights: FloatArray, category: npt.NDArray[np.integer], keys: Sequence[str]
) -> tuple[str, ...]:
    """The categories with 200 effective labels of their own."""
    return tuple(
        key
        for number, key in enumerate(keys)
        if kish_size(weights[category == number]) >= OWN_SLOPE_FROM
    )


def _read_codes(category: npt.NDArray[np.integer], size: int, count: int) -> IndexArray:
    code = np.asarray(category)
    if code.shape != (size,):
        raise CalibrationError(
            "category", f"shape {code.shape} is not ({size},); give one for each label"
        )
    if size and not 0 <= int(code.min()) <= int(code.max()) < count:
        raise CalibrationError(
            "category", f"{code.min()} to {code.max()} are not indices of {count} keys"
        )
    return code.astype(np.intp)


def _solve(sample: Sample, code: IndexArray, count: int) -> FloatArray:
    """(2 + K,) slope, intercept and shifts."""
    z, total = logit_of(sample.raw), sample.normalised
    positive = total * sample.correct
    mean = np.append([1.0, 0.0], np.zeros(count))
    precision = np.append([RIDGE, RIDGE], np.full(count, PRECISION))

    def gather(values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(code, weights=values, minlength=count), dtype=np.float64)

    def slopes(theta: FloatArray) -> Slopes:
        share = sigmoid(theta[0] * z + (theta[1] + theta[2:])[code])
        expected = total * share
        curvature = expected * (1.0 - share)
        residual = gather(expected - positive)
        leverage = gather(curvature * z)
        own = gather(curvature)
        gradient = precision * (theta - mean)
        gradient += np.concatenate(
            [[np.dot(expected - positive, z), residual.sum()], residual],
        )
        block = np.array(
            [[np.dot(curvature * z, z), leverage.sum()], [leverage.sum(), own.sum()]]
        ) + np.diag(precision[:2])
        border = np.stack([leverage, own])
        return gradient, _solve_arrow(block, border, own + precision[2:], gradient)

    return descend(slopes, mean)


def _solve_arrow(
    block: FloatArray, border: FloatArray, diagonal: FloatArray, right: FloatArray
) -> FloatArray:
    """x of [[block, border], [border^T, diag]] x = right, by the Schur complement of the block."""
    scaled = border / diagonal
    head = np.linalg.solve(block - scaled @ border.T, right[:2] - scaled @ right[2:])
    return np.concatenate([head, (right[2:] - head @ border) / diagonal])


def _fit_own(own: Sample, shared: CalibrationMap) -> CalibrationMap | None:
    """Platt on one category's labels; None where its scores would be turned round."""
    prior = Prior(np.array(shared.parameters), np.full(2, PRECISION))
    slope, intercept = solve_platt(own, prior).tolist()
    return CalibrationMap("platt", (slope, intercept)) if slope > 0.0 else None


def _describe(shared: CalibrationMap, shift: Mapping[str, float]) -> str:
    slope, intercept = shared.parameters
    low, high = min(shift, key=lambda key: shift[key]), max(shift, key=lambda key: shift[key])
    return (
        f"platt, slope {slope:.3f}, intercept {intercept:.3f}, shifted by category from "
        f"{shift[low]:+.3f} ({low}) to {shift[high]:+.3f} ({high})"
    )
