"""How far people agree with each other, with known answers, and with what they are shown.

From r_ik, the number of raters who put item i into category k, and r_i their sum:

    raw     mean over items with r_i >= 2 of a_i = sum_k r_ik (r_ik - 1) / (r_i (r_i - 1))
    kappa   (p_o - p_e) / (1 - p_e), p_e = sum_k p_1k p_2k, for two raters
    alpha   1 - D_o / D_e over the n ratings of items with r_i >= 2:
            D_o = sum_i r_i (1 - a_i) / n,  D_e = 1 - sum_k n_k (n_k - 1) / (n (n - 1))
    AC1     (p_a - p_e) / (1 - p_e), p_a as raw, p_e = sum_k pi_k (1 - pi_k) / (K - 1),
            pi_k = mean over all rated items of r_ik / r_i

Cohen, Educational and Psychological Measurement 20, 1960. Krippendorff, "Computing Krippendorff's
alpha-reliability", 2011. Gwet, British Journal of Mathematical and Statistical Psychology 61, 2008:
AC1 stays meaningful where one category holds nearly everything, and kappa and alpha collapse.
Where all ratings are one category nothing could have disagreed: then none of the three is defined.

Intervals are percentiles of a bootstrap over items, since the ratings of one item hang together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from calibration.core.errors import CalibrationError
from calibration.core.estimates import FloatArray, clopper_pearson_interval, wilson_interval

CodeArray = npt.NDArray[np.integer]

MISSING = -1
ONE_CATEGORY = "all ratings are one category, so there is nothing to agree on by chance"
NOTHING_SHARED = "no item has two ratings"
# Replicates of the bootstrap that are worked on at once, in array cells.
_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Agreement:
    """A measure of agreement with its 95% interval, over ``items`` with two ratings or more.

    ``value`` is None where it is undefined, and ``reason`` says why; the interval is None too where
    it is undefined in more than half of the replicates.
    """

    value: float | None
    low: float | None
    high: float | None
    items: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """``successes`` of ``n`` with an exact 95% interval; None and a reason where n is 0."""

    value: float | None
    low: float | None
    high: float | None
    successes: int
    n: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference of two rates with its 95% interval; None and a reason without either."""

    value: float | None
    low: float | None
    high: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over items, one row per replicate: what each measure is made of."""

    shared: FloatArray  # (b,) items with two ratings or more
    agreeing: FloatArray  # (b,) of a_i over these
    ratings: FloatArray  # (b,) of r_i over these
    agreeing_ratings: FloatArray  # (b,) of r_i a_i over these
    by_category: FloatArray  # (b, K) of r_ik over these
    rated: FloatArray  # (b,) items with a rating
    shares: FloatArray  # (b, K) of r_ik / r_i over these


Measure = Callable[[_Sums], FloatArray]


def count_ratings(codes: CodeArray, *, categories: int) -> FloatArray:
    """(n, K) raters per item and category, from (n, raters) codes with -1 where one is missing."""
    ratings = np.asarray(codes)
    if ratings.ndim != 2:
        raise CalibrationError("codes", f"shape {ratings.shape} is not (items, raters)")
    if categories < 1:
        raise CalibrationError("categories", f"{categories} is too few; give 1 or more")
    if ratings.size and not (ratings.min() >= MISSING and ratings.max() < categories):
        raise CalibrationError("codes", f"must lie from -1, for missing, to {categories - 1}")
    counts = np.zeros((ratings.shape[0], categories))
    given = ratings != MISSING
    np.add.at(counts, (np.nonzero(given)[0], ratings[given]), 1.0)
    return counts


def raw_agreement(counts: npt.ArrayLike, *, seed: int, draws: int = 1000) -> Agreement:
    """Chance that two raters of an item agree, from (n, K) counts of `count_ratings`."""
    return _measure(_raw, counts, seed, draws)


def krippendorff_alpha(counts: npt.ArrayLike, *, seed: int, draws: int = 1000) -> Agreement:
    """Nominal alpha of any number of raters, ratings missing or not, from (n, K) counts."""
    return _measure(_alpha, counts, seed, draws)


def gwet_ac1(counts: npt.ArrayLike, *, seed: int, draws: int = 1000) -> Agreement:
    """AC1 of any number of raters, from (n, K) counts; K is the taxonomy's size, used or not."""
    return _measure(_ac1, counts, seed, draws)


def cohen_kappa(codes: CodeArray, *, categories: int, seed: int, draws: int = 1000) -> Agreement:
    """Kappa of two raters from (n, 2) codes; items that either did not rate are left out."""
    ratings = np.asarray(codes)
    if ratings.ndim != 2 or ratings.shape[1] != 2:
        raise CalibrationError("codes", f"shape {ratings.shape} is not (items, 2)")
    count_ratings(ratings, categories=categories)  # refuses what is no code
    both = ratings[(ratings != MISSING).all(axis=1)]
    if not both.size:
        return Agreement(None, None, None, 0, NOTHING_SHARED)
    one_hot = np.eye(categories)
    features = np.concatenate(
        [
            (both[:, 0] == both[:, 1]).astype(np.float64)[:, None],
            one_hot[both[:, 0]],
            one_hot[both[:, 1]],
        ],
        axis=1,
    )

    def kappa(sums: FloatArray) -> FloatArray:
        first, second = sums[:, 1 : categories + 1], sums[:, categories + 1 :]
        chance = (first * second).sum(axis=1) / len(both) ** 2
        return _beyond_chance(sums[:, 0] / len(both), chance)

    value = float(kappa(features.sum(axis=0)[None])[0])
    if np.isnan(value):
        return Agreement(None, None, None, len(both), ONE_CATEGORY)
    spread = np.concatenate([kappa(sums) for sums in _resample(features, seed, draws)])
    return Agreement(value, *_percentiles(spread), len(both))


def known_answer_accuracy(*, right: int, answered: int, level: float = 0.95) -> Rate:
    """A reviewer's share of right answers to items whose answer is known; exact interval."""
    if not 0 <= right <= answered:
        raise CalibrationError("right", f"{right} of {answered} is no count; give 0 <= x <= n")
    if not answered:
        return Rate(None, None, None, 0, 0, "no item with a known answer was judged yet")
    low, high = clopper_pearson_interval(right, answered, level=level)
    return Rate(right / answered, low, high, right, answered)


def automation_bias(
    *,
    overturned_blind: int,
    blind: int,
    overturned_shown: int,
    shown: int,
    level: float = 0.95,
) -> Difference:
    """Overturn rate judged blind minus that of people who saw the model's answer.

    Above 0 people let answers stand that they would not have given. Newcombe's hybrid score
    interval (Statistics in Medicine 17, 1998, method 10). Both groups must be like each other,
    such as a queue whose blind share is drawn by chance.
    """
    for field, part, whole in (
        ("overturned_blind", overturned_blind, blind),
        ("overturned_shown", overturned_shown, shown),
    ):
        if not 0 <= part <= whole:
            raise CalibrationError(field, f"{part} of {whole} is no count; give 0 <= x <= n")
    if not blind or not shown:
        missing = "blind" if not blind else "with the answer shown"
        return Difference(None, None, None, f"nothing was judged {missing} yet")
    first, second = overturned_blind / blind, overturned_shown / shown
    low_1, high_1 = wilson_interval(overturned_blind, blind, level=level)
    low_2, high_2 = wilson_interval(overturned_shown, shown, level=level)
    value = first - second
    low = value - sqrt((first - low_1) ** 2 + (high_2 - second) ** 2)
    high = value + sqrt((high_1 - first) ** 2 + (second - low_2) ** 2)
    return Difference(value, low, high)


def _measure(measure: Measure, counts: npt.ArrayLike, seed: int, draws: int) -> Agreement:
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2:
        raise CalibrationError("counts", f"shape {table.shape} is not (items, categories)")
    if table.size and not (table.min() >= 0.0 and table.max() < np.inf):
        raise CalibrationError("counts", "holds what is no count; give numbers from 0 up")
    rated = table[table.sum(axis=1) > 0.0]
    features = _describe_items(rated)
    shared = int(features[:, 0].sum())
    if not shared:
        return Agreement(None, None, None, 0, NOTHING_SHARED)
    value = float(measure(_split(features.sum(axis=0)[None], table.shape[1]))[0])
    if np.isnan(value):
        return Agreement(None, None, None, shared, ONE_CATEGORY)
    spread = np.concatenate(
        [measure(_split(sums, table.shape[1])) for sums in _resample(features, seed, draws)]
    )
    return Agreement(value, *_percentiles(spread), shared)


def _describe_items(counts: FloatArray) -> FloatArray:
    """(n, 5 + 2K) what each item adds to the sums."""
    size = counts.sum(axis=1)
    shared = (size >= 2.0).astype(np.float64)
    pairs = np.where(size >= 2.0, size * (size - 1.0), 1.0)
    agreeing = shared * (counts * (counts - 1.0)).sum(axis=1) / pairs
    columns = [shared, agreeing, shared * size, agreeing * size, np.ones_like(size)]
    return np.concatenate(
        [np.stack(columns, axis=1), counts * shared[:, None], counts / size[:, None]], axis=1
    )


def _split(sums: FloatArray, categories: int) -> _Sums:
    end = 5 + categories
    return _Sums(
        shared=sums[:, 0],
        agreeing=sums[:, 1],
        ratings=sums[:, 2],
        agreeing_ratings=sums[:, 3],
        rated=sums[:, 4],
        by_category=sums[:, 5:end],
        shares=sums[:, end:],
    )


def _raw(sums: _Sums) -> FloatArray:
    return _divide(sums.agreeing, sums.shared)


def _alpha(sums: _Sums) -> FloatArray:
    n = sums.ratings
    same = (sums.by_category * (sums.by_category - 1.0)).sum(axis=1)
    expected = 1.0 - _divide(same, n * (n - 1.0))
    observed = 1.0 - _divide(sums.agreeing_ratings, n)
    return 1.0 - _divide(observed, expected)


def _ac1(sums: _Sums) -> FloatArray:
    shares = _divide(sums.shares, sums.rated[:, None])
    used = (shares > 0.0).sum(axis=1)
    chance = (shares * (1.0 - shares)).sum(axis=1) / max(1, shares.shape[1] - 1)
    return np.where(used > 1, _beyond_chance(_raw(sums), chance), np.nan)


def _beyond_chance(observed: FloatArray, chance: FloatArray) -> FloatArray:
    return _divide(observed - chance, 1.0 - chance)


def _divide(top: FloatArray, bottom: FloatArray) -> FloatArray:
    """The quotient, NaN for undefined; inside this module only."""
    undefined = bottom <= 1e-12
    return np.where(undefined, np.nan, top / np.where(undefined, 1.0, bottom))


def _resample(features: FloatArray, seed: int, draws: int) -> list[FloatArray]:
    """Sums (b, f) over items drawn again with replacement, in blocks of replicates."""
    random, n = np.random.default_rng(seed), features.shape[0]
    block = max(1, min(draws, _BLOCK_CELLS // n))
    chance = np.full(n, 1.0 / n)
    found = []
    for start in range(0, draws, block):
        times = random.multinomial(n, chance, size=min(block, draws - start))
        found.append(times.astype(np.float64) @ features)
    return found


def _percentiles(spread: FloatArray) -> tuple[float | None, float | None]:
    defined = spread[~np.isnan(spread)]
    if defined.size * 2 < spread.size or not defined.size:
        return None, None
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)
