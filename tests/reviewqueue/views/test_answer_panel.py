"""Choices and the scale."""

from collections.abc import Sequence

import pytest

from reviewqueue.views.answer_panel import (
    Choices,
    arrange_choices,
    draw_scale,
)
from reviewqueue.views.reason_chips import percent_apart
from routing.core.policy import CutOffs
from routing.models import Category


def make_categories(keys: Sequence[str]) -> list[Category]:
    return [Category(key=key, label=key.upper(), position=at) for at, key in enumerate(keys)]


def keys_of(choices: Choices) -> list[tuple[str, str]]:
    return [(choice.key, choice.hotkey) for choice in choices.first]


def test_choices_go_by_score_with_keys() -> None:
    choices = arrange_choices(
        make_categories("abc"), scores={"b": 0.7, "c": 0.2, "a": 0.1}, chosen=["b"]
    )
    assert keys_of(choices) == [("b", "1"), ("c", "2"), ("a", "3")]
    assert [(choice.score, choice.width) for choice in choices.first] == [
        ("0.70", "70.0%"),
        ("0.20", "20.0%"),
        ("0.10", "10.0%"),
    ]
    assert [choice.key for choice in choices.chosen] == ["b"]


def test_category_that_the_model_did_not_list_has_no_score() -> None:
    choices = arrange_choices(make_categories("ab"), scores={"a": 0.0}, chosen=[])
    assert [(choice.score, choice.width) for choice in choices.first] == [
        ("0.00", "0.0%"),
        ("–", "0.0%"),
    ]


def test_blind_choices_follow_the_taxonomy_and_hold_no_score() -> None:
    choices = arrange_choices(make_categories("abc"), scores=None, chosen=[])
    assert keys_of(choices) == [("a", "1"), ("b", "2"), ("c", "3")]
    assert {(choice.score, choice.width) for choice in choices.all} == {("", "")}


def test_many_categories_show_five_and_fold_the_rest() -> None:
    keys = [f"c{number:02d}" for number in range(77)]
    choices = arrange_choices(make_categories(keys), scores={"c40": 0.9, "c07": 0.1}, chosen=[])
    assert [choice.key for choice in choices.first] == ["c40", "c07", "c00", "c01", "c02"]
    assert len(choices.rest) == 72
    assert {choice.hotkey for choice in choices.rest} == {""}


def test_digits_keep_their_order_and_their_own_keys() -> None:
    choices = arrange_choices(make_categories("0123456789"), scores={"7": 0.9}, chosen=["7"])
    assert keys_of(choices) == [(digit, digit) for digit in "0123456789"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.58, "58"), (0.8996, "89.96"), (0.9, "90"), (0.9004, "90"), (0.699, "69.9"), (1.0, "100")],
)
def test_percent_is_never_rounded_over_a_cut_off(value: float, shown: str) -> None:
    assert percent_apart(value, 0.9, 0.7, 0.5) == shown


def test_scale_marks_the_band() -> None:
    scale = draw_scale(0.58, CutOffs(auto=0.9, flagged=0.7, hold=0.5))
    assert [(band.queue, band.here) for band in scale.bands] == [
        ("reject", False),
        ("hold", True),
        ("flagged", False),
        ("auto", False),
    ]
    assert [tick.words for tick in scale.ticks] == ["50", "70", "90"]
    assert scale.words == (
        "58 per cent: in the hold band, which runs from 50 to 70; auto starts at 90"
    )


def test_scale_leaves_empty_bands_out() -> None:
    scale = draw_scale(0.80, CutOffs(auto=0.8, flagged=0.8, hold=0.0))
    assert [(band.queue, band.here) for band in scale.bands] == [("hold", False), ("auto", True)]
