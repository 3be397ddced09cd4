"""Scores as posted, checked and laid out as a matrix, and the signals read from them.

For one item with probabilities p over K categories, p1 the largest and p2 the second:

    margin   p1 - p2
    entropy  -sum(p ln p) / ln K, 0 when K = 1 (Shannon 1948, normalised), at most 1

A vector may be truncated to its top scores. Its missing mass m = 1 - sum is spread evenly over the
u unlisted categories for the entropy (adding -m ln(m/u)), and p2 = max(listed p2, min(m, smallest
listed p)), the most that an unlisted category can have: a lone top score earns no margin.

A taxonomy changes while models go on as they are, so scores may name categories that the stream
knows and its policy does not have: retired ones, or ones that a later policy will have. What stands
on them is missing mass too: it goes to no category of the policy, least of all to the top.

Signals are rounded to nine decimals before anything is compared, the raw confidence too: 0.1 + 0.7
and a division by a sum of 1 + 2e-16 must not move an item over a cut-off.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from routing.core.maps import FloatArray

BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.intp]
Cells = list[tuple[float, ...]]

DECIMALS: Final = 9
MOST: Final = 1.01
LEAST: Final = 0.99
_LEAST_FLOAT: Final = float(np.finfo(np.float64).tiny)


class ScoreError(ValueError):
    """Scores that cannot be used; the message says what to do.

    `field` is the place, as in `scores.vpn_issue`; `value` what stood there.
    """

    def __init__(self, message: str, *, field: str, value: object) -> None:
        super().__init__(message)
        self.field = field
        self.value = value


class UnknownCategoryError(ScoreError):
    """Scores name a key that is neither the policy's nor another of its stream."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What one row of scores says of categories that the policy does not have.

    `keys` with the most probable first; `mass` their sum, divided as the row's values are.
    """

    keys: tuple[str, ...]
    mass: float


@dataclass(frozen=True, slots=True)
class ScoreMatrix:
    """Checked scores of n items over K categories.

    categories (K,) keys in the policy's order; index (n,) the place of each row in what was posted;
    posted (n, K) as posted and values (n, K) divided by the sum where that is over 1, both 0 where
    unlisted; listed (n, K); missing (n,) the mass left for other categories, 0 where all are
    listed and none is outside; outside: by row, only of the rows that name other categories.
    """

    categories: tuple[str, ...]
    index: IndexArray
    posted: FloatArray
    values: FloatArray
    listed: BoolArray
    missing: FloatArray
    outside: Mapping[int, Outside]

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, slots=True)
class Signals:
    """What routing reads from n score vectors, each (n,), floats rounded to nine decimals.

    predicted: index of the top category, the first of equals; raw_confidence: its probability.
    """

    predicted: IndexArray
    raw_confidence: FloatArray
    margin: FloatArray
    entropy: FloatArray

    def __len__(self) -> int:
        return len(self.predicted)


def round_signal(values: FloatArray) -> FloatArray:
    """`values` to the nine decimals that are compared and stored, without a negative zero."""
    return np.asarray(np.round(values, DECIMALS) + 0.0, dtype=np.float64)


def show_number(value: float) -> str:
    """`value` with as many decimals as it takes, two at the least and nine at the most."""
    text = f"{value:.{DECIMALS}f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"


def shorten(key: object) -> str:
    """`key` as text of 60 characters at most, for messages: it may be upstream's."""
    text = str(key)
    return text if len(text) <= 60 else text[:57] + "..."


def show_value(value: object) -> str:
    """`value` in a few words; never its whole text, which may be long or refuse to be printed."""
    if isinstance(value, str):
        return repr(shorten(value))
    if isinstance(value, (float, np.floating)):
        return f"{value:.12g}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, (int, np.integer)):
        return str(value) if -(10**12) < value < 10**12 else "a number far outside"
    return "a list" if isinstance(value, (list, tuple)) else "an object"


def score_matrix(
    categories: Sequence[str],
    rows: Sequence[Mapping[str, float]],
    *,
    others: Collection[str] = frozenset(),
) -> tuple[ScoreMatrix, dict[int, ScoreError]]:
    """Lay out `rows` of category -> probability; a bad row costs no other row anything.

    `others` are keys that may be named beside `categories`; any further key makes its row's error
    an `UnknownCategoryError`. Returns the matrix of the good rows, in order, and the error of each
    bad one by its index.
    """
    errors: dict[int, ScoreError] = {}
    cells, kept, partial, strange = _read_rows(tuple(categories), rows, frozenset(others), errors)
    posted = np.array(cells, dtype=np.float64).reshape(len(cells), len(categories))
    listed = np.ones(posted.shape, dtype=np.bool_)
    for place, present in partial.items():
        listed[place] = present
    good = np.ones(len(kept), dtype=np.bool_)
    for place in np.flatnonzero(~((posted >= 0.0) & (posted <= 1.0)).all(axis=1)).tolist():
        good[place] = False
        errors[kept[place]] = _explain_range(categories, posted[place])
    inside = posted.sum(axis=1, where=good[:, None])
    total, complete = inside.copy(), np.asarray(listed.all(axis=1), dtype=np.bool_)
    for place, scores in strange.items():
        total[place] += math.fsum(scores.values())
        complete[place] = False
    compared = np.round(total, DECIMALS)
    wrong = (compared > MOST) | (complete & (compared < LEAST))
    for place in np.flatnonzero(good & wrong).tolist():
        good[place] = False
        errors[kept[place]] = _explain_sum(float(total[place]), len(categories))
    divisor = np.maximum(total, 1.0)
    matrix = ScoreMatrix(
        categories=tuple(categories),
        index=np.array(kept, dtype=np.intp)[good],
        posted=posted[good],
        values=(posted / divisor[:, None])[good],
        listed=listed[good],
        missing=np.where(complete, 0.0, np.maximum(1.0 - inside / divisor, 0.0))[good],
        outside=_sum_outside(strange, divisor, good),
    )
    return matrix, errors


def stored_matrix(
    categories: Sequence[str], rows: Sequence[Mapping[str, float]]
) -> tuple[ScoreMatrix, dict[int, ScoreError]]:
    """As `score_matrix`, for scores that were taken in before, under whatever policy.

    Every key was a category of the stream then, so that those outside `categories` are known to be
    no mistakes: a decision is recomputed from the scores and the policy alone.
    """
    matrix, errors = score_matrix(categories, rows)
    strange = [n for n, error in errors.items() if isinstance(error, UnknownCategoryError)]
    if not strange:
        return matrix, errors
    return score_matrix(
        categories, rows, others=frozenset[str]().union(*(rows[n] for n in strange))
    )


def _sum_outside(
    strange: Mapping[int, Mapping[str, float]], divisor: FloatArray, good: BoolArray
) -> dict[int, Outside]:
    """By row of the matrix, which leaves out the rows that are not good."""
    if not strange:
        return {}
    place_of = (np.cumsum(good) - 1).tolist()
    return {
        place_of[place]: Outside(
            keys=tuple(sorted(scores, key=lambda key: (-scores[key], key))),
            mass=round(math.fsum(scores.values()) / float(divisor[place]), DECIMALS),
        )
        for place, scores in strange.items()
        if good[place]
    }


def compute_signals(matrix: ScoreMatrix) -> Signals:
    """Top category, raw confidence, margin and normalised entropy of every row."""
    rows = np.arange(len(matrix))
    predicted = rank_listed(matrix).argmax(axis=1) if len(matrix) else np.zeros(0, dtype=np.intp)
    first = matrix.values[rows, predicted]
    others = matrix.values.copy()
    others[rows, predicted] = 0.0
    second = others.max(axis=1) if len(matrix) else np.zeros(0)
    if matrix.missing.any():
        # Where nothing of the policy is listed the first category stands there with 0, and so does
        # p2.
        smallest = np.where(matrix.listed, matrix.values, np.inf).min(axis=1, initial=np.inf)
        second = np.maximum(second, np.minimum(matrix.missing, np.minimum(smallest, first)))
    return Signals(
        predicted=predicted,
        raw_confidence=round_signal(first),
        margin=round_signal(first - second),
        entropy=round_signal(_normalised_entropy(matrix)),
    )


def rank_listed(matrix: ScoreMatrix) -> FloatArray:
    """(n, K) scores as posted, and what is not listed below all that is."""
    return matrix.posted if matrix.listed.all() else np.where(matrix.listed, matrix.posted, -1.0)


def _normalised_entropy(matrix: ScoreMatrix) -> FloatArray:
    """Missing mass that is outside a policy all of whose categories are listed stays in one."""
    count = len(matrix.categories)
    if count == 1:
        return np.zeros(len(matrix))
    # In one buffer: for many categories the memory costs as much as the logarithms.
    terms = np.maximum(matrix.values, _LEAST_FLOAT)
    np.log(terms, out=terms)
    terms *= matrix.values
    entropy = -terms.sum(axis=1)
    missing = matrix.missing
    if missing.any():
        unlisted = np.maximum(count - matrix.listed.sum(axis=1), 1)
        entropy -= missing * np.log(np.where(missing > 0.0, missing / unlisted, 1.0))
    # Scores that sum to a little under 1 can come out a little over.
    return np.asarray(np.minimum(entropy / math.log(count), 1.0), dtype=np.float64)


def _read_rows(
    categories: tuple[str, ...],
    rows: Sequence[Mapping[str, float]],
    others: frozenset[str],
    errors: dict[int, ScoreError],
) -> tuple[Cells, list[int], dict[int, list[bool]], dict[int, dict[str, float]]]:
    """Cells in category order of the rows that are numbers, and their index.

    Then, by place among them, who lists what where it is not everything, and what is outside.
    """
    # A second key makes itemgetter answer with a tuple even where there is one category.
    width = len(categories)
    pick = itemgetter(*categories, categories[0])
    cells: Cells = []
    kept: list[int] = []
    partial: dict[int, list[bool]] = {}
    strange: dict[int, dict[str, float]] = {}
    known = frozenset(categories)
    plain = {float}
    for index, row in enumerate(rows):
        if type(row) is dict and len(row) == len(known) and set(map(type, row.values())) == plain:
            try:
                cells.append(pick(row)[:width])
            except KeyError:
                pass  # as many keys as there are categories, but not the same
            else:
                kept.append(index)
                continue
        error = _find_fault(row, known, others)
        if error is not None:
            errors[index] = error
            continue
        outside = {key: float(value) for key, value in row.items() if key not in known}
        if outside:
            strange[len(kept)] = outside
        if len(row) - len(outside) < len(categories):
            partial[len(kept)] = [key in row for key in categories]
        cells.append(tuple(float(row.get(key, 0.0)) for key in categories))
        kept.append(index)
    return cells, kept, partial, strange


def _find_fault(row: object, known: frozenset[str], others: frozenset[str]) -> ScoreError | None:
    if not isinstance(row, Mapping):
        return ScoreError(
            f"scores must be an object of category to probability, not {show_value(row)}",
            field="scores",
            value=row,
        )
    if not row:
        return ScoreError(
            "scores are empty; give the probability of at least one category",
            field="scores",
            value=row,
        )
    for key in row.keys() - known:
        if key not in others:
            return _explain_unknown(row, known, others)
    for key, value in row.items():
        error = _find_value_fault(key, value)
        if error is not None:
            return error
    return None


def _find_value_fault(key: str, value: object) -> ScoreError | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        return _explain_value(key, value)
    # Asked before any conversion: an integer may be too large for a float, or even for repr.
    if not 0 <= value <= 1:
        return _explain_value(key, value)
    return None


def _explain_range(categories: Sequence[str], row: FloatArray) -> ScoreError:
    place = int(np.flatnonzero(~((row >= 0.0) & (row <= 1.0)))[0])
    return _explain_value(categories[place], float(row[place]))


def _explain_value(key: str, value: object) -> ScoreError:
    return ScoreError(
        f"{shorten(key)} is {show_value(value)}; give a number from 0 to 1",
        field=f"scores.{key}",
        value=value,
    )


def _explain_unknown(
    row: Mapping[str, float], known: frozenset[str], others: frozenset[str]
) -> UnknownCategoryError:
    key = next(key for key in row if key not in known and key not in others)
    shown = shorten(key)
    whose, mend = (
        ("stream", "add it to the stream")
        if others
        else ("stream's policy", "publish a policy that has it")
    )
    close = _find_close(shown, known)
    hint = f"did you mean {close}?" if close else f"leave it out or {mend}"
    return UnknownCategoryError(
        f"{shown} is no category of this {whose}; {hint}",
        field=f"scores.{key}",
        value=row[key],
    )


@lru_cache(maxsize=1024)
def _find_close(key: str, known: frozenset[str]) -> str:
    # Kept: a model that names a strange category does so in every row of its batch.
    return next(iter(get_close_matches(key, sorted(known), n=1)), "")


def _explain_sum(total: float, count: int) -> ScoreError:
    shown = show_number(total)
    if total > 1.0:
        message = f"scores sum to {shown}, over {MOST}; send probabilities that sum to at most 1"
    else:
        message = (
            f"all {count} categories are listed but sum to {shown}, under {LEAST}; "
            "send probabilities that sum to 1, or only the top ones"
        )
    return ScoreError(message, field="scores", value=total)
