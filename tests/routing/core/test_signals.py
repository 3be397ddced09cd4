import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.core.signals import (
    Outside,
    ScoreError,
    ScoreMatrix,
    UnknownCategoryError,
    compute_signals,
    score_matrix,
    show_number,
    stored_matrix,
)
from tests.routing.core.oracle import signals_of
from tests.routing.core.policies import HELPDESK

ABC = ("a", "b", "c")


def matrix_of(categories: tuple[str, ...], *rows: Mapping[str, float]) -> ScoreMatrix:
    matrix, errors = score_matrix(categories, rows)
    assert errors == {}
    return matrix


def error_of(row: object, categories: tuple[str, ...] = ABC) -> ScoreError:
    matrix, errors = score_matrix(categories, [row])  # type: ignore[list-item]
    assert len(matrix) == 0
    assert list(errors) == [0]
    return errors[0]


def test_margin_and_entropy_of_the_worked_rows() -> None:
    rows = [
        (0.576, 0.386, 0.039, 0.190, 0.74),
        (0.576, 0.044, 0.380, 0.196, 0.75),
        (0.450, 0.210, 0.340, 0.110, 0.96),
        (0.900, 0.060, 0.040, 0.840, 0.36),
        (0.500, 0.120, 0.380, 0.120, 0.88),
        (0.100, 0.250, 0.650, 0.400, 0.78),
    ]
    posted = [dict(zip(HELPDESK, row[:3], strict=True)) for row in rows]
    signals = compute_signals(matrix_of(HELPDESK, *posted))
    assert signals.margin.round(3).tolist() == [row[3] for row in rows]
    assert signals.entropy.round(2).tolist() == [row[4] for row in rows]
    assert signals.predicted.tolist() == [0, 0, 0, 0, 0, 2]


def test_a_sum_of_1005_is_divided_by_and_kept_as_posted() -> None:
    matrix = matrix_of(ABC, {"a": 0.805, "b": 0.15, "c": 0.05})
    assert matrix.posted[0].tolist() == [0.805, 0.15, 0.05]
    assert matrix.values[0] == pytest.approx([0.805 / 1.005, 0.15 / 1.005, 0.05 / 1.005])
    signals = compute_signals(matrix)
    assert signals.raw_confidence[0] == round(0.805 / 1.005, 9)
    assert signals.margin[0] == round(0.655 / 1.005, 9)


def test_a_sum_under_one_is_left_alone() -> None:
    matrix = matrix_of(ABC, {"a": 0.8, "b": 0.15, "c": 0.045})
    assert matrix.values[0].tolist() == [0.8, 0.15, 0.045]
    assert matrix.missing[0] == 0.0


@pytest.mark.parametrize("scores", [(0.51, 0.3, 0.2), (0.5, 0.3, 0.19)])
def test_sums_at_the_limits_are_taken(scores: tuple[float, ...]) -> None:
    assert len(matrix_of(ABC, dict(zip(ABC, scores, strict=True)))) == 1


def test_truncated_vector_spreads_its_missing_mass() -> None:
    matrix = matrix_of(("a", "b", "c", "d"), {"a": 0.6, "b": 0.2})
    assert matrix.missing[0] == pytest.approx(0.2)
    signals = compute_signals(matrix)
    masses = [0.6, 0.2, 0.1, 0.1]
    entropy = -sum(p * math.log(p) for p in masses) / math.log(4)
    assert signals.entropy[0] == round(entropy, 9)
    assert signals.margin[0] == 0.4


@pytest.mark.parametrize(
    ("row", "margin"),
    [
        ({"a": 0.4}, 0.0),  # b could have 0.4: a lone top score earns nothing
        ({"a": 0.6}, 0.2),
        ({"a": 0.9}, 0.8),
        ({"a": 0.5, "b": 0.1}, 0.4),  # c cannot have more than b, or it would be listed
        ({"a": 0.5, "b": 0.3}, 0.2),
        ({"a": 1.0}, 1.0),
        ({"a": 0.0}, 0.0),
    ],
)
def test_margin_of_a_truncated_vector(row: dict[str, float], margin: float) -> None:
    assert compute_signals(matrix_of(ABC, row)).margin[0] == margin


def test_a_lone_zero_leaves_all_mass_missing() -> None:
    signals = compute_signals(matrix_of(ABC, {"b": 0}))
    assert signals.predicted[0] == 1
    assert signals.raw_confidence[0] == 0.0
    assert signals.entropy[0] == round(math.log(2) / math.log(3), 9)


OLD = frozenset({"old", "older"})


def test_other_categories_of_the_stream_are_missing_mass() -> None:
    matrix, errors = score_matrix(ABC, [{"a": 0.3, "old": 0.62, "older": 0.02}], others=OLD)
    assert errors == {}
    assert matrix.posted.tolist() == [[0.3, 0.0, 0.0]]
    assert matrix.missing[0] == pytest.approx(0.7)
    assert matrix.outside == {0: Outside(("old", "older"), 0.64)}
    signals = compute_signals(matrix)
    assert (signals.predicted[0], signals.raw_confidence[0], signals.margin[0]) == (0, 0.3, 0.0)
    entropy = -(0.3 * math.log(0.3) + 0.7 * math.log(0.35)) / math.log(3)
    assert signals.entropy[0] == round(entropy, 9)


def test_mass_outside_is_one_lump_where_everything_is_listed() -> None:
    matrix, _errors = score_matrix(ABC, [{"a": 0.6, "b": 0.1, "c": 0.1, "old": 0.2}], others=OLD)
    assert matrix.missing[0] == pytest.approx(0.2)
    signals = compute_signals(matrix)
    entropy = -sum(p * math.log(p) for p in (0.6, 0.1, 0.1, 0.2)) / math.log(3)
    assert signals.entropy[0] == round(entropy, 9)
    assert signals.margin[0] == 0.5


def test_nothing_of_the_policy_listed_gives_the_first_category_with_nothing() -> None:
    matrix, errors = score_matrix(ABC, [{"old": 1.0}, {"old": 0.0}], others=OLD)
    assert errors == {}
    signals = compute_signals(matrix)
    assert signals.predicted.tolist() == [0, 0]
    assert signals.raw_confidence.tolist() == [0.0, 0.0]
    assert signals.margin.tolist() == [0.0, 0.0]
    assert signals.entropy.tolist() == [1.0, 1.0]


def test_a_sum_over_one_divides_what_is_outside_too() -> None:
    matrix, _errors = score_matrix(ABC, [{"a": 0.605, "old": 0.4}], others=OLD)
    assert matrix.values[0, 0] == pytest.approx(0.605 / 1.005)
    assert matrix.missing[0] == pytest.approx(0.4 / 1.005)
    assert matrix.outside[0].mass == round(0.4 / 1.005, 9)


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ({"a": 0.7, "old": 0.32}, "scores", "scores sum to 1.02, over 1.01"),
        ({"a": 0.7, "old": 1.2}, "scores.old", "old is 1.2"),
        ({"a": 0.5, "b": 0.3, "old": "0.2"}, "scores.old", "old is '0.2'"),
        ({"a": 0.5, "old": math.nan}, "scores.old", "old is nan"),
        (
            {"a": 0.5, "olde": 0.3},
            "scores.olde",
            "olde is no category of this stream; leave it out or",
        ),
        (
            {"a": 0.5, "b": 0.3, "zebra": 0.2},
            "scores.zebra",
            "leave it out or add it to the stream",
        ),
    ],
)
def test_other_categories_are_checked_like_those_of_the_policy(
    row: dict[str, float], field: str, words: str
) -> None:
    matrix, errors = score_matrix(ABC, [row, {"a": 1.0}], others=OLD)
    assert matrix.index.tolist() == [1]
    assert matrix.outside == {}
    assert errors[0].field == field
    assert words in str(errors[0])


def test_places_outside_are_those_of_the_good_rows() -> None:
    rows = [
        {"z": 1.0},
        {"a": 1.0, "b": 0, "c": 0},
        {"old": 0.9, "older": 0.9},
        {"a": 0.5, "old": 0.5},
    ]
    matrix, errors = score_matrix(ABC, rows, others=OLD)
    assert sorted(errors) == [0, 2]
    assert isinstance(errors[0], UnknownCategoryError)
    assert not isinstance(errors[2], UnknownCategoryError)
    assert matrix.index.tolist() == [1, 3]
    assert matrix.outside == {1: Outside(("old",), 0.5)}


def test_stored_scores_may_name_whatever_was_a_category_once() -> None:
    rows = [{"a": 0.9, "gone": 0.1}, {"a": 1.0}, {"b": 0.2, "lost": 0.7}, {"a": 3.0}]
    matrix, errors = stored_matrix(ABC, rows)
    assert list(errors) == [3]
    assert {row: outside.keys for row, outside in matrix.outside.items()} == {
        0: ("gone",),
        2: ("lost",),
    }


def test_ties_go_to_the_first_category_whatever_the_order_posted() -> None:
    signals = compute_signals(matrix_of(ABC, {"c": 0.4, "b": 0.4, "a": 0.2}, {"c": 0.5, "b": 0.5}))
    assert signals.predicted.tolist() == [1, 1]
    assert signals.margin.tolist() == [0.0, 0.0]


def test_one_category_has_no_entropy_and_all_the_margin() -> None:
    signals = compute_signals(matrix_of(("only",), {"only": 1.0}, {"only": 0.995}))
    assert signals.entropy.tolist() == [0.0, 0.0]
    assert signals.margin.tolist() == [1.0, 0.995]
    assert signals.raw_confidence.tolist() == [1.0, 0.995]


def test_certainty_has_entropy_zero_and_not_minus_zero() -> None:
    entropy = compute_signals(matrix_of(ABC, {"a": 1, "b": 0, "c": 0})).entropy[0]
    assert math.copysign(1.0, entropy) == 1.0
    assert entropy == 0.0


def test_entropy_does_not_pass_one_where_scores_sum_to_99_hundredths() -> None:
    # 2 x -0.495 ln 0.495 / ln 2 would be 1.0043
    assert compute_signals(matrix_of(("a", "b"), {"a": 0.495, "b": 0.495})).entropy[0] == 1.0


def test_no_rows_give_empty_signals() -> None:
    matrix = matrix_of(ABC)
    assert matrix.values.shape == (0, 3)
    assert compute_signals(matrix).margin.shape == (0,)


def test_a_bad_row_costs_the_others_nothing() -> None:
    good = {"a": 0.7, "b": 0.2, "c": 0.1}
    rows = [good, {"a": 2.0, "b": 0.0, "c": 0.0}, {"b": 0.6}, {}, good, {"a": 0.9, "z": 0.1}]
    matrix, errors = score_matrix(ABC, rows)
    assert matrix.index.tolist() == [0, 2, 4]
    assert matrix.posted.tolist() == [[0.7, 0.2, 0.1], [0.0, 0.6, 0.0], [0.7, 0.2, 0.1]]
    assert matrix.listed.tolist() == [[True] * 3, [False, True, False], [True] * 3]
    assert {index: error.field for index, error in errors.items()} == {
        1: "scores.a",
        3: "scores",
        5: "scores.z",
    }


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ({}, "scores", "scores are empty"),
        (None, "scores", "must be an object"),
        ([0.5, 0.5], "scores", "must be an object"),
        (10**5000, "scores", "must be an object"),
        ({"z": 0.5}, "scores.z", "z is no category"),
        ({"a": 0.5, "b": 0.4, "z": 0.1}, "scores.z", "z is no category"),
        ({"a": "0.5"}, "scores.a", "a is '0.5'; give a number from 0 to 1"),
        ({"a": "0.5", "b": "0.3", "c": "0.2"}, "scores.a", "a is '0.5'"),
        ({"a": True}, "scores.a", "a is true"),
        ({"a": True, "b": False, "c": False}, "scores.a", "a is true"),
        ({"a": None}, "scores.a", "a is null"),
        ({"a": [[0.5]]}, "scores.a", "a is a list"),
        ({"a": math.nan}, "scores.a", "a is nan"),
        ({"a": 0.2, "b": math.nan, "c": 0.1}, "scores.b", "b is nan"),
        ({"a": 0.2, "b": 0.1, "c": math.inf}, "scores.c", "c is inf"),
        ({"a": -0.1, "b": 0.6, "c": 0.5}, "scores.a", "a is -0.1"),
        ({"a": 1.1}, "scores.a", "a is 1.1"),
        ({"a": 2}, "scores.a", "a is 2"),
        ({"a": 10**5000}, "scores.a", "a number far outside"),
        ({"a": -(10**5000), "b": 0, "c": 0}, "scores.a", "a number far outside"),
        ({"a": 0.6, "b": 0.4, "c": 0.011}, "scores", "scores sum to 1.011, over 1.01"),
        ({"a": 0.6, "b": 0.42}, "scores", "scores sum to 1.02, over 1.01"),
        ({"a": 0.5, "b": 0.3, "c": 0.18}, "scores", "all 3 categories are listed but sum to 0.98"),
        ({"a": 0.0, "b": 0.0, "c": 0.0}, "scores", "sum to 0.00, under 0.99"),
    ],
    ids=lambda value: value if isinstance(value, str) else "row",
)
def test_refused_scores_name_the_place(row: object, field: str, words: str) -> None:
    error = error_of(row)
    assert error.field == field
    assert words in str(error)
    assert len(str(error)) < 200


def test_a_long_unknown_key_is_shortened_in_the_message_only() -> None:
    error = error_of({"k" * 5000: 0.5})
    assert len(str(error)) < 200
    assert error.field == "scores." + "k" * 5000
    assert error.value == 0.5


def test_one_category_listed_low_is_refused() -> None:
    assert error_of({"only": 0.6}, ("only",)).field == "scores"


def test_numpy_numbers_and_integers_are_numbers() -> None:
    float32: Any = np.float32(0.5)
    matrix = matrix_of(ABC, {"a": float32, "b": np.float64(0.25)}, {"a": 1, "b": 0, "c": 0})
    assert matrix.posted.tolist() == [[0.5, 0.25, 0.0], [1.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9, "0.90"),
        (0.9902, "0.9902"),
        (0.0, "0.00"),
        (1.0, "1.00"),
        (0.1234567894, "0.123456789"),
    ],
)
def test_show_number_keeps_the_digits_it_takes(value: float, text: str) -> None:
    assert show_number(value) == text


@st.composite
def vectors(draw: st.DrawFn) -> tuple[tuple[str, ...], dict[str, float]]:
    """Categories and scores of whole thousandths, in any order, complete or truncated."""
    count = draw(st.integers(1, 8))
    categories = tuple(f"k{index}" for index in range(count))
    keys = draw(st.permutations(categories))
    parts = draw(st.lists(st.integers(0, 50), min_size=count, max_size=count))
    total = sum(parts)
    row = {key: round(part / max(total, 1), 4) for key, part in zip(keys, parts, strict=True)}
    if total == 0 or (count > 1 and draw(st.booleans())):
        row = dict(list(row.items())[: draw(st.integers(1, max(count - 1, 1)))])
    return categories, row


@given(vectors())
def test_signals_agree_with_plain_python(vector: tuple[tuple[str, ...], dict[str, float]]) -> None:
    categories, row = vector
    matrix, errors = score_matrix(categories, [row])
    if errors:
        assert len(row) == len(categories)
        assert sum(row.values()) < 0.99
        return
    signals, expected = compute_signals(matrix), signals_of(categories, row)
    assert categories[signals.predicted[0]] == expected["predicted"]
    assert signals.raw_confidence[0] == expected["raw"]
    assert signals.margin[0] == expected["margin"]
    assert signals.entropy[0] == pytest.approx(expected["entropy"], abs=1.5e-9)


@given(st.lists(vectors(), min_size=1, max_size=1), st.randoms())
def test_the_order_of_keys_does_not_matter(
    found: list[tuple[tuple[str, ...], dict[str, float]]], random: object
) -> None:
    categories, row = found[0]
    keys = list(row)
    random.shuffle(keys)  # type: ignore[attr-defined]
    one, errors = score_matrix(categories, [row, {key: row[key] for key in keys}])
    if not errors:
        assert one.posted[0].tolist() == one.posted[1].tolist()
        signals = compute_signals(one)
        assert signals.margin[0] == signals.margin[1]
        assert signals.predicted[0] == signals.predicted[1]


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.floats() | st.integers()))
def test_any_numbers_give_a_row_or_an_error_and_never_nan(row: dict[str, float]) -> None:
    matrix, errors = score_matrix(ABC, [row])
    assert len(matrix) + len(errors) == 1
    signals = compute_signals(matrix)
    for values in (signals.raw_confidence, signals.margin, signals.entropy):
        assert ((values >= 0) & (values <= 1)).all()
