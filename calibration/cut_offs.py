"""Where a proposal cuts: by what the labels keep, by an error budget, or by the costs of errors.

Cut-offs are promises in calibrated terms, so they stay where they are while a map can keep them.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from typing import Final

import numpy as np

from calibration.core.reliability import TOLERATED_GAP, Cell
from calibration.core.thresholds import (
    Certificate,
    Costs,
    cut_offs_from_costs,
)
from calibration.judgements import MINIMUM, Judgement, tabulate
from calibration.labels import Evidence
from routing.core.policy import STREAM_WIDE, CategoryRule, CutOffs, Policy, PolicyError
from routing.core.signals import show_number

CANDIDATES: Final = 20
NEVER: Final = 1.0
OVERCONFIDENT: Final = "overconfident_certain"


def raise_auto(
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


def follow_certificate(policy: Policy, certificate: Certificate) -> tuple[CutOffs, list[str]]:
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


def follow_costs(
    policy: Policy, costs: Mapping[str, Costs], categories: Collection[str]
) -> tuple[CutOffs, dict[str, CutOffs], list[str]]:
    """The cheapest cut-offs of the stream, and of the categories where theirs differ.

    Costs say nothing on what is refused: its bound stays, or gives way to a lower flagged band.
    """
    cut_offs = _cheapest(costs[STREAM_WIDE], policy.cut_offs)
    own = {
        key: _cheapest(one, policy.effective(key))
        for key, one in costs.items()
        if key != STREAM_WIDE and key in categories
    }
    rules = dict(policy.rules) | {
        key: replace(policy.rules.get(key, CategoryRule()), **asdict(one))
        for key, one in own.items()
    }
    try:
        replace(policy, cut_offs=cut_offs, rules=rules)
    except PolicyError as error:
        stays = f"the cheapest cut-offs cannot be set: {error}; change it by hand"
        return policy.cut_offs, {}, [stays]
    changed = {key: one for key, one in own.items() if one != policy.effective(key)}
    return cut_offs, changed, ["the cut-offs are the cheapest ones by the stream's costs"]


def _cheapest(costs: Costs, old: CutOffs) -> CutOffs:
    found = cut_offs_from_costs(costs)
    return CutOffs(found.auto, found.flagged, min(old.hold, found.flagged))


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
