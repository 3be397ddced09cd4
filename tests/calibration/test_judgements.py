"""Maps applied to arrays, sentences about cells."""

import numpy as np
import pytest

from calibration.core.reliability import Cell
from calibration.judgements import Judgement, apply_maps, list_findings, split_labels
from routing.core.maps import CalibrationMap
from routing.core.policy import CutOffs, Policy
from routing.core.rules import route
from routing.core.signals import compute_signals, score_matrix

STREAM_MAP = CalibrationMap("platt", (0.5, 0.2))
OWN_MAP = CalibrationMap("temperature", (2.0,))


def test_maps_calibrate_exactly_as_routing_does() -> None:
    keys = ("a", "b")
    rows = [{"a": 0.9, "b": 0.1}, {"a": 0.2, "b": 0.8}, {"a": 0.55, "b": 0.45}]
    policy = Policy(
        version=1,
        categories=keys,
        cut_offs=CutOffs(0.9, 0.7, 0.5),
        maps={"": STREAM_MAP, "b": OWN_MAP},
        model_versions=("m",),
    )
    matrix, _ = score_matrix(keys, rows)
    signals = compute_signals(matrix)
    routed = route(policy, signals, matrix, ["m"] * 3).confidence
    mapped = apply_maps(
        policy.maps,
        raw=signals.raw_confidence,
        category=signals.predicted.astype(np.int32),
        categories=keys,
    )
    np.testing.assert_array_equal(mapped, routed)


def test_without_maps_the_raw_confidence_stands() -> None:
    raw = np.array([0.25, 0.5])
    mapped = apply_maps({}, raw=raw, category=np.zeros(2, dtype=np.int32), categories=("a",))
    np.testing.assert_array_equal(mapped, raw)


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
