"""The health sheet: what was routed where, what people did, and how far they agree."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from calibration.volumes import count_queues_by_day
from reviewqueue.agreements import measure_agreement, measure_sightings
from reviewqueue.backlogs import Backlog, read_backlogs
from reviewqueue.insight.drawing import draw
from reviewqueue.insight.figures import (
    BacklogFigures,
    HealthFigures,
    PeriodFigures,
    RateFigures,
)
from reviewqueue.insight.rates import tell_agreement, tell_measure, tell_rate
from reviewqueue.insight.sheets import Made
from reviewqueue.insight.volumes import share_chart, work_chart
from reviewqueue.workdays import NO_WORK, Workday, read_workdays
from routing.models import Decision, Stream

DAYS: Final = 28
WEEKS: Final = 12
WEEK: Final = timedelta(days=7)
DAY: Final = timedelta(days=1)
AGREED_DAYS: Final = 90
# The page says that there are more; a worker reads this in a quarter of a second.
BACKLOG_BOUND: Final = 20_000
QUEUES: Final = tuple(Decision.Queue.values)


def make_health(stream: Stream, at: datetime) -> Made:
    """Count twelve weeks by day and week, what waits, and 90 days of agreement."""
    zone = ZoneInfo(stream.time_zone)
    today = at.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    first = monday - (WEEKS - 1) * WEEK
    routed = count_queues_by_day(stream=stream, first=first, last=today)
    worked = read_workdays(
        stream=stream,
        start=datetime.combine(first, time.min, zone),
        end=datetime.combine(today + DAY, time.min, zone),
    )
    days = [
        add_up(routed, worked, day, day) for day in _steps(today - (DAYS - 1) * DAY, today, DAY)
    ]
    weeks = [
        add_up(routed, worked, week, min(week + WEEK - DAY, today))
        for week in _steps(first, monday, WEEK)
    ]
    since = at - timedelta(days=AGREED_DAYS)
    agreement = measure_agreement(stream=stream, start=since, end=at)
    sightings = measure_sightings(stream=stream, start=since, end=at)
    backlogs = read_backlogs(stream=stream, bound=BACKLOG_BOUND)
    recent = add_up(routed, worked, today - 6 * DAY, today)
    before = add_up(routed, worked, today - 34 * DAY, today - 7 * DAY)
    figures: HealthFigures = {
        "first": first.isoformat(),
        "last": today.isoformat(),
        "days": days,
        "weeks": weeks,
        "recent": recent,
        "before": before,
        "pairs": agreement.pairs,
        "measures": tell_agreement(agreement),
        "blind": tell_rate(sightings.kept_blind, sightings.blind),
        "shown": tell_rate(sightings.kept_shown, sightings.shown),
        "bias": tell_measure("bias", sightings.bias),
        "ways_out": _tell_ways_out(recent, before),
        "backlogs": [_tell_backlog(each) for each in backlogs if each.waiting],
    }
    return Made(dict(figures), draw(_documents(figures)))


def add_up(
    routed: Mapping[date, Mapping[str, int]],
    worked: Mapping[date, Workday],
    first: date,
    last: date,
) -> PeriodFigures:
    """The figures of the days from `first` to `last` together."""
    days = list(_steps(first, last, DAY))
    work = [worked.get(day, NO_WORK) for day in days]
    queues = {queue: sum(routed.get(day, {}).get(queue, 0) for day in days) for queue in QUEUES}
    return {
        "first": first.isoformat(),
        "last": last.isoformat(),
        "items": sum(queues.values()),
        "queues": queues,
        "answers": sum(each.answers for each in work),
        "batch_rows": sum(each.batch_rows for each in work),
        "hours": sum(each.hours for each in work),
        "none_fits": sum(each.none_fits for each in work),
        "ambiguous": sum(each.ambiguous for each in work),
        "cannot_judge": sum(each.cannot_judge for each in work),
    }


def _steps(first: date, last: date, step: timedelta) -> Sequence[date]:
    return [first + number * step for number in range((last - first) // step + 1)]


def _tell_ways_out(
    recent: PeriodFigures, before: PeriodFigures
) -> dict[str, tuple[RateFigures, RateFigures]]:
    """How many of the answers given one by one named no single category, by kind."""
    parts = {
        "none_fits": (recent["none_fits"], before["none_fits"]),
        "ambiguous": (recent["ambiguous"], before["ambiguous"]),
        "cannot_judge": (recent["cannot_judge"], before["cannot_judge"]),
    }
    return {
        name: (tell_rate(now, recent["answers"]), tell_rate(then, before["answers"]))
        for name, (now, then) in parts.items()
    }


def _tell_backlog(backlog: Backlog) -> BacklogFigures:
    return {
        "queue": backlog.queue,
        "waiting": backlog.waiting,
        "overdue": backlog.overdue,
        "oldest": backlog.oldest.isoformat() if backlog.oldest else "",
        "is_more": backlog.is_more,
    }


def _documents(figures: HealthFigures) -> dict[str, object]:
    """Charts by day and by week, of what there is anything to draw."""
    documents: dict[str, object] = {}
    for name, periods in (("days", figures["days"]), ("weeks", figures["weeks"])):
        if any(period["items"] for period in periods):
            documents[f"shares-{name}"] = share_chart(periods)
        if any(period["answers"] + period["batch_rows"] for period in periods):
            documents[f"work-{name}"] = work_chart(periods)
    return documents
