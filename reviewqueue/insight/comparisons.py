"""Two policies on a what-if sheet's sample, beside each other. Loads scipy: import it late."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calibration.audits import Rates, read_rates
from calibration.core.whatif import Errors
from calibration.forecasts import Forecast, expected_hours
from calibration.outlooks import Outlook, Share, look_ahead
from calibration.samples import Sample
from reviewqueue.insight.figures import WhatIfFigures
from routing.core.policy import Policy
from routing.models import Stream

__all__ = ["Comparison", "Errors", "Share", "Side", "compare"]


@dataclass(frozen=True, slots=True)
class Side:
    """What one policy does: shares by action, errors by the actions that act, hours a week.

    `own` are share and errors of what is acted on at once, by category; hours are None where no
    reviewer's pace is known.
    """

    shares: Mapping[str, Share]
    errors: Mapping[str, Errors]
    own: Mapping[str, tuple[Share | None, Errors]]
    hours: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Today's policy and another on the same `items`."""

    items: int
    today: Side
    moved: Side


def compare(
    *,
    stream: Stream,
    data: bytes,
    figures: WhatIfFigures,
    today: Policy,
    moved: Policy,
    categories: Sequence[str],
) -> Comparison:
    """Both policies on the sample that `data` holds; one query, for the rates of audits."""
    sample = Sample.from_bytes(data)
    rates = read_rates(stream)
    return Comparison(
        items=len(sample.items),
        today=_look(sample, today, rates, figures, categories),
        moved=_look(sample, moved, rates, figures, categories),
    )


def _look(
    sample: Sample,
    policy: Policy,
    rates: Rates,
    figures: WhatIfFigures,
    categories: Sequence[str],
) -> Side:
    outlook: Outlook = look_ahead(
        sample=sample,
        policy=policy,
        rates=rates,
        model_version=figures["model"],
        categories=categories,
    )
    forecast = Forecast(outlook.items, {}, outlook.reviews)
    hours = expected_hours(
        forecast, items=round(figures["items_a_week"]), seconds_per_review=figures["seconds"]
    )
    return Side(outlook.shares, outlook.errors, outlook.by_category, hours)
