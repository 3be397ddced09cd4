import math

import numpy as np
import pytest

from routing.core.reach import (
    least_confidence_by_entropy,
    least_confidence_by_margin,
    least_entropy,
)


def test_three_categories_under_045_need_0804() -> None:
    least = least_confidence_by_entropy(categories=3, max_entropy=0.45)
    assert least == pytest.approx(0.8043054707512168, abs=1e-9)


def test_two_categories_at_half_need_half_only_under_full_entropy() -> None:
    assert least_confidence_by_entropy(categories=2, max_entropy=1.0) == 0.5
    assert least_confidence_by_entropy(categories=2, max_entropy=0.0) == pytest.approx(1.0)
    assert least_confidence_by_entropy(categories=1, max_entropy=0.0) == 1.0


def test_least_entropy_of_equal_halves() -> None:
    assert least_entropy(categories=4, confidence=0.5) == pytest.approx(0.5)
    assert least_entropy(categories=4, confidence=1.0) == 0.0


def test_margin_of_three_tenths_over_three_categories() -> None:
    # p1 + 2 (p1 - 0.3) = 1
    assert least_confidence_by_margin(categories=3, min_margin=0.3) == pytest.approx(1.6 / 3)


def test_no_random_vector_beats_the_bounds() -> None:
    rng = np.random.default_rng(5)
    for categories in (2, 3, 10):
        vectors = rng.dirichlet(np.full(categories, 0.3), size=20_000).clip(1e-300)
        top_two = np.sort(vectors, axis=1)[:, -2:]
        entropy = -(vectors * np.log(vectors)).sum(axis=1) / math.log(categories)
        for limit in (0.2, 0.45, 0.7):
            passing = top_two[entropy <= limit, 1]
            bound = least_confidence_by_entropy(categories=categories, max_entropy=limit)
            assert passing.min() >= bound - 1e-9
            passing = top_two[top_two[:, 1] - top_two[:, 0] >= limit, 1]
            bound = least_confidence_by_margin(categories=categories, min_margin=limit)
            assert passing.min() >= bound - 1e-9
