"""The reviewers page: one's own figures, or everybody's for who answers for their work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reviewqueue.access import (
    administers,
    reviewers_visible_to,
    streams_analysed_by,
    streams_visible_to,
)
from reviewqueue.htmx import PersonRequest, respond, signed_in
from reviewqueue.insight.figures import PersonFigures, RateFigures, ReviewersFigures
from reviewqueue.insight.sheets import read_sheet
from reviewqueue.insight_models import InsightSheet
from reviewqueue.views.insight.pages import (
    NOTHING,
    Picture,
    describe_page,
    send_table,
    show_picture,
)
from reviewqueue.views.insight.rates import FEWEST, Rate, draw_measure, draw_rate
from routing.models import Stream

KIND: Final = InsightSheet.Kind.REVIEWERS
TEMPLATE: Final = "insight/reviewers.html"
COLUMNS: Final = ("name", "timed", "pace", "pace_low", "pace_high")
RATE: Final = ("successes", "n", "value", "low", "high")


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person's figures; `is_me` that they are the viewer's own."""

    name: str
    is_me: bool
    timed: int
    pace: str
    pace_interval: str
    is_pace_thin: bool
    agreed: Rate | None
    known: Rate | None


@require_safe
@signed_in
def reviewers(request: PersonRequest, stream_key: str) -> HttpResponse:
    """Pace, agreement and accuracy, with intervals; people stand by name, not by rank."""
    stream = get_object_or_404(streams_visible_to(request.user), key=stream_key)
    shown = read_sheet(stream=stream, kind=KIND)
    has_tabs = streams_analysed_by(request.user).filter(id=stream.id).exists()
    context = describe_page(request, stream, shown)
    if not has_tabs:
        context["tabs"] = ()
    if shown.ready is not None:
        figures = cast(ReviewersFigures, shown.ready.figures)
        people = _pick_people(request, stream, figures)
        context |= {
            "figures": figures,
            "made_at": shown.ready.made_at,
            "people": [_draw_person(each, request.user.pk) for each in people],
            "picture": _picture(stream, shown.ready) if administers(request.user, stream) else None,
            "measures": [draw_measure(each) for each in figures["measures"]],
            "fewest": FEWEST,
            "is_enough": figures["pairs"] >= FEWEST,
        }
    with timezone.override(ZoneInfo(stream.time_zone)):
        return respond(request, TEMPLATE, context, part="figures")


@require_safe
@signed_in
def table(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The figures of the page as CSV, of the same people."""
    stream = get_object_or_404(streams_visible_to(request.user), key=stream_key)
    shown = read_sheet(stream=stream, kind=KIND)
    rates = ("agreed", "known")
    rows: list[Sequence[object]] = [
        (*COLUMNS, *(f"{rate}_{name}" for rate in rates for name in RATE))
    ]
    if shown.ready is not None:
        figures = cast(ReviewersFigures, shown.ready.figures)
        for person in _pick_people(request, stream, figures):
            row = dict(person)
            own = [dict(cast(RateFigures, row[rate]))[name] for rate in rates for name in RATE]
            rows.append([*(row[name] for name in COLUMNS), *own])
    return send_table(f"{stream.key}-reviewers.csv", rows)


def _pick_people(
    request: PersonRequest, stream: Stream, figures: ReviewersFigures
) -> list[PersonFigures]:
    measured = [each["user"] for each in figures["people"]]
    visible = reviewers_visible_to(request.user, stream).filter(id__in=measured)
    ids = set(visible.values_list("id", flat=True))
    return [each for each in figures["people"] if each["user"] in ids]


def _picture(stream: Stream, sheet: InsightSheet) -> Picture | None:
    return show_picture(
        sheet,
        stream,
        "people",
        title=_("Agreement and accuracy by person"),
        description=_("Shares with their 95% intervals and counts; the table has the numbers."),
    )


def _draw_person(person: PersonFigures, viewer: int) -> PersonRow:
    low, high = person["pace_low"], person["pace_high"]
    return PersonRow(
        name=person["name"],
        is_me=person["user"] == viewer,
        timed=person["timed"],
        pace=_seconds(person["pace"]),
        pace_interval="" if low is None or high is None else f"{low:.0f}–{_seconds(high)}",
        is_pace_thin=person["timed"] < FEWEST,
        agreed=draw_rate(person["agreed"]),
        known=draw_rate(person["known"]),
    )


def _seconds(value: float | None) -> str:
    return NOTHING if value is None else _("%(n)s s") % {"n": f"{value:.0f}"}
