"""The health page: queue shares over time, what waits, what people did, how far they agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, cast

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from reviewqueue.backlogs import Backlog, read_backlogs
from reviewqueue.htmx import PersonRequest, signed_in
from reviewqueue.insight.figures import HealthFigures, MeasureFigures, PeriodFigures
from reviewqueue.insight.sheets import read_sheet
from reviewqueue.insight.volumes import HEALTHY_AUTO
from reviewqueue.insight_models import InsightSheet
from reviewqueue.views.insight.pages import (
    NOTHING,
    Picture,
    as_percent,
    as_points,
    find_analysed,
    send_table,
    show_picture,
    show_sheet,
)
from reviewqueue.views.insight.rates import FEWEST, Rate, draw_measure, draw_rate
from reviewqueue.views.screens import QueueName, name_queue
from reviewqueue.views.waiting import COUNTED_UP_TO, count_in_words
from routing.models import Stream

KIND: Final = InsightSheet.Kind.HEALTH
TEMPLATE: Final = "insight/health.html"
PERIODS: Final = {"days": gettext_lazy("Days"), "weeks": gettext_lazy("Weeks")}
QUEUES: Final = {
    "auto": gettext_lazy("Auto"),
    "flagged": gettext_lazy("Flagged"),
    "hold": gettext_lazy("Hold"),
    "reject": gettext_lazy("Reject"),
}
# What a well-designed taxonomy shows; the rest, held and refused together, is what these leave.
HEALTHY: Final = {"auto": HEALTHY_AUTO, "flagged": (0.08, 0.15), "rest": (0.0, 0.12)}
# With fewer items a share says nothing about a taxonomy.
FEWEST_ITEMS: Final = 100
COLUMNS: Final = (
    "first",
    "last",
    "items",
    *QUEUES,
    "answers",
    "batch_rows",
    "hours",
    "none_fits",
    "ambiguous",
    "cannot_judge",
)


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A queue's share of the last week and before; tone and verdict against the healthy range."""

    queues: Sequence[QueueName]
    recent: str
    count: int
    before: str
    healthy: str
    verdict: str
    tone: str

    @property
    def icon(self) -> str:
        """That of the tone; outside the range no arrow, which would point at the confidence."""
        return "alert" if self.tone == "over" else self.tone


@dataclass(frozen=True, slots=True)
class BacklogRow:
    """What waits in one queue now; `more` is what the last count found beyond what is read."""

    queue: QueueName
    waiting: str
    held: int
    overdue: str
    soon: str
    oldest: datetime
    median: datetime | None
    is_more: bool
    more: str


@dataclass(frozen=True, slots=True)
class WorkRow:
    """One period's work."""

    first: date
    last: date
    items: int
    answers: int
    batch_rows: int
    verdicts: int
    hours: str
    per_hour: str


@dataclass(frozen=True, slots=True)
class WayOut:
    """How often people answered so, lately and before."""

    name: str
    recent: Rate | None
    before: Rate | None


@require_safe
@signed_in
def health(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The shares, the queues as they are now, and the people's work and agreement."""
    stream = find_analysed(request, stream_key)
    period = find_period(request)
    periods = [(name, words, name == period) for name, words in PERIODS.items()]

    def describe(stream: Stream, sheet: InsightSheet) -> dict[str, object]:
        return _describe(stream, sheet, period)

    return show_sheet(request, stream, KIND, TEMPLATE, describe, periods=periods, period=period)


@require_safe
@signed_in
def table(request: PersonRequest, stream_key: str) -> HttpResponse:
    """All that the page has by day or by week, as CSV."""
    stream = find_analysed(request, stream_key)
    period = find_period(request)
    shown = read_sheet(stream=stream, kind=KIND)
    rows: list[Sequence[object]] = [COLUMNS]
    if shown.ready is not None:
        figures = cast(HealthFigures, shown.ready.figures)
        found = figures["days"] if period == "days" else figures["weeks"]
        for each in found:
            row = {**each, **each["queues"], "hours": f"{each['hours']:.3f}"}
            rows.append([row[name] for name in COLUMNS])
    return send_table(f"{stream.key}-{period}.csv", rows)


def find_period(request: HttpRequest) -> str:
    """By what the address asks for; by week unless it asks for days."""
    return "days" if request.GET.get("by") == "days" else "weeks"


def _describe(stream: Stream, sheet: InsightSheet, period: str) -> dict[str, object]:
    figures = cast(HealthFigures, sheet.figures)
    shares = draw_shares(figures["recent"], figures["before"])
    backlogs = read_backlogs(stream=stream, bound=COUNTED_UP_TO)
    counted = {each["queue"]: each["waiting"] for each in figures["backlogs"]}
    periods = figures["days"] if period == "days" else figures["weeks"]
    return {
        "figures": figures,
        "made_at": sheet.made_at,
        "recent": figures["recent"],
        "shares": shares,
        "summary": word_shares(figures, shares),
        "backlogs": [_draw_backlog(each, counted) for each in backlogs if each.waiting],
        "quiet": ", ".join(name_queue(each.queue).label for each in backlogs if not each.waiting),
        "work": [_draw_work(each) for each in reversed(periods)],
        "total": _draw_work(figures["recent"]),
        "ways_out": [] if stream.is_grounded else _draw_ways_out(figures),
        "measures": [draw_measure(each) for each in figures["measures"]],
        "fewest": FEWEST,
        "is_agreement_known": figures["pairs"] >= FEWEST,
        "blind": draw_rate(figures["blind"]),
        "shown_rate": draw_rate(figures["shown"]),
        "bias": word_bias(figures["bias"], min(figures["blind"]["n"], figures["shown"]["n"])),
        "share_picture": _picture(stream, sheet, "shares", period, shares=shares),
        "work_picture": _picture(stream, sheet, "work", period, shares=shares),
    }


def _picture(
    stream: Stream, sheet: InsightSheet, of: str, period: str, *, shares: Sequence[ShareRow]
) -> Picture | None:
    recent = cast(HealthFigures, sheet.figures)["recent"]
    if of == "shares":
        title = _("Queue shares by day") if period == "days" else _("Queue shares by week")
        names = (_("auto"), _("flagged"), _("held or refused"))
        told = [f"{share.recent} {name}" for share, name in zip(shares, names, strict=True)]
        words = _("%(items)s items in the last seven days: %(shares)s") % {
            "items": f"{recent['items']:,}",
            "shares": ", ".join(told),
        }
    else:
        title = _("Verdicts by day") if period == "days" else _("Verdicts by week")
        words = _("%(answers)s answers and %(rows)s rows of batches in the last seven days") % {
            "answers": f"{recent['answers']:,}",
            "rows": f"{recent['batch_rows']:,}",
        }
    return show_picture(sheet, stream, f"{of}-{period}", title=title, description=words)


def draw_shares(recent: PeriodFigures, before: PeriodFigures) -> list[ShareRow]:
    """Auto, flagged and the rest against their healthy ranges, by the last seven days."""
    return [
        _draw_share(recent, before, name, queues)
        for name, queues in (
            ("auto", ("auto",)),
            ("flagged", ("flagged",)),
            ("rest", ("hold", "reject")),
        )
    ]


def _draw_share(
    recent: PeriodFigures, before: PeriodFigures, name: str, queues: Sequence[str]
) -> ShareRow:
    low, high = HEALTHY[name]
    share = _share_of(recent, queues)
    tone, verdict = "few", _("under 100 items")
    if share is not None and recent["items"] >= FEWEST_ITEMS:
        tone, verdict = "calibrated", _("healthy")
        if share < low:
            tone, verdict = "over", _("less than healthy")
        elif share > high:
            tone, verdict = "over", _("more than healthy")
    return ShareRow(
        queues=[QueueName(queue, str(QUEUES[queue])) for queue in queues],
        recent=as_percent(share),
        count=sum(recent["queues"][queue] for queue in queues),
        before=as_percent(_share_of(before, queues)),
        healthy=_("the small rest") if name == "rest" else f"{100 * low:.0f}–{100 * high:.0f}%",
        verdict=verdict,
        tone=tone,
    )


def word_shares(figures: HealthFigures, shares: Sequence[ShareRow]) -> str:
    """What the last seven days say of the taxonomy."""
    if figures["recent"]["items"] < FEWEST_ITEMS:
        return _("Too few items in the last seven days to tell.")
    wrong = [share for share in shares if share.tone != "calibrated"]
    if not wrong:
        return _("Every share is where a healthy taxonomy has it.")
    return _("%(share)s auto in the last seven days; 80–90%% is healthy.") % {
        "share": shares[0].recent
    }


def word_bias(bias: MeasureFigures, fewest: int) -> str:
    """What the difference between the two groups tells, with its interval."""
    value, low, high = bias["value"], bias["low"], bias["high"]
    if value is None or low is None or high is None:
        return ""
    facts = {"points": as_points(value), "low": as_points(low), "high": as_points(high)}
    said = _("%(points)s points (%(low)s to %(high)s)") % facts
    if fewest < FEWEST:
        return said + ": " + _("too few answers to tell")
    if low > 0.0:
        return said + ": " + _("people let answers stand that they would not have given")
    if high < 0.0:
        return said + ": " + _("people overturn more where they see the answer")
    return said + ": " + _("no sign that the answer sways people")


def _share_of(period: PeriodFigures, queues: Sequence[str]) -> float | None:
    if not period["items"]:
        return None
    return sum(period["queues"][queue] for queue in queues) / period["items"]


def _draw_backlog(backlog: Backlog, counted: dict[str, int]) -> BacklogRow:
    more = counted.get(backlog.queue, 0) if backlog.is_more else 0
    return BacklogRow(
        queue=name_queue(backlog.queue),
        waiting=count_in_words(backlog.waiting) if backlog.is_more else f"{backlog.waiting:,}",
        held=backlog.held,
        overdue=count_in_words(backlog.overdue) if backlog.overdue else "",
        soon=count_in_words(backlog.soon) if backlog.soon else "",
        oldest=cast(datetime, backlog.oldest),
        median=backlog.median,
        is_more=backlog.is_more,
        more=f"{more:,}" if more > backlog.waiting else "",
    )


def _draw_work(period: PeriodFigures) -> WorkRow:
    hours, verdicts = period["hours"], period["answers"] + period["batch_rows"]
    return WorkRow(
        first=date.fromisoformat(period["first"]),
        last=date.fromisoformat(period["last"]),
        items=period["items"],
        answers=period["answers"],
        batch_rows=period["batch_rows"],
        verdicts=verdicts,
        hours=word_hours(hours),
        per_hour=f"{verdicts / hours:,.0f}" if hours else NOTHING,
    )


def word_hours(hours: float) -> str:
    """Active hours: "0.6", "12"; a dash where there are none."""
    if not hours:
        return NOTHING
    return f"{hours:.1f}" if hours < 10.0 else f"{hours:,.0f}"


def _draw_ways_out(figures: HealthFigures) -> list[WayOut]:
    names = {
        "none_fits": _("No category fits"),
        "ambiguous": _("Ambiguous"),
        "cannot_judge": _("Cannot judge"),
    }
    return [
        WayOut(words, *(draw_rate(rate, digits=1) for rate in figures["ways_out"][name]))
        for name, words in names.items()
    ]
