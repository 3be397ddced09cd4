"""What a recalibration proposes: a map, distrusted cells and, where a map is not enough, a cut-off.

A proposal is a draft for a person to publish. Cut-offs are promises in calibrated terms, so they
stay where they are while a map can keep them: the map moves the raw confidence at which they
begin. They move only where what is acted on alone stays certainly overconfident under the map.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from calibration.budgets import certify_budget
from calibration.core.selection import Selection, Trial, select_maps
from calibration.core.thresholds import (
    Certificate,
    Costs,
)
from calibration.cut_offs import (
    NEVER,
    OVERCONFIDENT,
    follow_certificate,
    follow_costs,
    raise_auto,
)
from calibration.judgements import (
    Judgement,
    Maps,
    judge_maps,
    split_labels,
)
from calibration.labels import Evidence
from routing.core.maps import IDENTITY, CalibrationMap
from routing.core.policy import STREAM_WIDE, CutOffs, Policy
from routing.core.signals import show_number

FOLDS: Final = 5
MAPS_NAMED: Final = 3
NOT_IN_RAW_ORDER: Final = (
    "one map for the whole stream instead of maps by category or in steps, since an error budget "
    "is certified in the order of the raw confidences"
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
    rule_cut_offs: Mapping[str, CutOffs] = field(default_factory=dict)


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
    evidence: Evidence,
    current: Judgement,
    in_force: Maps,
    *,
    keep_order: bool = False,
    platt_only: bool = False,
) -> Selection:
    """The maps that the labels support, compared out of fold with those `in_force`.

    Drafted sentences are calibrated by Platt's map alone.

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
        platt_only=platt_only,
    )


def propose(
    *,
    evidence: Evidence,
    policy: Policy,
    current: Judgement,
    edges: Sequence[float],
    categories: Collection[str],
    budget: Budget | None = None,
    costs: Mapping[str, Costs] | None = None,
) -> Proposal | None:
    """What to change, or None where there is not a single label.

    `current` is the judgement of the maps in force, `edges` are the stream's reporting bands and
    `categories` those that a draft may name: the stream's that are not retired. With a `budget` the
    auto cut-off is the lowest one that the audits certify for it, and stays where none is. With
    `costs`, by category and for the stream under "", the cut-offs are the cheapest ones.
    """
    if not len(evidence.labels):
        return None
    chosen = _choose_maps(evidence, policy, current, edges, keep_order=budget is not None)
    cuts = _choose_cut_offs(
        evidence, policy, chosen.judgement, categories, budget=budget, costs=costs
    )
    if cuts.is_refused and policy.maps and policy.cut_offs.auto < NEVER:
        kept = (*chosen.notes, "the map stays with the cut-off that was set under it")
        chosen = replace(
            chosen,
            maps=policy.maps,
            versions=policy.model_versions,
            judgement=current,
            notes=kept,
        )
    maps = {key: one for key, one in chosen.maps.items() if key == STREAM_WIDE or key in categories}
    distrusted = _list_distrusted(chosen.judgement, policy, edges, categories)
    changes = (
        *_describe_maps(policy, maps, chosen.versions),
        *_describe_distrusted(policy.distrusted, distrusted),
        *_describe_cut_offs(policy.cut_offs, cuts.stream),
        *(
            f"{key}: auto from {show_number(own.auto)}, flagged from {show_number(own.flagged)}"
            for key, own in cuts.categories.items()
        ),
    )
    return Proposal(
        maps=maps,
        model_versions=chosen.versions,
        distrusted=distrusted,
        cut_offs=cuts.stream,
        judgement=chosen.judgement,
        trials=chosen.trials,
        changes=changes,
        notes=(*chosen.notes, *cuts.notes),
        certificate=cuts.certificate,
        rule_cut_offs=cuts.categories,
    )


@dataclass(frozen=True, slots=True)
class _ChosenMaps:
    maps: Maps
    versions: tuple[str, ...]
    judgement: Judgement
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _ChosenCutOffs:
    """Cut-offs of the stream, and of the categories where theirs differ."""

    stream: CutOffs
    notes: Sequence[str]
    categories: Mapping[str, CutOffs] = field(default_factory=dict)
    certificate: Certificate | None = None

    @property
    def is_refused(self) -> bool:
        """Whether a certificate was asked for and not given."""
        return self.certificate is not None and self.certificate.cut_off is None


def _choose_maps(
    evidence: Evidence,
    policy: Policy,
    current: Judgement,
    edges: Sequence[float],
    *,
    keep_order: bool,
) -> _ChosenMaps:
    """The maps that the labels support, or those in force; with what is known of them."""
    version = evidence.cohort.model_version
    strange = bool(policy.maps) and version not in policy.model_versions
    in_force = maps_in_force(policy, version)
    mixed = keep_order and not _keep_order(in_force)
    if mixed:
        # However good they are, no budget can be certified under them: another has to come.
        in_force = {}
        current = judge_maps(evidence, in_force, edges=edges)
    selected = refit_maps(
        evidence,
        current,
        in_force,
        keep_order=keep_order,
        platt_only=policy.grounding is not None,
    )
    notes = [NOT_IN_RAW_ORDER, selected.note] if mixed else [selected.note]
    maps, versions, judgement = policy.maps, policy.model_versions, current
    if selected.maps is not None:
        maps, versions = selected.maps, (version,)
        judgement = judge_maps(evidence, maps, edges=edges, held_out=selected.held_out)
    elif mixed or (strange and not selected.flagged):
        maps, versions = {STREAM_WIDE: IDENTITY}, (version,)
    elif strange:
        notes.append(f"the maps in force were not fitted on model {version!r} and do not apply")
    return _ChosenMaps(maps, versions, judgement, selected.trials, tuple(notes))


def _choose_cut_offs(
    evidence: Evidence,
    policy: Policy,
    judgement: Judgement,
    categories: Collection[str],
    *,
    budget: Budget | None,
    costs: Mapping[str, Costs] | None,
) -> _ChosenCutOffs:
    """By the budget, else by the costs, else by what the labels keep."""
    if budget is not None:
        certificate = certify_budget(
            evidence=evidence,
            judgement=judgement,
            alpha=budget.alpha,
            delta=budget.delta,
            planned_from=budget.planned_from,
        )
        stream, notes = follow_certificate(policy, certificate)
        return _ChosenCutOffs(stream, notes, certificate=certificate)
    if costs:
        stream, own, notes = follow_costs(policy, costs, categories)
        return _ChosenCutOffs(stream, notes, own)
    stream, notes = raise_auto(evidence, policy, judgement)
    return _ChosenCutOffs(stream, notes)


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
    return cut_off if one is None else one.lowest_raw(cut_off)


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
