"""Scores are out of fold, complete, repeatable, and never rounded up."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from reviewqueue.demo.crossfit import cross_fit, cut_score


def make_memoriser() -> KNeighborsClassifier:
    return KNeighborsClassifier(n_neighbors=1)


def test_cross_fit_never_scores_an_example_with_a_model_that_saw_it() -> None:
    # Labels are noise: a memoriser is always right on what it saw, and a coin on what it did not.
    rng = np.random.default_rng(1)
    features = rng.normal(size=(400, 3))
    labels = rng.permutation(np.repeat(["a", "b"], 200))
    scored = dict(cross_fit(make_memoriser, features, labels, folds=4, seed=3))
    assert sorted(scored) == list(range(400))
    right = sum(scores[str(labels[index])] == 1 for index, scores in scored.items())
    assert 150 < right < 250


def test_cross_fit_repeats_with_its_seed_and_changes_with_another() -> None:
    features = np.arange(24, dtype=float).reshape(12, 2)
    labels = np.array(["a", "b"] * 6)
    first = list(cross_fit(make_memoriser, features, labels, folds=3, seed=3))
    assert list(cross_fit(make_memoriser, features, labels, folds=3, seed=3)) == first
    assert list(cross_fit(make_memoriser, features, labels, folds=3, seed=4)) != first


@pytest.mark.parametrize(
    ("probability", "score"),
    [(0.0, 0.0), (1.0, 1.0), (0.9999999, 0.999999), (0.1234567, 0.123456), (2e-7, 0.0)],
)
def test_cut_score_never_rounds_up(probability: float, score: float) -> None:
    assert cut_score(probability) == score
