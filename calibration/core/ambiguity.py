"""Which pairs of categories get mixed up, by labels and, without any, by the scores alone.

A label puts weight w = 1/pi on every pair of what the model said, i, and what would have been
right, j; where several would have been right the weight is shared between them. With

    C_ij   weight of errors between i and j, either way round;   W  of all errors
    E_ij   a_i b_j for i != j, with a and b such that as many errors as observed say i and belong
           to j: quasi-independence, found by iterative proportional fitting
    lift   C_ij / (E_ij + E_ji)

the lift is how much oftener the pair occurs among the errors than if what the model wrongly says
had nothing to do with what is right: 1 for a pair that is mixed up merely because both are common
(Goodman, JASA 63, 1968; plain independence would count right answers as expected errors). The
interval of the lift is that of C_ij / W (Korn and Graubard's, see `estimates`) over the same
expectation.

People who answer *ambiguous* name pairs too: that no one could say which of the two is right.
Without labels, a pair is close where the two are the item's top two within a margin of .15.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

from calibration.core.errors import CalibrationError
from calibration.core.estimates import Draw, FloatArray, as_vector, inclusion_weights, kish_size

CodeArray = npt.NDArray[np.integer]

CLOSE_MARGIN = 0.15
_MOST_ROUNDS = 1000
_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two categories, first < second, among the errors.

    ``labels`` errors between them stand for ``share`` of all errors, ``first_as_second`` and
    ``second_as_first`` for the share where the model said the second for the first and the other
    way round. ``lift`` comes with its 95% interval.
    """

    first: int
    second: int
    labels: int
    share: float
    first_as_second: float
    second_as_first: float
    lift: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class NamedPair:
    """Two categories that people said would both do: of ``labels`` items, ``share`` by weight."""

    first: int
    second: int
    labels: int
    share: float


@dataclass(frozen=True, slots=True)
class ClosePair:
    """Two categories that are the top two within the margin on ``items`` items.

    ``share`` is of all items, ``share_of_either`` of those with either of the two on top.
    """

    first: int
    second: int
    items: int
    share: float
    share_of_either: float


def confused_pairs(
    *,
    predicted: CodeArray,
    truth: Sequence[Sequence[int]],
    pi: npt.ArrayLike,
    categories: int,
) -> list[ConfusedPair]:
    """Every pair between which there is an error, the largest share first.

    ``predicted`` (n,) codes, ``truth`` the codes that would do for each label, none where no
    category fits: such an error belongs to no pair and is left out. Without errors the list is
    empty. Raises CalibrationError for what is no code or inclusion probability.
    """
    said = _as_codes("predicted", predicted, categories)
    weights = _weigh(truth, pi, said.size)
    answer, row, share = _spread(truth, categories)
    wrong = ~np.isin(row, row[answer == said[row]])
    if not wrong.any():
        return []
    model, right = said[row][wrong], answer[wrong]
    mass = (weights[row] * share)[wrong]
    table = np.zeros((categories, categories))
    np.add.at(table, (model, right), mass)
    expected, total = _fit_quasi_independence(table), float(table.sum())
    low, high = np.minimum(model, right), np.maximum(model, right)
    pair = low * categories + high
    found = []
    for number in np.unique(pair):
        here = pair == number
        first, second = divmod(int(number), categories)
        draw = _estimate_share(mass, here, total)
        chance = float(expected[first, second] + expected[second, first]) / total
        lower, upper = draw.interval(0.95)
        found.append(
            ConfusedPair(
                first=first,
                second=second,
                labels=int(np.unique(row[wrong][here]).size),
                share=draw.value,
                first_as_second=float(table[second, first]) / total,
                second_as_first=float(table[first, second]) / total,
                lift=draw.value / chance,
                low=lower / chance,
                high=upper / chance,
            )
        )
    return sorted(found, key=lambda one: (-one.share, one.first, one.second))


def named_pairs(
    *, truth: Sequence[Sequence[int]], pi: npt.ArrayLike, categories: int
) -> list[NamedPair]:
    """Pairs that people named together as ambiguous, the largest weighted share of labels first."""
    weights = _weigh(truth, pi, len(truth))
    total = float(weights.sum())
    counted: dict[tuple[int, int], tuple[int, float]] = {}
    for keys, weight in zip(truth, weights.tolist(), strict=True):
        codes = sorted(set(_as_codes("truth", np.array(keys, np.intp), categories).tolist()))
        for at, first in enumerate(codes):
            for second in codes[at + 1 :]:
                labels, mass = counted.get((first, second), (0, 0.0))
                counted[first, second] = labels + 1, mass + weight
    pairs = [
        NamedPair(first, second, labels, mass / total)
        for (first, second), (labels, mass) in counted.items()
    ]
    return sorted(pairs, key=lambda one: (-one.share, one.first, one.second))


def close_pairs(
    *,
    first: CodeArray,
    second: CodeArray,
    margin: npt.ArrayLike,
    categories: int,
    within: float = CLOSE_MARGIN,
) -> list[ClosePair]:
    """Pairs that are an item's (n,) top two within the margin, the most frequent first.

    Every item counts, labelled or not; ``margin`` (n,) is the top score less the second.
    """
    top = _as_codes("first", first, categories)
    next_best = _as_codes("second", second, categories)
    gap = as_vector("margin", margin, top.size)
    if next_best.size != top.size:
        raise CalibrationError("second", f"has {next_best.size} codes for {top.size} items")
    if gap.size and not (gap.min() >= 0.0 and gap.max() <= 1.0):
        raise CalibrationError("margin", "must lie in [0, 1]: the top score less the second")
    close = gap <= within
    pair = np.minimum(top, next_best) * categories + np.maximum(top, next_best)
    numbers, counts = np.unique(pair[close], return_counts=True)
    tops = np.bincount(top, minlength=categories)
    found = []
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        one, other = divmod(number, categories)
        either = int(tops[one] + tops[other])
        found.append(ClosePair(one, other, count, count / top.size, count / either))
    return sorted(found, key=lambda each: (-each.items, each.first, each.second))


def _as_codes(field: str, codes: CodeArray, categories: int) -> npt.NDArray[np.intp]:
    array = np.asarray(codes)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise CalibrationError(field, "must be a flat array of category codes")
    if array.size and not (array.min() >= 0 and array.max() < categories):
        raise CalibrationError(field, f"must lie from 0 to {categories - 1}")
    return array.astype(np.intp)


def _weigh(truth: Sequence[Sequence[int]], pi: npt.ArrayLike, size: int) -> FloatArray:
    if len(truth) != size:
        raise CalibrationError("truth", f"has {len(truth)} answers for {size} labels; one each")
    return inclusion_weights(pi, size)


def _spread(
    truth: Sequence[Sequence[int]], categories: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """One row per label and answer that would do: the answer, the label, its share of the label."""
    size = np.array([len(keys) for keys in truth], dtype=np.intp)
    flat = np.array([key for keys in truth for key in keys], dtype=np.intp)
    answer = _as_codes("truth", flat, categories)
    row = np.repeat(np.arange(size.size), size)
    return answer, row, 1.0 / size[row]


def _fit_quasi_independence(table: FloatArray) -> FloatArray:
    """(K, K) a_i b_j with an empty diagonal and the rows' and columns' sums of ``table``.

    The table itself has these sums and an empty diagonal, so the fitting converges.
    """
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    fitted = np.ones_like(table)
    np.fill_diagonal(fitted, 0.0)
    for _ in range(_MOST_ROUNDS):
        fitted *= _divide(rows, fitted.sum(axis=1))[:, None]
        fitted *= _divide(columns, fitted.sum(axis=0))
        if np.abs(fitted.sum(axis=1) - rows).max() <= _TOLERANCE * rows.sum():
            break
    return fitted


def _divide(wanted: FloatArray, present: FloatArray) -> FloatArray:
    return np.where(present > 0.0, wanted / np.where(present > 0.0, present, 1.0), 0.0)


def _estimate_share(mass: FloatArray, here: npt.NDArray[np.bool_], total: float) -> Draw:
    """The pair's share of the errors by weight, as a draw of independent ones."""
    value = min(1.0, float(mass[here].sum()) / total)
    if not 0.0 < value < 1.0:
        return Draw(value, kish_size(mass))
    spread = float(np.dot(mass**2, (here - value) ** 2)) / total**2
    return Draw(value, value * (1.0 - value) / spread if spread else inf)
