"""The kinds of map that are tried, from the fewest fitted numbers to the most.

Each from as many effective labels as it needs:

    30      one Platt map for the stream
    1,000   one beta map
    200     a shrunk intercept for each category
    200     of one category: its own slope as well
    4,000   one isotonic map
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from calibration.core.calibrators import FEWEST_LABELS, Fit, Sample, fit_beta, fit_platt
from calibration.core.estimates import FloatArray
from calibration.core.intercepts import (
    OWN_SLOPE_FROM,
    CategoryFit,
    categories_with_slope,
    fit_intercepts,
)
from calibration.core.isotonic import fit_isotonic
from routing.core.maps import CalibrationMap
from routing.core.policy import STREAM_WIDE
from routing.core.rules import apply_maps
from routing.core.signals import round_signal

Codes = npt.NDArray[np.integer]
Maps = Mapping[str, CalibrationMap]

INTERCEPTS_FROM: Final = 200.0
BETA_FROM: Final = 1_000.0
ISOTONIC_FROM: Final = 4_000.0
MIXES_ORDER: Final = "would not keep the raw order, by which an error budget is certified"


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels with their categories: ``category`` (n,) indexes ``keys``."""

    sample: Sample
    category: Codes
    keys: tuple[str, ...]

    def part(self, kept: npt.NDArray[np.bool_]) -> "Labels":
        """The labels for which ``kept`` (n,) is true."""
        return Labels(self.sample.part(kept), self.category[kept], self.keys)


Fitter = Callable[[Labels], CategoryFit]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind of map: how it is fitted, and what stands in the way of trying it.

    `keeps_order`: of two items the one with the higher raw confidence keeps the higher one.
    """

    name: str
    fit: Fitter
    obstacle: str
    keeps_order: bool = False


def list_candidates(
    labels: Labels, *, keep_order: bool = False, platt_only: bool = False
) -> list[Candidate]:
    """Every kind of map, simplest first, also those that stand no chance and why.

    With `keep_order` these are also the ones under which items do not keep their raw order. With
    `platt_only` there is no other kind: a composite of few signals bears no finer one.
    """
    n_eff = labels.sample.n_eff
    sloped = categories_with_slope(
        weights=labels.sample.weights, category=labels.category, keys=labels.keys
    )
    alone = "all labels are of one category" if np.unique(labels.category).size < 2 else ""
    by_category = alone or _lack(n_eff, INTERCEPTS_FROM)
    steep = "" if sloped else f"no category has {OWN_SLOPE_FROM:,.0f} effective labels of its own"
    found = [
        Candidate("Platt", _stream_wide(fit_platt), _lack(n_eff, FEWEST_LABELS), keeps_order=True),
        Candidate("beta", _stream_wide(fit_beta), _lack(n_eff, BETA_FROM), keeps_order=True),
        Candidate("Platt with category intercepts", _by_category(()), by_category),
        Candidate(
            "Platt with category intercepts and slopes",
            _by_category(sloped),
            by_category or steep,
        ),
        Candidate("isotonic", _stream_wide(fit_isotonic), _lack(n_eff, ISOTONIC_FROM)),
    ]
    if platt_only:
        return found[:1]
    if not keep_order:
        return found
    return [
        one if one.keeps_order else replace(one, obstacle=one.obstacle or MIXES_ORDER)
        for one in found
    ]


def predict_unseen(candidate: Candidate, labels: Labels, fold: Codes) -> FloatArray:
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


def _lack(n_eff: float, needed: float) -> str:
    if n_eff >= needed:
        return ""
    return f"needs {needed:,.0f} effective labels, there are {n_eff:,.0f}"


def _stream_wide(fit_one: Callable[..., Fit]) -> Fitter:
    def fit(labels: Labels) -> CategoryFit:
        sample = labels.sample
        one = fit_one(raw=sample.raw, correct=sample.correct, weights=sample.weights)
        return CategoryFit({STREAM_WIDE: one.map}, one.n_eff, one.flagged, one.note)

    return fit


def _by_category(sloped: Sequence[str]) -> Fitter:
    def fit(labels: Labels) -> CategoryFit:
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
