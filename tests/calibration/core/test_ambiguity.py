"""Pairs that get mixed up, by hand."""

import numpy as np
import pytest
import statsmodels.api as sm

from calibration.core.ambiguity import (
    ClosePair,
    NamedPair,
    close_pairs,
    confused_pairs,
    named_pairs,
)
from calibration.core.errors import CalibrationError


def test_confused_pairs_by_hand() -> None:
    # Two audited errors that stand for ten each, three held ones that stand for themselves.
    found = confused_pairs(
        predicted=np.array([0, 1, 0, 0, 2, 1, 2]),
        truth=[[1], [0], [1], [2], [1], [1], [2]],
        pi=[0.1, 0.1, 1.0, 1.0, 1.0, 0.1, 1.0],
        categories=3,
    )
    assert [(one.first, one.second, one.labels) for one in found] == [
        (0, 1, 3),
        (0, 2, 1),
        (1, 2, 1),
    ]
    top = found[0]
    assert top.share == pytest.approx(21 / 23)
    # The model said 1 for 0 on ten, and 0 for 1 on eleven.
    assert (top.first_as_second, top.second_as_first) == pytest.approx((10 / 23, 11 / 23))
    assert top.low < top.lift < top.high


def spell_out(table: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    """What the model said and what was right, for counts of the first (rows) by the second."""
    counted = [(i, j, n) for i, row in enumerate(table) for j, n in enumerate(row)]
    pairs = [(i, j) for i, j, n in counted for _ in range(n)]
    return [i for i, _ in pairs], [[j] for _, j in pairs]


def test_lift_is_one_where_what_is_said_and_what_is_right_are_independent() -> None:
    said, right = spell_out([[90, 1, 2], [2, 70, 4], [3, 3, 80]])  # (1, 2, 3) times (1, 1, 2)
    found = confused_pairs(
        predicted=np.array(said), truth=right, pi=np.ones(len(said)), categories=3
    )
    assert [one.lift for one in found] == pytest.approx([1.0, 1.0, 1.0], abs=1e-8)


def test_lift_equals_a_log_linear_model_of_statsmodels() -> None:
    table = [[0, 31, 4, 9], [12, 0, 7, 2], [3, 5, 0, 25], [8, 1, 14, 0]]
    said, right = spell_out(table)
    cells = [(i, j) for i in range(4) for j in range(4) if i != j]
    design = np.zeros((12, 7))
    for number, (i, j) in enumerate(cells):
        design[number, i] = 1.0
        if j:
            design[number, 3 + j] = 1.0
    counts = np.array([table[i][j] for i, j in cells], dtype=float)
    fitted = sm.GLM(counts, design, family=sm.families.Poisson()).fit(tol=1e-12).fittedvalues
    expected = dict(zip(cells, fitted.tolist(), strict=True))
    for one in confused_pairs(
        predicted=np.array(said), truth=right, pi=np.ones(len(said)), categories=4
    ):
        i, j = one.first, one.second
        both = (table[i][j] + table[j][i]) / (expected[i, j] + expected[j, i])
        assert one.lift == pytest.approx(both, rel=1e-6)


def test_pair_mixed_up_only_because_both_are_common_has_lift_one() -> None:
    random = np.random.default_rng(3)
    shares = [0.5, 0.3, 0.1, 0.1]
    said, right = (random.choice(4, 40_000, p=shares) for _ in range(2))
    found = confused_pairs(
        predicted=said, truth=[[one] for one in right.tolist()], pi=np.ones(40_000), categories=4
    )
    assert len(found) == 6
    for one in found:
        assert one.lift == pytest.approx(1.0, abs=0.1)


def test_lift_interval_covers() -> None:
    random, covered = np.random.default_rng(4), 0
    for _ in range(100):
        said = random.integers(0, 3, 600)
        right = (said + 1 + (random.random(600) < 0.5)) % 3
        found = confused_pairs(
            predicted=said, truth=[[one] for one in right.tolist()], pi=np.ones(600), categories=3
        )
        pair = next(one for one in found if (one.first, one.second) == (0, 1))
        covered += pair.low <= 1.0 <= pair.high
    assert covered >= 93


def test_answer_that_would_do_is_no_error_and_several_share_one() -> None:
    found = confused_pairs(
        predicted=np.array([0, 0]), truth=[[0, 1], [1, 2]], pi=[1.0, 1.0], categories=3
    )
    assert [(one.first, one.second, one.labels, one.share) for one in found] == [
        (0, 1, 1, 0.5),
        (0, 2, 1, 0.5),
    ]


def test_no_errors_give_no_pairs() -> None:
    assert confused_pairs(predicted=np.array([0]), truth=[[0]], pi=[1.0], categories=2) == []
    nothing = np.zeros(0, dtype=int)
    assert confused_pairs(predicted=nothing, truth=[], pi=[], categories=2) == []
    assert confused_pairs(predicted=np.array([0]), truth=[[]], pi=[1.0], categories=2) == []


def test_only_one_pair_is_all_errors() -> None:
    found = confused_pairs(
        predicted=np.array([0, 0, 1]), truth=[[1], [1], [0]], pi=[1.0] * 3, categories=2
    )
    assert [(one.share, one.lift) for one in found] == [(1.0, 1.0)]
    assert np.isfinite([found[0].low, found[0].high]).all()


def test_named_pairs_by_hand() -> None:
    found = named_pairs(truth=[[0, 1], [2, 1, 0], [2], []], pi=[0.5, 1.0, 1.0, 1.0], categories=3)
    assert found == [
        NamedPair(0, 1, 2, 3 / 5),
        NamedPair(0, 2, 1, 1 / 5),
        NamedPair(1, 2, 1, 1 / 5),
    ]
    assert named_pairs(truth=[], pi=[], categories=3) == []


def test_close_pairs_by_hand() -> None:
    found = close_pairs(
        first=np.array([0, 1, 0, 2, 2]),
        second=np.array([1, 0, 1, 1, 0]),
        margin=[0.15, 0.0, 0.16, 0.1, 0.5],
        categories=3,
    )
    assert found == [ClosePair(0, 1, 2, 2 / 5, 2 / 3), ClosePair(1, 2, 1, 1 / 5, 1 / 3)]
    nothing = np.zeros(0, dtype=int)
    assert close_pairs(first=nothing, second=nothing, margin=[], categories=3) == []


@pytest.mark.parametrize(
    ("predicted", "truth", "pi", "words"),
    [
        ([3], [[0]], [1.0], "predicted: must lie from 0 to 2"),
        ([0], [[3]], [1.0], "truth: must lie from 0 to 2"),
        ([0], [[1], [2]], [1.0], "truth: has 2 answers for 1 labels"),
        ([0], [[1]], [0.0], "pi"),
        ([0], [[1]], [float("nan")], "pi"),
    ],
)
def test_what_is_no_label_is_refused(
    predicted: list[int], truth: list[list[int]], pi: list[float], words: str
) -> None:
    with pytest.raises(CalibrationError, match=words):
        confused_pairs(predicted=np.array(predicted), truth=truth, pi=pi, categories=3)


@pytest.mark.parametrize("margin", [float("nan"), -0.1, 1.1])
def test_what_is_no_margin_is_refused(margin: float) -> None:
    with pytest.raises(CalibrationError, match="margin"):
        close_pairs(first=np.array([0]), second=np.array([1]), margin=[margin], categories=2)
