"""Certified cut-offs: what the audits allow to promise about a stream's error budget.

The test wants labels that were drawn with one chance wherever an item could be acted on. Labels of
a higher chance are thinned to the common one by their items' ids; where some items had a lower
chance, only confidences above all of those can be certified. Labels whose queue a gate or rule
decided are set aside, since no cut-off would act on their like.

The order of the tests is fixed before they are looked at: by confidence under a map that keeps the
raw order, beginning where a part of the labels that takes no part in the test makes a pass
likeliest.
"""

from dataclasses import dataclass
from math import exp, log, log1p, pi
from typing import Final

import numpy as np

from calibration.core.calibrators import fit_platt
from calibration.core.estimates import FloatArray
from calibration.core.thresholds import Certificate, certified_cut_off, fewest_audits, plan_first
from calibration.frames import BIN_WIDTH
from calibration.judgements import Judgement
from calibration.labels import BoolArray, Evidence, TailArray
from routing.core.maps import CLIP

DELTA: Final = 0.05
FOLDS: Final = 100
PLANNING_FOLDS: Final = 15
# How many labels the error expected from the map is worth beside the errors seen.
PRIOR_LABELS: Final = 50.0


@dataclass(frozen=True, slots=True)
class Audits:
    """The labels that a certificate may use: (n,) each, all of one chance `pi`, from `floor` up.

    `planning` are those set aside to say where the tests begin.
    """

    confidence: FloatArray
    correct: FloatArray
    raw: FloatArray
    planning: BoolArray
    pi: float
    floor: float


def spend_delta(delta: float, attempt: int) -> float:
    """The risk that attempt number 1, 2, ... may take: 6 delta / (pi^2 k^2), in all delta."""
    return 6.0 * delta / (pi * attempt) ** 2


def certify_budget(
    *,
    evidence: Evidence,
    judgement: Judgement,
    alpha: float,
    delta: float = DELTA,
    planned_from: Evidence | None = None,
) -> Certificate:
    """The lowest cut-off whose automatic decisions err at most `alpha` of the time, at 1 - delta.

    `judgement` is that of a strictly rising stream-wide map, or of none. `planned_from` holds other
    labels to plan with; without it a part of the evidence's own is set aside.
    """
    audits = choose_audits(evidence, judgement, alpha=alpha, delta=delta)
    if planned_from is None:
        used, learnt_raw, learnt_correct = (
            ~audits.planning,
            audits.raw[audits.planning],
            audits.correct[audits.planning],
        )
    else:
        used = np.ones(audits.raw.size, dtype=np.bool_)
        learnt_raw, learnt_correct = planned_from.labels.raw, planned_from.labels.correct
    expected = expect_errors(learnt_raw, learnt_correct, audits.raw[used])
    return certified_cut_off(
        confidence=audits.confidence[used],
        correct=audits.correct[used],
        pi=np.full(int(used.sum()), audits.pi),
        alpha=alpha,
        delta=delta,
        first=plan_first(
            confidence=audits.confidence[used], expected_error=expected, alpha=alpha, delta=delta
        ),
    )


def choose_audits(
    evidence: Evidence, judgement: Judgement, *, alpha: float, delta: float
) -> Audits:
    """Of every chance that occurs, the one that leaves the most audits to test with.

    The choice goes by the frame and the chances alone, never by what the labels say.
    """
    found = [
        _thin(evidence, judgement, chance)
        for chance in sorted({chance for chance in evidence.stratum_pi.tolist() if chance > 0.0})
    ]
    if not found:
        nothing = np.zeros(0)
        return Audits(nothing, nothing, nothing, np.zeros(0, dtype=np.bool_), 1.0, 1.0)
    enough = fewest_audits(alpha=alpha, delta=delta)

    def reach(audits: Audits) -> tuple[bool, int]:
        return audits.raw.size >= enough, audits.raw.size

    return max(found, key=reach)


def _thin(evidence: Evidence, judgement: Judgement, chance: float) -> Audits:
    """The free labels above every item of a lower chance, thinned to this one."""
    labels, frame = evidence.labels, evidence.frame
    lower = (evidence.stratum_pi < chance)[frame.stratum] & (frame.count > 0.0)
    floor = _top_of_bins(frame.raw[lower]) if lower.any() else 0.0
    kept = labels.free & (labels.raw > floor) & (labels.pi >= chance)
    kept &= _hash_share(labels.tail) * labels.pi < chance
    return Audits(
        confidence=judgement.confidence[kept],
        correct=labels.correct[kept],
        raw=labels.raw[kept],
        planning=labels.tail[kept] % np.uint64(FOLDS) < PLANNING_FOLDS,
        pi=chance,
        floor=floor,
    )


def _top_of_bins(raw: FloatArray) -> float:
    """The highest raw confidence that the frame's bins around these means may hold."""
    highest = min(max(float(raw.max()), CLIP), 1.0 - CLIP)
    if float(raw.max()) >= 1.0:
        return 1.0
    return 1.0 / (1.0 + exp(-(log(highest) - log1p(-highest) + BIN_WIDTH)))


def _hash_share(tail: TailArray) -> FloatArray:
    """(n,) a number in [0, 1) of each id, apart from the one that splits the labels."""
    mixed = tail * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    shares = np.empty(tail.size)
    np.divide(mixed >> np.uint64(11), 2.0**53, out=shares)
    return shares


def expect_errors(raw: FloatArray, correct: FloatArray, wanted: FloatArray) -> FloatArray:
    """(m,) error rates expected from each of `wanted` raw confidences up.

    What a map fitted on the labels (n,) says of `wanted`, and what the labels themselves counted.
    """
    if not wanted.size:
        return wanted
    order = np.argsort(-wanted, kind="stable")
    fitted = 1.0 - fit_platt(raw=raw, correct=correct, weights=None).map.apply(wanted[order])
    mean = np.cumsum(fitted) / np.arange(1, wanted.size + 1)
    seen = np.argsort(-raw, kind="stable")
    errors = np.concatenate([[0.0], np.cumsum(1.0 - correct[seen])])
    count = np.searchsorted(-raw[seen], -wanted[order], side="right")
    blended = (PRIOR_LABELS * mean + errors[count]) / (PRIOR_LABELS + count)
    expected = np.empty(wanted.size)
    expected[order] = blended
    return expected
