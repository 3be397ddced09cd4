"""The ambiguity map: what gets mixed up, topics that no category has, and steps to mend either."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from reviewqueue.access import administers
from reviewqueue.htmx import PersonRequest, go_to, signed_in
from reviewqueue.insight.figures import AmbiguityFigures, ClusterFigures
from reviewqueue.insight.sheets import Shown, read_sheet
from reviewqueue.insight_models import InsightSheet
from reviewqueue.pictures import let_pictures_in
from reviewqueue.priorities import bring_forward
from reviewqueue.stream_admins import opens_admin
from reviewqueue.views.insight.pages import (
    as_percent,
    find_analysed,
    read_labels_by_key,
    send_table,
    show_picture,
    show_sheet,
)
from reviewqueue.views.insight.topics import Sources, draw_pairs, draw_proposals, draw_topics
from routing.models import Stream

KIND: Final = InsightSheet.Kind.AMBIGUITY
TEMPLATE: Final = "insight/ambiguity.html"
PAIRS_SHOWN: Final = 8
TOPICS_SHOWN: Final = 9
COLUMNS: Final = (
    *("first", "second", "labels", "share", "first_as_second", "second_as_first"),
    *("lift", "low", "high", "named", "close", "close_share"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the heat map, as a row of its table."""

    people: str
    said: str
    share: str


@require_safe
@signed_in
def ambiguity(request: PersonRequest, stream_key: str) -> HttpResponse:
    """Pairs, topics and proposals, each with its examples and what can be done about it."""
    stream = find_analysed(request, stream_key)
    drawn = show_sheet(request, stream, KIND, TEMPLATE, partial(_describe, request))
    return let_pictures_in(request, drawn, stream)


@require_safe
@signed_in
def pairs(request: PersonRequest, stream_key: str) -> HttpResponse:
    """All pairs as CSV."""
    stream = find_analysed(request, stream_key)
    figures = _figures(read_sheet(stream=stream, kind=KIND))
    found = figures["pairs"] if figures else []
    rows: list[Sequence[object]] = [COLUMNS]
    rows += [[dict(pair)[name] for name in COLUMNS] for pair in found]
    return send_table(f"{stream.key}-ambiguity.csv", rows)


@require_POST
@signed_in
def forward(request: PersonRequest, stream_key: str) -> HttpResponse:
    """Bring what waits of a topic to the front of its queues, for those who run the stream."""
    stream = find_analysed(request, stream_key)
    if not may_arrange(request, stream):
        raise PermissionDenied
    shown = read_sheet(stream=stream, kind=KIND)
    topic = _find_topic(_figures(shown), request.POST.get("topic", ""))
    page = reverse("insight-ambiguity", args=[stream.key])
    if topic is None or shown.ready is None:
        messages.error(request, _("The topics were counted anew meanwhile. Choose again."))
        return go_to(request, page)
    moved = bring_forward(
        stream=stream,
        items=[UUID(item) for item in topic["members"]],
        subject=shown.ready.id,
        by=request.user,
        reason=topic["name"],
    )
    words = ngettext(
        "%(n)s waiting item of “%(topic)s” comes next in its queue.",
        "%(n)s waiting items of “%(topic)s” come next in their queues.",
        moved,
    )
    messages.success(request, words % {"n": moved, "topic": topic["name"]})
    return go_to(request, page)


def may_arrange(request: PersonRequest, stream: Stream) -> bool:
    """Whether the person runs the stream, so that they may say what is judged first."""
    return administers(request.user, stream)


def _find_topic(figures: AmbiguityFigures | None, first: str) -> ClusterFigures | None:
    topics = figures["clusters"] if figures else []
    return next((each for each in topics if each["members"][:1] == [first]), None)


def _figures(shown: Shown) -> AmbiguityFigures | None:
    return None if shown.ready is None else cast(AmbiguityFigures, shown.ready.figures)


def _describe(request: PersonRequest, stream: Stream, sheet: InsightSheet) -> dict[str, object]:
    figures = cast(AmbiguityFigures, sheet.figures)
    label_of = read_labels_by_key(stream)
    sources = Sources(request, stream, label_of, may_edit=_may_edit(request, stream))
    may_forward = may_arrange(request, stream)
    cells = _list_cells(figures, label_of)
    return {
        "figures": figures,
        "made_at": sheet.made_at,
        "pairs": draw_pairs(sources, figures["pairs"], examples=PAIRS_SHOWN),
        "first_pairs": PAIRS_SHOWN,
        "first_topics": TOPICS_SHOWN,
        "topics": draw_topics(sources, figures["clusters"], with_waiting=may_forward),
        "proposals": draw_proposals(sources, figures["proposals"]),
        "may_forward": may_forward,
        "cells": cells,
        "map": show_picture(
            sheet,
            stream,
            "map",
            title=_("What gets mixed up"),
            description="; ".join(
                _("%(said)s said where people said %(people)s: %(share)s")
                % {"said": cell.said, "people": cell.people, "share": cell.share}
                for cell in cells[:12]
            ),
        ),
    }


def _may_edit(request: PersonRequest, stream: Stream) -> bool:
    user = request.user
    # The two answers to a drafted sentence are no taxonomy to be mended.
    if stream.is_grounded or not (opens_admin(user) and user.has_perm("routing.change_stream")):
        return False
    return administers(user, stream)


def _list_cells(figures: AmbiguityFigures, label_of: Mapping[str, str]) -> list[Cell]:
    mapped = set(figures["map"])
    found = []
    for pair in figures["pairs"]:
        if pair["first"] not in mapped or pair["second"] not in mapped:
            continue
        for people, said, share in (
            (pair["first"], pair["second"], pair["first_as_second"]),
            (pair["second"], pair["first"], pair["second_as_first"]),
        ):
            if share:
                found.append((share, label_of.get(people, people), label_of.get(said, said)))
    found.sort(reverse=True)
    return [Cell(people, said, as_percent(share)) for share, people, said in found]
