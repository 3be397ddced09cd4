"""The drift sheet: evidence against the promise, how far scores moved, and what happened when."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from calibration.core.drift import DriftState
from calibration.courses import Course, read_course
from calibration.models import DriftAlarm, DriftWatch, RunRequest
from calibration.monitoring import EVERYTHING, read_states
from calibration.shifts import Week, measure_weeks
from calibration.watches import find_watch
from reviewqueue.insight.drawing import draw
from reviewqueue.insight.figures import DriftEvent, DriftFigures, DriftTest, WeekFigures
from reviewqueue.insight.sheets import Made
from reviewqueue.insight.timelines import evidence_timeline, shift_timeline
from routing.models import Category, ModelAlarm, Policy, Stream
from routing.policies import NoPolicyError

WEEKS: Final = 26
COURSE_POINTS: Final = 400
MOST_EVENTS: Final = 40


def make_drift(stream: Stream, at: datetime) -> Made:
    """Play the watch of now again, compare weeks, and collect the events of half a year.

    Raises NoPolicyError where the stream has no published policy.
    """
    watch, stretch = find_watch(stream=stream)
    if stretch is None:
        raise NoPolicyError(stream.key)
    zone = ZoneInfo(stream.time_zone)
    course = read_course(watch=watch, stretch=stretch) if watch else None
    reference, weeks = measure_weeks(stream=stream, stretch=stretch, at=at, weeks=WEEKS)
    since = at - timedelta(weeks=WEEKS)
    events = _list_events(stream, since, zone)
    figures: DriftFigures = {
        "version": stretch.first_version,
        "model": stretch.model_version,
        "since": stretch.since.astimezone(zone).isoformat(),
        "first": since.astimezone(zone).date().isoformat(),
        "last": at.astimezone(zone).date().isoformat(),
        "tests": _list_tests(watch),
        "course": _tell_course(course, zone),
        "reference": [] if reference is None else [day.isoformat() for day in reference],
        "weeks": [_tell_week(week) for week in weeks],
        "events": events,
    }
    return Made(dict(figures), draw(_documents(figures)))


def _list_tests(watch: DriftWatch | None) -> list[DriftTest]:
    """The test of all categories first, then those of categories, the strongest evidence first."""
    if watch is None:
        return []
    states = read_states(watch)
    keys = sorted(states, key=lambda key: (key != EVERYTHING, -_strength(states[key]), key))
    return [_tell_test(key, states[key]) for key in keys]


def _strength(state: DriftState) -> float:
    return state.evidence / state.threshold


def _tell_test(key: str, state: DriftState) -> DriftTest:
    return {
        "category": key,
        "audits": state.audits,
        "errors": state.errors,
        "promised": state.promised_errors,
        "more": state.more.evidence,
        "fewer": state.fewer.evidence,
        "threshold": state.threshold,
        "alarmed_more": state.more.alarm_at is not None,
        "alarmed_fewer": state.fewer.alarm_at is not None,
    }


def _tell_course(course: Course | None, zone: ZoneInfo) -> list[tuple[str, float, float]]:
    if course is None:
        return []
    return [(_moment(at, zone), more, fewer) for at, more, fewer in course.thin(COURSE_POINTS)]


def _tell_week(week: Week) -> WeekFigures:
    return {
        "first": week.first.isoformat(),
        "items": week.items,
        "scores": week.scores.value,
        "scores_verdict": week.scores.verdict,
        "queues": week.queues.value,
        "queues_verdict": week.queues.verdict,
    }


def _list_events(stream: Stream, since: datetime, zone: ZoneInfo) -> list[DriftEvent]:
    """What was published, declared and noticed, in the order of time; the newest 40."""
    policies = Policy.objects.published().filter(stream=stream, published_at__gte=since)
    models = ModelAlarm.objects.filter(stream=stream, first_seen_at__gte=since)
    asked = RunRequest.objects.filter(
        stream=stream, requested_at__gte=since, requested_by__isnull=False
    )
    retired = Category.objects.filter(stream=stream, retired_at__gte=since)
    alarms = DriftAlarm.objects.filter(stream=stream, raised_at__gte=since)
    rows: list[tuple[datetime | None, str, str, str]] = [
        (at, "policy", str(version), title)
        for at, version, title in policies.values_list("published_at", "version", "title")
    ]
    rows += [
        (at, "model", model, "")
        for at, model in models.values_list("first_seen_at", "model_version")
    ]
    rows += [
        (at, "declared", reason, "") for at, reason in asked.values_list("requested_at", "reason")
    ]
    rows += [(at, "retired", key, "") for at, key in retired.values_list("retired_at", "key")]
    rows += [
        (at, "alarm", category, side)
        for at, category, side in alarms.values_list("raised_at", "category", "side")
    ]
    told = sorted(row for row in rows if row[0] is not None)[-MOST_EVENTS:]
    return [
        {
            "number": number,
            "at": _moment(at, zone) if at else "",
            "kind": kind,
            "what": what,
            "detail": detail,
        }
        for number, (at, kind, what, detail) in enumerate(told, 1)
    ]


def _moment(at: datetime, zone: ZoneInfo) -> str:
    """The stream's own clock, which the time axis is in."""
    return at.astimezone(zone).replace(tzinfo=None, microsecond=0).isoformat()


def _documents(figures: DriftFigures) -> dict[str, object]:
    documents: dict[str, object] = {}
    whole = next((test for test in figures["tests"] if not test["category"]), None)
    if whole is not None and len(figures["course"]) > 1:
        documents["evidence"] = evidence_timeline(
            figures["course"], whole["threshold"], figures["events"]
        )
    if sum(week["scores"] is not None for week in figures["weeks"]) > 1:
        documents["shift"] = shift_timeline(figures["weeks"], figures["events"])
    return documents
