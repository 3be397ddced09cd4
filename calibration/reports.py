"""What a calibration run found, as the JSON that is stored with it.

Sentences are for people, numbers for screens; every share and confidence is within 0..1, and
what cannot be said is null. A cell has the fields of `calibration.core.reliability.Cell`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final, TypedDict

import numpy as np

from calibration.core.thresholds import certified_cut_off
from calibration.forecasts import expected_hours, forecast_routing
from calibration.judgements import (
    Judgement,
    Maps,
    describe_judgement,
    describe_labels,
    list_cautions,
    list_findings,
)
from calibration.labels import Evidence
from calibration.proposals import Proposal, describe_certificate, raw_cut_off
from routing.core.policy import BANDS, STREAM_WIDE, Policy
from routing.core.signals import DECIMALS
from routing.models import Decision

DELTA: Final = 0.05
NOTHING_TO_CHANGE: Final = "nothing to change: the policy in force may stand"


class Report(TypedDict, total=False):
    """A run's findings; the parts from `changes` on belong to a refit.

    cohort       model_version, first_day, last_day
    labels       n, n_eff, items, open, open_share, accuracy_if_open_wrong, accuracy_if_open_right,
                 by_category: {key: {n, right}}
    table        before and, of a refit, after: {"aggregate": [cell], "categories": [cell]}
    scores       before and, of a refit, after: ece, adaptive_ece and smooth_ece, each with its
                 noise floor, brier, log_loss, clipped
    findings     the cells that break their promise
    certificate  what the audits of the automatic queue allow to promise
    notes        what keeps the numbers from saying more, what was decided and why
    candidates   the kinds of map, simplest first: name, fit, saving over the maps in force, simpler
                 and over_simpler, outcome; a saving is [gain, standard error] in log loss or null
    changes      how the draft differs from the policy in force
    cut_offs     by band: calibrated_now, raw_now, calibrated_draft, raw_draft; own_now and
                 own_draft, least and greatest raw cut-off of the categories with their own map
    queues       items, and by queue the share now and draft
    review       items of the window, hours_now and hours_draft; null where no pace is known
    """

    cohort: dict[str, str]
    labels: dict[str, object]
    table: dict[str, object]
    scores: dict[str, object]
    findings: list[str]
    certificate: dict[str, object] | None
    notes: list[str]
    candidates: list[dict[str, object]]
    changes: list[str]
    cut_offs: dict[str, dict[str, object]]
    queues: dict[str, object]
    review: dict[str, object]


def report_current(evidence: Evidence, policy: Policy, judgement: Judgement) -> Report:
    """What every run reports: the maps in force, judged by the cohort's labels."""
    cohort = evidence.cohort
    described = describe_judgement(judgement)
    certificate: dict[str, object] | None = None
    promise: list[str] = []
    if evidence.cohort.stream.error_budget is None:
        certificate, promise = _certify(evidence, policy, judgement)
    return {
        "cohort": {
            "model_version": cohort.model_version,
            "first_day": cohort.first_day.isoformat(),
            "last_day": cohort.last_day.isoformat(),
        },
        "labels": describe_labels(evidence),
        "scores": {"before": described.pop("scores")},
        "table": {"before": described},
        "findings": list_findings(judgement),
        "certificate": certificate,
        "notes": [*list_cautions(evidence, judgement), *promise],
    }


def report_proposal(report: Report, policy: Policy, proposal: Proposal | None) -> None:
    """Add what a refit proposes instead of `policy`; None where there was nothing to fit."""
    report["candidates"] = []
    report["changes"] = []
    report["cut_offs"] = {}
    if proposal is None:
        return
    described = describe_judgement(proposal.judgement)
    report["scores"]["after"] = described.pop("scores")
    report["table"]["after"] = described
    report["candidates"] = [asdict(trial) for trial in proposal.trials]
    report["changes"] = list(proposal.changes)
    if proposal.certificate is not None:
        report["certificate"] = asdict(proposal.certificate)
    report["notes"] += proposal.notes
    if not proposal.changes:
        report["notes"].append(NOTHING_TO_CHANGE)
    for band in BANDS:
        before, after = getattr(policy.cut_offs, band), getattr(proposal.cut_offs, band)
        report["cut_offs"][band] = {
            "calibrated_now": before,
            "raw_now": raw_cut_off(policy.maps.get(STREAM_WIDE), before),
            "own_now": _span_own_cut_offs(policy.maps, before),
            "calibrated_draft": after,
            "raw_draft": raw_cut_off(proposal.maps.get(STREAM_WIDE), after),
            "own_draft": _span_own_cut_offs(proposal.maps, after),
        }


def _span_own_cut_offs(maps: Maps, cut_off: float) -> list[float | None] | None:
    """Least and greatest raw confidence of `cut_off` among the categories' own maps.

    The greatest is None where some category never reaches it; None if no category has a map.
    """
    own = [raw_cut_off(one, cut_off) for key, one in maps.items() if key != STREAM_WIDE]
    reached = [raw for raw in own if raw is not None]
    if not reached:
        return None
    return [min(reached), max(reached) if len(reached) == len(own) else None]


def report_volume(
    report: Report,
    evidence: Evidence,
    policies: Sequence[Policy],
    seconds_per_review: Mapping[str, float],
) -> None:
    """Add queue shares and reviewer hours under the policy in force and, if any, the draft."""
    forecasts = forecast_routing(cohort=evidence.cohort, policies=policies)
    items = evidence.frame.items
    hours = [
        expected_hours(forecast, items=items, seconds_per_review=seconds_per_review)
        for forecast in forecasts
    ]
    now, draft = forecasts[0], forecasts[-1]
    report["queues"] = {"items": now.items, "now": now.queues, "draft": draft.queues}
    report["review"] = {"items": items, "hours_now": hours[0], "hours_draft": hours[-1]}


def _certify(
    evidence: Evidence, policy: Policy, judgement: Judgement
) -> tuple[dict[str, object] | None, list[str]]:
    """What the uniform audits of the automatic queue promise, at its cut-off's own error rate.

    The largest stratum of the queue speaks, for one rate of audit is what the test asks for.
    """
    alpha = round(1.0 - policy.cut_offs.auto, DECIMALS)
    labels, frame = evidence.labels, evidence.frame
    auto = [
        code
        for code, key in enumerate(evidence.strata)
        if key.startswith(f"{Decision.Queue.AUTO} ")
    ]
    if not auto or not 0.0 < alpha < 1.0:
        return None, []
    size = np.bincount(frame.stratum, weights=frame.count, minlength=len(evidence.strata))
    here = labels.stratum == max(auto, key=lambda code: float(size[code]))
    certificate = certified_cut_off(
        confidence=judgement.confidence[here],
        correct=labels.correct[here],
        pi=labels.pi[here],
        alpha=alpha,
        delta=DELTA,
    )
    return asdict(certificate), [describe_certificate(certificate)]
