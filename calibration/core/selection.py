"""Which maps the labels support: the simplest that nothing more complex beats beyond doubt.

A candidate is tried from as many effective labels as its kind needs:

    30      one Platt map for the stream
    1,000   one beta map
    200     a shrunk intercept for each category
    200     of one category: its own slope as well
    4,000   one isotonic map

Each is cross-fitted: the labels of a part get their confidence from a fit on the other parts. From
the simplest on, a candidate replaces what is in place, at first the maps in force, if the weighted
log loss that it saves, gain = sum w g / sum w, exceeds two of its standard errors,
sqrt(sum w^2 (g - gain)^2) / sum w. So a fit that would make things worse is never chosen, and one
that makes them no better than noise would is not either.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from calibration.core.calibrators import (
    FEWEST_LABELS,
    Fit,
    Sample,
    explain_refusal,
    fit_beta,
    fit_platt,
    read_sample,
)
from calibration.core.estimates import FloatArray, as_probabilities, hajek_mean
from calibration.core.intercepts import (
    OWN_SLOPE_FROM,
    CategoryFit,
    categories_with_slope,
    fit_intercepts,
)
from calibration.core.isotonic import fit_isotonic
from calibration.core.scores import label_losses
from routing.core.maps import CalibrationMap
from routing.core.policy import STREAM_WIDE
from routing.core.rules import apply_maps
from routing.core.signals import round_signal

Codes = npt.NDArray[np.integer]
Maps = Mapping[str, CalibrationMap]

STANDARD_ERRORS: Final = 2.0
INTERCEPTS_FROM: Final = 200.0
BETA_FROM: Final = 1_000.0
ISOTONIC_FROM: Final = 4_000.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate: what it was compared with, what it saved, and what became of it, in words.

    ``gain`` is the mean log loss saved per item on labels that the fit had not seen and ``error``
    its standard error; both are None where it was not tried, and ``outcome`` says why.
    """

    name: str
    fit: str
    against: str
    gain: float | None
    error: float | None
    won: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The maps to propose, None to keep those in force, and how they were arrived at.

    ``held_out`` (n,) are the labels' confidences under fits that did not see them, or those in
    force. ``flagged`` says that the labels support no map at all and ``note`` why.
    """

    maps: Maps | None
    held_out: FloatArray
    n_eff: float
    flagged: bool
    note: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class _Labels:
    sample: Sample
    category: Codes
    keys: tuple[str, ...]

    def part(self, kept: npt.NDArray[np.bool_]) -> "_Labels":
        return _Labels(self.sample.part(kept), self.category[kept], self.keys)


_Fitter = Callable[[_Labels], CategoryFit]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A kind of map: how it is fitted, or why it is not tried."""

    name: str
    fit: _Fitter
    obstacle: str = ""


def select_maps(
    *,
    raw: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    category: Codes,
    keys: Sequence[str],
    current: npt.ArrayLike,
    current_name: str,
    fold: Codes,
) -> Selection:
    """The maps that (n,) labels support against the confidences ``current`` (n,) in force.

    ``category`` (n,) indexes ``keys``, ``fold`` (n,) numbers the part of each label, and
    ``current_name`` is what the trials call the present confidences.
    Raises CalibrationError for what is no probability, outcome, weight or category.
    """
    labels = _Labels(read_sample(raw, correct, weights), category, tuple(keys))
    sample = labels.sample
    held_out = as_probabilities("current", current, sample.raw.size)
    if refusal := explain_refusal(sample):
        return Selection(None, held_out, sample.n_eff, True, refusal, ())
    maps: Maps | None = None
    against = current_name
    trials: list[Trial] = []
    fits: list[CategoryFit] = []
    for candidate in _list_candidates(labels):
        if candidate.obstacle:
            trials.append(_leave_out(candidate, candidate.obstacle))
            continue
        fit = candidate.fit(labels)
        fits.append(fit)
        if fit.flagged:
            trials.append(_leave_out(candidate, fit.note))
            continue
        tried = _predict_unseen(candidate, labels, fold)
        gain, error = _compare(sample, tried=tried, in_place=held_out)
        won, worse = gain > STANDARD_ERRORS * error, gain < -STANDARD_ERRORS * error
        outcome = "worse" if worse else "no better beyond doubt"
        trials.append(Trial(candidate.name, fit.note, against, gain, error, won, outcome))
        if won:
            maps, held_out, against = fit.maps, tried, candidate.name
    # A model whose accuracy does not rise with its confidence bears none of these maps.
    flagged = all(fit.flagged for fit in fits)
    note = fits[0].note if flagged else ""
    return Selection(maps, held_out, sample.n_eff, flagged, note, _name_outcomes(trials, against))


def describe_selection(selected: Selection) -> str:
    """What was chosen or why nothing was, in one sentence with the figures that decided it."""
    if selected.flagged:
        what = "not enough labels" if selected.n_eff < FEWEST_LABELS else "no new map"
        return f"{what}: {selected.note.removeprefix('identity: ')}"
    if selected.maps is not None:
        last = [trial for trial in selected.trials if trial.won][-1]
        return (
            f"proposed: {last.fit}; {last.name} saves {last.gain:.4f} of log loss against "
            f"{last.against} on labels that it had not seen, standard error {last.error:.4f}"
        )
    tried = [trial for trial in selected.trials if trial.gain is not None]
    best = max(tried, key=lambda trial: trial.gain or 0.0)
    gain = best.gain or 0.0
    kinds = "the only kind of map tried" if len(tried) == 1 else f"best of {len(tried)} kinds tried"
    change = "saves" if gain >= 0.0 else "would make things worse and costs"
    doubt = ", which is not beyond two of them" if gain >= 0.0 else ""
    return (
        f"no new map: {best.name}, {kinds}, {change} {abs(gain):.4f} of log loss against "
        f"{best.against} on labels that it had not seen, standard error {best.error:.4f}{doubt}"
    )


def _list_candidates(labels: _Labels) -> list[_Candidate]:
    """Every kind of map, from the fewest fitted numbers to the most."""
    n_eff = labels.sample.n_eff
    sloped = categories_with_slope(
        weights=labels.sample.weights, category=labels.category, keys=labels.keys
    )
    lone = "all labels are of one category" if np.unique(labels.category).size < 2 else ""
    steep = "" if sloped else f"no category has {OWN_SLOPE_FROM:,.0f} effective labels of its own"
    return [
        _Candidate("Platt", _stream_wide(fit_platt), _lack(n_eff, FEWEST_LABELS)),
        _Candidate("beta", _stream_wide(fit_beta), _lack(n_eff, BETA_FROM)),
        _Candidate(
            "Platt with category intercepts",
            _by_category(()),
            lone or _lack(n_eff, INTERCEPTS_FROM),
        ),
        _Candidate(
            "Platt with category intercepts and slopes",
            _by_category(sloped),
            lone or _lack(n_eff, INTERCEPTS_FROM) or steep,
        ),
        _Candidate("isotonic", _stream_wide(fit_isotonic), _lack(n_eff, ISOTONIC_FROM)),
    ]


def _lack(n_eff: float, needed: float) -> str:
    if n_eff >= needed:
        return ""
    return f"needs {needed:,.0f} effective labels, there are {n_eff:,.0f}"


def _stream_wide(fit_one: Callable[..., Fit]) -> _Fitter:
    def fit(labels: _Labels) -> CategoryFit:
        sample = labels.sample
        one = fit_one(raw=sample.raw, correct=sample.correct, weights=sample.weights)
        return CategoryFit({STREAM_WIDE: one.map}, one.n_eff, one.flagged, one.note)

    return fit


def _by_category(sloped: Sequence[str]) -> _Fitter:
    def fit(labels: _Labels) -> CategoryFit:
        sample = labels.sample
        return fit_intercepts(
            raw=sample.raw,
            correct=sample.correct,
            weights=sample.weights,
            category=labels.category,
            keys=labels.keys,
            sloped=sloped,
        )

    return fit


def _predict_unseen(candidate: _Candidate, labels: _Labels, fold: Codes) -> FloatArray:
    """(n,) confidences of the labels, each from a fit on the parts that it is not in."""
    held_out = np.empty_like(labels.sample.raw)
    for number in np.unique(fold):
        here = fold == number
        unseen = labels.part(here)
        held_out[here] = apply_maps(
            candidate.fit(labels.part(~here)).maps,
            raw=unseen.sample.raw,
            predicted=unseen.category,
            categories=labels.keys,
        )
    return round_signal(held_out)


def _compare(sample: Sample, *, tried: FloatArray, in_place: FloatArray) -> tuple[float, float]:
    """Mean log loss that ``tried`` (n,) saves over ``in_place`` (n,), and its standard error."""
    saved = label_losses(in_place, sample.correct)[0] - label_losses(tried, sample.correct)[0]
    gain = hajek_mean(saved, sample.weights)
    spread = sqrt(float(np.dot(sample.weights**2, (saved - gain) ** 2)))
    return gain, spread / float(sample.weights.sum())


def _leave_out(candidate: _Candidate, why: str) -> Trial:
    return Trial(candidate.name, "", "", None, None, False, why)


def _name_outcomes(trials: Sequence[Trial], chosen: str) -> tuple[Trial, ...]:
    """The trials, the winners told apart by whether something more complex still beat them."""
    return tuple(
        replace(trial, outcome="chosen" if trial.name == chosen else f"beaten by {chosen}")
        if trial.won
        else trial
        for trial in trials
    )
