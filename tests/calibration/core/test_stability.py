"""The population stability index by hand, by chance, and on too little."""

from math import log

import numpy as np
import pytest

from calibration.core.errors import CalibrationError
from calibration.core.stability import group_cells, measure_stability


def test_index_by_hand() -> None:
    found = measure_stability(reference=[800, 150, 50], current=[600, 300, 100])
    old = [800.5 / 1001.5, 150.5 / 1001.5, 50.5 / 1001.5]
    new = [600.5 / 1001.5, 300.5 / 1001.5, 100.5 / 1001.5]
    by_hand = sum((b - a) * log(b / a) for a, b in zip(old, new, strict=True))
    assert found.value == pytest.approx(by_hand, abs=1e-12)
    assert found.verdict == "moved"
    assert found.noise_floor == pytest.approx(2 * (1 / 1000 + 1 / 1000))


def test_equal_shares_are_zero() -> None:
    found = measure_stability(reference=[900, 80, 20], current=[900, 80, 20])
    assert (found.value, found.verdict) == (0.0, "stable")


def test_cell_that_empties_stays_finite() -> None:
    found = measure_stability(reference=[500, 500, 0], current=[1000, 0, 0])
    assert found.value is not None
    assert np.isfinite(found.value)
    assert found.verdict == "shifted"


def test_noise_floor_is_the_mean_without_any_change() -> None:
    random = np.random.default_rng(9)
    shares = np.full(10, 0.1)
    values, floor = [], 0.0
    for _ in range(300):
        found = measure_stability(
            reference=random.multinomial(5000, shares), current=random.multinomial(1000, shares)
        )
        assert found.value is not None
        assert found.noise_floor is not None
        values.append(found.value)
        floor = found.noise_floor
    assert np.mean(values) == pytest.approx(floor, rel=0.1)


def test_fine_histogram_is_grouped_by_reference_mass() -> None:
    reference = np.ones(1000)
    assert np.bincount(group_cells(reference, 10)).tolist() == [100] * 10
    found = measure_stability(reference=reference, current=np.ones(1000) * 3, groups=10)
    assert found.value == pytest.approx(0.0, abs=1e-6)
    assert found.noise_floor == pytest.approx(9 * (1 / 1000 + 1 / 3000))


@pytest.mark.parametrize(
    ("reference", "current", "reason"),
    [
        ([50, 49], [500, 500], "99 items in the reference window, 100 are needed"),
        ([500, 500], [0, 0], "0 items in the current window, 100 are needed"),
        ([], [], "0 items in the reference window, 100 are needed"),
    ],
)
def test_too_few_items_give_a_reason(reference: list[int], current: list[int], reason: str) -> None:
    found = measure_stability(reference=reference, current=current, groups=10)
    assert (found.value, found.noise_floor, found.verdict, found.reason) == (
        None,
        None,
        "not_enough_items",
        reason,
    )


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_what_is_no_count_is_refused(bad: float) -> None:
    with pytest.raises(CalibrationError, match="current"):
        measure_stability(reference=[500, 500], current=[500, bad])
