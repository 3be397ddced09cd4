"""What ships and how much of it is wrong, worked by hand."""

import numpy as np
import pytest

from calibration.core.errors import CalibrationError
from calibration.core.estimates import wilson_interval
from calibration.core.shipping import (
    Sentences,
    Shipped,
    count_needed,
    measure_strata,
    price_cut_offs,
)

GREEN, AMBER, REFUSED = 0, 1, 2


def sentences() -> Sentences:
    """60 green, of which 6 are labelled; 40 amber, of which 20 are; 100 refused, of which 10 are.

    Of the labelled none, 4 and 7 are wrong.
    """
    labels = [(GREEN, 0.9, 0.1, 6, 0), (AMBER, 0.6, 0.5, 20, 4), (REFUSED, 0.3, 0.1, 10, 7)]
    rows = [
        (stratum, confidence, pi, float(number >= wrong))
        for stratum, confidence, pi, n, wrong in labels
        for number in range(n)
    ]
    stratum, confidence, pi, correct = (np.array(column) for column in zip(*rows, strict=True))
    return Sentences(
        confidence=confidence,
        correct=correct,
        pi=pi,
        stratum=stratum,
        frame_confidence=np.array([0.9, 0.6, 0.3]),
        count=np.array([60.0, 40.0, 100.0]),
        frame_stratum=np.array([GREEN, AMBER, REFUSED]),
    )


def test_rate_of_one_queue() -> None:
    amber = measure_strata(sentences(), [AMBER])

    assert (amber.items, amber.n, amber.rate) == (40.0, 20, 0.2)
    assert amber.completeness == 0.2
    assert amber.promised == pytest.approx(0.4)
    assert amber.gap == pytest.approx(-0.2)


def test_rate_of_all_that_ships_is_weighted_by_how_it_was_drawn() -> None:
    shipped = measure_strata(sentences(), [GREEN, AMBER])

    # (60 * 0 + 40 * .2) / 100; the plain share of the labels would be 4 / 26 = .154.
    assert shipped.rate == pytest.approx(0.08)
    assert shipped.promised == pytest.approx(0.22)  # 1 - (60 * .9 + 40 * .6) / 100
    assert (shipped.items, shipped.completeness, shipped.n) == (100.0, 0.5, 26)
    assert shipped.low is not None
    assert shipped.high is not None
    assert shipped.low < 0.08 < shipped.high


def test_rate_of_a_full_review_has_the_interval_of_a_count() -> None:
    whole = Sentences(
        confidence=np.full(412, 0.93),
        correct=np.array([1.0] * 367 + [0.0] * 45),
        pi=np.ones(412),
        stratum=np.zeros(412, dtype=np.intp),
        frame_confidence=np.array([0.93]),
        count=np.array([412.0]),
        frame_stratum=np.array([0]),
    )

    found = measure_strata(whole, [0])

    # Wilson's interval of 45 in 412.
    assert [found.rate, found.low, found.high] == pytest.approx(
        [45 / 412, 0.0826, 0.1430], abs=5e-5
    )


def test_cut_off_is_priced_in_completeness_and_errors() -> None:
    prices = price_cut_offs(sentences(), [0.0, 0.5, 0.6, 0.85, 0.95])

    assert [price.cut_off for price in prices] == [0.0, 0.5, 0.6, 0.85, 0.95]
    assert [price.shipped.completeness for price in prices] == [1.0, 0.5, 0.5, 0.3, 0.0]
    assert [price.shipped.n for price in prices] == [36, 26, 26, 6, 0]
    # (8 + 100 * .7) / 200; 8 / 100; none of the green.
    assert [price.shipped.rate for price in prices] == [
        pytest.approx(0.39),
        pytest.approx(0.08),
        pytest.approx(0.08),
        0.0,
        None,
    ]


def test_nothing_routed_has_no_rate() -> None:
    empty = np.zeros(0)
    codes = np.zeros(0, dtype=np.intp)
    nothing = Sentences(empty, empty, empty, codes, empty, empty, codes)

    found = measure_strata(nothing, [0])

    assert (found.items, found.completeness, found.n, found.promised, found.rate, found.gap) == (
        *(0.0, None, 0),
        *(None, None, None),
    )


def test_codes_of_another_length_are_refused_by_name() -> None:
    one = np.ones(1)

    with pytest.raises(CalibrationError, match="stratum: has 2 codes for 1 rows"):
        Sentences(one, one, one, np.array([0, 0]), one, one, np.array([0]))


def shipped_of(n: int, wrong: int, *, stretch: float = 1.0) -> Shipped:
    """A full review's count; `stretch` widens its interval, as an uneven draw does."""
    rate = wrong / n
    low, high = wilson_interval(wrong, n)
    return Shipped(
        1_000.0, 1.0, n, 0.1, rate, rate - stretch * (rate - low), rate + stretch * (high - rate)
    )


def test_labels_needed_are_those_that_settle_it() -> None:
    # 1.96^2 * .2 * .8 / .1^2 = 61.5
    assert count_needed(shipped_of(50, 5), 0.2) == 12
    assert wilson_interval(6.1, 61)[1] > 0.2
    assert wilson_interval(6.2, 62)[1] <= 0.2
    assert count_needed(shipped_of(62, 6), 0.2) == 0
    assert count_needed(shipped_of(50, 25), 0.2) == 0


def test_labels_needed_grow_with_the_design_effect() -> None:
    assert count_needed(shipped_of(50, 5, stretch=2.0**0.5), 0.2) == 123 - 50


def test_labels_needed_where_there_are_none_are_those_of_no_error() -> None:
    nothing = Shipped(1_000.0, 1.0, 0, 0.1, None, None, None)

    # 1.96^2 * .8 / .2 = 15.4
    assert count_needed(nothing, 0.2) == 16


def test_no_number_of_labels_settles_a_rate_that_is_the_budget() -> None:
    assert count_needed(shipped_of(50, 10), 0.2) is None
    assert count_needed(shipped_of(50, 0), 0.0) is None
