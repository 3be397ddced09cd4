"""What a recalibration proposes: a map, distrusted cells and, where a map is not enough, a cut-off.

A proposal is a draft for a person to publish. Cut-offs are promises in calibrated terms, so they
stay where they are while a map can keep them: the map moves the raw confidence at which they
begin. They move only where what is acted on alone stays certainly overconfident under the map.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from calibration.budgets import certify_budget
from calibration.core.reliability import TOLERATED_GAP, Cell
from calibration.core.selection import Selection, Trial, select_maps
from calibration.core.thresholds import Certificate
from calibration.judgements import (
    MINIMUM,
    Judgement,
    Maps,
    judge_maps,
    split_labels,
    tabulate,
)
from calibration.labels import Evidence
from routing.core.maps import IDENTITY, CalibrationMap
from routing.core.policy import STREAM_WIDE, CutOffs, Policy, PolicyError
from routing.core.signals import show_number

FOLDS: Final = 5
CANDIDATES: Final = 20
NEVER: Final = 1.0
MAPS_NAMED: Final = 3
OVERCONFIDENT: Final = "overconfident_certain"
NOT_IN_RAW_ORDER: Final = (
    "not certifiable under maps by category or steps, since a budget's cut-offs are tested in the "
    "order of the raw confidences; publish one Platt or beta map for the stream first"
)

DistrustedCells = frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a draft would hold instead of the policy in force, and in words what changed."""

    maps: Maps
    model_versions: tuple[str, ...]
    distrusted: DistrustedCells
    cut_offs: CutOffs
    judgement: Judgement
    trials: tuple[Trial, ...]
    changes: tuple[str, ...]
    notes: tuple[str, ...]
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """The error rate `alpha` that automatic decisions may have, at 1 - `delta`.

    `planned_from`: other labels, to plan the tests with.
    """

    alpha: float
    delta: float
    planned_from: Evidence | None = None


def maps_in_force(policy: Policy, model_version: str) -> Maps:
    """The policy's maps for items of this model; none where they were fitted on another."""
    return policy.maps if model_version in policy.model_versions else {}


def refit_maps(
    evidence: Evidence, current: Judgement, in_force: Maps, *, keep_order: bool = False
) -> Selection:
    """The maps that the labels support, compared out of fold with those `in_force`.

    A label's fold hangs on its item's id alone, so every run splits the same labels the same way.
    """
    labels = evidence.labels
    return select_maps(
        raw=labels.raw,
        correct=labels.correct,
        weights=labels.weights,
        category=labels.category,
        keys=evidence.categories,
        current=current.confidence,
        current_name="the maps in force" if in_force else "the raw confidence",
        fold=split_labels(labels.tail, FOLDS),
        keep_order=keep_order,
    )


def propose(
    *,
    evidence: Evidence,
    policy: Policy,
    current: Judgement,
    edges: Sequence[float],
    categories: Collection[str],
    budget: Budget | None = None,
) -> Proposal | None:
    """What to change, or None where there is not a single label.

    `current` is the judgement of the maps in force, `edges` are the stream's reporting bands and
    `categories` those that a draft may name: the stream's that are not retired. With a `budget` the
    auto cut-off is the lowest one that the audits certify for it, and stays where none is.
    """
    if not len(evidence.labels):
        return None
    version = evidence.cohort.model_version
    strange = bool(policy.maps) and version not in policy.model_versions
    in_force = maps_in_force(policy, version)
    selected = refit_maps(evidence, current, in_force, keep_order=budget is not None)
    notes = [selected.note]
    maps, versions, judgement = policy.maps, policy.model_versions, current
    if selected.maps is not None:
        maps, versions = selected.maps, (version,)
        judgement = judge_maps(evidence, maps, edges=edges, held_out=selected.held_out)
    elif strange and not selected.flagged:
        maps, versions = {STREAM_WIDE: IDENTITY}, (version,)
    elif strange:
        notes.append(f"the maps in force were not fitted on model {version!r} and do not apply")
    maps = {key: one for key, one in maps.items() if key == STREAM_WIDE or key in categories}
    certificate = None
    if budget is None:
        cut_offs, cut_off_notes = _raise_auto(evidence, policy, judgement)
    elif not _keep_order(maps):
        cut_offs, cut_off_notes = policy.cut_offs, [NOT_IN_RAW_ORDER]
    else:
        certificate = certify_budget(
            evidence=evidence,
            judgement=judgement,
            alpha=budget.alpha,
            delta=budget.delta,
            planned_from=budget.planned_from,
        )
        cut_offs, cut_off_notes = _follow_certificate(policy, certificate)
        if certificate.cut_off is None and policy.maps and policy.cut_offs.auto < NEVER:
            maps, versions, judgement = policy.maps, policy.model_versions, current
            cut_off_notes.append("the map stays with the cut-off that was certified under it")
    distrusted = _list_distrusted(judgement, policy, edges, categories)
    changes = (
        *_describe_maps(policy, maps, versions),
        *_describe_distrusted(policy.distrusted, distrusted),
        *_describe_cut_offs(policy.cut_offs, cut_offs),
    )
    return Proposal(
        maps,
        versions,
        distrusted,
        cut_offs,
        judgement,
        selected.trials,
        changes,
        (*notes, *cut_off_notes),
        certificate,
    )


def _keep_order(maps: Maps) -> bool:
    """Whether confidences under these maps stand in the order of the raw ones."""
    return all(key == STREAM_WIDE and one.kind != "isotonic" for key, one in maps.items())


def draft_fields(proposal: Proposal) -> dict[str, object]:
    """The proposal as fields of a draft policy."""
    return {
        "maps": {key: one.to_json() for key, one in sorted(proposal.maps.items())},
        "model_versions": list(proposal.model_versions),
        "distrusted": [list(cell) for cell in sorted(proposal.distrusted)],
        "auto": proposal.cut_offs.auto,
        "flagged": proposal.cut_offs.flagged,
        "hold": proposal.cut_offs.hold,
    }


def raw_cut_off(one: CalibrationMap | None, cut_off: float) -> float | None:
    """The lowest raw confidence that the map takes to `cut_off` or above; None if none does."""
    if one is None:
        return cut_off
    low, high = 0.0, 1.0
    if float(one.apply(np.array([high]))[0]) < cut_off:
        return None
    if float(one.apply(np.array([low]))[0]) >= cut_off:
        return low
    for _ in range(50):
        middle = (low + high) / 2.0
        if float(one.apply(np.array([middle]))[0]) >= cut_off:
            high = middle
        else:
            low = middle
    return high


def _list_distrusted(
    judgement: Judgement, policy: Policy, edges: Sequence[float], categories: Collection[str]
) -> DistrustedCells:
    """Cells found certainly overconfident, and those distrusted before that nobody can judge now.

    Band 0 is under the first edge.
    """
    verdicts = {
        (cell.category, int(np.searchsorted(edges, cell.lower, side="right"))): cell.verdict
        for cell in judgement.by_category
        if cell.category in categories
    }
    found = {cell for cell, verdict in verdicts.items() if verdict == OVERCONFIDENT}
    kept = {
        cell
        for cell in policy.distrusted
        if cell[0] in categories
        and cell[1] <= len(edges)
        and verdicts.get(cell, "not_enough_labels") == "not_enough_labels"
    }
    return frozenset((key, band) for key, band in found | kept if key is not None)


def _raise_auto(
    evidence: Evidence, policy: Policy, judgement: Judgement
) -> tuple[CutOffs, list[str]]:
    """A higher auto cut-off where everything above the present one is certainly overconfident.

    The lowest of twenty steps of volume from which the labels keep the present cut-off's promise:
    accuracy at or above it, and the 95% interval at most five points below. Looking at many
    cut-offs on the same labels is optimistic; the note says so.
    """
    old = policy.cut_offs
    acted_on = _judge_above(evidence, judgement, old.auto)
    if acted_on is None or acted_on.verdict != OVERCONFIDENT:
        return old, []
    new = next(
        (
            step
            for step in _list_steps(evidence, judgement, old.auto)
            if _keeps(_judge_above(evidence, judgement, step), old.auto)
        ),
        NEVER,
    )
    # A policy without a flagged band keeps none: what leaves auto is held, not acted on anyway.
    raised = CutOffs(new, new if old.flagged == old.auto else old.flagged, old.hold)
    share = 100.0 * (acted_on.accuracy or 0.0)
    why = f"{share:.1f}% of what is at {show_number(old.auto)} or above is right"
    try:
        replace(policy, cut_offs=raised)
    except PolicyError as error:
        return old, [f"{why}: auto belongs at {show_number(new)}, but {error}; change it by hand"]
    found = "no cut-off kept the promise" if new == NEVER else "exploratory, not certified"
    notes = [f"{why}, so auto is proposed from {show_number(new)} ({found})"]
    certain = int(evidence.frame.count[judgement.frame_confidence >= NEVER].sum())
    if new == NEVER and certain:
        notes.append(
            f"{certain} items have confidence 1 and pass any cut-off; "
            "review their categories by mandate"
        )
    return raised, notes


def _follow_certificate(policy: Policy, certificate: Certificate) -> tuple[CutOffs, list[str]]:
    """The certified auto cut-off; bands that were empty stay so, and none may stand above it."""
    old, promise = policy.cut_offs, describe_certificate(certificate)
    if certificate.cut_off is None:
        return old, [promise]
    auto = certificate.cut_off
    flagged = auto if old.flagged == old.auto else min(old.flagged, auto)
    hold = flagged if old.hold == old.flagged else min(old.hold, flagged)
    moved = CutOffs(auto, flagged, hold)
    try:
        replace(policy, cut_offs=moved)
    except PolicyError as error:
        return old, [promise, f"the cut-off stays, since {error}; change it by hand"]
    return moved, [promise]


def describe_certificate(certificate: Certificate) -> str:
    """What is promised, or how much is wanting, in one sentence."""
    promise = (
        f"at most {100.0 * certificate.alpha:.4g}% errors among automatic items, "
        f"at {100.0 * (1.0 - certificate.delta):.4g}% confidence"
    )
    if certificate.cut_off is not None:
        where = f"from {show_number(certificate.cut_off)} up, on {certificate.audits} audits"
        return f"certified: {promise}, {where} with {certificate.errors} errors"
    needed = certificate.audits_needed
    more = "more errors than that were seen" if needed is None else f"about {needed} more audits"
    return f"not certifiable yet: {promise}; {more}"


def _list_steps(evidence: Evidence, judgement: Judgement, auto: float) -> list[float]:
    """Confidences above `auto`, rising, at equal steps of the frame's volume."""
    routed = judgement.frame_confidence
    above = routed > auto
    order = np.argsort(routed[above], kind="stable")
    rising, counts = routed[above][order], evidence.frame.count[above][order]
    if not counts.sum():
        return []
    reached = np.cumsum(counts) / counts.sum()
    steps = np.searchsorted(reached, np.arange(CANDIDATES) / CANDIDATES, side="right")
    return [float(step) for step in np.unique(rising[np.minimum(steps, rising.size - 1)])]


def _judge_above(evidence: Evidence, judgement: Judgement, cut_off: float) -> Cell | None:
    """The one cell from `cut_off` up; None where a cut-off at an end leaves no band."""
    if not 0.0 < cut_off < 1.0:
        return None
    cells = tabulate(
        evidence,
        judgement.confidence,
        judgement.frame_confidence,
        edges=[cut_off],
        by_category=False,
    )
    return cells[-1] if cells else None


def _keeps(cell: Cell | None, promise: float) -> bool:
    if cell is None or cell.n < MINIMUM or cell.accuracy is None or cell.low is None:
        return False
    return cell.accuracy >= promise and cell.low >= promise - TOLERATED_GAP


def _describe_maps(policy: Policy, maps: Maps, versions: Sequence[str]) -> list[str]:
    if maps == policy.maps:
        return []
    before, after = name_maps(policy.maps), name_maps(maps)
    return [
        f"calibration: {after} instead of {before}, "
        f"for model {', '.join(repr(version) for version in versions)}"
    ]


def name_maps(maps: Maps) -> str:
    """The maps in one line: the stream's, and the categories' own, counted if there are many."""
    if not maps:
        return "none"
    own = sorted(key for key in maps if key != STREAM_WIDE)
    named = [STREAM_WIDE] if STREAM_WIDE in maps else []
    if len(own) <= MAPS_NAMED:
        named += own
    words = [_name_map(key, maps[key]) for key in named]
    if len(own) > MAPS_NAMED:
        words.append(f"maps of their own for {len(own)} categories")
    return ", ".join(words)


def _name_map(key: str, one: CalibrationMap) -> str:
    numbers = [f"{number:.4f}" for number in one.parameters]
    knots = [f"of {len(one.knots)} knots"] if one.knots else []
    return " ".join([*([f"{key}:"] if key else []), one.kind, *numbers, *knots])


def _describe_distrusted(before: DistrustedCells, after: DistrustedCells) -> list[str]:
    return [
        *(f"distrusted: {key}, band {band}" for key, band in sorted(after - before)),
        *(f"trusted again: {key}, band {band}" for key, band in sorted(before - after)),
    ]


def _describe_cut_offs(before: CutOffs, after: CutOffs) -> list[str]:
    return [
        f"{name} from {show_number(getattr(after, name))} instead of "
        f"{show_number(getattr(before, name))}"
        for name in ("auto", "flagged", "hold")
        if getattr(after, name) != getattr(before, name)
    ]
