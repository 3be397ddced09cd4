"""Sentences about cells, and the split of the labels."""

import numpy as np
import pytest

from calibration.core.reliability import Cell
from calibration.judgements import Judgement, list_findings, split_labels


def make_cell(category: str | None, verdict: str, accuracy: float) -> Cell:
    return Cell(category, 0.6, 0.7, 287, 287.0, 0.65, accuracy, 0.4, 0.6, 0.001, verdict)


def test_findings_name_the_worst_first_and_leave_out_what_is_kept() -> None:
    nothing = np.zeros(0)
    judgement = Judgement(
        confidence=nothing,
        frame_confidence=nothing,
        aggregate=[make_cell(None, "calibrated", 0.64)],
        by_category=[
            make_cell("a", "underconfident_possible", 0.71),
            make_cell("b", "overconfident_certain", 0.52),
            make_cell("c", "not_enough_labels", 0.10),
            make_cell("d", "overconfident_certain", 0.38),
        ],
        scores=None,
    )
    assert list_findings(judgement) == [
        "d, 0.60 to 0.70: promised 65.0%, right 38.0% "
        "(95% interval 40.0% to 60.0%, 287 labels): overconfident, certain",
        "b, 0.60 to 0.70: promised 65.0%, right 52.0% "
        "(95% interval 40.0% to 60.0%, 287 labels): overconfident, certain",
        "a, 0.60 to 0.70: promised 65.0%, right 71.0% "
        "(95% interval 40.0% to 60.0%, 287 labels): underconfident, possible",
    ]


def test_folds_are_even_and_hang_on_the_item_alone() -> None:
    tails = np.random.default_rng(1).integers(0, 1 << 62, 10_000, dtype=np.uint64)
    fold = split_labels(tails, 5)
    # 2,000 each, give or take five standard deviations of 40.
    assert np.bincount(fold, minlength=5) == pytest.approx([2000] * 5, abs=200)
    np.testing.assert_array_equal(split_labels(tails[::-1], 5), fold[::-1])
