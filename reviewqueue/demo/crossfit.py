"""Scores for every example of a labelled set, each from a model that was not trained on it.

K-fold cross-fitting: the examples are split into K stratified folds, and the scores of a fold
come from a fit on the other K - 1. Stone (1974), "Cross-validatory choice and assessment of
statistical predictions", JRSS B 36(2).

scikit-learn is imported inside functions here and beside: it takes seconds, and only training
needs it.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCORE_SCALE = 1_000_000


def cross_fit(
    make_model: Callable[[], Any],
    features: NDArray[Any],
    labels: NDArray[np.str_],
    *,
    folds: int,
    seed: int,
    groups: NDArray[Any] | None = None,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield (index, scores by label) for every example, fold by fold, as each fit is done.

    `features` has n rows, `labels` has shape (n,); `make_model` returns an unfitted scikit-learn
    classifier with `predict_proba`. Scores are cut to 6 decimals. The same seed gives the same
    folds. With `groups`, of shape (n,), the examples of a group are in one fold.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # noqa: PLC0415

    split_by = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = split_by(n_splits=folds, shuffle=True, random_state=seed)
    for train, held_out in splitter.split(features, labels, groups):
        model = make_model().fit(features[train], labels[train])
        classes = [str(label) for label in model.classes_]
        probabilities = model.predict_proba(features[held_out]).tolist()
        for index, row in zip(held_out.tolist(), probabilities, strict=True):
            yield index, {key: cut_score(p) for key, p in zip(classes, row, strict=True)}


def cut_score(probability: float) -> float:
    """Return `probability` cut to 6 decimals: rounding up could make a row sum to over 1."""
    return math.floor(probability * SCORE_SCALE) / SCORE_SCALE
