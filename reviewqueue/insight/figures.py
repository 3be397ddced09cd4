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


class PairFigures(TypedDict):
    """Two categories that get mixed up; by their keys, the taxonomy's earlier one first.

    `labels` errors between them are `share` of all errors, `first_as_second` where the model said
    the second for the first. `lift` with its interval is null where no label says anything. People
    called `named` items ambiguous between them; on `close` items the two are the top two, which is
    `close_share` of those with either on top. Examples are item ids.
    """

    first: str
    second: str
    labels: int
    share: float
    first_as_second: float
    second_as_first: float
    lift: float | None
    low: float | None
    high: float | None
    named: int
    close: int
    close_share: float
    examples_first: list[str]
    examples_second: list[str]


class ClusterFigures(TypedDict):
    """A cluster of low-confidence items: its words, a name for it, and what is known of it.

    `guesses` are the model's most frequent answers with their counts; `members` are item ids, the
    typical ones first.
    """

    name: str
    terms: list[str]
    size: int
    labelled: int
    none_fits: int
    guesses: list[tuple[str, int]]
    members: list[str]


class ProposalFigures(TypedDict):
    """A name that people proposed where no category fits, and the items."""

    name: str
    items: list[str]


class AmbiguityFigures(TypedDict):
    """Of the ambiguity map.

    `labels` were read, of which `errors` name another category and `fits_none` none; `items` were
    looked at for close pairs, the `shy` least confident ones for clusters, `alone` of which are in
    none. `map` lists the categories of the heat map.
    """

    version: int
    model: str
    first: str
    last: str
    labels: int
    errors: int
    fits_none: int
    items: int
    shy: int
    alone: int
    reason: str
    pairs: list[PairFigures]
    clusters: list[ClusterFigures]
    proposals: list[ProposalFigures]
    map: list[str]


class DriftTest(TypedDict):
    """The drift test of one category, or under an empty key of all: what it saw and its evidence.

    `promised` is how many errors the confidences allowed for.
    """

    category: str
    audits: int
    errors: int
    promised: float
    more: float
    fewer: float
    threshold: float
    alarmed_more: bool
    alarmed_fewer: bool


class WeekFigures(TypedDict):
    """A week's stability index of scores and of queue shares; null under 100 items."""

    first: str
    items: float
    scores: float | None
    scores_verdict: str
    queues: float | None
    queues_verdict: str


class DriftEvent(TypedDict):
    """What happened, numbered as on the time axis; `at` is the stream's own clock.

    `kind` says what `what` and `detail` are: policy (version, title), model (version), declared
    (reason), retired (category), alarm (category, side).
    """

    number: int
    at: str
    kind: str
    what: str
    detail: str


class DriftFigures(TypedDict):
    """Of the drift page: of the stretch of unchanged maps that began with `version`.

    `course` holds when, evidence of more errors and of fewer; `reference` is the first and the last
    day that weeks are compared with, empty before there is any.
    """

    version: int
    model: str
    since: str
    first: str
    last: str
    tests: list[DriftTest]
    course: list[tuple[str, float, float]]
    reference: list[str]
    weeks: list[WeekFigures]
    events: list[DriftEvent]


class RateFigures(TypedDict):
    """`successes` of `n` with the share and its 95% interval, null without any."""

    successes: int
    n: int
    value: float | None
    low: float | None
    high: float | None


class PersonFigures(TypedDict):
    """One reviewer: median active seconds of the newest `timed` verdicts, and two shares.

    `agreed` is with whoever judged the same item apart, `known` on items whose answer is known.
    """

    user: int
    name: str
    timed: int
    pace: float | None
    pace_low: float | None
    pace_high: float | None
    agreed: RateFigures
    known: RateFigures


class MeasureFigures(TypedDict):
    """A measure of agreement with its interval; null where it is not defined."""

    name: str
    value: float | None
    low: float | None
    high: float | None


class ReviewersFigures(TypedDict):
    """Of the reviewers page: whole days from `first` to `last`, people by name."""

    first: str
    last: str
    pairs: int
    measures: list[MeasureFigures]
    people: list[PersonFigures]


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


class PeriodFigures(TypedDict):
    """Whole days from `first` to `last`: what was routed, by queue, and what people did.

    `answers` were given one by one, of which `none_fits`, `ambiguous` and `cannot_judge` named no
    single category; `batch_rows` were closed in batches; `hours` were active.
    """

    first: str
    last: str
    items: int
    queues: dict[str, int]
    answers: int
    batch_rows: int
    hours: float
    none_fits: int
    ambiguous: int
    cannot_judge: int


class BacklogFigures(TypedDict):
    """What waited in a queue when it was counted; `is_more` where counting stopped."""

    queue: str
    waiting: int
    overdue: int
    oldest: str
    is_more: bool


class HealthFigures(TypedDict):
    """Of the health page: `days` and `weeks`, the last of which is not over.

    `recent` are seven days, today included, `before` the 28 before these. `blind` and `shown` are
    answers on held items that were the machine's, `bias` how much more often it was overturned
    blind. `ways_out` are the shares of answers that named no single category, by kind, recent and
    before. `backlogs` are of queues in which anything waits.
    """

    first: str
    last: str
    days: list[PeriodFigures]
    weeks: list[PeriodFigures]
    recent: PeriodFigures
    before: PeriodFigures
    pairs: int
    measures: list[MeasureFigures]
    blind: RateFigures
    shown: RateFigures
    bias: MeasureFigures
    ways_out: dict[str, tuple[RateFigures, RateFigures]]
    backlogs: list[BacklogFigures]


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
