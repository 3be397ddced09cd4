"""Platt, temperature and beta against scikit-learn and scipy, on good and on hopeless labels."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_expit, logit
from sklearn.linear_model import LogisticRegression

from calibration.core.calibrators import Fit, fit_beta, fit_platt, fit_temperature
from calibration.core.errors import CalibrationError
from calibration.core.isotonic import fit_isotonic
from calibration.core.scores import log_loss
from routing.core.maps import CLIP, IDENTITY

FloatArray = npt.NDArray[np.float64]
Fitter = Callable[..., Fit]

ALL: list[Fitter] = [fit_platt, fit_temperature, fit_beta, fit_isotonic]


def overconfident(size: int, seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Raw scores whose truth is s(.6 z - .5), outcomes, and the weights of a 5% audit."""
    random = np.random.default_rng(seed)
    raw = random.beta(4.0, 1.0, size)
    correct = (random.random(size) < expit(0.6 * logit(raw) - 0.5)).astype(float)
    return raw, correct, np.where(raw > 0.9, 20.0, 1.0)


def sklearn_platt(
    raw: FloatArray, correct: FloatArray, weights: FloatArray | None
) -> tuple[float, float]:
    z = logit(np.clip(raw, CLIP, 1 - CLIP))[:, None]
    model = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000)
    model.fit(z, correct, sample_weight=weights)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


@pytest.mark.parametrize("size", [1500, 40_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_platt_equals_scikit_learn(size: int, weighted: bool) -> None:
    raw, correct, weights = overconfident(size, seed=1)
    used = weights if weighted else None
    fit = fit_platt(raw=raw, correct=correct, weights=used)
    assert fit.map.kind == "platt"
    assert fit.map.parameters == pytest.approx(sklearn_platt(raw, correct, used), abs=1e-3)
    assert not fit.flagged


def test_platt_recovers_the_truth() -> None:
    raw, correct, weights = overconfident(200_000, seed=2)
    fit = fit_platt(raw=raw, correct=correct, weights=weights)
    assert fit.map.parameters == pytest.approx((0.6, -0.5), abs=0.05)


def test_platt_weights_undo_the_sampling() -> None:
    random = np.random.default_rng(4)
    raw, correct, _ = overconfident(60_000, seed=5)
    # Where the margin was small the item was held and labelled in full; those err more often.
    easy = random.random(raw.size) < np.where(correct == 1, 0.9, 0.3)
    pi = np.where(easy, 0.05, 1.0)
    drawn = random.random(raw.size) < pi
    everything = fit_platt(raw=raw, correct=correct, weights=None).map.apply(raw)
    weighted, naive = (
        fit_platt(raw=raw[drawn], correct=correct[drawn], weights=weights).map.apply(raw)
        for weights in (1 / pi[drawn], None)
    )
    assert np.abs(weighted - everything).max() < 0.05
    assert float((everything - naive).mean()) > 0.2


def test_platt_saturated_network_converges() -> None:
    """Scores of exactly 1 and nearly 1, a tenth of them wrong: plain Newton diverges here."""
    random = np.random.default_rng(6)
    raw = np.concatenate([np.ones(600), 1 - 10.0 ** random.uniform(-12, -4, 400)])
    correct = (random.random(1000) < 0.9).astype(float)
    fit = fit_platt(raw=raw, correct=correct, weights=None)
    assert fit.map.apply(raw).mean() == pytest.approx(correct.mean(), abs=1e-3)
    best = log_loss(confidence=np.full(1000, correct.mean()), correct=correct, weights=None).value
    fitted = log_loss(confidence=fit.map.apply(raw), correct=correct, weights=None).value
    assert fitted <= best + 1e-3


def test_platt_separable_labels_stay_finite() -> None:
    raw = np.concatenate([np.linspace(0.1, 0.45, 50), np.linspace(0.55, 0.99, 50)])
    fit = fit_platt(raw=raw, correct=raw > 0.5, weights=None)
    slope, intercept = fit.map.parameters
    assert 1.0 < slope < 100.0
    assert abs(intercept) < 100.0
    calibrated = fit.map.apply(raw)
    assert calibrated[:50].max() < 0.5 < calibrated[50:].min()


def test_platt_reversed_scores_are_levelled_and_flagged() -> None:
    raw = np.linspace(0.5, 0.99, 400)
    fit = fit_platt(raw=raw, correct=np.random.default_rng(7).random(400) > raw, weights=None)
    assert fit.flagged
    assert fit.map.parameters[0] == 0.0
    assert np.ptp(fit.map.apply(raw)) == 0.0
    assert "does not rise" in fit.note


@pytest.mark.parametrize("fit_map", ALL)
@pytest.mark.parametrize("labels", [0, 1, 29])
def test_few_labels_are_the_identity(fit_map: Fitter, labels: int) -> None:
    fit = fit_map(raw=np.full(labels, 0.9), correct=np.arange(labels) % 2, weights=None)
    assert (fit.map, fit.n_eff, fit.flagged) == (IDENTITY, labels, True)
    assert fit.note == f"identity: {labels:.1f} effective labels, 30 are needed for a fit"


def test_platt_counts_effective_labels_not_labels() -> None:
    raw, correct, weights = np.full(60, 0.9), np.arange(60) % 2, np.repeat([1.0, 100.0], [50, 10])
    assert fit_platt(raw=raw, correct=correct, weights=None).map.kind == "platt"
    assert fit_platt(raw=raw, correct=correct, weights=weights).map == IDENTITY


@pytest.mark.parametrize("fit_map", ALL)
@pytest.mark.parametrize(("outcome", "word"), [(0, "wrong"), (1, "right")])
def test_one_outcome_is_the_identity(fit_map: Fitter, outcome: int, word: str) -> None:
    fit = fit_map(raw=np.linspace(0.5, 1, 100), correct=np.full(100, outcome), weights=None)
    assert (fit.map, fit.flagged) == (IDENTITY, True)
    assert f"the model was {word}" in fit.note


@pytest.mark.parametrize("fit_map", ALL)
@pytest.mark.parametrize("raw", [0.0, 0.5, 0.95, 1.0])
def test_constant_score_gives_a_finite_map(fit_map: Fitter, raw: float) -> None:
    fit = fit_map(raw=np.full(200, raw), correct=np.arange(200) < 150, weights=None)
    calibrated = fit.map.apply(np.array([0.0, raw, 1.0]))
    assert np.isfinite(calibrated).all()
    # A temperature turns about one half, so it cannot move 0.5 at all, nor 0 up.
    if fit_map is not fit_temperature:
        assert calibrated[1] == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize("fit_map", ALL)
def test_scores_at_both_ends_give_a_finite_map(fit_map: Fitter) -> None:
    raw = np.repeat([0.0, 1.0], 100)
    correct = np.concatenate([np.arange(100) < 10, np.arange(100) < 80])
    fit = fit_map(raw=raw, correct=correct, weights=None)
    calibrated = fit.map.apply(np.array([0.0, 0.5, 1.0]))
    assert np.isfinite(calibrated).all()
    assert 0.0 < calibrated[0] < calibrated[1] < calibrated[2] < 1.0


@pytest.mark.parametrize("fit_map", ALL)
def test_weights_are_normalised_to_the_kish_size(fit_map: Fitter) -> None:
    raw, correct, weights = overconfident(400, seed=3)
    fit = fit_map(raw=raw, correct=correct, weights=weights)
    scaled = fit_map(raw=raw, correct=correct, weights=weights * 1000)
    assert fit.n_eff == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=1e-12)
    np.testing.assert_allclose(scaled.map.apply(raw), fit.map.apply(raw), atol=1e-9)


@pytest.mark.parametrize("fit_map", ALL)
def test_bad_input_is_named(fit_map: Fitter) -> None:
    with pytest.raises(CalibrationError, match=r"raw\[1\]: 1.2 is not a probability"):
        fit_map(raw=[0.5, 1.2], correct=[1, 0], weights=None)
    with pytest.raises(CalibrationError, match=r"raw\[0\]: nan is not a probability"):
        fit_map(raw=[np.nan, 0.5], correct=[1, 0], weights=None)
    with pytest.raises(CalibrationError, match="correct: has 1 values for 2"):
        fit_map(raw=[0.5, 0.6], correct=[1], weights=None)
    with pytest.raises(
        CalibrationError, match=r"weights\[0\]: 0.0 is not a positive finite weight"
    ):
        fit_map(raw=[0.5, 0.6], correct=[1, 0], weights=[0, 1])


@pytest.mark.parametrize("size", [1500, 40_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_temperature_equals_scipy(size: int, weighted: bool) -> None:
    raw, correct, weights = overconfident(size, seed=21)
    mass = weights if weighted else np.ones(size)
    z, sign = logit(np.clip(raw, CLIP, 1 - CLIP)), 2 * correct - 1
    best = minimize_scalar(
        lambda log_t: -np.dot(mass, log_expit(sign * z / np.exp(log_t))), bounds=(-3, 3)
    )
    fit = fit_temperature(raw=raw, correct=correct, weights=mass)
    assert fit.map.kind == "temperature"
    assert fit.map.parameters[0] == pytest.approx(np.exp(best.x), rel=1e-3)


def test_temperature_that_can_only_blur_is_the_identity() -> None:
    raw = np.linspace(0.5, 0.99, 400)
    fit = fit_temperature(raw=raw, correct=np.arange(400) % 4 == 0, weights=None)
    assert (fit.map, fit.flagged) == (IDENTITY, True)
    assert fit.note == "identity: hotter is always better, so no temperature fits"


def scipy_beta(raw: FloatArray, correct: FloatArray, mass: FloatArray) -> FloatArray:
    clipped = np.clip(raw, CLIP, 1 - CLIP)
    columns = np.stack([np.log(clipped), -np.log1p(-clipped), np.ones_like(raw)])
    sign = 2 * correct - 1

    def loss(theta: FloatArray) -> float:
        return float(-np.dot(mass, log_expit(sign * (theta @ columns))) / mass.sum())

    def slopes(theta: FloatArray) -> FloatArray:
        rise = columns @ (mass * sign * expit(-sign * (theta @ columns)))
        return np.asarray(-rise / mass.sum(), dtype=np.float64)

    found = minimize(
        loss,
        np.array([1.0, 1.0, 0.0]),
        method="L-BFGS-B",
        jac=slopes,
        bounds=[(0, None), (0, None), (None, None)],
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000},
    )
    return np.asarray(found.x, dtype=np.float64)


@pytest.mark.parametrize("size", [3000, 40_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_beta_equals_scipy(size: int, weighted: bool) -> None:
    raw, correct, weights = overconfident(size, seed=22)
    mass = weights if weighted else np.ones(size)
    fit = fit_beta(raw=raw, correct=correct, weights=mass)
    oracle = scipy_beta(raw, correct, mass)
    assert fit.map.kind == "beta"
    clipped = np.clip(raw, CLIP, 1 - CLIP)
    expected = expit(oracle[0] * np.log(clipped) - oracle[1] * np.log1p(-clipped) + oracle[2])
    np.testing.assert_allclose(fit.map.apply(raw), expected, atol=2e-3)


def test_beta_holds_a_negative_coefficient_at_zero() -> None:
    """Accuracy that falls where p is small and rises where it is near 1 would need a < 0."""
    random = np.random.default_rng(23)
    raw = random.uniform(0.02, 0.98, 5000)
    truth = expit(-1.5 * np.log(raw) - 1.5 * np.log1p(-raw) - 3.0)
    correct = (random.random(5000) < truth).astype(float)
    fit = fit_beta(raw=raw, correct=correct, weights=None)
    a, b, _ = fit.map.parameters
    assert (a, b > 0.0, fit.flagged) == (0.0, True, False)
    oracle = scipy_beta(raw, correct, np.ones(5000))
    assert fit.map.parameters == pytest.approx(oracle, abs=0.02)


def test_beta_reversed_scores_are_levelled_and_flagged() -> None:
    raw = np.linspace(0.01, 0.99, 400)
    fit = fit_beta(raw=raw, correct=np.random.default_rng(7).random(400) > raw, weights=None)
    assert fit.flagged
    assert np.ptp(fit.map.apply(raw)) == 0.0
    assert "does not rise" in fit.note
