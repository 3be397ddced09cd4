"""The drift page: does the promise hold since the maps in force were published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, cast
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from reviewqueue.htmx import PersonRequest, signed_in
from reviewqueue.insight.figures import DriftEvent, DriftFigures, DriftTest, WeekFigures
from reviewqueue.insight.sheets import read_sheet
from reviewqueue.insight_models import InsightSheet
from reviewqueue.views.insight.pages import (
    NOTHING,
    Picture,
    find_analysed,
    read_labels_by_key,
    send_table,
    show_picture,
    show_sheet,
)
from routing.models import Stream

KIND: Final = InsightSheet.Kind.DRIFT
TEMPLATE: Final = "insight/drift.html"
LARGEST_SHOWN: Final = 1000.0
TESTS_SHOWN: Final = 9
VERDICTS: Final = {
    "stable": gettext_lazy("stable"),
    "moved": gettext_lazy("moved"),
    "shifted": gettext_lazy("shifted"),
    "not_enough_items": gettext_lazy("under 100 items"),
}


@dataclass(frozen=True, slots=True)
class TestRow:
    """The test of all categories or of one, in figures; the tone says how it stands."""

    label: str
    audits: int
    errors: int
    promised: str
    more: str
    fewer: str
    threshold: str
    verdict: str
    tone: str


@dataclass(frozen=True, slots=True)
class WeekRow:
    """One week against the reference."""

    first: date
    items: int
    scores: str
    scores_verdict: str
    queues: str
    queues_verdict: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """What happened, with its number on the time axis."""

    number: int
    at: datetime
    words: str


@require_safe
@signed_in
def drift(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The evidence over time with its alarm line, the shifts by week, and the events."""
    stream = find_analysed(request, stream_key)
    return show_sheet(request, stream, KIND, TEMPLATE, _describe)


@require_safe
@signed_in
def course(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The evidence after each audit, as far as it is drawn, as CSV."""
    stream = find_analysed(request, stream_key)
    shown = read_sheet(stream=stream, kind=KIND)
    rows: list[Sequence[object]] = [("at", "more_errors", "fewer_errors")]
    if shown.ready is not None:
        rows += cast(DriftFigures, shown.ready.figures)["course"]
    return send_table(f"{stream.key}-drift.csv", rows)


@require_safe
@signed_in
def weeks(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The shifts by week as CSV."""
    stream = find_analysed(request, stream_key)
    shown = read_sheet(stream=stream, kind=KIND)
    columns = ("first", "items", "scores", "scores_verdict", "queues", "queues_verdict")
    rows: list[Sequence[object]] = [columns]
    if shown.ready is not None:
        found = cast(DriftFigures, shown.ready.figures)["weeks"]
        rows += [[dict(week)[name] for name in columns] for week in found]
    return send_table(f"{stream.key}-shifts.csv", rows)


def _describe(stream: Stream, sheet: InsightSheet) -> dict[str, object]:
    figures = cast(DriftFigures, sheet.figures)
    label_of = read_labels_by_key(stream)
    tests = [_draw_test(each, label_of) for each in figures["tests"]]
    whole = tests[0] if figures["tests"] and not figures["tests"][0]["category"] else None
    return {
        "figures": figures,
        "made_at": sheet.made_at,
        "since": datetime.fromisoformat(figures["since"]),
        "whole": whole,
        "tests": tests[:TESTS_SHOWN],
        "more_tests": tests[TESTS_SHOWN:],
        "alarmed": sum(test.tone in ("over", "under") for test in tests[1:]),
        "weeks": [_draw_week(week) for week in reversed(figures["weeks"])],
        "reference": [date.fromisoformat(day) for day in figures["reference"]],
        "events": [_draw_event(stream, each, label_of) for each in reversed(figures["events"])],
        "evidence": _picture(stream, sheet, "evidence", _("Evidence against the promise"), whole),
        "shift": _picture(stream, sheet, "shift", _("Shift of scores and queue shares"), None),
    }


def _picture(
    stream: Stream, sheet: InsightSheet, name: str, title: str, whole: TestRow | None
) -> Picture | None:
    words = _("By week against the first weeks of these maps; the table below has the numbers.")
    if whole is not None:
        words = _("%(audits)s audits: %(verdict)s. Evidence %(more)s of more errors than promised")
        words = words % {"audits": whole.audits, "verdict": whole.verdict, "more": whole.more}
        words += _(", %(fewer)s of fewer; alarm at %(threshold)s") % {
            "fewer": whole.fewer,
            "threshold": whole.threshold,
        }
    return show_picture(sheet, stream, name, title=title, description=words)


def _draw_test(test: DriftTest, label_of: Mapping[str, str]) -> TestRow:
    key = test["category"]
    verdict, tone = _("no sign of drift"), "calibrated"
    if test["alarmed_more"]:
        verdict, tone = _("alarm: more errors than promised"), "over"
    elif test["alarmed_fewer"]:
        verdict, tone = _("alarm: fewer errors than promised"), "under"
    return TestRow(
        label=label_of.get(key, key) or _("All categories"),
        audits=test["audits"],
        errors=test["errors"],
        promised=f"{test['promised']:.1f}",
        more=_show_evidence(test["more"]),
        fewer=_show_evidence(test["fewer"]),
        threshold=f"{test['threshold']:,.0f}",
        verdict=verdict,
        tone=tone,
    )


def _show_evidence(value: float) -> str:
    return f"{value:.1f}" if value < LARGEST_SHOWN else f"{value:.0e}"


def _draw_week(week: WeekFigures) -> WeekRow:
    return WeekRow(
        first=date.fromisoformat(week["first"]),
        items=round(week["items"]),
        scores=_index(week["scores"]),
        scores_verdict=str(VERDICTS[week["scores_verdict"]]),
        queues=_index(week["queues"]),
        queues_verdict=str(VERDICTS[week["queues_verdict"]]),
    )


def _index(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _draw_event(stream: Stream, event: DriftEvent, label_of: Mapping[str, str]) -> EventRow:
    what, detail = event["what"], event["detail"]
    label = label_of.get(what, what)
    if event["kind"] == "policy":
        words = _("Version %(version)s published") % {"version": what}
        words += f": {detail}" if detail else ""
    elif event["kind"] == "model":
        words = _("First item of model %(model)s") % {"model": what or _("without a version")}
    elif event["kind"] == "declared":
        words = _("Declared, with a recalibration: %(reason)s") % {"reason": what}
    elif event["kind"] == "retired":
        words = _("Category %(category)s retired") % {"category": label}
    else:
        side = _("more errors") if detail == "more" else _("fewer errors")
        who = label or _("all categories")
        words = _("Drift alarm, %(who)s: %(side)s than promised") % {"who": who, "side": side}
    at = datetime.fromisoformat(event["at"]).replace(tzinfo=ZoneInfo(stream.time_zone))
    return EventRow(event["number"], at, words)
