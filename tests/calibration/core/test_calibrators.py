"""Platt against scikit-learn, on saturated and hopeless labels, and the choice of a map."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from calibration.core.calibrators import fit_platt, refit_platt
from calibration.core.errors import CalibrationError
from calibration.core.scores import expected_calibration_error, log_loss
from routing.core.maps import CLIP, IDENTITY, CalibrationMap

FloatArray = npt.NDArray[np.float64]


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


def test_platt_weights_are_normalised_to_the_kish_size() -> None:
    raw, correct, weights = overconfident(400, seed=3)
    fit = fit_platt(raw=raw, correct=correct, weights=weights)
    scaled = fit_platt(raw=raw, correct=correct, weights=weights * 1000)
    assert fit.n_eff == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=1e-12)
    assert scaled.map.parameters == pytest.approx(fit.map.parameters, abs=1e-9)


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


def test_platt_constant_score_moves_to_the_accuracy() -> None:
    fit = fit_platt(raw=np.full(200, 0.95), correct=np.arange(200) < 150, weights=None)
    assert fit.map.apply(np.array([0.95]))[0] == pytest.approx(0.75, abs=1e-3)


def test_platt_reversed_scores_are_levelled_and_flagged() -> None:
    raw = np.linspace(0.5, 0.99, 400)
    fit = fit_platt(raw=raw, correct=np.random.default_rng(7).random(400) > raw, weights=None)
    assert fit.flagged
    assert fit.map.parameters[0] == 0.0
    assert np.ptp(fit.map.apply(raw)) == 0.0
    assert "does not rise" in fit.note


@pytest.mark.parametrize("labels", [0, 1, 29])
def test_platt_few_labels_are_the_identity(labels: int) -> None:
    fit = fit_platt(raw=np.full(labels, 0.9), correct=np.arange(labels) % 2, weights=None)
    assert (fit.map, fit.n_eff, fit.flagged) == (IDENTITY, labels, True)
    assert fit.note == f"identity: {labels:.1f} effective labels, 30 are needed for a fit"


def test_platt_counts_effective_labels_not_labels() -> None:
    raw, correct, weights = np.full(60, 0.9), np.arange(60) % 2, np.repeat([1.0, 100.0], [50, 10])
    assert fit_platt(raw=raw, correct=correct, weights=None).map.kind == "platt"
    assert fit_platt(raw=raw, correct=correct, weights=weights).map == IDENTITY


@pytest.mark.parametrize(("outcome", "word"), [(0, "wrong"), (1, "right")])
def test_platt_one_outcome_is_the_identity(outcome: int, word: str) -> None:
    fit = fit_platt(raw=np.linspace(0.5, 1, 100), correct=np.full(100, outcome), weights=None)
    assert (fit.map, fit.flagged) == (IDENTITY, True)
    assert f"the model was {word}" in fit.note


def test_platt_bad_input_is_named() -> None:
    with pytest.raises(CalibrationError, match=r"raw\[1\]: 1.2 is not a probability"):
        fit_platt(raw=[0.5, 1.2], correct=[1, 0], weights=None)
    with pytest.raises(CalibrationError, match="correct: has 1 values for 2"):
        fit_platt(raw=[0.5, 0.6], correct=[1], weights=None)


def in_fifths(raw: FloatArray) -> npt.NDArray[np.int64]:
    return np.arange(raw.size) % 5


def test_refit_overconfident_stream_wins_and_mends_it() -> None:
    raw, correct, weights = overconfident(2000, seed=8)
    refit = refit_platt(raw=raw, correct=correct, weights=weights, current=raw, fold=in_fifths(raw))
    assert refit.wins
    fit = refit.fit
    assert fit.map.kind == "platt"
    fresh, truth, mass = overconfident(20_000, seed=9)
    before = expected_calibration_error(confidence=fresh, correct=truth, weights=mass)
    after = expected_calibration_error(confidence=fit.map.apply(fresh), correct=truth, weights=mass)
    assert before > 0.14
    assert after < 0.04


def test_refit_does_not_win_where_the_promises_are_kept() -> None:
    raw, _, weights = overconfident(2000, seed=10)
    fold = in_fifths(raw)
    random = np.random.default_rng(11)
    honest = random.random(2000) < raw
    kept = refit_platt(raw=raw, correct=honest, weights=weights, current=raw, fold=fold)
    assert (kept.wins, kept.fit.flagged) == (False, False)
    mapped = CalibrationMap("platt", (0.6, -0.5)).apply(raw)
    correct = random.random(2000) < mapped
    again = refit_platt(raw=raw, correct=correct, weights=weights, current=mapped, fold=fold)
    assert not again.wins
    assert refit_platt(raw=raw, correct=correct, weights=weights, current=raw, fold=fold).wins


def test_refit_judges_each_label_by_a_fit_on_the_others() -> None:
    raw, correct, weights = overconfident(500, seed=12)
    fold = in_fifths(raw)
    refit = refit_platt(raw=raw, correct=correct, weights=weights, current=raw, fold=fold)
    others = fold != 3
    apart = fit_platt(raw=raw[others], correct=correct[others], weights=weights[others])
    np.testing.assert_allclose(refit.held_out[~others], apart.map.apply(raw[~others]), atol=1e-9)


def test_refit_few_labels_are_flagged_and_not_compared() -> None:
    raw, correct, weights = (each[:20] for each in overconfident(500, seed=12))
    refit = refit_platt(raw=raw, correct=correct, weights=weights, current=raw, fold=in_fifths(raw))
    assert (refit.fit.map, refit.fit.flagged, refit.wins) == (IDENTITY, True, False)
    assert (refit.gain, refit.error) == (0.0, 0.0)
