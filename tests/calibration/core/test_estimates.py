"""Intervals against published fixtures and statsmodels, and their coverage by simulation."""

from math import inf

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from calibration.core.errors import CalibrationError
from calibration.core.estimates import (
    Draw,
    LargeWeightWarning,
    Proportion,
    Stratum,
    as_outcomes,
    as_probabilities,
    as_weights,
    clopper_pearson_interval,
    estimate_proportion,
    hajek_mean,
    inclusion_weights,
    kish_size,
    merge_thin,
    survives_false_discovery,
    wilson_interval,
)


def stratum_of(size: float, n: int, correct: int, weight: float) -> Stratum:
    return Stratum(size, n, n * weight, n * weight**2, correct * weight)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (149, 287, 0.4615, 0.5763),
        (376, 684, 0.5122, 0.5866),
        (367, 412, 0.857, 0.917),
    ],
)
def test_wilson_fixtures(successes: int, n: int, low: float, high: float) -> None:
    decimals = 3 if n == 412 else 4
    assert tuple(round(end, decimals) for end in wilson_interval(successes, n)) == (low, high)


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (1, 50), (149, 287), (999, 1000), (12, 12)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_intervals_equal_statsmodels(successes: int, n: int, level: float) -> None:
    wilson = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    exact = proportion_confint(successes, n, alpha=1 - level, method="beta")
    assert wilson_interval(successes, n, level=level) == pytest.approx(wilson, abs=1e-12)
    assert clopper_pearson_interval(successes, n, level=level) == pytest.approx(exact, abs=1e-12)


def test_wilson_impossible_count_names_it() -> None:
    with pytest.raises(CalibrationError, match="5 of 4 is no count"):
        wilson_interval(5, 4)


def test_weighted_mean_and_kish_size_by_hand() -> None:
    weights = np.array([1.0, 1.0, 2.0, 20.0])
    assert hajek_mean(np.array([1.0, 0.0, 1.0, 1.0]), weights) == 23 / 24
    assert kish_size(weights) == 576 / 406
    assert kish_size(np.array([])) == 0.0


def test_proportion_two_sampled_strata_by_hand() -> None:
    estimate = estimate_proportion(
        [stratum_of(1000, 50, 45, 20.0), stratum_of(500, 50, 30, 10.0)], about="period"
    )
    share = 2 / 3 * 0.9 + 1 / 3 * 0.6
    variance = (2 / 3) ** 2 * 0.95 * (45.5 / 51) * (5.5 / 51) / 50
    variance += (1 / 3) ** 2 * 0.90 * (30.5 / 51) * (20.5 / 51) / 50
    n = share * (1 - share) / variance
    assert estimate.value == pytest.approx(0.8, abs=1e-15)
    assert estimate.parts[0][1].n == pytest.approx(n, rel=1e-12)
    exact = proportion_confint(n * share, n, method="beta")
    assert estimate.interval() == pytest.approx(exact, abs=1e-12)


def test_proportion_future_leaves_out_the_finite_factor() -> None:
    strata = [stratum_of(100, 50, 45, 2.0), stratum_of(100, 50, 30, 2.0)]
    period = estimate_proportion(strata, about="period").parts[0][1].n
    future = estimate_proportion(strata, about="future").parts[0][1].n
    assert future == pytest.approx(period / 2, rel=1e-12)


def test_proportion_full_review_is_exact_for_the_period_and_wilson_for_the_future() -> None:
    strata = [stratum_of(200, 200, 110, 1.0), stratum_of(87, 87, 39, 1.0)]
    assert estimate_proportion(strata, about="period").interval() == (149 / 287, 149 / 287)
    future = estimate_proportion(strata, about="future")
    assert future.interval() == pytest.approx(wilson_interval(149, 287), abs=1e-12)


def test_proportion_known_part_only_shifts_the_period_interval() -> None:
    sampled = stratum_of(800, 40, 36, 20.0)
    alone = estimate_proportion([sampled], about="period").interval()
    mixed = estimate_proportion([stratum_of(200, 200, 100, 1.0), sampled], about="period")
    assert mixed.value == pytest.approx(0.2 * 0.5 + 0.8 * 0.9, abs=1e-15)
    assert mixed.interval() == pytest.approx([0.1 + 0.8 * end for end in alone], abs=1e-12)


def test_proportion_unaudited_part_leaves_its_whole_range_open() -> None:
    strata = [stratum_of(300, 300, 240, 1.0), stratum_of(100, 0, 0, 20.0)]
    estimate = estimate_proportion(strata, about="period")
    assert estimate.value == pytest.approx(0.8, abs=1e-15)
    assert estimate.interval() == pytest.approx((0.6, 0.85), abs=1e-12)


@pytest.mark.parametrize(("correct", "end"), [(0, 0), (60, 1)])
def test_proportion_all_alike_uses_the_kish_size(correct: int, end: int) -> None:
    strata = [
        Stratum(1200, 60, 1200.0, 24000.0, correct * 20.0),
        Stratum(30, 30, 60.0, 120.0, correct * 1.0),
    ]
    estimate = estimate_proportion(strata, about="future")
    kish = 1260.0**2 / 24120.0
    assert estimate.value == end
    exact = clopper_pearson_interval(end * kish, kish)
    assert estimate.interval() == pytest.approx(exact, abs=1e-12)


def test_proportion_without_labels_is_refused() -> None:
    with pytest.raises(CalibrationError, match="not enough labels"):
        estimate_proportion([stratum_of(100, 0, 0, 1.0)], about="future")


def test_merge_thin_pools_singles_and_empties() -> None:
    full, single, other, empty = (
        stratum_of(400, 20, 15, 20.0),
        stratum_of(20, 1, 1, 20.0),
        stratum_of(10, 1, 0, 10.0),
        stratum_of(7, 0, 0, 1.0),
    )
    assert merge_thin([full, single, other, empty]) == [
        full,
        Stratum(37.0, 2, 30.0, 500.0, 20.0),
    ]


def test_merge_thin_lone_single_joins_the_sparsest() -> None:
    dense, sparse = stratum_of(40, 20, 15, 2.0), stratum_of(400, 20, 15, 20.0)
    single = stratum_of(20, 1, 1, 20.0)
    assert merge_thin([dense, single, sparse]) == [
        dense,
        Stratum(420.0, 21, 420.0, 8400.0, 320.0),
    ]


def test_p_value_is_the_interval_inverted() -> None:
    cases = [
        Proportion(((1.0, Draw(0.8, 40.0)),)),
        Proportion(((1.0, Draw(0.52, 287.0, simple=True)),)),
        Proportion(((0.3, Draw(0.6, 500.0, simple=True)), (0.7, Draw(0.9, 25.0)))),
    ]
    for estimate in cases:
        for level in (0.5, 0.95, 0.999):
            for end in estimate.interval(level):
                assert estimate.p_value(end) == pytest.approx(1 - level, rel=1e-6)
        assert estimate.p_value(estimate.value) > 0.9


def test_p_value_certainties() -> None:
    assert Draw(0.5, inf).p_value(0.5) == 1.0
    assert Draw(0.5, inf).p_value(0.4) == 0.0
    assert Draw(1.0, 60.0, simple=True).p_value(1.0) == 1.0
    assert Draw(0.98, 50.0, simple=True).p_value(1.0) == 0.0


def test_discoveries_equal_statsmodels() -> None:
    random = np.random.default_rng(3)
    for size in (1, 6, 40):
        p_values = random.random(size) ** 4
        expected = multipletests(p_values, alpha=0.05, method="fdr_bh")[0]
        assert survives_false_discovery(p_values).tolist() == expected.tolist()
    assert survives_false_discovery(np.array([])).tolist() == []


def test_discoveries_step_up_over_a_failing_rank() -> None:
    p_values = np.array([0.04, 0.035, 0.045])
    assert survives_false_discovery(p_values).tolist() == [True, True, True]


@pytest.mark.parametrize("about", ["period", "future"])
@pytest.mark.parametrize(
    ("sizes", "rates"),
    [
        ((60, 600, 4000), (0.5, 0.8, 0.97)),
        ((0, 0, 3000), (0.5, 0.5, 0.95)),
        ((500, 0, 400), (0.6, 0.9, 0.9)),
    ],
)
def test_interval_covers_the_truth(
    about: str, sizes: tuple[int, ...], rates: tuple[float, ...]
) -> None:
    random, runs, pis = np.random.default_rng(11), 1500, (1.0, 0.1, 0.05)
    total, hits = sum(sizes), 0
    truth = sum(size * rate for size, rate in zip(sizes, rates, strict=True)) / total
    for _ in range(runs):
        strata, right = [], 0
        for size, rate, pi in zip(sizes, rates, pis, strict=True):
            good = int(random.binomial(size, rate))
            seen, wrong = int(random.binomial(good, pi)), int(random.binomial(size - good, pi))
            strata.append(stratum_of(size, seen + wrong, seen, 1 / pi))
            right += good
        period = about == "period"
        low, high = estimate_proportion(strata, about="period" if period else "future").interval()
        hits += low - 1e-12 <= (right / total if period else truth) <= high + 1e-12
    assert 0.945 <= hits / runs <= 1.0


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), inf])
def test_probability_outside_is_named(bad: float) -> None:
    with pytest.raises(CalibrationError) as caught:
        as_probabilities("confidence", [0.5, bad])
    assert caught.value.field == "confidence[1]"
    assert f"{bad} is not a probability" in str(caught.value)


@pytest.mark.parametrize("bad", [0.0, -0.5, 1.5, float("nan")])
def test_inclusion_probability_outside_is_named(bad: float) -> None:
    with pytest.raises(CalibrationError) as caught:
        inclusion_weights([1.0, 0.5, bad], 3)
    assert caught.value.field == "pi[2]"
    assert "leave it out" in str(caught.value)


def test_outcome_and_weight_and_shape_errors_are_named() -> None:
    with pytest.raises(CalibrationError, match=r"correct\[1\]: 0.5 is neither 0 nor 1"):
        as_outcomes("correct", [1, 0.5], 2)
    with pytest.raises(CalibrationError, match=r"weights\[0\]: 0.0 is not a positive"):
        as_weights("weights", [0, 1], 2)
    with pytest.raises(CalibrationError, match="pi: has 1 values for 2 labels"):
        inclusion_weights([1.0], 2)
    with pytest.raises(CalibrationError, match=r"shape \(1, 2\)"):
        as_probabilities("confidence", [[0.5, 0.5]])


def test_large_weight_warns_and_hundred_does_not() -> None:
    assert inclusion_weights([0.01], 1).tolist() == [100.0]
    with pytest.warns(LargeWeightWarning, match="stands for that many items"):
        inclusion_weights([0.005], 1)
