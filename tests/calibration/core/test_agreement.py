"""Agreement against published examples and statsmodels, intervals, and what is undefined."""

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from calibration.core.agreement import (
    Agreement,
    CodeArray,
    automation_bias,
    cohen_kappa,
    count_ratings,
    gwet_ac1,
    known_answer_accuracy,
    krippendorff_alpha,
    raw_agreement,
)
from calibration.core.errors import CalibrationError

# Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), part C: four observers, twelve
# units, ratings missing; nominal alpha .743. Also Gwet's example of the same ratings (Handbook of
# Inter-Rater Reliability, 4th edition, p. 120; data set cac.raw4raters of the R package irrCAC).
FOUR_OBSERVERS = """
    1 2 3 3 2 1 4 1 2 . . .
    1 2 3 3 2 2 4 1 2 5 . 3
    . 3 3 3 2 3 4 2 2 5 1 .
    1 2 3 3 2 4 4 1 2 5 1 .
"""
# Two abstractors of 100 charts: irrCAC's data set cont3x3abstractors, with the coefficients that
# its vignette gives (https://cran.r-project.org/web/packages/irrCAC/vignettes/overview.html).
ABSTRACTORS = [[13, 0, 0], [0, 20, 7], [0, 4, 56]]


def four_observers() -> CodeArray:
    rows = [line.split() for line in FOUR_OBSERVERS.strip().splitlines()]
    return np.array([[-1 if one == "." else int(one) - 1 for one in row] for row in rows]).T


def spell_out(table: list[list[int]]) -> CodeArray:
    """(items, 2) codes behind a table of two raters."""
    counted = [(i, j, n) for i, row in enumerate(table) for j, n in enumerate(row)]
    return np.array([(i, j) for i, j, n in counted for _ in range(n)])


def test_published_example_of_four_observers() -> None:
    counts = count_ratings(four_observers(), categories=5)
    alpha = krippendorff_alpha(counts, seed=1)
    assert alpha.value == pytest.approx(0.743, abs=5e-4)
    assert alpha.items == 11
    assert gwet_ac1(counts, seed=1).value == pytest.approx(0.77544, abs=5e-6)
    assert raw_agreement(counts, seed=1).value == pytest.approx(0.81818, abs=5e-6)


def test_published_example_of_two_abstractors() -> None:
    codes = spell_out(ABSTRACTORS)
    counts = count_ratings(codes, categories=3)
    found = [
        raw_agreement(counts, seed=1),
        cohen_kappa(codes, categories=3, seed=1),
        krippendorff_alpha(counts, seed=1),
        gwet_ac1(counts, seed=1),
    ]
    assert [one.value for one in found] == pytest.approx(
        [0.89, 0.7964094, 0.7972585, 0.8493305], abs=5e-8
    )
    # The vignette's intervals are of a normal approximation.
    published = [(0.828, 0.952), (0.68, 0.913), (0.68, 0.914), (0.764, 0.935)]
    for one, (low, high) in zip(found, published, strict=True):
        assert one.low == pytest.approx(low, abs=0.03)
        assert one.high == pytest.approx(high, abs=0.03)


def random_codes(seed: int, raters: int) -> CodeArray:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, 150)
    noise = random.integers(0, 4, (150, raters))
    return np.where(random.random((150, raters)) < 0.7, truth[:, None], noise)


def test_kappa_equals_statsmodels() -> None:
    codes = random_codes(2, raters=2)
    table = np.zeros((4, 4))
    np.add.at(table, (codes[:, 0], codes[:, 1]), 1)
    expected = cohens_kappa(table)
    found = cohen_kappa(codes, categories=4, seed=3)
    assert found.value == pytest.approx(expected.kappa, abs=1e-12)
    assert found.low == pytest.approx(expected.kappa_low, abs=0.03)
    assert found.high == pytest.approx(expected.kappa_upp, abs=0.03)


def test_alpha_is_fleiss_with_its_small_sample_correction() -> None:
    # Krippendorff 2011: alpha = 1 - (1 - Fleiss) (n - 1) / n over all n ratings, none missing.
    counts = count_ratings(random_codes(4, raters=3), categories=4)
    fleiss = fleiss_kappa(counts)
    n = counts.sum()
    found = krippendorff_alpha(counts, seed=1).value
    assert found == pytest.approx(1 - (1 - fleiss) * (n - 1) / n, abs=1e-12)


def test_ac1_stays_high_where_kappa_collapses() -> None:
    # Nearly everything is one category: the paradox that AC1 was made for.
    codes = spell_out([[118, 5], [2, 0]])
    kappa = cohen_kappa(codes, categories=2, seed=1).value
    ac1 = gwet_ac1(count_ratings(codes, categories=2), seed=1).value
    assert kappa is not None
    assert kappa < 0.0
    assert ac1 is not None
    assert ac1 > 0.9


def test_same_seed_gives_the_same_interval() -> None:
    counts = count_ratings(four_observers(), categories=5)
    assert krippendorff_alpha(counts, seed=7) == krippendorff_alpha(counts, seed=7)


def test_bootstrap_covers_the_truth() -> None:
    # Two raters who each are right 80% of the time, of four categories evenly wrong.
    truth = 0.8**2 + 3 * (0.2 / 3) ** 2
    random, covered = np.random.default_rng(11), 0
    for number in range(100):
        right = random.random((120, 2)) < 0.8
        codes = np.where(right, 0, random.integers(1, 4, (120, 2)))
        found = raw_agreement(count_ratings(codes, categories=4), seed=number, draws=300)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert covered >= 88


ALL_ALIKE = np.zeros((30, 2), dtype=int)


def test_one_category_is_undefined_with_a_reason() -> None:
    counts = count_ratings(ALL_ALIKE, categories=3)
    undefined = Agreement(
        None,
        None,
        None,
        30,
        "all ratings are one category, so there is nothing to agree on by chance",
    )
    assert krippendorff_alpha(counts, seed=1) == undefined
    assert gwet_ac1(counts, seed=1) == undefined
    assert cohen_kappa(ALL_ALIKE, categories=3, seed=1) == undefined
    assert raw_agreement(counts, seed=1) == Agreement(1.0, 1.0, 1.0, 30)


def test_nothing_judged_twice_is_undefined_with_a_reason() -> None:
    codes = np.array([[0, -1], [-1, 1], [-1, -1]])
    counts = count_ratings(codes, categories=2)
    undefined = Agreement(None, None, None, 0, "no item has two ratings")
    for found in (
        raw_agreement(counts, seed=1),
        krippendorff_alpha(counts, seed=1),
        gwet_ac1(counts, seed=1),
        cohen_kappa(codes, categories=2, seed=1),
        raw_agreement(np.zeros((0, 2)), seed=1),
    ):
        assert found == undefined


def test_one_item_that_differs_leaves_an_interval_or_none_but_no_nan() -> None:
    codes = np.concatenate([ALL_ALIKE[:3], [[0, 1]]])
    for found in (
        krippendorff_alpha(count_ratings(codes, categories=2), seed=1),
        cohen_kappa(codes, categories=2, seed=1),
        gwet_ac1(count_ratings(codes, categories=2), seed=1),
    ):
        for number in (found.value, found.low, found.high):
            assert number is None or np.isfinite(number)


@pytest.mark.parametrize("codes", [[[0, 3]], [[0, -2]]])
def test_code_outside_the_taxonomy_is_refused(codes: list[list[int]]) -> None:
    with pytest.raises(CalibrationError, match="codes: must lie from -1"):
        cohen_kappa(np.array(codes), categories=3, seed=1)


def test_counts_must_be_counts() -> None:
    with pytest.raises(CalibrationError, match="counts"):
        raw_agreement([[1.0, float("nan")]], seed=1)


def test_known_answers_have_the_exact_interval() -> None:
    found = known_answer_accuracy(right=47, answered=50)
    assert (found.value, found.successes, found.n) == (0.94, 47, 50)
    exact = proportion_confint(47, 50, method="beta")
    assert (found.low, found.high) == pytest.approx(exact, abs=1e-12)
    nothing = known_answer_accuracy(right=0, answered=0)
    assert (nothing.value, nothing.low, nothing.high) == (None, None, None)
    assert nothing.reason == "no item with a known answer was judged yet"
    with pytest.raises(CalibrationError, match="51 of 50"):
        known_answer_accuracy(right=51, answered=50)


@pytest.mark.parametrize(("blind", "shown"), [((56, 70), (48, 80)), ((9, 10), (3, 10))])
def test_automation_bias_equals_statsmodels(blind: tuple[int, int], shown: tuple[int, int]) -> None:
    found = automation_bias(
        overturned_blind=blind[0], blind=blind[1], overturned_shown=shown[0], shown=shown[1]
    )
    expected = confint_proportions_2indep(*blind, *shown, method="newcomb", compare="diff")
    assert found.value == pytest.approx(blind[0] / blind[1] - shown[0] / shown[1])
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


def test_automation_bias_without_either_group_says_which() -> None:
    found = automation_bias(overturned_blind=0, blind=0, overturned_shown=3, shown=10)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.reason == "nothing was judged blind yet"
    other = automation_bias(overturned_blind=1, blind=4, overturned_shown=0, shown=0)
    assert other.reason == "nothing was judged with the answer shown yet"
    with pytest.raises(CalibrationError, match="overturned_blind: 5 of 4"):
        automation_bias(overturned_blind=5, blind=4, overturned_shown=0, shown=1)
