"""Which maps the labels support: the simplest that nothing more complex beats beyond doubt.

Every candidate is cross-fitted: the labels of a part get their confidence from a fit on the other
parts. What one set of confidences saves over another is the mean of the differences g in log loss,
beyond doubt if it exceeds two standard errors:

    gain = sum w g / sum w,   error = sqrt(sum w^2 (g - gain)^2) / sum w

The simplest candidate leads until a more complex one saves something over it beyond doubt. The last
leader that saves something over the maps in force beyond doubt is chosen. So a fit that would make
things worse never is, and neither is one that is better by no more than noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from calibration.core.calibrators import FEWEST_LABELS, Sample, explain_refusal, read_sample
from calibration.core.candidates import (
    Candidate,
    Codes,
    Labels,
    Maps,
    list_candidates,
    predict_unseen,
)
from calibration.core.estimates import FloatArray, as_probabilities, hajek_mean
from calibration.core.scores import label_losses

STANDARD_ERRORS: Final = 2.0


class Saving(NamedTuple):
    """Mean log loss saved per item on labels that no fit had seen, and its standard error."""

    gain: float
    error: float

    @property
    def is_sure(self) -> bool:
        """Whether something is saved beyond doubt."""
        return self.gain > STANDARD_ERRORS * self.error

    @property
    def is_loss(self) -> bool:
        """Whether something is lost beyond doubt."""
        return self.gain < -STANDARD_ERRORS * self.error


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate, the numbers fitted, what it saved over others, and what became of it, in words.

    ``saving`` is over the maps in force and ``over_simpler`` over the candidate ``simpler`` that
    led until then; None and "" where there was no such comparison.
    """

    name: str
    fit: str = ""
    saving: Saving | None = None
    simpler: str = ""
    over_simpler: Saving | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The maps to propose, None to keep those in force, and how they were arrived at.

    ``held_out`` (n,) are the labels' confidences under fits that did not see them, or those in
    force. ``note`` says in a sentence what decided, and ``flagged`` that the labels support no map.
    """

    maps: Maps | None
    held_out: FloatArray
    n_eff: float
    flagged: bool
    note: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A candidate that was tried: its maps on all labels, and (n,) confidences of those unseen."""

    name: str
    fit: str
    maps: Maps
    held_out: FloatArray
    saving: Saving
    simpler: str
    over_simpler: Saving | None


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
    keep_order: bool = False,
    platt_only: bool = False,
) -> Selection:
    """The maps that (n,) labels support against the confidences ``current`` (n,) in force.

    ``category`` (n,) indexes ``keys``, ``fold`` (n,) numbers the part of each label, and
    ``current_name`` is what the words call the present confidences. With ``keep_order`` only maps
    that keep the order of the raw confidences are tried, with ``platt_only`` only Platt's.
    Raises CalibrationError for what is no probability, outcome, weight or category.
    """
    labels = Labels(read_sample(raw, correct, weights), category, tuple(keys))
    n_eff = labels.sample.n_eff
    in_force = as_probabilities("current", current, labels.sample.raw.size)
    if refusal := explain_refusal(labels.sample):
        what = "not enough labels" if n_eff < FEWEST_LABELS else "no new map"
        note = f"{what}: {refusal.removeprefix('identity: ')}"
        return Selection(None, in_force, n_eff, True, note, ())
    results: list[_Entry | Trial] = []
    leaders: list[_Entry] = []
    for candidate in list_candidates(labels, keep_order=keep_order, platt_only=platt_only):
        result = _try_out(candidate, labels, fold, in_force, leaders[-1] if leaders else None)
        results.append(result)
        if isinstance(result, _Entry) and (not result.over_simpler or result.over_simpler.is_sure):
            leaders.append(result)
    chosen = next((leader for leader in reversed(leaders) if leader.saving.is_sure), None)
    trials = tuple(
        result if isinstance(result, Trial) else _close(result, leaders, chosen, current_name)
        for result in results
    )
    if not leaders:
        # A model whose accuracy does not rise with its confidence bears none of these maps.
        return Selection(None, in_force, n_eff, True, f"no new map: {trials[0].outcome}", trials)
    if chosen is None:
        note = _describe_doubt(leaders[-1], current_name)
        return Selection(None, in_force, n_eff, False, note, trials)
    note = f"proposed: {chosen.fit}; {chosen.name} saves {_figures(chosen.saving, current_name)}"
    return Selection(chosen.maps, chosen.held_out, n_eff, False, note, trials)


def _try_out(
    candidate: Candidate,
    labels: Labels,
    fold: Codes,
    in_force: FloatArray,
    leader: _Entry | None,
) -> _Entry | Trial:
    """Fit, cross-fit and compare the candidate; a trial without figures if that cannot be."""
    if candidate.obstacle:
        return Trial(candidate.name, outcome=candidate.obstacle)
    fit = candidate.fit(labels)
    if fit.flagged:
        return Trial(candidate.name, outcome=fit.note)
    held_out = predict_unseen(candidate, labels, fold)
    return _Entry(
        name=candidate.name,
        fit=fit.note,
        maps=fit.maps,
        held_out=held_out,
        saving=_compare(labels.sample, held_out, in_force),
        simpler=leader.name if leader else "",
        over_simpler=_compare(labels.sample, held_out, leader.held_out) if leader else None,
    )


def _compare(sample: Sample, tried: FloatArray, in_place: FloatArray) -> Saving:
    """What the confidences ``tried`` (n,) save over those ``in_place`` (n,)."""
    saved = label_losses(in_place, sample.correct)[0] - label_losses(tried, sample.correct)[0]
    gain = hajek_mean(saved, sample.weights)
    spread = sqrt(float(np.dot(sample.weights**2, (saved - gain) ** 2)))
    return Saving(gain, spread / float(sample.weights.sum()))


def _close(
    entry: _Entry, leaders: Sequence[_Entry], chosen: _Entry | None, current_name: str
) -> Trial:
    """The trial of an entry once it is known what became of all."""
    trial = Trial(entry.name, entry.fit, entry.saving, entry.simpler, entry.over_simpler)
    if entry is chosen:
        return replace(trial, outcome="chosen")
    if entry.over_simpler and not entry.over_simpler.is_sure:
        return replace(trial, outcome=_word(entry.over_simpler, entry.simpler))
    if entry.saving.is_sure:
        return replace(trial, outcome=f"beaten by {leaders[-1].name}")
    return replace(trial, outcome=_word(entry.saving, current_name))


def _word(saving: Saving, other: str) -> str:
    return f"worse than {other}" if saving.is_loss else f"not better than {other} beyond doubt"


def _describe_doubt(leader: _Entry, current_name: str) -> str:
    figures = _figures(leader.saving, current_name)
    if leader.saving.gain < 0.0:
        return f"no new map: {leader.name} would make things worse, it costs {figures}"
    return f"no new map: {leader.name} saves {figures}, which is not beyond doubt"


def _figures(saving: Saving, current_name: str) -> str:
    return (
        f"{abs(saving.gain):.4f} of log loss against {current_name} on labels that it had not "
        f"seen, standard error {saving.error:.4f}"
    )
