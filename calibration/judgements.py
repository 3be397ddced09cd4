"""What a cohort's labels say about a set of maps: tables, scores and findings.

Confidences are recomputed from the raw ones under the maps being judged, never taken from the
decisions, which other maps may have made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from calibration.core.estimates import LARGEST_QUIET_WEIGHT, FloatArray, kish_size
from calibration.core.reliability import Cell, Coded, Frame, reliability_table
from calibration.core.scores import (
    adaptive_calibration_error,
    adaptive_noise_floor,
    brier_score,
    ece_noise_floor,
    expected_calibration_error,
    log_loss,
)
from calibration.core.smooth import smooth_calibration_error, smooth_noise_floor
from calibration.labels import CodeArray, Evidence, TailArray
from routing.core.maps import CalibrationMap
from routing.core.rules import apply_maps

Maps = Mapping[str, CalibrationMap]

MINIMUM: Final = 50
SEED: Final = 0
# Streams simulated for a noise floor: fewer of a large one, whose scores hardly vary.
MOST_DRAWS: Final = 100
FEWEST_DRAWS: Final = 20
SIMULATED: Final = 5_000_000
WORDS: Final = {
    "overconfident_certain": "overconfident, certain",
    "overconfident_possible": "overconfident, possible",
    "underconfident_certain": "underconfident, certain",
    "underconfident_possible": "underconfident, possible",
}


@dataclass(frozen=True, slots=True)
class Scores:
    """Weighted scores; a noise floor is what a perfectly calibrated stream of that design has."""

    ece: float
    noise_floor: float
    adaptive_ece: float
    adaptive_noise_floor: float
    smooth_ece: float
    smooth_noise_floor: float
    brier: float
    log_loss: float
    clipped: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """Confidences of labels (n,) and frame rows (m,) under some maps, and what the labels say.

    `scores` is None where there are no labels.
    """

    confidence: FloatArray
    frame_confidence: FloatArray
    aggregate: list[Cell]
    by_category: list[Cell]
    scores: Scores | None


def judge_maps(
    evidence: Evidence,
    maps: Maps,
    *,
    edges: Sequence[float],
    held_out: FloatArray | None = None,
) -> Judgement:
    """Tables and scores of the cohort under `maps`.

    `held_out` (n,) are the labels' confidences under maps that did not see them: the scores are
    taken from these. A table has no use for them, its promise is the frame's under `maps`.
    """
    labels, frame = evidence.labels, evidence.frame
    keys = evidence.categories
    promised = apply_maps(maps, raw=labels.raw, predicted=labels.category, categories=keys)
    routed = apply_maps(maps, raw=frame.raw, predicted=frame.category, categories=keys)
    return Judgement(
        confidence=promised,
        frame_confidence=routed,
        aggregate=tabulate(evidence, promised, routed, edges=edges, by_category=False),
        by_category=tabulate(evidence, promised, routed, edges=edges, by_category=True),
        scores=_score(evidence, promised if held_out is None else held_out),
    )


def tabulate(
    evidence: Evidence,
    promised: FloatArray,
    routed: FloatArray,
    *,
    edges: Sequence[float],
    by_category: bool,
) -> list[Cell]:
    """The reliability table for confidences of labels (n,) and of frame rows (m,)."""
    if not evidence.frame.items:
        return []
    labels, frame = evidence.labels, evidence.frame
    return reliability_table(
        confidence=promised,
        correct=labels.correct,
        pi=labels.pi,
        category=Coded(labels.category, evidence.categories) if by_category else None,
        stratum=Coded(labels.stratum, evidence.strata),
        frame=Frame(
            confidence=routed,
            count=frame.count,
            category=Coded(frame.category, evidence.categories) if by_category else None,
            stratum=Coded(frame.stratum, evidence.strata),
        ),
        edges=edges,
        minimum=MINIMUM,
    )


def _score(evidence: Evidence, promised: FloatArray) -> Scores | None:
    labels = evidence.labels
    if not len(labels):
        return None
    right, weights = labels.correct, labels.weights
    draws = min(MOST_DRAWS, max(FEWEST_DRAWS, SIMULATED // len(labels)))
    floor = {"seed": SEED, "draws": draws}
    loss = log_loss(confidence=promised, correct=right, weights=weights)
    return Scores(
        ece=expected_calibration_error(confidence=promised, correct=right, weights=weights),
        noise_floor=ece_noise_floor(confidence=promised, weights=weights, **floor),
        adaptive_ece=adaptive_calibration_error(
            confidence=promised, correct=right, weights=weights
        ),
        adaptive_noise_floor=adaptive_noise_floor(confidence=promised, weights=weights, **floor),
        smooth_ece=smooth_calibration_error(confidence=promised, correct=right, weights=weights),
        smooth_noise_floor=smooth_noise_floor(confidence=promised, weights=weights, **floor),
        brier=brier_score(confidence=promised, correct=right, weights=weights),
        log_loss=loss.value,
        clipped=loss.clipped,
    )


def describe_judgement(judgement: Judgement) -> dict[str, object]:
    """The judgement as JSON: `aggregate` and `categories` cells, and `scores`."""
    return {
        "aggregate": [asdict(cell) for cell in judgement.aggregate],
        "categories": [asdict(cell) for cell in judgement.by_category if cell.frame],
        "scores": None if judgement.scores is None else asdict(judgement.scores),
    }


def describe_labels(evidence: Evidence) -> dict[str, object]:
    """How many labels there are, of which categories, and what is open of the cohort."""
    labels = evidence.labels
    count = len(evidence.categories)
    size = np.bincount(labels.category, minlength=count)
    right = np.bincount(labels.category, weights=labels.correct, minlength=count)
    expected = len(labels) + evidence.open.count
    low, high = _bound_accuracy(evidence)
    return {
        "n": len(labels),
        "n_eff": kish_size(labels.weights),
        "items": evidence.frame.items,
        "open": evidence.open.count,
        "open_share": evidence.open.count / expected if expected else 0.0,
        "accuracy_if_open_wrong": low,
        "accuracy_if_open_right": high,
        "by_category": {
            key: {"n": int(size[code]), "right": int(right[code])}
            for code, key in enumerate(evidence.categories)
        },
    }


def _bound_accuracy(evidence: Evidence) -> tuple[float | None, float | None]:
    """Weighted accuracy if every open label came back wrong, and if every one came back right."""
    weights = evidence.labels.weights
    total = float(weights.sum()) + evidence.open.weight
    if not total:
        return None, None
    right = float(np.dot(weights, evidence.labels.correct))
    return right / total, (right + evidence.open.weight) / total


def list_findings(judgement: Judgement) -> list[str]:
    """Every cell that breaks its promise by five points or more, worst news first.

    Certain before possible, all categories before one, a wide gap before a narrow one.
    """
    order = list(WORDS)

    def badness(cell: Cell) -> tuple[int, bool, float]:
        gap = abs((cell.accuracy or 0.0) - (cell.confidence or 0.0))
        return order.index(cell.verdict), cell.category is not None, -gap

    cells = [*judgement.aggregate, *judgement.by_category]
    broken = [cell for cell in cells if cell.verdict in WORDS]
    return [_describe_cell(cell) for cell in sorted(broken, key=badness)]


def _describe_cell(cell: Cell) -> str:
    who = "all categories" if cell.category is None else cell.category
    promised, right, low, high = (
        f"{100.0 * (value or 0.0):.1f}%"
        for value in (cell.confidence, cell.accuracy, cell.low, cell.high)
    )
    return (
        f"{who}, {cell.lower:.2f} to {cell.upper:.2f}: promised {promised}, right {right} "
        f"(95% interval {low} to {high}, {cell.n} labels): {WORDS[cell.verdict]}"
    )


def list_cautions(evidence: Evidence, judgement: Judgement) -> list[str]:
    """What keeps the tables from saying more, each with the number that would mend it."""
    labels = evidence.labels
    cautions: list[str] = []
    if not len(labels):
        return ["not enough labels: there are none in this window"]
    thin = [cell for cell in judgement.by_category if cell.frame and cell.n < MINIMUM]
    if thin:
        held = sum(1 for cell in judgement.by_category if cell.frame)
        nearest = max(thin, key=lambda cell: cell.n)
        cautions.append(
            f"not enough labels in {len(thin)} of {held} category-and-band cells: each needs "
            f"{MINIMUM}, the fullest of these has {nearest.n}"
        )
    unseen = _count_without_chance(evidence)
    if unseen:
        cautions.append(
            f"{unseen} items had no chance of a label; set an audit rate above 0 for them"
        )
    largest = float(labels.weights.max())
    if largest > LARGEST_QUIET_WEIGHT:
        cautions.append(f"one label stands for {largest:.0f} items; audit them at a higher rate")
    if evidence.open.count:
        cautions.append(f"{evidence.open.count} labels of this window are still open")
    return cautions


def _count_without_chance(evidence: Evidence) -> int:
    """Items in strata whose recorded chance is 0 and that hold no label of any other origin."""
    labelled = set(evidence.labels.stratum.tolist())
    never = [
        code
        for code, key in enumerate(evidence.strata)
        if key.endswith(" 0.0") and code not in labelled
    ]
    return int(evidence.frame.count[np.isin(evidence.frame.stratum, never)].sum())


def split_labels(tail: TailArray, folds: int) -> CodeArray:
    """(n,) fold of each label by the random end of its item's id: the same in every run."""
    return (tail % np.uint64(folds)).astype(np.int32)
