import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.core.maps import CLIP, IDENTITY, CalibrationMap, PolicyError
from tests.routing.core.oracle import calibrate

EXAMPLES = [
    IDENTITY,
    CalibrationMap("platt", (0.7, -0.4)),
    CalibrationMap("temperature", (2.5,)),
    CalibrationMap("beta", (0.9, 1.4, 0.2)),
    CalibrationMap("isotonic", (), ((0.1, 0.05), (0.5, 0.5), (0.9, 0.8))),
]


def apply_one(calibration_map: CalibrationMap, p: float) -> float:
    return float(calibration_map.apply(np.array([p]))[0])


def test_platt_by_hand() -> None:
    # logit .8 = ln 4; 0.5 ln 4 = ln 2; s(ln 2) = 2/3
    assert apply_one(CalibrationMap("platt", (0.5, 0.0)), 0.8) == pytest.approx(2 / 3, abs=1e-12)
    assert apply_one(CalibrationMap("platt", (1.0, math.log(3))), 0.5) == pytest.approx(0.75)


def test_temperature_two_halves_the_logit() -> None:
    assert apply_one(CalibrationMap("temperature", (2.0,)), 0.8) == pytest.approx(2 / 3)


def test_beta_with_equal_slopes_is_platt() -> None:
    p = np.linspace(0.01, 0.99, 50)
    beta = CalibrationMap("beta", (0.6, 0.6, 0.3)).apply(p)
    assert beta == pytest.approx(CalibrationMap("platt", (0.6, 0.3)).apply(p), abs=1e-12)


def test_isotonic_interpolates_and_is_constant_outside() -> None:
    isotonic = CalibrationMap("isotonic", (), ((0.2, 0.1), (0.6, 0.5)))
    given_p = np.array([0.0, 0.2, 0.4, 0.6, 1.0])
    assert isotonic.apply(given_p) == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.5])


def test_isotonic_with_one_knot_is_constant() -> None:
    assert apply_one(CalibrationMap("isotonic", (), ((0.5, 0.7),)), 0.9) == 0.7


def test_identity_changes_nothing_not_even_the_ends() -> None:
    p = np.array([0.0, 0.3, 1.0])
    assert IDENTITY.apply(p).tolist() == [0.0, 0.3, 1.0]


def test_apply_keeps_the_shape_and_leaves_its_argument() -> None:
    p = np.array([[0.0, 1.0], [0.5, 0.2]])
    for example in EXAMPLES:
        assert example.apply(p).shape == (2, 2)
    assert p.tolist() == [[0.0, 1.0], [0.5, 0.2]]


def test_ends_are_clipped_and_finite_under_a_steep_slope() -> None:
    steep = CalibrationMap("platt", (200.0, 0.0))
    assert steep.apply(np.array([0.0, 1.0])).tolist() == [0.0, 1.0]
    gentle = CalibrationMap("platt", (1.0, 0.0))
    assert apply_one(gentle, 0.0) == pytest.approx(CLIP)


@given(st.sampled_from(EXAMPLES), st.floats(0, 1))
def test_apply_agrees_with_the_formula_in_plain_python(example: CalibrationMap, p: float) -> None:
    assert apply_one(example, p) == pytest.approx(calibrate(example, p), abs=1e-12)


@given(st.sampled_from(EXAMPLES), st.lists(st.floats(0, 1), min_size=2))
def test_maps_stay_in_range_and_keep_the_order(example: CalibrationMap, p: list[float]) -> None:
    calibrated = example.apply(np.sort(np.array(p)))
    assert (calibrated >= 0).all()
    assert (calibrated <= 1).all()
    assert (np.diff(calibrated) >= -1e-15).all()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.kind)
def test_json_round_trip_is_equal(example: CalibrationMap) -> None:
    text = json.dumps(example.to_json())
    assert CalibrationMap.from_json(json.loads(text)) == example


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (None, "map"),
        ([], "map"),
        ({}, "kind"),
        ({"kind": 3}, "kind"),
        ({"kind": "spline"}, "kind"),
        ({"kind": "platt"}, "parameters"),
        ({"kind": "platt", "parameters": [1.0]}, "parameters"),
        ({"kind": "platt", "parameters": [1.0, "2"]}, "parameters"),
        ({"kind": "platt", "parameters": [1.0, True]}, "parameters"),
        ({"kind": "platt", "parameters": [1.0, math.nan]}, "parameters"),
        ({"kind": "platt", "parameters": [1.0, 10**400]}, "parameters"),
        ({"kind": "platt", "parameters": 5}, "parameters"),
        ({"kind": "temperature", "parameters": [0.0]}, "parameters"),
        ({"kind": "beta", "parameters": [-0.1, 1.0, 0.0]}, "parameters"),
        ({"kind": "identity", "parameters": [1.0]}, "parameters"),
        ({"kind": "identity", "knots": [[0.1, 0.1]]}, "knots"),
        ({"kind": "isotonic"}, "knots"),
        ({"kind": "isotonic", "knots": [[0.1, 0.1, 0.1]]}, "knots.0"),
        ({"kind": "isotonic", "knots": [[0.1, 0.1], [0.1, 0.2]]}, "knots.1"),
        ({"kind": "isotonic", "knots": [[0.1, 0.3], [0.2, 0.2]]}, "knots.1"),
        ({"kind": "isotonic", "knots": [[0.1, 1.3]]}, "knots.0"),
        ({"kind": "identity", "slope": 1}, "slope"),
    ],
)
def test_from_json_refuses_and_names_the_field(document: object, field: str) -> None:
    with pytest.raises(PolicyError) as caught:
        CalibrationMap.from_json(document)
    assert caught.value.field == field


@pytest.mark.parametrize("one", EXAMPLES, ids=[example.kind for example in EXAMPLES])
def test_lowest_raw_is_taken_to_the_confidence(one: CalibrationMap) -> None:
    raw = one.lowest_raw(0.6)
    assert raw is not None
    assert apply_one(one, raw) == pytest.approx(0.6)
    assert apply_one(one, raw - 1e-6) < 0.6


def test_lowest_raw_at_the_ends() -> None:
    isotonic = EXAMPLES[-1]
    assert (isotonic.lowest_raw(0.05), isotonic.lowest_raw(0.81)) == (0.0, None)
