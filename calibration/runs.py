"""Calibration runs: measuring a stream's promises, and proposing a policy that keeps them.

`measure` stores a reliability table. `recalibrate` stores one with a refit beside it and, where
something should change, a draft policy. Nothing here publishes: a person does.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from calibration.budgets import DELTA, spend_delta
from calibration.core.thresholds import Costs
from calibration.judgements import Judgement, judge_maps
from calibration.labels import Evidence, find_cohort, read_evidence
from calibration.models import LONGEST_REASON, CalibrationRun
from calibration.proposals import Budget, Proposal, draft_fields, maps_in_force, propose
from calibration.reports import Report, report_current, report_proposal, report_volume
from routing.core.policy import STREAM_WIDE
from routing.core.policy import Policy as PolicySpec
from routing.events import record_event
from routing.models import CategoryRule, Policy, Stream
from routing.policies import active_keys, copy_policy, current_spec, load_spec

MEASURED_DAYS: Final = 30
FITTED_DAYS: Final = 90
BUDGET_LOCK: Final = 0x52515F42  # "RQ_B": who certifies next for a stream

# Takes what is being done now, in words, and the share of the work that lies behind, 0 to 1.
Progress = Callable[[str, float], None]


class RunReasonError(ValueError):
    """A run is started with a reason of at most 200 characters, for those who read it later."""


class OvertakenError(RuntimeError):
    """Another recalibration of this stream ended meanwhile and used this one's share of the risk.

    Nothing was stored; start it again.
    """


@transaction.atomic
def measure(
    *, stream: Stream, at: datetime, reason: str, days: int = MEASURED_DAYS
) -> CalibrationRun:
    """Store the reliability table of the last `days` days under the maps in force.

    Raises:
        NoPolicyError: the stream has no published policy.
        RunReasonError: the reason is empty or too long.
    """
    check_reason(reason)
    policy_id, spec = current_spec(stream.id)
    evidence = read_evidence(find_cohort(stream=stream, at=at, days=days))
    judgement = _judge_current(evidence, spec)
    report = report_current(evidence, spec, judgement)
    return _store_run(
        CalibrationRun.Kind.TABLE, evidence, policy_id, judgement, report, reason=reason, at=at
    )


def recalibrate(
    *,
    stream: Stream,
    at: datetime,
    reason: str,
    created_by_id: int | None = None,
    days: int = FITTED_DAYS,
    seconds_per_review: Mapping[str, float] | None = None,
    progress: Progress | None = None,
    finish: Callable[[CalibrationRun], None] | None = None,
) -> CalibrationRun:
    """Refit on the last `days` days, compare on held-out labels, and draft a policy.

    The draft (`draft_id`) is missing where the policy in force may stand. `seconds_per_review`
    is the mean active time of a review by the queue it waited in, as far as it is known.
    Reading and fitting hold no transaction, so `progress` may tell others about each step; draft,
    run and event are written in one at the end, and with them whatever `finish` writes. An error
    of either undoes all.

    Raises:
        NoPolicyError: the stream has no published policy.
        RunReasonError: the reason is empty or too long.
        OvertakenError: with an error budget, two certificates would rest on the same share of the
            risk; the later one is refused.
    """
    tell = progress or _tell_nobody
    check_reason(reason)
    policy_id, spec = current_spec(stream.id)
    tell("reading the labels", 0.0)
    evidence = read_evidence(find_cohort(stream=stream, at=at, days=days))
    labels = f"{len(evidence.labels):,} labels"
    tell(f"judging the maps in force by {labels}", 0.45)
    current = _judge_current(evidence, spec)
    report = report_current(evidence, spec, current)
    tell(f"fitting maps on {labels}", 0.55)
    budget = _find_budget(stream, evidence.cohort.model_version)
    proposal = _propose(stream, evidence, spec, current, budget)
    report_proposal(report, spec, proposal)
    tell("routing the newest items again", 0.75)
    changed = proposal if proposal is not None and proposal.changes else None
    with transaction.atomic():
        _hold_share(stream, evidence.cohort.model_version, budget)
        draft = _create_draft(stream, policy_id, changed, at, created_by_id)
        policies = [spec] if draft is None else [spec, load_spec(draft)]
        report_volume(report, evidence, policies, seconds_per_review or {})
        run = _store_run(
            CalibrationRun.Kind.REFIT,
            evidence,
            policy_id,
            current,
            report,
            reason=reason,
            at=at,
            after=None if changed is None else changed.judgement,
            draft_id=None if draft is None else draft.id,
            created_by_id=created_by_id,
        )
        if finish is not None:
            finish(run)
    return run


def _tell_nobody(_step: str, _share: float) -> None:
    """Progress where nobody looks on."""


def check_reason(reason: str) -> None:
    """Raise RunReasonError unless the reason has 1 to 200 characters."""
    length = len(reason.strip())
    if not 0 < length <= LONGEST_REASON:
        raise RunReasonError(f"reason has {length} characters; give 1 to {LONGEST_REASON}")


def _judge_current(evidence: Evidence, spec: PolicySpec) -> Judgement:
    cohort = evidence.cohort
    maps = maps_in_force(spec, cohort.model_version)
    return judge_maps(evidence, maps, edges=cohort.stream.reporting_edges)


def _propose(
    stream: Stream,
    evidence: Evidence,
    spec: PolicySpec,
    current: Judgement,
    budget: Budget | None,
) -> Proposal | None:
    return propose(
        evidence=evidence,
        policy=spec,
        current=current,
        edges=stream.reporting_edges,
        categories=active_keys(stream.id),
        budget=budget,
        costs=_find_costs(stream),
    )


def _find_budget(stream: Stream, model_version: str) -> Budget | None:
    """The stream's budget, each attempt to certify it at a risk of its own that sums to delta."""
    if stream.error_budget is None:
        return None
    tried = CalibrationRun.objects.filter(
        stream=stream,
        kind=CalibrationRun.Kind.REFIT,
        model_version=model_version,
        report__certificate__alpha=stream.error_budget,
    )
    return Budget(stream.error_budget, spend_delta(DELTA, tried.count() + 1))


def _hold_share(stream: Stream, model_version: str, budget: Budget | None) -> None:
    """Keep the share of the risk that `budget` was given until commit; refuse it if it is gone."""
    if budget is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [BUDGET_LOCK, str(stream.id)]
        )
    if _find_budget(stream, model_version) != budget:
        raise OvertakenError(OvertakenError.__doc__)


def _find_costs(stream: Stream) -> dict[str, Costs] | None:
    """The stream's costs under "", and those of the categories that have one of their own."""
    if stream.cost_error is None or stream.cost_review is None or stream.cost_delay is None:
        return None
    usual = Costs(
        error=stream.cost_error,
        review=stream.cost_review,
        delay=stream.cost_delay,
        irreversible=stream.irreversible,
    )
    found = {STREAM_WIDE: usual}
    for category in stream.categories.filter(retired_at__isnull=True):
        own = {
            name: value
            for name, value in (("error", category.cost_error), ("delay", category.cost_delay))
            if value is not None
        }
        if own:
            found[category.key] = replace(usual, **own)
    return found


def _create_draft(
    stream: Stream,
    policy_id: UUID,
    proposal: Proposal | None,
    at: datetime,
    created_by_id: int | None,
) -> Policy | None:
    if proposal is None:
        return None
    changes = draft_fields(proposal) | {
        "title": f"Recalibrated {at:%Y-%m-%d}",
        "reporting_edges": list(stream.reporting_edges),
    }
    draft = copy_policy(
        policy=Policy.objects.get(id=policy_id), created_by_id=created_by_id, changes=changes
    )
    categories = {category.key: category for category in stream.categories.all()}
    for key, own in proposal.rule_cut_offs.items():
        CategoryRule.objects.update_or_create(
            policy=draft,
            category=categories[key],
            defaults={"stream_id": stream.id, **asdict(own)},
        )
    return draft


def _store_run(
    kind: CalibrationRun.Kind,
    evidence: Evidence,
    policy_id: UUID,
    before: Judgement,
    report: Report,
    *,
    reason: str,
    at: datetime,
    after: Judgement | None = None,
    draft_id: UUID | None = None,
    created_by_id: int | None = None,
) -> CalibrationRun:
    cohort = evidence.cohort
    run = CalibrationRun.objects.create(
        stream_id=cohort.stream.id,
        kind=kind,
        reason=reason.strip(),
        policy_id=policy_id,
        model_version=cohort.model_version,
        window_start=cohort.start,
        window_end=cohort.end,
        labels=len(evidence.labels),
        open_tasks=evidence.open.count,
        ece_before=before.scores.ece if before.scores else None,
        ece_after=after.scores.ece if after and after.scores else None,
        report=report,
        draft_id=draft_id,
        created_at=at,
    )
    record_event(
        stream_id=cohort.stream.id,
        kind="calibration.proposed" if draft_id else "calibration.measured",
        subject_id=run.id,
        actor_id=created_by_id,
        happened_at=at,
        labels=run.labels,
        draft=str(draft_id) if draft_id else None,
    )
    return run
