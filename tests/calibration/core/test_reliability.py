"""The table: reference streams, strata and frames, verdicts, and what weighting is for."""

import warnings
from collections.abc import Sequence

import numpy as np
import pytest

from calibration.core.errors import CalibrationError
from calibration.core.estimates import wilson_interval
from calibration.core.reliability import Cell, Frame, reliability_table

GROUNDED_EDGES = (0.3, 0.5, 0.7, 0.85, 0.95)

# (mean confidence, labels, correct, verdict) from the lowest band up
HELPDESK = [
    (0.55, 203, round(0.61 * 203), "underconfident_possible"),
    (0.65, 287, round(0.52 * 287), "overconfident_certain"),
    (0.75, 310, round(0.71 * 310), "calibrated"),
    (0.85, 389, round(0.82 * 389), "calibrated"),
    (0.93, 412, round(0.89 * 412), "calibrated"),
]
GROUNDED = [
    (0.16, 142, round(0.18 * 142), "calibrated"),
    (0.40, 287, round(0.36 * 287), "calibrated"),
    (0.60, 684, round(0.55 * 684), "overconfident_certain"),
    (0.775, 1109, round(0.74 * 1109), "calibrated"),
    (0.90, 631, round(0.88 * 631), "calibrated"),
    (0.97, 412, round(0.97 * 412), "calibrated"),
]


def fully_reviewed(
    groups: Sequence[tuple[float, int, int]],
    *,
    category: Sequence[str] | None = None,
    edges: Sequence[float] = (0.5, 0.6, 0.7, 0.8, 0.9),
    minimum: int = 50,
) -> list[Cell]:
    confidence = np.concatenate([np.full(n, level) for level, n, _ in groups])
    correct = np.concatenate([np.arange(n) < k for _, n, k in groups])
    return reliability_table(
        confidence=confidence,
        correct=correct,
        pi=np.ones(confidence.size),
        category=category,
        frame=None,
        edges=edges,
        minimum=minimum,
    )


def ends_of(cell: Cell) -> tuple[float, float]:
    assert cell.low is not None
    assert cell.high is not None
    return cell.low, cell.high


def test_table_helpdesk_verdicts() -> None:
    cells = fully_reviewed([row[:3] for row in HELPDESK])
    assert [cell.verdict for cell in cells] == ["not_enough_labels"] + [row[3] for row in HELPDESK]
    assert [(cell.lower, cell.upper) for cell in cells] == [
        (0.0, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.0),
    ]  # fmt: skip
    held = cells[2]
    assert (held.n, held.frame, held.category) == (287, 287.0, None)
    assert held.confidence == pytest.approx(0.65, abs=1e-12)
    assert (held.low, held.high) == pytest.approx(wilson_interval(149, 287), abs=1e-12)


def test_table_grounded_verdicts() -> None:
    cells = fully_reviewed([row[:3] for row in GROUNDED], edges=GROUNDED_EDGES)
    assert [cell.verdict for cell in cells] == [row[3] for row in GROUNDED]
    assert cells[2].low == pytest.approx(0.5122, abs=5e-4)
    assert cells[2].high == pytest.approx(0.5866, abs=5e-4)


def test_table_category_hides_in_the_aggregate() -> None:
    groups = [(0.80, 300, 156), (0.80, 300, 247)]
    category = ["security_incident"] * 300 + ["account_unlock"] * 300
    edges = (0.5, 0.75, 0.85)
    cells = {
        cell.category: cell.verdict
        for cell in fully_reviewed(groups, category=category, edges=edges)
        if cell.n
    }
    assert cells == {
        "security_incident": "overconfident_certain",
        "account_unlock": "calibrated",
    }
    aggregate = [cell for cell in fully_reviewed(groups, edges=edges) if cell.n]
    assert [cell.n for cell in aggregate] == [600]
    assert aggregate[0].accuracy == pytest.approx(403 / 600)


def test_table_helpdesk_category_figures_at_60() -> None:
    groups = [(0.65, 100, 38), (0.67, 100, 71), (0.65, 100, 58)]
    category = ["security_incident"] * 100 + ["account_unlock"] * 100 + ["vpn_issue"] * 100
    found = [
        (cell.category, cell.verdict)
        for cell in fully_reviewed(groups, category=category)
        if cell.n
    ]
    assert found == [
        ("account_unlock", "calibrated"),
        ("security_incident", "overconfident_certain"),
        ("vpn_issue", "overconfident_possible"),
    ]


def test_table_top_band_at_78_percent_is_certainly_overconfident() -> None:
    cell = fully_reviewed([(0.95, 400, 312)])[-1]
    assert (cell.accuracy, cell.verdict) == (0.78, "overconfident_certain")


def test_table_exactly_five_points_is_a_gap() -> None:
    assert fully_reviewed([(0.75, 100, 70)])[3].verdict == "overconfident_possible"
    assert fully_reviewed([(0.7499, 100, 70)])[3].verdict == "calibrated"


def test_table_forty_nine_labels_are_not_enough() -> None:
    below, enough = fully_reviewed([(0.95, 49, 10)])[-1], fully_reviewed([(0.95, 50, 10)])[-1]
    assert below.verdict == "not_enough_labels"
    assert below.accuracy == pytest.approx(10 / 49)
    assert enough.verdict == "overconfident_certain"


def test_table_certainty_counts_all_tests_of_the_table() -> None:
    # p = .032 alone is a discovery; among five tests of which four are quiet it is not.
    suspect = (0.65, 100, 55)
    assert fully_reviewed([suspect])[2].verdict == "underconfident_certain".replace("under", "over")
    quiet = [(0.55, 100, 55), (0.75, 100, 75), (0.85, 100, 85), (0.95, 100, 95)]
    assert fully_reviewed([suspect, *quiet])[2].verdict == "overconfident_possible"


def test_table_edges_lower_bound_belongs_and_noise_does_not_move() -> None:
    cells = fully_reviewed(
        [(0.1 + 0.7, 1, 1), (0.7999999999, 1, 1), (0.9, 1, 1), (1.0, 1, 1), (0.0, 1, 0)]
    )
    assert [cell.n for cell in cells] == [1, 0, 0, 0, 2, 2]


def test_table_weights_undo_the_sampling() -> None:
    """A stream reviewed as a real one: under .9 in full, the automatic part at 5%."""
    random = np.random.default_rng(5)
    confidence = random.beta(5.0, 0.8, 40_000)
    correct = random.random(confidence.size) < confidence - 0.04
    pi = np.where(confidence >= 0.9, 0.05, 1.0)
    drawn = random.random(confidence.size) < pi
    edges = (0.5,)
    truth = float(correct[confidence >= 0.5].mean())
    tables = [
        reliability_table(
            confidence=confidence[drawn],
            correct=correct[drawn],
            pi=weighting,
            frame=None,
            edges=edges,
        )[1]
        for weighting in (pi[drawn], np.ones(int(drawn.sum())))
    ]
    weighted, naive = (cell.accuracy for cell in tables)
    assert weighted == pytest.approx(truth, abs=0.015)
    assert naive is not None
    assert truth - naive > 0.08
    (low, high), (_, naive_high) = (ends_of(cell) for cell in tables)
    assert low < truth < high
    assert naive_high < truth


def test_table_band_that_straddles_two_queues_follows_the_frame() -> None:
    """Within one band the margin sent some to hold (all labelled), the rest to auto (5%)."""
    confidence = np.full(260, 0.95)
    correct = np.concatenate([np.arange(200) < 100, np.arange(60) < 57])
    cell = reliability_table(
        confidence=confidence,
        correct=correct,
        pi=np.repeat([1.0, 0.05], [200, 60]),
        stratum=["hold"] * 200 + ["auto"] * 60,
        frame=Frame(confidence=[0.92, 0.97], count=[200, 1800], stratum=["hold", "auto"]),
    )[-1]
    assert (cell.n, cell.frame) == (260, 2000.0)
    assert cell.confidence == pytest.approx(0.1 * 0.92 + 0.9 * 0.97)
    assert cell.accuracy == pytest.approx(0.1 * 0.5 + 0.9 * 0.95)
    low, high = ends_of(cell)
    assert low < 0.905 < high < 0.96
    assert cell.verdict == "overconfident_certain"


def test_table_about_the_period_is_exact_after_full_review_but_the_verdict_is_not() -> None:
    cell = reliability_table(
        confidence=np.full(203, 0.55), correct=np.arange(203) < 124, pi=np.ones(203),
        frame=None, about="period",
    )[1]  # fmt: skip
    assert cell.low == cell.high == cell.accuracy == 124 / 203
    assert cell.verdict == "underconfident_possible"


def test_table_frame_lists_categories_nobody_labelled() -> None:
    cells = reliability_table(
        confidence=[0.95], correct=[1], pi=[0.05], category=["a"], edges=(0.5,),
        frame=Frame(confidence=[0.95, 0.7], count=[20, 30], category=["a", "b"]),
    )  # fmt: skip
    assert [(cell.category, cell.lower, cell.n, cell.frame) for cell in cells] == [
        ("a", 0.0, 0, 0.0), ("a", 0.5, 1, 20.0), ("b", 0.0, 0, 0.0), ("b", 0.5, 0, 30.0),
    ]  # fmt: skip
    assert cells[3] == Cell(
        "b", 0.5, 1.0, 0, 30.0, 0.7, None, None, None, None, "not_enough_labels"
    )


def test_table_frame_by_category_also_gives_the_aggregate() -> None:
    cell = reliability_table(
        confidence=[0.95], correct=[1], pi=[0.05], edges=(0.5,),
        frame=Frame(confidence=[0.95, 0.7], count=[20, 30], category=["a", "b"]),
    )[1]  # fmt: skip
    assert (cell.category, cell.frame) == (None, 50.0)
    assert cell.confidence == pytest.approx(0.8)


def test_table_one_category_equals_the_aggregate() -> None:
    groups = [row[:3] for row in HELPDESK]
    total = sum(n for _, n, _ in groups)
    by_category = fully_reviewed(groups, category=["only"] * total)
    assert [{**vars(cell), "category": None} for cell in by_category] == [
        vars(cell) for cell in fully_reviewed(groups)
    ]


def test_table_label_order_changes_nothing() -> None:
    random = np.random.default_rng(8)
    confidence, pi = random.random(500), random.choice([1.0, 0.1, 0.05], 500)
    correct = random.random(500) < confidence
    shuffled = random.permutation(500)
    first = reliability_table(confidence=confidence, correct=correct, pi=pi, frame=None)
    second = reliability_table(
        confidence=confidence[shuffled], correct=correct[shuffled], pi=pi[shuffled], frame=None
    )
    for one, other in zip(first, second, strict=True):
        assert one.verdict == other.verdict
        assert (one.n, one.accuracy, one.low, one.high, one.p_value) == pytest.approx(
            (other.n, other.accuracy, other.low, other.high, other.p_value), rel=1e-9
        )


def test_table_without_labels_has_no_nan() -> None:
    cells = reliability_table(confidence=[], correct=[], pi=[], frame=None)
    assert len(cells) == 6
    assert {(cell.n, cell.frame, cell.accuracy, cell.verdict) for cell in cells} == {
        (0, 0.0, None, "not_enough_labels")
    }
    assert reliability_table(confidence=[], correct=[], pi=[], category=[], frame=None) == []


def test_table_calibrated_stream_is_seldom_certain() -> None:
    """Discoveries among calibrated cells stay near the 5% that the correction allows."""
    random = np.random.default_rng(21)
    alarms = 0
    for _ in range(300):
        confidence = random.uniform(0.5, 1.0, 600)
        pi = np.where(confidence >= 0.9, 0.25, 1.0)
        drawn = random.random(600) < pi
        cells = reliability_table(
            confidence=confidence[drawn],
            correct=(random.random(600) < confidence)[drawn],
            pi=pi[drawn],
            frame=None,
            minimum=20,
        )
        alarms += any(cell.verdict.endswith("_certain") for cell in cells)
    assert alarms <= 27


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"confidence": [0.5, np.nan]}, r"confidence\[1\]: nan is not a probability"),
        ({"pi": [1.0, 0.0]}, r"pi\[1\]: 0.0 is not in \(0, 1\]"),
        ({"correct": [1, 2]}, r"correct\[1\]: 2.0 is neither 0 nor 1"),
        ({"category": ["a"]}, "category: has 1 keys for 2 rows"),
        ({"edges": (0.9, 0.5)}, "edges: .* do not rise strictly"),
        ({"stratum": ["x", "y"], "frame": Frame([0.5], [2], None, ["x"])}, "'y' is not in the fr"),
        ({"stratum": ["x", "y"], "frame": Frame([0.5], [2])}, "frame.stratum: is missing"),
        ({"category": ["x", "y"], "frame": Frame([0.5], [2])}, "frame.category: is missing"),
        ({"frame": Frame([0.5], [-1])}, "frame.count: holds -1.0"),
    ],
)  # fmt: skip
def test_table_bad_input_is_named(arguments: dict[str, object], message: str) -> None:
    good: dict[str, object] = {
        "confidence": [0.5, 0.6], "correct": [1, 0], "pi": [1.0, 1.0], "frame": None,
    }  # fmt: skip
    with pytest.raises(CalibrationError, match=message):
        reliability_table(**{**good, **arguments})  # type: ignore[arg-type]


def test_table_never_warns_on_ordinary_input() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(fully_reviewed([(0.0, 60, 0), (1.0, 60, 60)])) == 6
