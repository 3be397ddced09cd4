"""Which map is chosen: the ladder of label counts, the two standard errors, odd labels, noise."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit, logit

from calibration.core.calibrators import fit_platt
from calibration.core.errors import CalibrationError
from calibration.core.scores import expected_calibration_error, log_loss
from calibration.core.selection import Selection, select_maps
from routing.core.maps import CalibrationMap
from routing.core.rules import apply_maps

FloatArray = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

KEYS = tuple(f"category-{number}" for number in range(6))
KINDS = (
    "Platt",
    "beta",
    "Platt with category intercepts",
    "Platt with category intercepts and slopes",
    "isotonic",
)


def draw_raw(size: int, seed: int) -> tuple[FloatArray, Codes, FloatArray]:
    """Raw confidences, categories and uniform numbers that decide the outcomes."""
    random = np.random.default_rng(seed)
    return random.beta(4.0, 1.0, size), random.integers(0, len(KEYS), size), random.random(size)


def select(
    raw: FloatArray,
    correct: npt.NDArray[np.bool_] | FloatArray,
    code: Codes,
    *,
    weights: FloatArray | None = None,
    current: FloatArray | None = None,
    keys: Sequence[str] = KEYS,
    keep_order: bool = False,
) -> Selection:
    return select_maps(
        raw=raw,
        correct=correct,
        weights=weights,
        category=code,
        keys=keys,
        current=raw if current is None else current,
        current_name="the raw confidence",
        fold=np.arange(raw.size) % 5,
        keep_order=keep_order,
    )


def overconfident(size: int, seed: int) -> tuple[FloatArray, npt.NDArray[np.bool_], Codes]:
    raw, code, dice = draw_raw(size, seed)
    return raw, dice < expit(0.6 * logit(raw) - 0.5), code


def outcomes(selected: Selection) -> dict[str, str]:
    return {trial.name: trial.outcome for trial in selected.trials}


def names_tried(selected: Selection) -> list[str]:
    return [trial.name for trial in selected.trials if trial.saving is not None]


@pytest.mark.parametrize(
    ("labels", "tried"),
    [
        (30, KINDS[:1]),
        (199, KINDS[:1]),
        (200, (KINDS[0], KINDS[2])),
        (1000, KINDS[:3]),
        (3999, KINDS[:4]),
        (4000, KINDS),
    ],
)
def test_kinds_tried_grow_with_the_labels(labels: int, tried: tuple[str, ...]) -> None:
    selected = select(*overconfident(labels, seed=1))
    assert names_tried(selected) == list(tried)
    assert [trial.name for trial in selected.trials] == list(KINDS)


def test_order_is_kept_where_a_budget_wants_it() -> None:
    selected = select(*overconfident(4000, seed=1), keep_order=True)
    assert names_tried(selected) == ["Platt", "beta"]
    assert selected.maps is not None
    assert list(selected.maps) == [""]
    assert outcomes(selected)["isotonic"] == (
        "would not keep the raw order, by which an error budget is certified"
    )


def test_effective_labels_count_not_labels() -> None:
    raw, correct, code = overconfident(5000, seed=2)
    weights = np.where(np.arange(5000) < 100, 100.0, 1.0)
    selected = select(raw, correct, code, weights=weights)
    assert selected.n_eff == pytest.approx(14900**2 / (100 * 100**2 + 4900), rel=1e-9)
    assert names_tried(selected) == [KINDS[0], KINDS[2]]
    assert outcomes(selected)["isotonic"] == "needs 4,000 effective labels, there are 221"


def test_isotonic_is_not_picked_at_300_labels_whatever_they_say() -> None:
    """Accuracy in two steps, which an isotonic fit would have at once."""
    raw, code, dice = draw_raw(300, seed=3)
    selected = select(raw, dice < np.where(raw > 0.8, 0.95, 0.2), code)
    assert outcomes(selected)["isotonic"] == "needs 4,000 effective labels, there are 300"
    assert selected.maps is not None
    assert {one.kind for one in selected.maps.values()} == {"platt"}


def test_isotonic_is_picked_where_the_truth_has_steps_and_labels_abound() -> None:
    raw, code, dice = draw_raw(8000, seed=4)
    selected = select(raw, dice < np.where(raw > 0.8, 0.95, 0.2), code)
    assert selected.maps is not None
    assert selected.maps[""].kind == "isotonic"
    assert outcomes(selected)["isotonic"] == "chosen"
    assert outcomes(selected)["Platt"] == "beaten by isotonic"


def test_beta_is_picked_where_the_logit_is_bent() -> None:
    raw, code, dice = draw_raw(6000, seed=5)
    truth = CalibrationMap("beta", (3.0, 0.3, 0.6)).apply(raw)
    selected = select(raw, dice < truth, code)
    assert selected.maps is not None
    assert selected.maps[""].kind == "beta"
    assert set(selected.maps) == {""}


def test_overconfident_stream_gets_platt_and_is_mended() -> None:
    raw, correct, code = overconfident(2000, seed=8)
    selected = select(raw, correct, code)
    assert selected.maps == {"": fit_platt(raw=raw, correct=correct, weights=None).map}
    first = selected.trials[0]
    assert (first.simpler, first.outcome) == ("", "chosen")
    assert [trial.simpler for trial in selected.trials[1:4]] == ["Platt"] * 3
    fresh, truth, _ = overconfident(20_000, seed=9)
    before = expected_calibration_error(confidence=fresh, correct=truth, weights=None)
    after = expected_calibration_error(
        confidence=selected.maps[""].apply(fresh), correct=truth, weights=None
    )
    assert before > 0.14
    assert after < 0.02
    assert selected.note.startswith("proposed: platt, slope 0.")


def test_categories_that_differ_get_maps_of_their_own() -> None:
    raw, code, dice = draw_raw(3000, seed=10)
    shift = np.array([-1.2, -0.6, 0.0, 0.0, 0.6, 1.2])
    selected = select(raw, dice < expit(0.6 * logit(raw) + shift[code]), code)
    assert selected.maps is not None
    assert set(selected.maps) == {"", *KEYS}
    # Every category has its 200 labels here, but no slope of its own to find.
    assert (
        outcomes(selected)[KINDS[3]]
        == "not better than Platt with category intercepts beyond doubt"
    )
    levels = [float(selected.maps[key].apply(np.array([0.8]))[0]) for key in KEYS]
    assert levels == pytest.approx(expit(0.6 * logit(0.8) + shift), abs=0.08)


def test_categories_with_slopes_of_their_own_get_them() -> None:
    raw, code, dice = draw_raw(6000, seed=11)
    slope = np.array([0.1, 0.1, 0.6, 0.6, 1.6, 1.6])
    selected = select(raw, dice < expit(slope[code] * logit(raw)), code)
    assert selected.maps is not None
    assert outcomes(selected)[KINDS[3]] == "chosen"
    assert selected.maps[KEYS[0]].parameters[0] < 0.4 < selected.maps[KEYS[5]].parameters[0]


def test_held_out_confidence_of_each_label_is_a_fit_on_the_others() -> None:
    raw, correct, code = overconfident(1500, seed=12)
    selected = select(raw, correct, code)
    assert set(selected.maps or {}) == {""}
    others = np.arange(1500) % 5 != 3
    apart = fit_platt(raw=raw[others], correct=correct[others], weights=None)
    np.testing.assert_allclose(selected.held_out[~others], apart.map.apply(raw[~others]), atol=1e-9)


def test_maps_that_keep_their_promises_stay() -> None:
    raw, code, dice = draw_raw(2000, seed=13)
    mapped = CalibrationMap("platt", (0.6, -0.5)).apply(raw)
    kept = select(raw, dice < mapped, code, current=mapped)
    assert kept.maps is None
    np.testing.assert_array_equal(kept.held_out, mapped)
    assert kept.note.startswith("no new map: ")
    assert select(raw, dice < mapped, code).maps is not None


def test_fit_that_would_make_things_worse_says_so() -> None:
    """The maps in force know the truth, which has a step that no Platt map can take."""
    raw, code, dice = draw_raw(900, seed=14)
    truth = np.where(raw > 0.8, 0.97, 0.1)
    selected = select(raw, dice < truth, code, current=truth)
    assert selected.maps is None
    assert outcomes(selected)["Platt"] == "worse than the raw confidence"
    assert selected.note.startswith("no new map: Platt would make things worse, it costs 0.")


def test_more_complex_map_must_beat_the_simpler_one_too() -> None:
    """A calibrated stream on which beta beats the raw confidence by luck, but not Platt."""
    raw, code, dice = draw_raw(1200, seed=104)
    selected = select(raw, dice < raw, code)
    beta = selected.trials[1]
    assert beta.saving is not None
    assert beta.saving.is_sure
    assert beta.outcome == "not better than Platt beyond doubt"
    assert selected.maps is None


def test_few_labels_are_flagged_and_not_compared() -> None:
    raw, correct, code = overconfident(20, seed=15)
    selected = select(raw, correct, code)
    assert (selected.maps, selected.flagged, selected.trials) == (None, True, ())
    assert selected.note == ("not enough labels: 20.0 effective labels, 30 are needed for a fit")


@pytest.mark.parametrize("labels", [0, 1])
def test_hardly_any_label_is_not_enough(labels: int) -> None:
    raw, correct, code = overconfident(labels, seed=16)
    assert select(raw, correct, code).note.startswith("not enough labels: ")


@pytest.mark.parametrize(("outcome", "word"), [(0.0, "wrong"), (1.0, "right")])
def test_one_outcome_only_is_flagged(outcome: float, word: str) -> None:
    raw, _, code = overconfident(500, seed=17)
    selected = select(raw, np.full(500, outcome), code)
    assert (selected.maps, selected.flagged) == (None, True)
    assert selected.note == (
        f"no new map: all labels say that the model was {word}, which fixes no slope"
    )


def test_one_error_in_all_the_labels_gives_an_answer() -> None:
    """In four of five parts the other labels hold the error, in one there is none to learn from."""
    raw, _, code = overconfident(400, seed=18)
    for at, flagged in ((np.argmin(raw), False), (np.argmax(raw), True)):
        correct = np.ones(400)
        correct[at] = 0.0
        selected = select(raw, correct, code)
        assert selected.flagged == flagged
        figures = [trial.saving for trial in selected.trials if trial.saving is not None]
        assert np.isfinite(figures).all()
        assert bool(figures) == (not flagged)


def test_reversed_scores_are_flagged() -> None:
    raw, code, dice = draw_raw(800, seed=19)
    selected = select(raw, dice > raw, code)
    assert (selected.maps, selected.flagged) == (None, True)
    assert selected.note.startswith("no new map: accuracy does not rise with the raw confidence")


def test_one_category_is_mapped_as_the_stream() -> None:
    raw, correct, _ = overconfident(1500, seed=20)
    selected = select(raw, correct, np.zeros(1500, dtype=np.intp))
    assert set(selected.maps or {}) == {""}
    assert outcomes(selected)[KINDS[2]] == "all labels are of one category"


@pytest.mark.parametrize("raw_score", [0.0, 0.5, 0.9, 1.0])
def test_tied_scores_give_an_answer(raw_score: float) -> None:
    _, correct, code = overconfident(4500, seed=21)
    selected = select(np.full(4500, raw_score), correct, code)
    assert not selected.flagged
    for one in (selected.maps or {}).values():
        assert np.isfinite(one.apply(np.array([0.0, raw_score, 1.0]))).all()


def test_new_and_vanished_categories_get_no_map_of_their_own() -> None:
    raw, code, dice = draw_raw(3000, seed=22)
    code = np.where(code < 3, code, 3)
    shift = np.array([-1.5, 0.0, 1.5, 0.0])
    selected = select(raw, dice < expit(0.6 * logit(raw) + shift[code]), code)
    assert set(selected.maps or {}) == {"", *KEYS[:4]}


def test_labels_all_in_one_fold_are_fitted_by_nobody() -> None:
    raw, correct, code = overconfident(500, seed=23)
    selected = select_maps(
        raw=raw,
        correct=correct,
        weights=None,
        category=code,
        keys=KEYS,
        current=raw,
        current_name="the raw confidence",
        fold=np.zeros(500, dtype=np.intp),
    )
    assert selected.maps is None
    gains = [trial.saving.gain for trial in selected.trials if trial.saving is not None]
    assert gains == pytest.approx([0.0, 0.0], abs=1e-6)


def test_bad_input_is_named() -> None:
    raw, correct, code = overconfident(100, seed=24)
    with pytest.raises(CalibrationError, match="current: has 99 values for 100 labels"):
        select(raw, correct, code, current=raw[:99])
    with pytest.raises(CalibrationError, match=r"weights\[0\]: nan is not"):
        select(raw, correct, code, weights=np.full(100, np.nan))


def test_note_and_trial_say_the_same() -> None:
    selected = select(*overconfident(1500, seed=25))
    saving = selected.trials[0].saving
    assert saving is not None
    assert selected.note == (
        f"proposed: {selected.trials[0].fit}; Platt saves {saving.gain:.4f} of log loss against "
        f"the raw confidence on labels that it had not seen, standard error {saving.error:.4f}"
    )


@pytest.mark.parametrize("labels", [60, 300, 1200])
def test_calibrated_stream_is_rarely_changed_and_never_by_much(labels: int) -> None:
    """Sixty calibrated streams: what is chosen loses next to nothing on fresh labels."""
    chosen, lost = 0, []
    for seed in range(60):
        raw, code, dice = draw_raw(labels, seed=100 + seed)
        selected = select(raw, dice < raw, code)
        if selected.maps is None:
            continue
        chosen += 1
        fresh, kind, cast = draw_raw(20_000, seed=9000 + seed)
        mapped = apply_maps(selected.maps, raw=fresh, predicted=kind, categories=KEYS)
        before, after = (
            log_loss(confidence=one, correct=cast < fresh, weights=None).value
            for one in (fresh, mapped)
        )
        lost.append(after - before)
    # A one-sided test at two standard errors errs in 2.3%, that is in 1.4 of sixty.
    assert chosen <= 4
    assert sum(lost) / 60 < 1.0 / labels


def test_intercepts_are_rarely_picked_where_categories_do_not_differ() -> None:
    """Sixty overconfident streams: beside a plain Platt map nothing is lost by the choice."""
    picked, lost = 0, []
    for seed in range(60):
        raw, correct, code = overconfident(1500, seed=200 + seed)
        selected = select(raw, correct, code)
        assert selected.maps is not None
        picked += len(selected.maps) > 1
        fresh, truth, kind = overconfident(20_000, seed=8000 + seed)
        plain = fit_platt(raw=raw, correct=correct, weights=None).map
        losses = [
            log_loss(
                confidence=apply_maps(maps, raw=fresh, predicted=kind, categories=KEYS),
                correct=truth,
                weights=None,
            ).value
            for maps in ({"": plain}, selected.maps)
        ]
        lost.append(losses[1] - losses[0])
    assert picked <= 4
    assert float(np.mean(lost)) < 2e-4
