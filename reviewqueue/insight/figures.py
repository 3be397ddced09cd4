"""The figures that sheets hold, as the makers write them and the pages read them: JSON by name.

Every share and confidence is within 0..1, and what cannot be said is null.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

# The order of badness; a verdict is that of `calibration.core.reliability.Cell`.
VERDICTS: Final = (
    "overconfident_certain",
    "underconfident_certain",
    "overconfident_possible",
    "underconfident_possible",
    "calibrated",
    "not_enough_labels",
)
BROKEN: Final = VERDICTS[:4]


class Band(TypedDict):
    """A cell of a reliability table.

    `items` were routed with a mean `confidence`; `labels` of them say that `accuracy`, with its 95%
    interval, is right. `tone` is how the verdict looks: calibrated, over, under or few.
    """

    lower: float
    upper: float
    items: float
    labels: int
    confidence: float | None
    accuracy: float | None
    low: float | None
    high: float | None
    tone: str
    verdict: str


class Series(TypedDict):
    """The table under one set of maps (raw, in_force or draft) and its calibration error.

    `bands` are of all categories, `categories` by key; `floor` is the error that a perfectly
    calibrated stream with as many labels has.
    """

    name: str
    bands: list[Band]
    categories: dict[str, list[Band]]
    ece: float | None
    floor: float | None


class ReliabilityFigures(TypedDict):
    """Of the reliability page: one or two series, before and after calibration.

    `worst` lists the categories, the most broken promise first; `draft` is the draft's id where the
    series after is one.
    """

    policy: str
    version: int
    model: str
    first: str
    last: str
    labels: int
    items: int
    open: int
    series: list[Series]
    worst: list[str]
    draft: str


class Step(TypedDict):
    """What one cut-off would do: the share acted on and, with its interval, the errors in it."""

    cut_off: float
    share: float
    error: float
    low: float
    high: float


class Measured(TypedDict):
    """Errors among what the policy in force acts on at once, by past labels."""

    labels: int
    error: float | None
    low: float | None
    high: float | None


class Promise(TypedDict):
    """What the audits certify: errors at most `alpha` from `cut_off` up, at 1 - `delta`."""

    cut_off: float
    alpha: float
    delta: float
    audits: int


class WhatIfFigures(TypedDict):
    """Of the what-if page, beside its sample.

    `items_a_week` were routed on average; `seconds` is the mean active time of a review by queue.
    """

    policy: str
    version: int
    model: str
    first: str
    last: str
    sampled: int
    labels: int
    items: int
    items_a_week: float
    seconds: dict[str, float]
    promise: Promise | None
    measured: Measured
    curve: list[Step]
    today: Step | None


class Ships(TypedDict):
    """What ships: items and their share of all; the rate of wrong ones, with its 95% interval.

    `promised` is the error rate that the confidences promise; `needed` the labels still wanted
    until it is settled whether the budget is kept, null where none would do or there is no budget.
    """

    items: float
    completeness: float | None
    labels: int
    promised: float | None
    rate: float | None
    low: float | None
    high: float | None
    needed: int | None


class PricedCutOff(TypedDict):
    """What would ship from one confidence up."""

    cut_off: float
    ships: Ships


class Spent(TypedDict):
    """Verdicts that labels took and their active hours; `untimed` of them told no time."""

    verdicts: int
    hours: float
    untimed: int


class Warned(TypedDict):
    """Labels of shipped sentences by verdict: all of them, and those with each warning."""

    labels: int
    stale_source: int
    off_topic: int
    number_not_found: int
    none: int


class BudgetFigures(TypedDict):
    """Of the error budget page of drafted sentences.

    `bands` are by queue; `cut_off` is the one in force, under which sentences are refused.
    `kept_from` is the lowest cut-off at which the budget is kept, the whole interval included, and
    `met_from` the lowest at which the rate itself is within it. `spent` is on first answers and on
    adjudications, `warned` on sentences judged wrong and right.
    """

    policy: str
    version: int
    model: str
    first: str
    last: str
    labels: int
    items: float
    open: int
    budget: float | None
    cut_off: float
    bands: dict[str, Ships]
    total: Ships
    prices: list[PricedCutOff]
    kept_from: float | None
    met_from: float | None
    spent: dict[str, Spent]
    warned: dict[str, Warned]
    measured: Measured


def rank_categories(categories: Mapping[str, Sequence[Band]]) -> list[str]:
    """Keys by what is known to be worst: certain before possible, over before under.

    Among equals by how many items' promises the band misses: a small gap in a large band does more
    harm than a large gap in a small one.
    """

    def badness(key: str) -> tuple[int, float]:
        cells = categories[key]
        return _badness(cells[find_worst(cells)]) if cells else (len(VERDICTS), 0.0)

    return sorted(categories, key=badness)


def find_worst(cells: Sequence[Band]) -> int:
    """The place of the cell whose promise is broken most, by the order of `rank_categories`."""
    return min(range(len(cells)), key=lambda place: _badness(cells[place]))


def gap_of(cell: Band) -> float | None:
    """What was right less what was promised; None where nothing was judged."""
    if cell["accuracy"] is None or cell["confidence"] is None:
        return None
    return cell["accuracy"] - cell["confidence"]


def _badness(cell: Band) -> tuple[int, float]:
    return VERDICTS.index(cell["verdict"]), -abs(gap_of(cell) or 0.0) * cell["items"]
