"""Reliability table: promised confidence against audited accuracy, by band and category.

A cell is a category (or all of them) and a band of confidence; inside it lie the strata of the
sampling design. The estimates, intervals and p-values are those of `estimates`; the verdict goes
by the gap acc - conf, conf the mean over the frame (never the middle of the band):

    fewer labels than the minimum        not_enough_labels
    |gap| under 5 points                 calibrated
    else                                 over- or underconfident, certain where the p-value
                                         survives Benjamini-Hochberg over the table, else possible
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from calibration.core.errors import CalibrationError
from calibration.core.estimates import (
    About,
    FloatArray,
    IndexArray,
    Stratum,
    as_outcomes,
    as_probabilities,
    as_vector,
    estimate_proportion,
    inclusion_weights,
    survives_false_discovery,
)
from routing.core.policy import DEFAULT_EDGES
from routing.core.signals import DECIMALS

TOLERATED_GAP = 0.05


@dataclass(frozen=True)
class Coded:
    """(n,) keys as numbers: ``codes`` index ``keys``, of which some may occur nowhere.

    A million rows as Python strings would cost more than the whole table.
    """

    codes: npt.NDArray[np.integer]
    keys: Sequence[str]

    def __len__(self) -> int:
        return len(self.codes)

    def occurring(self) -> set[str]:
        """The keys of at least one row."""
        counts = np.bincount(self.codes, minlength=len(self.keys))
        return {key for key, count in zip(self.keys, counts.tolist(), strict=True) if count}


Keys = Sequence[str] | Coded


@dataclass(frozen=True)
class Frame:
    """All routed items of the period, labelled or not, one by one or rolled up.

    ``confidence`` (m,), ``count`` (m,) items behind each row, ``category`` and ``stratum`` (m,)
    keys as with the labels; None where the table does not use them.
    """

    confidence: npt.ArrayLike
    count: npt.ArrayLike
    category: Keys | None = None
    stratum: Keys | None = None


@dataclass(frozen=True)
class Cell:
    """One line of the table; ``category`` is None in the aggregate.

    ``frame`` is the number of items (of weighted labels where there is no frame), ``confidence``
    their mean promise, ``low`` and ``high`` the 95% interval of ``accuracy``. What cannot be
    said is None, never NaN.
    """

    category: str | None
    lower: float
    upper: float
    n: int
    frame: float
    confidence: float | None
    accuracy: float | None
    low: float | None
    high: float | None
    p_value: float | None
    verdict: str


@dataclass(frozen=True)
class _Grid:
    """The table's coordinates: category keys (None alone in the aggregate), bounds, strata."""

    categories: list[str | None]
    bounds: FloatArray
    strata: list[str]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.categories) * (self.bounds.size - 1), len(self.strata)

    def place(self, promise: FloatArray, category: Keys | None, stratum: IndexArray) -> IndexArray:
        """(n,) positions in the flattened (cell, stratum) array."""
        bands = self.bounds.size - 1
        band = np.searchsorted(self.bounds[1:-1], np.round(promise, DECIMALS), side="right")
        cell = band if category is None else _encode(category, self.categories) * bands + band
        return cell * len(self.strata) + stratum

    def total(self, at: IndexArray, values: FloatArray | None) -> FloatArray:
        """Sums of ``values`` (counts for None) by cell and stratum."""
        rows, columns = self.shape
        sums = np.bincount(at, weights=values, minlength=rows * columns)
        return sums.reshape(rows, columns).astype(np.float64)


@dataclass(frozen=True)
class _Sums:
    """(cells, strata) arrays: frame items and their summed promise; n, w, w^2, w y of labels."""

    items: FloatArray
    promise: FloatArray
    n: FloatArray
    w: FloatArray
    w2: FloatArray
    wy: FloatArray

    def strata(self, cell: int) -> list[Stratum]:
        # A rolled-up frame may put a row on the other side of an edge from one of its labels.
        sizes = np.maximum(self.items[cell], self.n[cell])
        return [
            Stratum(
                float(sizes[h]),
                int(self.n[cell, h]),
                float(self.w[cell, h]),
                float(self.w2[cell, h]),
                float(self.wy[cell, h]),
            )
            for h in np.flatnonzero(sizes)
        ]


def reliability_table(
    *,
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    pi: npt.ArrayLike,
    category: Keys | None = None,
    stratum: Keys | None = None,
    frame: Frame | None,
    edges: Sequence[float] = DEFAULT_EDGES,
    minimum: int = 50,
    about: About = "future",
) -> list[Cell]:
    """Cells of every category and band, empty ones included, ordered by category, then band.

    ``confidence``, ``correct`` and ``pi`` are (n,) arrays over the labels, ``category`` and
    ``stratum`` (n,) keys, as texts or coded. Without ``category`` the table is the aggregate. A
    stratum should be a queue at one inclusion probability; without ``stratum`` the probabilities
    themselves separate the labels where there is no frame, and the cell is one stratum where there
    is. Without a frame its counts are estimated by sums of weights.

    The interval speaks of future items by default, as the p-value and verdict always do; with
    ``about="period"`` it speaks of the items of the frame, where full review leaves no doubt.
    Raises CalibrationError for anything that is no probability, outcome or known stratum.
    """
    promise = as_probabilities("confidence", confidence)
    outcomes = as_outcomes("correct", correct, promise.size)
    weights = inclusion_weights(pi, promise.size)
    _check_keys("category", category, promise.size)
    _check_keys("stratum", stratum, promise.size)
    strata, numbers = _number_strata(stratum, weights, frame)
    grid = _Grid(_list_categories(category, frame), _check_edges(edges), strata)
    at = grid.place(promise, category, numbers)
    items, promised = _sum_frame(frame, grid, at, promise, weights)
    sums = _Sums(
        items,
        promised,
        grid.total(at, None),
        grid.total(at, weights),
        grid.total(at, weights * weights),
        grid.total(at, weights * outcomes),
    )
    cells = [_judge_cell(grid, sums, cell, minimum, about) for cell in range(grid.shape[0])]
    return _confirm_verdicts(cells)


def _judge_cell(grid: _Grid, sums: _Sums, cell: int, minimum: int, about: About) -> Cell:
    category, band = divmod(cell, grid.bounds.size - 1)
    n, frame = int(sums.n[cell].sum()), float(sums.items[cell].sum())
    blank = Cell(
        category=grid.categories[category],
        lower=float(grid.bounds[band]),
        upper=float(grid.bounds[band + 1]),
        n=n,
        frame=max(frame, float(n)),
        confidence=float(sums.promise[cell].sum()) / frame if frame else None,
        accuracy=None,
        low=None,
        high=None,
        p_value=None,
        verdict="not_enough_labels",
    )
    if n == 0 or blank.confidence is None:
        return blank
    strata = sums.strata(cell)
    future = estimate_proportion(strata, about="future")
    shown = future if about == "future" else estimate_proportion(strata, about=about)
    low, high = shown.interval()
    verdict = blank.verdict
    if n >= minimum:
        # Noise such as 0.9 - 0.85 must not tip a gap of five points.
        gap = round(shown.value - blank.confidence, DECIMALS)
        side = "over" if gap < 0.0 else "under"
        small = abs(gap) < TOLERATED_GAP
        verdict = "calibrated" if small else f"{side}confident_possible"
    return replace(
        blank,
        accuracy=shown.value,
        low=low,
        high=high,
        p_value=future.p_value(blank.confidence),
        verdict=verdict,
    )


def _confirm_verdicts(cells: list[Cell]) -> list[Cell]:
    """Turn *possible* into *certain* where the cell is a discovery among those with labels."""
    tested = [at for at, cell in enumerate(cells) if cell.verdict != "not_enough_labels"]
    p_values = np.array([cells[at].p_value for at in tested], dtype=np.float64)
    for at in np.array(tested, dtype=np.intp)[survives_false_discovery(p_values)]:
        verdict = cells[at].verdict.replace("_possible", "_certain")
        cells[at] = replace(cells[at], verdict=verdict)
    return cells


def _sum_frame(
    frame: Frame | None, grid: _Grid, at: IndexArray, promise: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Items and summed promise by (cell, stratum), estimated from the labels without a frame."""
    if frame is None:
        return grid.total(at, weights), grid.total(at, weights * promise)
    means = as_probabilities("frame.confidence", frame.confidence)
    count = as_vector("frame.count", frame.count, means.size)
    if count.size and not (count.min() >= 0.0 and np.isfinite(count).all()):
        raise CalibrationError("frame.count", f"holds {count.min()}; counts are finite, 0 or more")
    _check_keys("frame.category", frame.category, means.size)
    _check_keys("frame.stratum", frame.stratum, means.size)
    numbers = np.zeros(means.size, dtype=np.intp)
    if frame.stratum is not None:
        numbers = _encode(frame.stratum, grid.strata)
    category = None if grid.categories == [None] else frame.category
    rows = grid.place(means, category, numbers)
    return grid.total(rows, count), grid.total(rows, count * means)


def _number_strata(
    stratum: Keys | None, weights: FloatArray, frame: Frame | None
) -> tuple[list[str], IndexArray]:
    """Stratum keys and the (n,) stratum number of each label."""
    if frame is not None and (frame.stratum is None) != (stratum is None):
        raise CalibrationError(
            "frame.stratum" if frame.stratum is None else "stratum",
            "is missing; give the strata of both the labels and the frame, or of neither",
        )
    if stratum is None and frame is not None:
        return [""], np.zeros(weights.size, dtype=np.intp)
    if stratum is None:
        rates, numbers = np.unique(np.round(weights, DECIMALS), return_inverse=True)
        return [f"{rate:g}" for rate in rates] or [""], numbers
    known = _occurring(stratum if frame is None or frame.stratum is None else frame.stratum)
    strange = sorted(_occurring(stratum) - known)
    if strange:
        raise CalibrationError(
            "stratum", f"{strange[0]!r} is not in the frame; count its items there too"
        )
    keys = sorted(known) or [""]
    return keys, _encode(stratum, keys)


def _list_categories(category: Keys | None, frame: Frame | None) -> list[str | None]:
    if category is None:
        return [None]
    if frame is None:
        return [*sorted(_occurring(category))]
    if frame.category is None:
        raise CalibrationError(
            "frame.category", "is missing; a table by category needs the category of every item"
        )
    return [*sorted(_occurring(category) | _occurring(frame.category))]


def _occurring(keys: Keys) -> set[str]:
    return keys.occurring() if isinstance(keys, Coded) else set(keys)


def _encode(keys: Keys, known: Sequence[str | None]) -> IndexArray:
    """(n,) number of each row's key among the known ones; all that occur are known."""
    number: dict[str | None, int] = {key: at for at, key in enumerate(known)}
    if isinstance(keys, Coded):
        numbers = np.array([number.get(key, -1) for key in keys.keys], dtype=np.intp)
        return numbers[keys.codes] if len(keys) else np.zeros(0, dtype=np.intp)
    return np.fromiter((number[key] for key in keys), dtype=np.intp, count=len(keys))


def _check_keys(field: str, keys: Keys | None, size: int) -> None:
    if keys is not None and len(keys) != size:
        raise CalibrationError(field, f"has {len(keys)} keys for {size} rows; give one for each")


def _check_edges(edges: Sequence[float]) -> FloatArray:
    bounds = np.array([0.0, *edges, 1.0])
    if not (np.diff(bounds) > 0.0).all():
        raise CalibrationError(
            "edges", f"{tuple(edges)} do not rise strictly between 0 and 1; put them in order"
        )
    return bounds
