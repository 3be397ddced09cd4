"""Shares with their intervals, as words and as places on a bar of 100."""

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reviewqueue.insight.figures import MeasureFigures, RateFigures
from reviewqueue.views.insight.pages import NOTHING, as_percent, as_range

# With fewer than these an interval spans a third of the scale, and a figure compares nobody.
FEWEST: Final = 30
WIDTH: Final = 100
NAMES: Final = {
    "raw": gettext_lazy("The same answer"),
    "kappa": gettext_lazy("Cohen's kappa"),
    "alpha": gettext_lazy("Krippendorff's alpha"),
    "ac1": gettext_lazy("Gwet's AC1"),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its interval, as words and as places on a bar of 100."""

    value: str
    interval: str
    counts: str
    is_thin: bool
    at: float
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Measure:
    """Agreement in all by one measure."""

    name: str
    value: str
    interval: str


def draw_rate(rate: RateFigures, digits: int = 0) -> Rate | None:
    """A share for the page; None where there is none."""
    value, low, high = rate["value"], rate["low"], rate["high"]
    if value is None or low is None or high is None:
        return None
    return Rate(
        value=as_percent(value, digits),
        interval=as_range(low, high),
        counts=_("%(n)s of %(of)s") % {"n": f"{rate['successes']:,}", "of": f"{rate['n']:,}"},
        is_thin=rate["n"] < FEWEST,
        at=round(WIDTH * value, 1),
        start=round(WIDTH * low, 1),
        width=round(WIDTH * (high - low), 1),
    )


def draw_measure(measure: MeasureFigures) -> Measure:
    """A measure of agreement for the page: a share in per cent, the others as they are."""
    value, low, high = measure["value"], measure["low"], measure["high"]
    is_share = measure["name"] == "raw"
    if value is None:
        return Measure(str(NAMES[measure["name"]]), NOTHING, "")
    interval = "" if low is None or high is None else f"{low:.2f}–{high:.2f}"
    return Measure(
        name=str(NAMES[measure["name"]]),
        value=as_percent(value) if is_share else f"{value:.2f}",
        interval=as_range(low, high) if is_share else interval,
    )
