"""Weighted estimates of a proportion from labels drawn with known inclusion probabilities.

A label with inclusion probability pi carries the weight w = 1/pi. Within stratum h

    ybar_h = sum(w y) / sum(w)                      (Hajek)
    n_h    = sum(w)^2 / sum(w^2)                    (Kish; the plain count where pi is constant)

and over the strata, with N_h the items of the frame in stratum h and N their sum,

    acc = sum_h (N_h / N) ybar_h
    v   = sum_h (N_h / N)^2 f_h yt_h (1 - yt_h) / n_h,    yt_h = (n_h ybar_h + 1/2) / (n_h + 1)

with f_h = 1 - n_h / N_h where the statement is about the items of the period, f_h = 1 where it is
about future items. The interval is Korn and Graubard's ("Confidence intervals for proportions with
small expected number of positive counts estimated from survey data", Survey Methodology 24, 1998):
a Clopper-Pearson interval with n* = acc (1 - acc) / v labels, x = n* acc of them correct. A sample
that is the whole frame, asked about future items, is one binomial draw: Wilson (JASA 22, 1927).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, expm1, inf, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaincc, betaincinv, ndtri

from calibration.core.errors import CalibrationError

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]
About = Literal["future", "period"]

LARGEST_QUIET_WEIGHT = 100.0
_ROUNDING = 1e-9
_SMALLEST_LOG_P = -30.0


class LargeWeightWarning(UserWarning):
    """One label stands for more than a hundred items, so a single verdict can move the estimate."""


def as_vector(field: str, values: npt.ArrayLike, size: int | None = None) -> FloatArray:
    """One-dimensional float64 array, of length ``size`` where given; CalibrationError otherwise."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise CalibrationError(field, f"shape {array.shape} is not (n,); pass a flat array")
    if size is not None and array.size != size:
        raise CalibrationError(field, f"has {array.size} values for {size} labels; pass one each")
    return array


def as_probabilities(field: str, values: npt.ArrayLike, size: int | None = None) -> FloatArray:
    """(n,) probabilities, each in [0, 1]; NaN and anything outside raise CalibrationError."""
    array = as_vector(field, values, size)
    if array.size and not (array.min() >= 0.0 and array.max() <= 1.0):
        at = int(np.flatnonzero(~((array >= 0.0) & (array <= 1.0)))[0])
        raise CalibrationError(
            f"{field}[{at}]", f"{array[at]} is not a probability; give a number from 0 to 1"
        )
    return array


def as_outcomes(field: str, values: npt.ArrayLike, size: int) -> FloatArray:
    """(n,) outcomes, 1 where the model was right and 0 where it erred."""
    array = as_vector(field, values, size)
    wrong = (array != 0.0) & (array != 1.0)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise CalibrationError(
            f"{field}[{at}]", f"{array[at]} is neither 0 nor 1; leave out what nobody could judge"
        )
    return array


def as_weights(field: str, values: npt.ArrayLike | None, size: int) -> FloatArray:
    """(n,) positive finite weights; None stands for equal ones."""
    if values is None:
        return np.ones(size)
    array = as_vector(field, values, size)
    if size and not (array.min() > 0.0 and array.max() < inf):
        at = int(np.flatnonzero(~((array > 0.0) & (array < inf)))[0])
        raise CalibrationError(
            f"{field}[{at}]", f"{array[at]} is not a positive finite weight; use 1/pi"
        )
    return array


def inclusion_weights(pi: npt.ArrayLike, size: int) -> FloatArray:
    """Weights w = 1/pi of (n,) inclusion probabilities in (0, 1].

    Warns with LargeWeightWarning above a weight of 100.
    """
    array = as_vector("pi", pi, size)
    if size and not (array.min() > 0.0 and array.max() <= 1.0):
        at = int(np.flatnonzero(~((array > 0.0) & (array <= 1.0)))[0])
        raise CalibrationError(
            f"pi[{at}]",
            f"{array[at]} is not in (0, 1]; a label whose inclusion probability is unknown "
            "or zero enters no estimate: leave it out",
        )
    weights: FloatArray = 1.0 / array
    if size and weights.max() > LARGEST_QUIET_WEIGHT:
        warnings.warn(
            f"the largest weight is {weights.max():.0f}: one label stands for that many items; "
            "audit this stratum at a higher rate",
            LargeWeightWarning,
            stacklevel=2,
        )
    return weights


def kish_size(weights: FloatArray) -> float:
    """Effective sample size sum(w)^2 / sum(w^2); 0 for no labels (Kish, Survey Sampling, 1965)."""
    if not weights.size:
        return 0.0
    return float(weights.sum() ** 2 / np.dot(weights, weights))


def hajek_mean(outcomes: FloatArray, weights: FloatArray) -> float:
    """sum(w y) / sum(w); CalibrationError without labels."""
    if not weights.size:
        raise CalibrationError("weights", "there are no labels; report 'not enough labels'")
    return float(np.dot(weights, outcomes) / weights.sum())


def wilson_interval(successes: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of ``successes`` in ``n`` > 0 independent draws."""
    if not 0.0 <= successes <= n or n <= 0.0:
        raise CalibrationError("successes", f"{successes} of {n} is no count; give 0 <= x <= n")
    z = -float(ndtri((1.0 - level) / 2.0))
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2.0) / (1.0 + spread)
    half = z / (1.0 + spread) * sqrt(share * (1.0 - share) / n + spread / (4.0 * n))
    low = 0.0 if successes == 0.0 else centre - half
    high = 1.0 if successes == n else centre + half
    return low, high


def clopper_pearson_interval(
    successes: float, n: float, *, level: float = 0.95
) -> tuple[float, float]:
    """Exact interval, for counts or for the fractional ones of a weighted sample."""
    tail = (1.0 - level) / 2.0
    failures = n - successes
    low = 0.0 if successes <= 0.0 else float(betaincinv(successes, failures + 1.0, tail))
    high = 1.0 if failures <= 0.0 else float(betaincinv(successes + 1.0, failures, 1.0 - tail))
    return low, high


@dataclass(frozen=True, slots=True)
class Stratum:
    """The labels of one stratum as sums: ``size`` frame items, ``n`` labels, w, w^2 and w y."""

    size: float
    n: int
    sum_w: float
    sum_w2: float
    sum_wy: float

    @property
    def mean(self) -> float:
        """Weighted share of correct answers; needs a label."""
        return self.sum_wy / self.sum_w

    @property
    def effective(self) -> float:
        """Kish's effective count."""
        return self.sum_w * self.sum_w / self.sum_w2

    @property
    def certain(self) -> bool:
        """True where every label was certain to be taken (pi = 1)."""
        return self.sum_w - self.n <= _ROUNDING * self.n

    @property
    def complete(self) -> bool:
        """True where every item of the frame has its label."""
        return self.n > 0 and self.certain and self.n >= self.size - _ROUNDING * self.size

    def merged_with(self, other: "Stratum") -> "Stratum":
        """Both strata as one."""
        return Stratum(
            self.size + other.size,
            self.n + other.n,
            self.sum_w + other.sum_w,
            self.sum_w2 + other.sum_w2,
            self.sum_wy + other.sum_wy,
        )


@dataclass(frozen=True, slots=True)
class Draw:
    """A share estimated as if from ``n`` independent labels, none to infinitely many.

    ``simple`` marks a plain binomial count (Wilson); else ``n`` is a survey's effective size.
    """

    value: float
    n: float
    simple: bool = False

    def interval(self, level: float) -> tuple[float, float]:
        """Two-sided interval at ``level``."""
        if self.n == inf:
            return self.value, self.value
        if self.simple:
            return wilson_interval(self.value * self.n, self.n, level=level)
        return clopper_pearson_interval(self.value * self.n, self.n, level=level)

    def p_value(self, expected: float) -> float:
        """Two-sided p-value of the share being ``expected``: the interval's test, inverted."""
        if self.n == inf or (self.simple and expected in (0.0, 1.0)):
            return 1.0 if self.value == expected else 0.0
        if self.simple:
            spread = sqrt(expected * (1.0 - expected) / self.n)
            return erfc(abs(self.value - expected) / spread / sqrt(2.0))
        x, rest = self.n * self.value, self.n * (1.0 - self.value)
        above = 1.0 if x <= 0.0 else float(betainc(x, rest + 1.0, expected))
        below = 1.0 if rest <= 0.0 else float(betaincc(x + 1.0, rest, expected))
        return min(1.0, 2.0 * min(above, below))


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share over a frame: (share of the frame, draw) for each part, independent of the others.

    Several parts combine by MOVER: the distances from estimate to limit add in squares
    (Donner and Zou, Statistical Methods in Medical Research 21, 2012).
    """

    parts: tuple[tuple[float, Draw], ...]

    @property
    def value(self) -> float:
        """The estimate, sum of share times value."""
        return min(1.0, sum(share * draw.value for share, draw in self.parts))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided interval at ``level``, within [0, 1]."""
        if len(self.parts) == 1:
            return self.parts[0][1].interval(level)
        below = above = 0.0
        for share, draw in self.parts:
            low, high = draw.interval(level)
            below += (share * (draw.value - low)) ** 2
            above += (share * (high - draw.value)) ** 2
        return max(0.0, self.value - sqrt(below)), min(1.0, self.value + sqrt(above))

    def p_value(self, expected: float) -> float:
        """Two-sided p-value of the share being ``expected``, the interval inverted."""
        if len(self.parts) == 1:
            return self.parts[0][1].p_value(expected)
        # Bisection on ln p, down to where a p-value is beyond doubt whatever the table's size.
        inside, outside = -_SMALLEST_LOG_P, 0.0
        for _ in range(50):
            middle = (inside + outside) / 2.0
            low, high = self.interval(-expm1(-middle))
            if low <= expected <= high:
                inside = middle
            else:
                outside = middle
        return exp(-inside)


def merge_thin(strata: Sequence[Stratum]) -> list[Stratum]:
    """Pool the strata with fewer than two labels, empty ones included.

    A pool that is still thin joins the stratum sampled most sparsely, the likest one.
    """
    thin = [stratum for stratum in strata if stratum.n < 2]
    rest = [stratum for stratum in strata if stratum.n >= 2]
    if not thin:
        return rest
    pool = _pool(thin)
    if pool.n >= 2 or not rest:
        return [*rest, pool]
    host = min(rest, key=lambda stratum: stratum.n / stratum.size)
    rest.remove(host)
    return [*rest, host.merged_with(pool)]


def estimate_proportion(strata: Sequence[Stratum], *, about: About) -> Proportion:
    """Share of correct answers over ``strata``.

    Complete strata and sampled ones are separate parts. ``about="period"`` is a statement on the
    items of the frame, so the complete strata are exact; ``about="future"`` takes them as one
    binomial sample of what the model will do next. CalibrationError without labels.
    """
    known = [stratum for stratum in strata if stratum.complete]
    sampled = [stratum for stratum in strata if stratum.size > 0.0 and not stratum.complete]
    if not any(stratum.n for stratum in strata):
        raise CalibrationError("strata", "there are no labels; report 'not enough labels'")
    finite = about == "period"
    if not known:
        return Proportion(((1.0, _estimate_sampled(merge_thin(sampled), finite=finite)),))
    pooled = _pool(known)
    counted = Draw(pooled.mean, inf if finite else pooled.n, simple=True)
    if not sampled:
        return Proportion(((1.0, counted),))
    size = sum(stratum.size for stratum in sampled)
    share = size / (size + pooled.size)
    # With no label at all in the sampled part only the interval can say so: it runs from 0 to 1.
    part = Draw(pooled.mean, 0.0)
    if any(stratum.n for stratum in sampled):
        part = _estimate_sampled(merge_thin(sampled), finite=finite)
    return Proportion(((1.0 - share, counted), (share, part)))


def _estimate_sampled(strata: list[Stratum], *, finite: bool) -> Draw:
    pooled = _pool(strata)
    if not finite and pooled.certain and len(strata) == 1:
        return Draw(pooled.mean, pooled.n, simple=True)
    value = min(1.0, sum(stratum.size / pooled.size * stratum.mean for stratum in strata))
    if not 0.0 < value < 1.0:
        return Draw(value, pooled.effective)
    variance = sum(_variance(stratum, pooled.size, finite=finite) for stratum in strata)
    return Draw(value, value * (1.0 - value) / variance if variance > 0.0 else inf)


def _pool(strata: Sequence[Stratum]) -> Stratum:
    pooled = strata[0]
    for stratum in strata[1:]:
        pooled = pooled.merged_with(stratum)
    return pooled


def _variance(stratum: Stratum, total: float, *, finite: bool) -> float:
    n = stratum.effective
    share = (n * stratum.mean + 0.5) / (n + 1.0)
    unseen = max(0.0, 1.0 - stratum.n / stratum.size) if finite else 1.0
    return (stratum.size / total) ** 2 * unseen * share * (1.0 - share) / n


def survives_false_discovery(p_values: FloatArray, *, level: float = 0.05) -> npt.NDArray[np.bool_]:
    """(m,) which of the p-values are discoveries (Benjamini and Hochberg, JRSS B 57, 1995)."""
    m = p_values.size
    order = np.argsort(p_values)
    passed = p_values[order] <= level * np.arange(1, m + 1) / max(m, 1)
    kept = np.zeros(m, dtype=np.bool_)
    if passed.any():
        kept[order[: int(np.flatnonzero(passed)[-1]) + 1]] = True
    return kept
