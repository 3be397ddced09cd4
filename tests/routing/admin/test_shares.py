"""Previews in words: nothing is unnamed, nothing is rounded away."""

import pytest

from routing.admin.shares import CAUSES, OUTCOMES, TONES, show_percent
from routing.core.reasons import Cause
from routing.core.rules import ACTIONS


def test_every_rule_and_outcome_has_a_name() -> None:
    assert set(CAUSES) == set(Cause)
    assert tuple(OUTCOMES) == ACTIONS
    assert tuple(TONES) == ACTIONS


@pytest.mark.parametrize(
    ("count", "items", "text"),
    [
        (0, 7, "0.0%"),
        (1, 50_000, "< 0.1%"),
        (1, 8, "12.5%"),
        (49_999, 50_000, "> 99.9%"),
        (7, 7, "100.0%"),
    ],
)
def test_share_is_never_rounded_to_nothing_or_all(count: int, items: int, text: str) -> None:
    assert show_percent(count, items) == text
