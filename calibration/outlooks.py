"""What a policy would have done with a sample of the past: shares, errors and reviews.

Errors are those among the labels that the policy would act on, weighted by 1/pi, with the interval
of `core.whatif`. They are exploratory: a cut-off that is moved until the figure pleases looks
better than it is. Only what the audits certify is a promise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.audits import Rates
from calibration.core.estimates import wilson_interval
from calibration.core.whatif import Errors, estimate_errors
from calibration.forecasts import IntArray, Tally
from calibration.samples import Readings, Sample
from routing.core.fallback import SOURCES
from routing.core.policy import HOLD, REJECT, Policy
from routing.core.routes import ACTIONS, ESCALATE, REFUSE, WAIT, route

ACT, REVIEWED = ACTIONS[:2]


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the sample with its 95% interval, of future items."""

    items: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one policy makes of the sample's `items` items.

    shares: by action; errors: of all categories, by the two actions that act; reviews: per item, by
    the queue in which they wait; by_category: share acted on at once and the errors in it, of the
    items predicted as each of the categories asked for.
    """

    items: int
    shares: Mapping[str, Share]
    errors: Mapping[str, Errors]
    reviews: Mapping[str, float]
    by_category: Mapping[str, tuple[Share | None, Errors]]


def look_ahead(
    *,
    sample: Sample,
    policy: Policy,
    rates: Rates,
    model_version: str,
    categories: Sequence[str] = (),
) -> Outlook:
    """Route the sample, which was read for a policy of the same categories, under `policy`.

    Second opinions are left out, and so is the bound on held items.
    """
    queue, action = _route(policy, sample.items, model_version)
    tally = Tally(policy, rates)
    tally.count(queue=queue, action=action, predicted=sample.items.predicted)
    _queue, judged = _route(policy, sample.labelled, model_version)
    size = len(sample.items)
    counts = np.bincount(action, minlength=len(ACTIONS)).tolist()
    shares = {
        name: _share(count, size) for name, count in zip(ACTIONS, counts, strict=True) if size
    }
    return Outlook(
        items=size,
        shares=shares,
        errors={name: _errors(sample, judged == ACTIONS.index(name)) for name in (ACT, REVIEWED)},
        reviews=tally.forecast().reviews,
        by_category={
            key: _look_at(sample, policy.categories.index(key), action, judged)
            for key in categories
        },
    )


def _route(policy: Policy, readings: Readings, model_version: str) -> tuple[IntArray, IntArray]:
    """(n,) queues and actions, the last step of the fallback chain included."""
    routes = route(
        policy, readings.signals(), readings.matrix(policy), [model_version] * len(readings)
    )
    queue, action = routes.queue, routes.action
    last = [step for step in policy.fallback.steps if step not in SOURCES][:1]
    if last:
        open_to_it = routes.open_to_fallback & (action != ESCALATE)
        ends = (HOLD, WAIT) if last == ["person"] else (REJECT, REFUSE)
        queue, action = (
            np.where(open_to_it, end, own) for end, own in zip(ends, (queue, action), strict=True)
        )
    return queue, action


def _look_at(
    sample: Sample, place: int, action: IntArray, judged: IntArray
) -> tuple[Share | None, Errors]:
    here = sample.items.predicted == place
    size = int(here.sum())
    acted = int((here & (action == 0)).sum())
    errors = _errors(sample, (sample.labelled.predicted == place) & (judged == 0))
    return (_share(acted, size) if size else None), errors


def _share(count: int, size: int) -> Share:
    return Share(count, count / size, *wilson_interval(count, size))


def _errors(sample: Sample, chosen: "np.typing.NDArray[np.bool_]") -> Errors:
    return estimate_errors(correct=sample.correct[chosen], weights=sample.weights[chosen])
