"""Shrunk intercepts against scikit-learn, by hand, at both ends of shrinkage, and in simulation."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from calibration.core.calibrators import fit_platt
from calibration.core.errors import CalibrationError
from calibration.core.intercepts import categories_with_slope, fit_intercepts
from calibration.core.scores import log_loss
from routing.core.maps import CLIP, IDENTITY, CalibrationMap
from routing.core.rules import apply_maps

FloatArray = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

KEYS = tuple(f"category-{number}" for number in range(8))


def draw_labels(
    size: int, *, shift: FloatArray, slope: FloatArray | float = 0.7, seed: int
) -> tuple[FloatArray, FloatArray, Codes]:
    """Raw confidences, outcomes of chance s(slope_k z - .2 + shift_k), and the categories."""
    random = np.random.default_rng(seed)
    raw, code = random.beta(4.0, 1.0, size), random.integers(0, shift.size, size)
    steep = np.broadcast_to(slope, shift.shape)[code]
    chance = expit(steep * logit(raw) - 0.2 + shift[code])
    return raw, (random.random(size) < chance).astype(float), code


def sklearn_intercepts(
    raw: FloatArray, correct: FloatArray, code: Codes, weights: FloatArray
) -> FloatArray:
    """(2 + K,) by one penalised regression: columns are scaled, so one penalty serves for all.

    With C = 1/4 the penalty is 2 |coef|^2, that of N(0, 1/4); a column times 100 is all but free.
    """
    z = logit(np.clip(raw, CLIP, 1 - CLIP))
    free = 100.0
    columns = np.column_stack([free * z, free * np.ones_like(z), np.eye(KEYS.__len__())[code]])
    model = LogisticRegression(C=0.25, tol=1e-12, max_iter=10_000, fit_intercept=False)
    model.fit(columns, correct, sample_weight=weights * weights.sum() / (weights**2).sum())
    coefficients = np.asarray(model.coef_[0], dtype=np.float64)
    coefficients[:2] *= free
    return coefficients


@pytest.mark.parametrize("weighted", [False, True])
def test_intercepts_equal_scikit_learn(weighted: bool) -> None:
    shift = np.linspace(-0.8, 0.8, len(KEYS))
    raw, correct, code = draw_labels(1500, shift=shift, seed=1)
    weights = np.where(raw > 0.9, 20.0, 1.0) if weighted else np.ones(1500)
    fit = fit_intercepts(raw=raw, correct=correct, weights=weights, category=code, keys=KEYS)
    slope, intercept, *own = sklearn_intercepts(raw, correct, code, weights).tolist()
    assert fit.maps[""].parameters == pytest.approx((slope, intercept), abs=3e-3)
    for number, key in enumerate(KEYS):
        assert fit.maps[key].parameters == pytest.approx((slope, intercept + own[number]), abs=3e-3)


def test_category_with_few_labels_stays_near_the_stream() -> None:
    raw, correct, code = draw_labels(2000, shift=np.zeros(2), seed=2)
    code = np.where(np.arange(2000) < 3, 1, 0)
    correct[:3] = 0.0
    raw[:3] = 0.9
    fit = fit_intercepts(raw=raw, correct=correct, weights=None, category=code, keys=KEYS[:3])
    assert set(fit.maps) == {"", KEYS[0], KEYS[1]}  # nothing is known of the third
    away = fit.maps[KEYS[1]].parameters[1] - fit.maps[""].parameters[1]
    # Three wrong labels promised about .8: a gradient of 2.4 against a precision of 4 + .5.
    assert away == pytest.approx(-0.45, abs=0.1)
    assert fit.maps[KEYS[1]].parameters[0] == fit.maps[""].parameters[0]


def test_one_category_is_the_stream_wide_fit() -> None:
    raw, correct, code = draw_labels(800, shift=np.zeros(1), seed=3)
    fit = fit_intercepts(raw=raw, correct=correct, weights=None, category=code, keys=["only"])
    alone = fit_platt(raw=raw, correct=correct, weights=None)
    assert fit.maps["only"].parameters == pytest.approx(alone.map.parameters, abs=2e-3)


def test_category_all_right_or_all_wrong_stays_finite() -> None:
    raw, correct, code = draw_labels(600, shift=np.zeros(3), seed=4)
    correct[code == 1], correct[code == 2] = 1.0, 0.0
    fit = fit_intercepts(raw=raw, correct=correct, weights=None, category=code, keys=KEYS[:3])
    middle, right, wrong = (fit.maps[key].parameters[1] for key in KEYS[:3])
    assert wrong < middle < right
    assert max(abs(wrong), abs(right)) < 10.0


def test_own_slope_follows_its_category() -> None:
    slope = np.array([0.3, 1.2])
    raw, correct, code = draw_labels(20_000, shift=np.zeros(2), slope=slope, seed=5)
    weights = np.ones(20_000)
    keys = KEYS[:2]
    sloped = categories_with_slope(weights=weights, category=code, keys=keys)
    assert sloped == keys
    fit = fit_intercepts(
        raw=raw, correct=correct, weights=weights, category=code, keys=keys, sloped=sloped
    )
    assert [fit.maps[key].parameters[0] for key in keys] == pytest.approx(slope, abs=0.06)


def test_own_slope_needs_200_effective_labels() -> None:
    code = np.repeat([0, 1, 2], [200, 199, 300])
    weights = np.where(np.arange(699) < 660, 1.0, 20.0)
    assert categories_with_slope(weights=weights, category=code, keys=KEYS[:3]) == (KEYS[0],)


def test_own_slope_that_would_turn_the_scores_round_is_not_taken() -> None:
    raw, correct, code = draw_labels(4000, shift=np.zeros(2), slope=np.array([1.0, -1.0]), seed=6)
    fit = fit_intercepts(
        raw=raw, correct=correct, weights=None, category=code, keys=KEYS[:2], sloped=KEYS[:2]
    )
    assert fit.maps[KEYS[1]].parameters[0] == fit.maps[""].parameters[0] > 0.0


def test_few_labels_and_reversed_scores_are_flagged() -> None:
    raw, correct, code = draw_labels(29, shift=np.zeros(2), seed=7)
    few = fit_intercepts(raw=raw, correct=correct, weights=None, category=code, keys=KEYS)
    assert (few.maps, few.flagged) == ({"": IDENTITY}, True)
    assert "29.0 effective labels, 30 are needed" in few.note
    raw, correct, code = draw_labels(2000, shift=np.zeros(2), slope=-1.0, seed=8)
    turned = fit_intercepts(raw=raw, correct=correct, weights=None, category=code, keys=KEYS)
    assert set(turned.maps) == {""}
    assert turned.maps[""].parameters[0] == 0.0
    assert turned.flagged


def test_codes_that_are_no_categories_are_named() -> None:
    labels = {"raw": [0.5, 0.6], "correct": [1, 0], "weights": None, "keys": KEYS}
    with pytest.raises(CalibrationError, match=r"category: shape \(1,\) is not \(2,\)"):
        fit_intercepts(category=np.array([0]), **labels)  # type: ignore[arg-type]
    with pytest.raises(CalibrationError, match="category: 0 to 8 are not indices of 8 keys"):
        fit_intercepts(category=np.array([0, 8]), **labels)  # type: ignore[arg-type]


def mean_excess(shift_size: float, labels: int, *, draws: int = 40) -> tuple[float, float]:
    """Mean log loss on fresh labels that shrunk intercepts save over one Platt map; its error."""
    saved = []
    for seed in range(draws):
        random = np.random.default_rng(1000 + seed)
        shift = random.normal(0.0, shift_size, len(KEYS)) if shift_size else np.zeros(len(KEYS))
        raw, correct, code = draw_labels(labels, shift=shift, seed=seed)
        fresh, truth, kind = draw_labels(20_000, shift=shift, seed=5000 + seed)
        stream = fit_platt(raw=raw, correct=correct, weights=None).map
        own = fit_intercepts(raw=raw, correct=correct, weights=None, category=code, keys=KEYS)
        losses = [
            log_loss(
                confidence=apply_maps(maps, raw=fresh, predicted=kind, categories=KEYS),
                correct=truth,
                weights=None,
            ).value
            for maps in ({"": stream}, own.maps)
        ]
        saved.append(losses[0] - losses[1])
    return float(np.mean(saved)), float(np.std(saved) / np.sqrt(draws))


@pytest.mark.parametrize("labels", [200, 1000])
def test_intercepts_beat_the_stream_wide_map_where_categories_differ(labels: int) -> None:
    saved, error = mean_excess(0.7, labels)
    assert saved > 4 * error


@pytest.mark.parametrize("labels", [200, 1000])
def test_intercepts_cost_next_to_nothing_where_categories_do_not_differ(labels: int) -> None:
    """Less than the (K - 1) / 2n that free intercepts would: 3.5 / n for these eight categories."""
    saved, error = mean_excess(0.0, labels)
    assert -3.5 / labels < saved < 2 * error


def test_stream_wide_map_alone_is_worse_for_every_category_than_its_own() -> None:
    shift = np.array([-1.0, 1.0])
    raw, correct, code = draw_labels(20_000, shift=shift, seed=9)
    fit = fit_intercepts(raw=raw, correct=correct, weights=None, category=code, keys=KEYS[:2])
    high = np.array([0.9])
    truths = expit(0.7 * logit(0.9) - 0.2 + shift)
    for key, truth in zip(KEYS[:2], truths, strict=True):
        assert fit.maps[key].apply(high)[0] == pytest.approx(truth, abs=0.03)
    assert isinstance(fit.maps[""], CalibrationMap)
