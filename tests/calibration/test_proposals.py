"""What a proposal calls its maps, and where a cut-off begins in raw terms."""

import pytest

from calibration.proposals import name_maps, raw_cut_off
from routing.core.maps import IDENTITY, CalibrationMap

PLATT = CalibrationMap("platt", (0.5, -0.25))


def test_no_maps_are_called_none() -> None:
    assert name_maps({}) == "none"


def test_few_categories_are_named_with_their_numbers() -> None:
    isotonic = CalibrationMap("isotonic", knots=((0.2, 0.1), (0.9, 0.8)))
    assert name_maps({"b": isotonic, "": PLATT, "a": IDENTITY}) == (
        "platt 0.5000 -0.2500, a: identity, b: isotonic of 2 knots"
    )


def test_many_categories_are_counted() -> None:
    maps = {"": PLATT} | {f"category-{number}": PLATT for number in range(77)}
    assert name_maps(maps) == "platt 0.5000 -0.2500, maps of their own for 77 categories"


@pytest.mark.parametrize(
    ("one", "raw"),
    [
        (None, 0.9),
        (IDENTITY, 0.9),
        (CalibrationMap("isotonic", knots=((0.5, 0.6), (0.7, 1.0))), 0.65),
        (CalibrationMap("isotonic", knots=((0.5, 0.6), (0.7, 0.8))), None),
        (CalibrationMap("isotonic", knots=((0.5, 0.95),)), 0.0),
    ],
)
def test_raw_cut_off_is_where_the_map_reaches_it(
    one: CalibrationMap | None, raw: float | None
) -> None:
    assert raw_cut_off(one, 0.9) == (None if raw is None else pytest.approx(raw, abs=1e-9))
