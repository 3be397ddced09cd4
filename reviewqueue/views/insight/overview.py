"""The health of all streams on one page: where items go, what waits, what people do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import JSONField
from django.db.models.fields.json import KeyTransform
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reviewqueue.access import streams_analysed_by
from reviewqueue.htmx import PersonRequest, signed_in
from reviewqueue.insight.figures import BacklogFigures, MeasureFigures, PeriodFigures
from reviewqueue.insight.sheets import ask_again, ask_for_first
from reviewqueue.insight_models import InsightSheet
from reviewqueue.views.insight.health import ShareRow, draw_shares, word_hours
from reviewqueue.views.insight.rates import FEWEST, Measure, draw_measure
from routing.models import Policy, Stream

HEALTH: Final = InsightSheet.Kind.HEALTH
# What nobody opened for so long is counted anew for this page.
OLD: Final = timedelta(hours=12)
READ: Final = ("recent", "before", "backlogs", "pairs", "measures")


@dataclass(frozen=True, slots=True)
class Counted:
    """The part of a health sheet that the page shows."""

    made_at: datetime
    recent: PeriodFigures
    before: PeriodFigures
    backlogs: Sequence[BacklogFigures]
    pairs: int
    measures: Sequence[MeasureFigures]


@dataclass(frozen=True, slots=True)
class HealthLine:
    """One stream; without figures while they are being counted, or where no policy is published."""

    name: str
    address: str
    time_zone: str
    note: str = ""
    made_at: datetime | None = None
    items: int = 0
    auto: ShareRow | None = None
    rest: str = ""
    waiting: str = ""
    overdue: str = ""
    oldest: datetime | None = None
    verdicts: int = 0
    hours: str = ""
    agreement: Measure | None = None


@require_safe
@signed_in
def overview(request: PersonRequest) -> HttpResponse:
    """Every stream that the person may analyse; a constant number of queries."""
    streams = list(streams_analysed_by(request.user).order_by("name"))
    if not streams:
        raise PermissionDenied
    published = set(
        Policy.objects.published()
        .filter(stream__in=streams)
        .values_list("stream_id", flat=True)
        .distinct()
        .order_by()
    )
    counted = _read_counted([stream for stream in streams if stream.id in published])
    context = {
        "section": "overview",
        "is_demo": any(stream.is_demo for stream in streams),
        "lines": [
            _draw(stream, counted.get(stream.id), is_published=stream.id in published)
            for stream in streams
        ],
    }
    return render(request, "insight/overview.html", context)


def _read_counted(streams: Sequence[Stream]) -> dict[UUID, Counted]:
    """What the streams' sheets say; those that never were made are asked for."""
    sheets = InsightSheet.objects.filter(stream__in=streams, kind=HEALTH)
    fields = {name: KeyTransform(name, "figures", output_field=JSONField()) for name in READ}
    rows = sheets.annotate(**{f"said_{name}": field for name, field in fields.items()})
    found = {
        row[0]: row[1:]
        for row in rows.values_list("stream_id", "made_at", *(f"said_{name}" for name in READ))
    }
    if missing := [stream for stream in streams if stream.id not in found]:
        ask_for_first(streams=missing, kind=HEALTH)
    old = timezone.now() - OLD
    made = [stream for stream in streams if stream.id in found]
    if stale := [stream for stream in made if (found[stream.id][0] or timezone.now()) < old]:
        ask_again(streams=stale, kind=HEALTH)
    return {stream_id: Counted(*row) for stream_id, row in found.items() if row[0] is not None}


def _draw(stream: Stream, counted: Counted | None, *, is_published: bool) -> HealthLine:
    address = reverse("insight-health", args=[stream.key])
    if counted is None:
        note = _("is being counted") if is_published else _("no policy is published yet")
        return HealthLine(stream.name, address, stream.time_zone, note)
    shares = draw_shares(counted.recent, counted.before)
    raw = next((each for each in counted.measures if each["name"] == "raw"), None)
    is_known = raw is not None and counted.pairs >= FEWEST
    backlog = _add_up(counted.backlogs)
    return HealthLine(
        name=stream.name,
        address=address,
        time_zone=stream.time_zone,
        made_at=counted.made_at,
        items=counted.recent["items"],
        auto=shares[0],
        rest=shares[2].recent,
        waiting=backlog["waiting"],
        overdue=backlog["overdue"],
        oldest=_find_oldest(counted.backlogs),
        verdicts=counted.recent["answers"] + counted.recent["batch_rows"],
        hours=word_hours(counted.recent["hours"]) if counted.recent["hours"] else "",
        agreement=draw_measure(raw) if raw is not None and is_known else None,
    )


def _add_up(backlogs: Sequence[BacklogFigures]) -> Mapping[str, str]:
    """What waits and what is overdue in all queues; with a plus where counting stopped."""
    more = "+" if any(each["is_more"] for each in backlogs) else ""
    waiting = sum(each["waiting"] for each in backlogs)
    overdue = sum(each["overdue"] for each in backlogs)
    return {
        "waiting": f"{waiting:,}{more}",
        "overdue": f"{overdue:,}{more}" if overdue else "",
    }


def _find_oldest(backlogs: Sequence[BacklogFigures]) -> datetime | None:
    return min(
        (datetime.fromisoformat(each["oldest"]) for each in backlogs if each["oldest"]),
        default=None,
    )
