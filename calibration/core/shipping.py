"""What ships, how much of it is wrong, and what another refusal cut-off would cost.

The false-confidence rate is the share of shipped sentences that people judge unsupported,

    rate = sum_h (N_h / N) ebar_h,    ebar_h = sum(w e) / sum(w),   w = 1/pi

over the strata h of what ships, e = 1 for a sentence judged unsupported; with the interval of
`estimates`. The promise beside it is one less the mean confidence of what ships. Completeness is
the share of all sentences that ship. By a cut-off, what ships is what has at least its confidence.

Labels that would settle whether a rate p keeps a budget b are those at which Wilson's interval,
the inverse of the score test, no longer holds b (Wilson, JASA 22, 1927):

    n = d z^2 b (1 - b) / (p - b)^2

d is the design effect, by which the interval at hand is wider than that of so many plain labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
import numpy.typing as npt

from calibration.core.errors import CalibrationError
from calibration.core.estimates import (
    FloatArray,
    Stratum,
    as_outcomes,
    as_probabilities,
    as_vector,
    estimate_proportion,
    inclusion_weights,
    wilson_interval,
)
from routing.core.signals import round_signal

BoolArray = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.integer]

Z: Final = 1.959964  # of a 95% interval


@dataclass(frozen=True, slots=True)
class Sentences:
    """Labels (n,) and all that was routed (m,), in strata of one inclusion probability each.

    confidence, correct, pi and stratum are of the labels; frame_confidence, count and frame_stratum
    of the frame, whose rows may be rolled up.
    """

    confidence: FloatArray
    correct: FloatArray
    pi: FloatArray
    stratum: Codes
    frame_confidence: FloatArray
    count: FloatArray
    frame_stratum: Codes

    def __post_init__(self) -> None:
        size = as_probabilities("confidence", self.confidence).size
        as_outcomes("correct", self.correct, size)
        as_vector("pi", self.pi, size)
        rows = as_probabilities("frame_confidence", self.frame_confidence).size
        as_vector("count", self.count, rows)
        for name, codes, expected in (
            ("stratum", self.stratum, size),
            ("frame_stratum", self.frame_stratum, rows),
        ):
            if len(codes) != expected:
                raise CalibrationError(name, f"has {len(codes)} codes for {expected} rows")


@dataclass(frozen=True, slots=True)
class Shipped:
    """What ships of n routed sentences: how much, and how much of it is wrong, at 95%.

    items, and their share of all (completeness); n labels; promised: the error rate that the mean
    confidence promises. What cannot be said, for want of items or labels, is None.
    """

    items: float
    completeness: float | None
    n: int
    promised: float | None
    rate: float | None
    low: float | None
    high: float | None

    @property
    def gap(self) -> float | None:
        """By how much the rate is over the promise."""
        if self.rate is None or self.promised is None:
            return None
        return self.rate - self.promised


@dataclass(frozen=True, slots=True)
class Price:
    """What would ship with this refusal cut-off."""

    cut_off: float
    shipped: Shipped


def count_needed(shipped: Shipped, budget: float) -> int | None:
    """Further labels that would settle whether `budget` is kept, if the rate stays as it is.

    0 where it is settled. Without a label, those that it takes if none of them is wrong. None where
    no number would do, since the rate is the budget itself or the budget is 0.
    """
    if not 0.0 < budget < 1.0:
        return None
    rate, low, high = shipped.rate, shipped.low, shipped.high
    if rate is None or low is None or high is None:
        return ceil(Z * Z * (1.0 - budget) / budget)
    if low > budget or high <= budget:
        return 0
    if rate == budget:
        return None
    plain_low, plain_high = wilson_interval(rate * shipped.n, shipped.n)
    width, plain = (
        (high - rate, plain_high - rate) if rate < budget else (rate - low, rate - plain_low)
    )
    effect = max(1.0, (width / plain) ** 2) if plain > 0.0 else 1.0
    wanted = effect * Z * Z * budget * (1.0 - budget) / (rate - budget) ** 2
    return max(1, ceil(wanted) - shipped.n)


def measure_strata(sentences: Sentences, strata: Sequence[int]) -> Shipped:
    """What ships where these strata do; the codes of one queue, or of all that ship."""
    return _measure(
        sentences,
        np.isin(sentences.stratum, strata),
        np.isin(sentences.frame_stratum, strata),
    )


def price_cut_offs(sentences: Sentences, cut_offs: Sequence[float]) -> list[Price]:
    """What would ship from each of these confidences up, by confidence alone."""
    return [
        Price(
            cut_off,
            _measure(
                sentences,
                round_signal(sentences.confidence) >= round(cut_off, 9),
                round_signal(sentences.frame_confidence) >= round(cut_off, 9),
            ),
        )
        for cut_off in cut_offs
    ]


def _measure(sentences: Sentences, labels: BoolArray, frame: BoolArray) -> Shipped:
    count = sentences.count[frame]
    items, total = float(count.sum()), float(sentences.count.sum())
    strata = _sum_strata(sentences, labels, frame)
    n = sum(stratum.n for stratum in strata)
    rate = low = high = None
    if n:
        share = estimate_proportion(strata, about="future")
        rate, (low, high) = share.value, share.interval()
    promised = None
    if items:
        promised = 1.0 - float(np.dot(count, sentences.frame_confidence[frame])) / items
    return Shipped(items, items / total if total else None, n, promised, rate, low, high)


def _sum_strata(sentences: Sentences, labels: BoolArray, frame: BoolArray) -> list[Stratum]:
    """By stratum the items, and n, w, w^2 and w e of the labels."""
    codes = [sentences.stratum[labels], sentences.frame_stratum[frame]]
    highest = max((int(each.max()) for each in codes if each.size), default=-1) + 1
    pi = sentences.pi[labels]
    weights = inclusion_weights(pi, pi.size)
    wrong = 1.0 - sentences.correct[labels]

    def total(place: int, values: FloatArray | None) -> FloatArray:
        sums = np.bincount(codes[place], weights=values, minlength=highest)
        return np.asarray(sums, dtype=np.float64)

    n, size = total(0, None), total(1, sentences.count[frame])
    columns = (total(0, weights), total(0, weights * weights), total(0, weights * wrong))
    # A rolled-up frame may put a row on the other side of a cut-off from one of its labels.
    return [
        Stratum(float(max(size[h], n[h])), int(n[h]), *(float(column[h]) for column in columns))
        for h in np.flatnonzero(np.maximum(size, n))
    ]
