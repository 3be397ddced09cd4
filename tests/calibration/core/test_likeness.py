"""How alike texts and scores are."""

import math

import numpy as np
import pytest

from calibration.core.likeness import score_likeness, text_likeness


def test_same_words_are_alike_and_others_are_not() -> None:
    found = text_likeness(
        "VPN drops after a minute", ["vpn drops, after minute!", "Printer on fire", "", "a 1"]
    )
    np.testing.assert_allclose(found, [1.0, 0.0, 0.0, 0.0], atol=1e-12)


def test_rare_words_weigh_more() -> None:
    others = ["the printer", "the laptop", "the mouse", "the vpn"]
    found = text_likeness("the vpn", others)
    assert found.argmax() == 3
    assert found[0] < 0.4


def test_cosine_by_hand() -> None:
    # Three texts; "one" is in all of them, "two" in two, "three" in one.
    one, two, three = (math.log(1 + 3 / count) for count in (3, 2, 1))
    asked = (one * (1 + math.log(2)), two, 0.0)
    other = (one, two, three)
    cosine = sum(a * b for a, b in zip(asked, other, strict=True)) / (
        math.hypot(*asked) * math.hypot(*other)
    )
    found = text_likeness("one one two", ["one two three", "one"])
    np.testing.assert_allclose(found, [cosine, asked[0] / math.hypot(*asked)], rtol=1e-12)


@pytest.mark.parametrize("text", ["", "?!", "5 7"])
def test_text_without_words_is_like_nothing(text: str) -> None:
    np.testing.assert_array_equal(text_likeness(text, ["vpn", ""]), [0.0, 0.0])


def test_no_others_is_no_number() -> None:
    assert text_likeness("vpn", []).shape == (0,)
    assert score_likeness({"a": 1.0}, []).shape == (0,)


def test_scores_are_compared_as_vectors() -> None:
    found = score_likeness({"a": 0.6, "b": 0.8}, [{"a": 0.6, "b": 0.8}, {"c": 1.0}, {"a": 1.0}, {}])
    np.testing.assert_allclose(found, [1.0, 0.0, 0.6, 0.0], atol=1e-12)
    np.testing.assert_array_equal(score_likeness({}, [{"a": 1.0}]), [0.0])
