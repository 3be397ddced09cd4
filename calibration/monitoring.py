"""Watching the promise: every audited label enters the drift test once, in order of settlement.

A watch belongs to one stretch of unchanged maps and one model version (`calibration.watches`); when
either changes another one begins. An alarm is an append-only row with its event, and asks for a
recalibration, which is made on the floor above.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import F, OuterRef, Q, Subquery

from calibration.core.drift import ALPHA, DriftState, observe_audits, start_drift_test
from calibration.jobs import day_of, run_once
from calibration.labels import find_cohort
from calibration.models import AuditDraw, DriftAlarm, DriftWatch, GroundTruth, JobRun
from calibration.watches import Stretch, find_stretch, open_watch
from routing.announcements import announce
from routing.core.policy import Policy as PolicySpec
from routing.events import record_event
from routing.models import Announcement, Decision, Stream
from routing.policies import published_spec

DRIFT_WATCH: Final = "drift_watch"
EVERYTHING: Final = ""  # the key of the test of all categories together
RECENT_DAYS: Final = 90  # what was drawn earlier and is settled only now is not waited for
ROUTED_DAYS: Final = 30
LEAST_RISK: Final = 0.001


@dataclass(frozen=True, slots=True)
class _Audit:
    draw_id: UUID
    category: str
    confidence: float
    correct: bool


def watch_audits(*, stream: Stream, at: datetime) -> JobRun | None:
    """Once a day: show the drift test what was settled since, and raise the alarms it calls for.

    None where it was done, where nothing is published, or where there is nothing new yet.
    """

    def work() -> dict[str, object] | None:
        stretch = find_stretch(stream=stream, model_version=newest_model(stream=stream, at=at))
        return None if stretch is None else _watch(stream, stretch, at)

    return run_once(stream=stream, job=DRIFT_WATCH, period=day_of(stream, at), at=at, work=work)


def newest_model(*, stream: Stream, at: datetime) -> str:
    """The model version of most items on the newest day of the last thirty; empty for none."""
    return find_cohort(stream=stream, at=at, days=ROUTED_DAYS).model_version


def read_states(watch: DriftWatch) -> dict[str, DriftState]:
    """The tests of a watch by category, `EVERYTHING` for all together."""
    return {key: DriftState.from_json(document) for key, document in watch.state.items()}


def _watch(stream: Stream, stretch: Stretch, at: datetime) -> dict[str, object] | None:
    audits = list(_read_audits(stream, stretch, at))
    if not audits:
        return None
    watch = open_watch(stream=stream, stretch=stretch, at=at)
    before = read_states(watch)
    after = before | _observe(before, audits, published_spec(stretch.policy_ids[-1]))
    watch.state = {key: state.to_json() for key, state in sorted(after.items())}
    whole = after[EVERYTHING]
    watch.audits, watch.evidence, watch.threshold = whole.audits, whole.evidence, whole.threshold
    watch.updated_at = at
    watch.save(update_fields=["state", "audits", "evidence", "threshold", "updated_at"])
    AuditDraw.objects.filter(id__in=[audit.draw_id for audit in audits]).update(watched_at=at)
    raised = [
        _raise_alarm(watch, key, side, state, at)
        for key, state in after.items()
        for side in _find_new_alarms(before.get(key), state)
    ]
    return {"audits": len(audits), "alarms": len(raised)}


def _read_audits(stream: Stream, stretch: Stretch, at: datetime) -> Iterator[_Audit]:
    """Labels of automatic decisions of the stretch, past their undo window and not seen before.

    Whoever settled a drawn item, an expert it was passed on to included, the draw stands.
    """
    settled = GroundTruth.objects.usable().filter(
        stream=stream, item=OuterRef("item"), decision=OuterRef("decision")
    )
    settled = settled.filter(settled_at__lte=at - stream.undo_window)
    right = settled.annotate(right=Q(categories__contains=[F("decision__predicted")]))
    draws = (
        AuditDraw.objects.filter(
            stream=stream,
            watched_at__isnull=True,
            drawn_at__gte=at - timedelta(days=RECENT_DAYS),
            decision__policy__in=stretch.policy_ids,
            decision__queue=Decision.Queue.AUTO,
            item__model_version=stretch.model_version,
        )
        .annotate(
            settled_at=Subquery(settled.values("settled_at")),
            correct=Subquery(right.values("right")),
        )
        .filter(settled_at__isnull=False)
        .order_by("settled_at", "id")
        # Another day's watch waits here and then finds these watched.
        .select_for_update(of=("self",))
    )
    rows = draws.values_list("id", "decision__predicted", "decision__confidence", "correct")
    for draw_id, predicted, confidence, correct in rows:
        yield _Audit(draw_id, predicted, confidence, bool(correct))


def _observe(
    before: dict[str, DriftState], audits: Sequence[_Audit], spec: PolicySpec
) -> dict[str, DriftState]:
    """The tests that the audits concern, after them: that of all, and those of their categories."""
    concerned = {EVERYTHING: list(audits)}
    for audit in audits:
        concerned.setdefault(audit.category, []).append(audit)
    return {
        key: observe_audits(
            before[key] if key in before else _start(key, spec),
            correct=[float(audit.correct) for audit in own],
            confidence=[audit.confidence for audit in own],
        )
        for key, own in concerned.items()
    }


def _start(key: str, spec: PolicySpec) -> DriftState:
    """The test of all audits has alpha to itself, those of the categories share another."""
    keys = spec.categories
    cut_offs = [spec.effective(one).auto for one in ([key] if key in keys else keys)]
    risk = max(LEAST_RISK, 1.0 - min(cut_offs))
    alpha = ALPHA if key == EVERYTHING else ALPHA / len(keys)
    return start_drift_test(largest_risk=risk, alpha=alpha)


def _find_new_alarms(before: DriftState | None, after: DriftState) -> list[DriftAlarm.Side]:
    was_more = before is not None and before.more.alarm_at is not None
    was_fewer = before is not None and before.fewer.alarm_at is not None
    found = []
    if after.more.alarm_at is not None and not was_more:
        found.append(DriftAlarm.Side.MORE)
    if after.fewer.alarm_at is not None and not was_fewer:
        found.append(DriftAlarm.Side.FEWER)
    return found


def _raise_alarm(
    watch: DriftWatch, key: str, side: DriftAlarm.Side, state: DriftState, at: datetime
) -> DriftAlarm:
    alarm = DriftAlarm.objects.create(
        stream_id=watch.stream_id,
        watch=watch,
        category=key,
        side=side,
        audits=state.audits,
        errors=state.errors,
        promised_errors=state.promised_errors,
        evidence=(state.more if side == DriftAlarm.Side.MORE else state.fewer).peak,
        threshold=state.threshold,
        raised_at=at,
    )
    record_event(
        stream_id=watch.stream_id,
        kind="drift.alarm",
        subject_id=alarm.id,
        happened_at=at,
        category=key,
        side=str(side.value),
        model_version=watch.model_version,
        policy=str(watch.policy_id),
        audits=alarm.audits,
        errors=alarm.errors,
        promised_errors=alarm.promised_errors,
        evidence=alarm.evidence,
    )
    announce(
        stream_id=watch.stream_id,
        kind=Announcement.Kind.DRIFT_ALARM,
        subject_id=alarm.id,
        stream=watch.stream.key,
        alarm=str(alarm.id),
        category=key or None,
        side=str(side.value),
        model_version=watch.model_version,
        audits=alarm.audits,
        errors=alarm.errors,
        promised_errors=alarm.promised_errors,
    )
    return alarm
