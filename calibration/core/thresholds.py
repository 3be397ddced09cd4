"""Cut-offs: from the costs of error, review and delay, or from an error budget with a guarantee.

From costs, q the calibrated confidence, rho the share of the harm that later correction leaves:

    auto      (1 - q) C_e                 over flagged while q >= 1 - C_r / ((1 - rho) C_e)
    flagged   C_r + rho (1 - q) C_e       over hold    while q >= 1 - C_d / (rho C_e)
    hold      C_r + C_d                   where the two cross, flagged is dropped:
                                          auto over hold while q >= 1 - (C_r + C_d) / C_e

From a budget: P(error | confidence >= t) <= alpha with confidence 1 - delta. Each t of a grid has
the exact p-value BinomCDF(errors; n_t, alpha); they are tested from strict to loose and the first
failure ends it (fixed-sequence testing, Learn-then-Test, arXiv 2110.01052). The grid may follow
the scores but never the outcomes; where it begins may be planned on other labels (`plan_first`).
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf, log

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from calibration.core.errors import CalibrationError
from calibration.core.estimates import (
    FloatArray,
    IndexArray,
    as_outcomes,
    as_probabilities,
    as_vector,
)
from routing.core.signals import DECIMALS

_LARGEST_PLAN = 100_000
# How far an expected error may be off either way.
_MISJUDGED = (0.5, 0.7, 1.0, 1.4, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Costs of one predicted category, in any one unit.

    ``error``: an error acted on; ``review``: one review; ``delay``: holding one item back;
    ``irreversible``: the share of an error's harm that a later correction does not undo.
    """

    error: float
    review: float
    delay: float
    irreversible: float

    def __post_init__(self) -> None:
        for field in ("error", "review", "delay"):
            value = getattr(self, field)
            if not 0.0 <= value < inf:
                raise CalibrationError(field, f"{value} is no cost; give a number from 0 up")
        if not 0.0 <= self.irreversible <= 1.0:
            raise CalibrationError(
                "irreversible", f"{self.irreversible} is not a share; give a number from 0 to 1"
            )


@dataclass(frozen=True, slots=True)
class CostCutOffs:
    """Lower bounds of calibrated confidence; the two are equal where flagged is never best."""

    auto: float
    flagged: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the audits allow to promise: at most ``alpha`` errors from ``cut_off`` up.

    ``cut_off`` is None where nothing can be certified yet; ``audits_needed`` then estimates how
    many more uniform audits of the same stratum it takes (0 once certified; None where the
    errors seen are no fewer than the budget at every cut-off). ``audits`` and ``errors`` are
    those from the cut-off up, ``share`` the share of the audited stratum there, ``tested`` the
    number of cut-offs tried.
    """

    cut_off: float | None
    audits_needed: int | None
    audits: int
    errors: int
    share: float
    alpha: float
    delta: float
    tested: int


def cut_offs_from_costs(costs: Costs) -> CostCutOffs:
    """The cheapest queue's cut-offs for one predicted category, each within [0, 1]."""
    auto = _indifference(costs.review, (1.0 - costs.irreversible) * costs.error)
    flagged = _indifference(costs.delay, costs.irreversible * costs.error)
    if auto < flagged:
        auto = flagged = _indifference(costs.review + costs.delay, costs.error)
    return CostCutOffs(auto=auto, flagged=flagged)


def _indifference(price: float, harm: float) -> float:
    """Confidence at which paying ``price`` and risking ``harm`` cost the same."""
    return 1.0 - price / harm if price < harm else 0.0


def fewest_audits(*, alpha: float, delta: float) -> int:
    """Error-free audits that it takes to promise ``alpha``, ln(delta) / ln(1 - alpha)."""
    _check_share("alpha", alpha)
    _check_share("delta", delta)
    return ceil(log(delta) / log(1.0 - alpha))


def plan_audits(*, true_error: float, alpha: float, delta: float, power: float = 0.8) -> int | None:
    """Audits that certify ``alpha`` with probability ``power`` if the error is ``true_error``.

    The smallest number that does; None where it is over 100,000, as at an error near alpha.
    """
    _check_share("alpha", alpha)
    _check_share("delta", delta)
    if not 0.0 <= true_error <= 1.0:
        raise CalibrationError("true_error", f"{true_error} is no share; give one from 0 to 1")
    sizes = _certifying_sizes(alpha, delta)
    # Between two of these sizes more audits with no more errors allowed only lower the chance.
    enough = np.flatnonzero(bdtr(np.arange(sizes.size), sizes, true_error) >= power)
    return int(sizes[enough[0]]) if true_error < alpha and enough.size else None


def certified_cut_off(
    *,
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    pi: npt.ArrayLike,
    alpha: float,
    delta: float,
    hypotheses: int = 1,
    first: int = 0,
) -> Certificate:
    """The loosest cut-off with P(error | confidence >= cut-off) <= ``alpha`` at 1 - ``delta``.

    ``confidence``, ``correct`` and ``pi`` are (n,) arrays over the audits of one uniformly
    audited stratum, the confidences under a map fitted on other labels. ``hypotheses`` divides
    ``delta`` where as many certificates (one a category) shall all hold together. ``first`` is the
    number of audits at the strictest cut-off to test, if it is more than an error-free sample
    takes; it may come from the scores and from other labels, never from these.
    Raises CalibrationError where pi differs inside the stratum.
    """
    promise = np.round(as_probabilities("confidence", confidence), DECIMALS)
    outcomes = as_outcomes("correct", correct, promise.size)
    _check_uniform(pi, promise.size)
    if hypotheses < 1:
        raise CalibrationError("hypotheses", f"{hypotheses} is too few; give 1 or more")
    level = delta / hypotheses
    order = np.argsort(-promise, kind="stable")
    falling, errors = promise[order], np.cumsum(1.0 - outcomes[order])
    counts = _grid(falling, max(first, fewest_audits(alpha=alpha, delta=level)))
    failed = np.flatnonzero(bdtr(errors[counts - 1], counts, alpha) > level)
    passed = int(failed[0]) if failed.size else counts.size
    if passed == 0:
        needed = _missing_audits(errors, counts, promise.size, alpha, level)
        return Certificate(None, needed, 0, 0, 0.0, alpha, delta, int(counts.size > 0))
    n = int(counts[passed - 1])
    return Certificate(
        cut_off=float(falling[n - 1]),
        audits_needed=0,
        audits=n,
        errors=int(errors[n - 1]),
        share=n / promise.size,
        alpha=alpha,
        delta=delta,
        tested=min(passed + 1, counts.size),
    )


def plan_first(
    *, confidence: npt.ArrayLike, expected_error: npt.ArrayLike, alpha: float, delta: float
) -> int:
    """The number of audits at which a sequence of tests should begin: where it likeliest passes.

    ``confidence`` are the (n,) confidences of the audits; ``expected_error`` (n,) the error rate
    expected from each of them up, learnt elsewhere. 0 where the audits are too few to test.
    """
    promise = np.round(as_probabilities("confidence", confidence), DECIMALS)
    order = np.argsort(-promise, kind="stable")
    falling = promise[order]
    errors = as_probabilities("expected_error", expected_error, promise.size)[order]
    counts = _grid(falling, fewest_audits(alpha=alpha, delta=delta))
    if not counts.size:
        return 0
    # A test of n audits passes with as many errors as there are sizes that n reaches.
    allowed = np.searchsorted(_certifying_sizes(alpha, delta), counts, side="right") - 1
    chance = bdtr(allowed, counts, np.clip(errors[counts - 1], 1e-12, 1.0 - 1e-12))
    return int(counts[int(np.argmax(chance))])


def plan_reach(*, expected_error: npt.ArrayLike, audits: float, alpha: float, delta: float) -> int:
    """How many of the n most confident items to spread ``audits`` over, to certify the most.

    ``expected_error`` (n,) is the error rate expected from each item up, most confident first. If
    the audits are spread over the first s, a cut-off behind the first t has t / s of them; s is
    chosen so that t times the chance to pass there is largest over t, in the mean over errors that
    are up to twice or half as many as expected.
    """
    errors = np.clip(as_probabilities("expected_error", expected_error), 1e-12, 1.0 - 1e-12)
    sizes = _certifying_sizes(alpha, delta)
    marks = np.unique(np.linspace(1, errors.size, min(errors.size, 100)).astype(np.intp))
    best, reach = 0.0, errors.size
    for spread in marks[::-1]:
        inside = marks[marks <= spread]
        counts = np.floor(audits * inside / spread).astype(np.intp)
        allowed = np.searchsorted(sizes, counts, side="right") - 1
        value = 0.0
        for factor in _MISJUDGED:
            expected = np.minimum(factor * errors[inside - 1], 1.0 - 1e-12)
            chance = np.where(allowed >= 0, bdtr(np.maximum(allowed, 0), counts, expected), 0.0)
            value += float((inside * chance).max())
        if value > best:
            best, reach = value, int(spread)
    return reach


def _grid(falling: FloatArray, first: int) -> IndexArray:
    """Numbers of audits at the cut-offs to test: from ``first``, growing by a 25th or by 1%.

    A cut-off takes all audits that tie with it; the last one takes the whole stratum.
    """
    counts: list[int] = []
    wanted = first
    while wanted <= falling.size:
        n = int(np.searchsorted(-falling, -falling[wanted - 1], side="right"))
        counts.append(n)
        wanted = n + max(ceil(n / 25), ceil(falling.size / 100))
    if counts and counts[-1] < falling.size:
        counts.append(falling.size)
    return np.array(counts, dtype=np.intp)


@lru_cache(maxsize=16)
def _certifying_sizes(alpha: float, delta: float) -> IndexArray:
    """Fewest audits that certify ``alpha`` with 0, 1, 2, ... errors among them, by bisection."""
    errors = np.arange(max(1, int(alpha * _LARGEST_PLAN)), dtype=np.intp)
    short = errors.copy()
    enough = np.full(errors.size, 2 * _LARGEST_PLAN, dtype=np.intp)
    while (enough - short > 1).any():
        middle = (short + enough) // 2
        passes = bdtr(errors, middle, alpha) <= delta
        enough = np.where(passes, middle, enough)
        short = np.where(passes, short, middle)
    return enough[enough <= _LARGEST_PLAN]


def _missing_audits(
    errors: FloatArray, counts: IndexArray, size: int, alpha: float, delta: float
) -> int | None:
    """Further audits of the whole stratum for the cut-off where the fewest would do."""
    if not counts.size:
        return fewest_audits(alpha=alpha, delta=delta) - size
    plans: list[int] = []
    for n in counts:
        expected = (float(errors[n - 1]) + 0.5) / (float(n) + 1.0)
        planned = plan_audits(true_error=expected, alpha=alpha, delta=delta)
        if planned is not None:
            plans.append(max(1, ceil((planned - n) * size / n)))
    return min(plans, default=None)


def _check_uniform(pi: npt.ArrayLike, size: int) -> None:
    chances = as_vector("pi", pi, size)
    if not size:
        return
    low, high = float(chances.min()), float(chances.max())
    if not 0.0 < low <= high <= 1.0:
        raise CalibrationError("pi", f"runs from {low} to {high}; chances are in (0, 1]")
    if high - low > 1e-12:
        raise CalibrationError(
            "pi", f"runs from {low} to {high}; certify inside one uniformly audited stratum"
        )


def _check_share(field: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise CalibrationError(field, f"{value} is out of range; give a number between 0 and 1")
