"""The items behind a cell of a reliability table, as far as they may be shown.

What is judged blind, or will be, is left out until its verdict stands (`disclosure`), and so is
what somebody may still judge: the page says people's answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from calibration.models import GroundTruth
from reviewqueue.disclosure import hidden_from
from reviewqueue.models import ReviewTask, Verdict
from routing.core.maps import CalibrationMap
from routing.core.policy import STREAM_WIDE
from routing.models import Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PAGE: Final = 25
# A page looks at no more labels than these, so that a rare cell costs no more than a common one.
LOOKED_AT: Final = 5_000
UNREAD: Final = ("item__scores", "item__signals", "item__secondary", "item__metadata")


@dataclass(frozen=True, slots=True)
class CellOfTable:
    """A band of confidence under some maps, of one category or, with an empty key, of all.

    `first` to `last` are whole days of the stream's time zone.
    """

    maps: Mapping[str, CalibrationMap]
    category: str
    lower: float
    upper: float
    model_version: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class CellPage:
    """Labels with their items and decisions, newest first; `older` continues, None at the end."""

    labels: tuple[GroundTruth, ...]
    older: UUID | None


def read_cell(
    *,
    viewer: "User",
    stream: Stream,
    cell: CellOfTable,
    right: bool | None = None,
    before: UUID | None = None,
) -> CellPage:
    """The newest labels of a cell older than the label `before`, in a constant number of queries.

    `right` asks for those that agree with the machine, or for those that do not.
    """
    window = GroundTruth.objects.usable().filter(stream=stream)
    if before is not None:
        start = window.filter(id=before).values_list("settled_at", flat=True).first()
        if start is not None:
            window = window.filter(Q(settled_at__lt=start) | Q(settled_at=start, id__lt=before))
    window = window.order_by("-settled_at", "-id")
    last = window.values_list("id", "settled_at")[LOOKED_AT - 1 : LOOKED_AT].first()
    found = may_be_shown(window, viewer, stream).filter(_within(stream, cell))
    if last is not None:
        found = found.filter(settled_at__gte=last[1])
    if right is not None:
        agrees = Q(categories__contains=[F("decision__predicted")])
        found = found.filter(agrees if right else ~agrees)
    rows = list(found.select_related("item", "decision").defer(*UNREAD)[: PAGE + 1])
    older = rows[PAGE - 1].id if len(rows) > PAGE else (last[0] if last else None)
    return CellPage(tuple(rows[:PAGE]), older)


def may_be_shown(
    labels: QuerySet[GroundTruth], viewer: "User", stream: Stream
) -> QuerySet[GroundTruth]:
    """Those of the stream's labels whose answers, the machine's and people's, the viewer may see.

    They are told already, and nobody judges the item any more.
    """
    open_seats = ReviewTask.objects.unanswered().filter(
        stream_id=OuterRef("stream_id"), item_id=OuterRef("item_id")
    )
    told = Verdict.objects.told().filter(id=OuterRef("verdict_id"))
    hidden = hidden_from(viewer=viewer, stream=stream, item="item_id")
    return labels.exclude(Exists(open_seats) | hidden).filter(
        Q(verdict_id__isnull=True) | Exists(told)
    )


def _within(stream: Stream, cell: CellOfTable) -> Q:
    zone = ZoneInfo(stream.time_zone)
    start = datetime.combine(cell.first, time.min, zone)
    end = datetime.combine(cell.last + timedelta(days=1), time.min, zone)
    return (
        Q(decision__decided_at__gte=start, decision__decided_at__lt=end)
        & Q(item__model_version=cell.model_version)
        & _predicted(cell)
    )


def _predicted(cell: CellOfTable) -> Q:
    """Categories have maps of their own, so a band is another range of raw confidence in each."""
    if cell.category:
        own = cell.maps.get(cell.category, cell.maps.get(STREAM_WIDE))
        return Q(decision__predicted=cell.category) & _raw_range(cell, own)
    with_own = {key: one for key, one in cell.maps.items() if key != STREAM_WIDE}
    found = ~Q(decision__predicted__in=list(with_own)) if with_own else Q()
    found &= _raw_range(cell, cell.maps.get(STREAM_WIDE))
    for key, one in with_own.items():
        found |= Q(decision__predicted=key) & _raw_range(cell, one)
    return found


def _raw_range(cell: CellOfTable, one: CalibrationMap | None) -> Q:
    lower = cell.lower if one is None else one.lowest_raw(cell.lower)
    if lower is None:
        return Q(pk__in=[])
    found = Q(decision__raw_confidence__gte=lower)
    upper = cell.upper if one is None else one.lowest_raw(cell.upper)
    if cell.upper < 1.0 and upper is not None:
        found &= Q(decision__raw_confidence__lt=upper)
    return found
