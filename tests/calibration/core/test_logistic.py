"""The damped, ridged regression under the maps: against scikit-learn, its prior, hard labels."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression

from calibration.core.logistic import Points, Prior, sigmoid, solve_logistic

FloatArray = npt.NDArray[np.float64]

NEARLY_FREE = Prior(np.zeros(3), np.full(3, 1e-6))


def draw_points(size: int, seed: int) -> Points:
    random = np.random.default_rng(seed)
    # Both regressors are functions of one variable, as those of the beta map are.
    along = random.normal(1.0, 2.0, size)
    columns = np.stack([along, np.exp(-np.abs(along)), np.ones(size)])
    total = random.choice([0.1, 1.0, 3.0], size)
    right = random.random(size) < sigmoid(np.array([0.7, -1.0, 0.3]) @ columns)
    return Points(columns, total, total * right)


@pytest.mark.parametrize("size", [500, 30_000])  # the latter meets a histogram first
def test_coefficients_equal_scikit_learn(size: int) -> None:
    points = draw_points(size, seed=1)
    oracle = LogisticRegression(C=1e9, tol=1e-10, max_iter=5000, fit_intercept=False)
    oracle.fit(points.columns.T, points.positive > 0.0, sample_weight=points.total)
    found = solve_logistic(points, NEARLY_FREE, along=points.columns[0])
    assert found == pytest.approx(oracle.coef_[0], abs=1e-3)


def test_histogram_changes_nothing_but_the_start() -> None:
    points = draw_points(20_000, seed=2)
    found = solve_logistic(points, NEARLY_FREE, along=points.columns[0])
    split = [
        solve_logistic(points, NEARLY_FREE, along=np.zeros(20_000)),
        solve_logistic(points, NEARLY_FREE, along=np.arange(20_000.0)),
    ]
    np.testing.assert_allclose(split, [found, found], atol=1e-6)


def test_prior_holds_where_the_labels_do_not_say() -> None:
    points = Points(np.stack([np.zeros(50), np.ones(50)]), np.ones(50), np.ones(50) * 0.5)
    prior = Prior(np.array([1.0, 2.0]), np.array([0.01, 1e9]))
    found = solve_logistic(points, prior, along=points.columns[0])
    assert found == pytest.approx([1.0, 2.0], abs=1e-6)


def test_prior_of_one_coefficient_against_one_label_by_hand() -> None:
    """At the minimum the gradient s(t) - 1 + 4 t vanishes: t = .1176."""
    points = Points(np.ones((1, 1)), np.ones(1), np.ones(1))
    found = solve_logistic(points, Prior(np.zeros(1), np.full(1, 4.0)), along=np.ones(1))
    assert sigmoid(found)[0] - 1.0 + 4.0 * found[0] == pytest.approx(0.0, abs=1e-9)
    assert found[0] == pytest.approx(0.1176, abs=1e-4)


def test_separable_points_far_out_end_at_finite_coefficients() -> None:
    far = np.concatenate([np.full(50, -700.0), np.full(50, 900.0)])
    points = Points(np.stack([far, np.ones(100)]), np.ones(100), (far > 0).astype(float))
    found = solve_logistic(points, Prior(np.array([1.0, 0.0]), np.full(2, 1e-2)), along=far)
    assert np.isfinite(found).all()
    assert found[0] > 0.0


def test_sigmoid_of_anything_is_a_probability_without_a_warning() -> None:
    assert sigmoid(np.array([-1e6, -2.0, 0.0, 2.0, 1e6])) == pytest.approx(
        [0.0, 0.119202922, 0.5, 0.880797078, 1.0], abs=1e-9
    )
