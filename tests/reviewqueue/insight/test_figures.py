"""Which category is worst."""

from reviewqueue.insight.figures import Band, find_worst, rank_categories
from tests.reviewqueue.insight.test_drawing import band


def judged(verdict: str, gap: float, items: float = 1_000.0) -> Band:
    return {**band(0.8, 0.9, 0.85 + gap), "verdict": verdict, "items": items}


def test_certain_comes_before_possible_and_over_before_under() -> None:
    assert rank_categories(
        {
            "few": [judged("not_enough_labels", -0.5)],
            "kept": [judged("calibrated", -0.01)],
            "shy": [judged("underconfident_certain", 0.1)],
            "maybe": [judged("overconfident_possible", -0.3)],
            "sure": [judged("calibrated", 0.0), judged("overconfident_certain", -0.06)],
        }
    ) == ["sure", "shy", "maybe", "kept", "few"]


def test_among_equals_the_most_broken_promises_come_first() -> None:
    wide, large = (
        [judged("overconfident_certain", -0.30, items=100.0)],
        [judged("overconfident_certain", -0.06, items=9_000.0)],
    )
    assert rank_categories({"wide": wide, "large": large}) == ["large", "wide"]
    assert find_worst([*wide, *large]) == 1


def test_category_without_cells_comes_last() -> None:
    assert rank_categories({"none": [], "few": [judged("not_enough_labels", 0.0)]}) == [
        "few",
        "none",
    ]
