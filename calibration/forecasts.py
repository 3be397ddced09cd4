"""What a policy would do with a cohort's newest items: queue shares and reviewer hours.

The stored scores are routed again, gates and watch levels included; nothing is stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from calibration.audits import Rates, read_rates
from calibration.core.estimates import FloatArray
from calibration.labels import Cohort, decisions_of
from routing.core.policy import Policy
from routing.core.rules import ACTIONS, QUEUES, route
from routing.core.signals import ScoreMatrix, Signals
from routing.core.stored import find_signals, read_stored

IntArray = npt.NDArray[np.integer]

MOST_ITEMS: Final = 50_000
CHUNK: Final = 2_000
SECONDS_PER_HOUR: Final = 3600.0
# Where an action's review takes place, and whether every item gets one or the audit's share.
SEAT_OF_ACTION: Final = {
    "act": "audit",
    "act_and_review": "flagged",
    "wait": "hold",
    "refuse": "audit",
    "escalate": "escalated",
}
DRAWN_ACTIONS: Final = frozenset({"act", "refuse"})


@dataclass(frozen=True, slots=True)
class Forecast:
    """Shares of `items` by queue, and reviews per item by the queue they wait in."""

    items: int
    queues: Mapping[str, float]
    reviews: Mapping[str, float]


def forecast_routing(*, cohort: Cohort, policies: Sequence[Policy]) -> list[Forecast]:
    """What each policy would do with the newest items of the cohort, 50,000 at most.

    Complete scores that fall short under a policy of fewer categories are left out of its forecast.
    """
    rates = read_rates(cohort.stream)
    tallies = [Tally(policy, rates) for policy in policies]
    for rows in _read_inputs(cohort):
        read: dict[tuple[object, ...], tuple[ScoreMatrix | None, Signals]] = {}
        for tally in tallies:
            key = tally.policy.categories, tally.policy.grounding
            if key not in read:
                read[key] = find_signals(tally.policy, read_stored(tally.policy, rows)[0])
            tally.add(*read[key], cohort.model_version)
    return [tally.forecast() for tally in tallies]


def expected_hours(
    forecast: Forecast, *, items: int, seconds_per_review: Mapping[str, float]
) -> float | None:
    """Reviewer hours for `items` items: sum over queues of items x reviews x seconds / 3600.

    A queue without a measured pace is taken at the mean of the others; None if none has one.
    """
    if not seconds_per_review:
        return None
    usual = sum(seconds_per_review.values()) / len(seconds_per_review)
    seconds = sum(
        share * seconds_per_review.get(queue, usual) for queue, share in forecast.reviews.items()
    )
    return items * seconds / SECONDS_PER_HOUR


def _read_inputs(cohort: Cohort) -> Iterator[list[Any]]:
    """Scores, or of drafted sentences the evidence."""
    newest = decisions_of(cohort).order_by("-decided_at", "-id")[:MOST_ITEMS]
    name = "item__evidence" if cohort.stream.is_grounded else "item__scores"
    found = newest.values_list(name, flat=True).iterator(CHUNK)
    while rows := list(islice(found, CHUNK)):
        yield rows


class Tally:
    """Counts of one policy's outcomes."""

    def __init__(self, policy: Policy, rates: Rates) -> None:
        self.policy = policy
        self.audit_rates = np.array([rates.audit(key) for key in policy.categories])
        self.double_rates = np.array([rates.double(key) for key in policy.categories])
        self.bulk_label_rate = rates.stream.bulk_label_rate
        self.queues = np.zeros(len(QUEUES))
        self.reviews = np.zeros(len(ACTIONS))

    def add(self, matrix: ScoreMatrix | None, signals: Signals, model_version: str) -> None:
        """Route a batch of scores and count it."""
        routes = route(self.policy, signals, matrix, [model_version] * len(signals))
        self.count(queue=routes.queue, action=routes.action, predicted=signals.predicted)

    def count(self, *, queue: IntArray, action: IntArray, predicted: IntArray) -> None:
        """Count (n,) outcomes: indices into QUEUES, ACTIONS and the policy's categories."""
        share = self._reviews(action, predicted)
        self.queues += np.bincount(queue, minlength=len(QUEUES))
        self.reviews += np.bincount(action, weights=share, minlength=len(ACTIONS))

    def _reviews(self, actions: IntArray, predicted: IntArray) -> FloatArray:
        """(n,) expected first reviews of each item; whom a disagreement goes to is left out."""
        drawn = np.array([action in DRAWN_ACTIONS for action in ACTIONS])[actions]
        seats: FloatArray = np.where(drawn, self.audit_rates[predicted], 1.0)
        # What an expert judges and the rows of a batch have one seat whatever the rate.
        single = {"escalate": 0.0, "act_and_review": self.bulk_label_rate}
        doubled = np.array([single.get(action, 1.0) for action in ACTIONS])[actions]
        per_seat: FloatArray = 1.0 + doubled * self.double_rates[predicted]
        return seats * per_seat

    def forecast(self) -> Forecast:
        """Shares of what was counted."""
        items = int(self.queues.sum())
        reviews: dict[str, float] = {}
        for action, expected in zip(ACTIONS, self.reviews.tolist(), strict=True):
            seat = SEAT_OF_ACTION[action]
            reviews[seat] = reviews.get(seat, 0.0) + expected / max(items, 1)
        shares = (self.queues / max(items, 1)).tolist()
        return Forecast(items, dict(zip(QUEUES, shares, strict=True)), reviews)
