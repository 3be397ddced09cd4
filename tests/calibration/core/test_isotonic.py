"""Pooling of adjacent violators against scikit-learn and venn-abers, and its map."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.isotonic import IsotonicRegression
from venn_abers import VennAbers

from calibration.core.isotonic import fit_isotonic, pool_adjacent

FloatArray = npt.NDArray[np.float64]


def draw_labels(size: int, *, decimals: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Scores with the ties that rounding makes, and outcomes that follow their square."""
    random = np.random.default_rng(seed)
    raw = np.round(random.beta(3.0, 1.0, size), decimals)
    return raw, (random.random(size) < raw**2).astype(float)


@pytest.mark.parametrize("decimals", [1, 2, 3, 16])
@pytest.mark.parametrize("weighted", [False, True])
def test_steps_equal_scikit_learn(decimals: int, weighted: bool) -> None:
    raw, correct = draw_labels(2000, decimals=decimals, seed=1)
    weights = np.where(raw > 0.9, 20.0, 1.0) if weighted else np.ones(2000)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(raw, correct, sample_weight=weights)
    x, y = pool_adjacent(raw, correct, weights)
    grid = np.linspace(0.0, 1.0, 501)
    np.testing.assert_allclose(np.interp(grid, x, y), oracle.predict(grid), atol=1e-12)
    # scikit-learn adds no knots of its own but those inside a step that it cannot leave out.
    assert x.size <= oracle.X_thresholds_.size


def test_steps_by_hand() -> None:
    x, y = pool_adjacent(
        np.array([0.9, 0.2, 0.5, 0.5, 0.7]),
        np.array([1.0, 0.0, 1.0, 0.0, 0.0]),
        np.array([4.0, 1.0, 1.0, 2.0, 1.0]),
    )
    # .5 holds 1 of 3 and .7 0 of 1: together 1 of 4.
    assert x.tolist() == [0.2, 0.5, 0.7, 0.9]
    assert y.tolist() == [0.0, 0.25, 0.25, 1.0]


def test_weight_two_is_the_point_twice() -> None:
    raw, correct = draw_labels(300, decimals=2, seed=2)
    times = np.random.default_rng(3).integers(1, 4, 300)
    weighted = pool_adjacent(raw, correct, times.astype(float))
    repeated = pool_adjacent(raw.repeat(times), correct.repeat(times), np.ones(times.sum()))
    np.testing.assert_allclose(weighted, repeated, atol=1e-12)


@pytest.mark.parametrize("score", [0.35, 0.6, 0.83, 0.99])
def test_steps_with_one_more_label_equal_venn_abers(score: float) -> None:
    """The two Venn-Abers probabilities are isotonic fits with the new label wrong, and right."""
    raw, correct = draw_labels(400, decimals=2, seed=4)
    oracle = VennAbers()
    oracle.fit(np.stack([1 - raw, raw], axis=1), correct)
    _, pair = oracle.predict_proba(np.array([[1 - score, score]]))
    for outcome, expected in zip((0.0, 1.0), pair[0], strict=True):
        x, y = pool_adjacent(np.append(raw, score), np.append(correct, outcome), np.ones(401))
        assert np.interp(score, x, y) == pytest.approx(expected, abs=1e-6)


def test_map_never_promises_certainty() -> None:
    raw = np.linspace(0.01, 0.99, 99)
    fit = fit_isotonic(raw=raw, correct=raw > 0.5, weights=None)
    low, high = fit.map.apply(np.array([0.0, 1.0]))
    # 50 wrong labels below, 49 right ones above, half a label of each outcome at both ends.
    assert (low, high) == pytest.approx((0.5 / 51, 49.5 / 50), abs=1e-12)
    assert not fit.flagged


def test_map_has_few_knots_and_rises() -> None:
    raw, correct = draw_labels(20_000, decimals=16, seed=5)
    fit = fit_isotonic(raw=raw, correct=correct, weights=None)
    assert 2 <= len(fit.map.knots) < 200
    assert (np.diff(fit.map.apply(np.linspace(0, 1, 1000))) >= 0).all()
    assert np.abs(fit.map.apply(raw) - raw**2).mean() < 0.02


def test_reversed_scores_are_levelled_and_flagged() -> None:
    raw = np.linspace(0.01, 0.99, 400)
    fit = fit_isotonic(raw=raw, correct=np.random.default_rng(7).random(400) > raw, weights=None)
    assert fit.flagged
    assert np.ptp(fit.map.apply(raw)) == 0.0
    assert "does not rise" in fit.note
