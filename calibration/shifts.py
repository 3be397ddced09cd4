"""How far scores and queue shares have moved since the maps in force were published.

The last seven days of a model version against the first four weeks of the stretch in which its
scores were mapped as they are now, or as many of these as there are. Counted from everything that
was routed; no label is needed, so this moves before the drift test can.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from calibration.core.stability import GROUPS, Stability, measure_stability
from calibration.jobs import day_of, run_once
from calibration.labels import DAYS
from calibration.models import JobRun
from calibration.monitoring import newest_model
from calibration.watches import Stretch, find_stretch, open_watch
from routing.models import Stream
from routing.reading import reading

SCORE_SHIFT: Final = "score_shift"
RECENT_DAYS: Final = 7
REFERENCE_DAYS: Final = 28
BY_BIN: Final = (
    DAYS.format(columns="bin, sum(count)") + "WHERE model_version = %(version)s GROUP BY bin"
)
BY_QUEUE: Final = (
    DAYS.format(columns="queue, sum(count)") + "WHERE model_version = %(version)s GROUP BY queue"
)

BY_DAY: Final = (
    DAYS.format(columns="day, bin, queue, sum(count)")
    + "WHERE model_version = %(version)s GROUP BY day, bin, queue"
)

Window = tuple[date, date]
Counts = dict[int | str, float]


@dataclass(frozen=True, slots=True)
class Week:
    """How far seven days have moved from the reference window; `first` is their first day."""

    first: date
    items: float
    scores: Stability
    queues: Stability


def measure_weeks(
    *, stream: Stream, stretch: Stretch, at: datetime, weeks: int
) -> tuple[Window | None, list[Week]]:
    """The reference window and the last `weeks` weeks against it, the oldest first; one query.

    Weeks without an item are left out; there are none while the stretch has had no week yet.
    """
    windows = _find_windows(stream, stretch, at)
    if windows is None:
        return None, []
    reference, (_first, last) = windows
    start = last - timedelta(days=RECENT_DAYS * weeks - 1)
    days = _count_days(stream, stretch.model_version, (min(start, reference[0]), last))
    before = _sum_days(days, reference)
    found = []
    for number in range(weeks):
        first = start + timedelta(days=RECENT_DAYS * number)
        now = _sum_days(days, (first, first + timedelta(days=RECENT_DAYS - 1)))
        items = sum(now[1].values())
        if items:
            scores = _compare(before[0], now[0], groups=GROUPS)
            found.append(Week(first, items, scores, _compare(before[1], now[1])))
    return reference, found


def measure_shift(*, stream: Stream, at: datetime) -> JobRun | None:
    """Once a day: store with the watch how far scores and queue shares have moved.

    None where it was done, where nothing is published, or while the stretch has had no week yet.
    """

    def work() -> dict[str, object] | None:
        version = newest_model(stream=stream, at=at)
        stretch = find_stretch(stream=stream, model_version=version)
        windows = _find_windows(stream, stretch, at) if stretch else None
        if stretch is None or windows is None:
            return None
        scores = [_count(BY_BIN, stream, version, window) for window in windows]
        queues = [_count(BY_QUEUE, stream, version, window) for window in windows]
        found: dict[str, object] = {
            "reference": [day.isoformat() for day in windows[0]],
            "recent": [day.isoformat() for day in windows[1]],
            "scores": asdict(_compare(*scores, groups=GROUPS)),
            "queues": asdict(_compare(*queues)),
        }
        watch = open_watch(stream=stream, stretch=stretch, at=at)
        watch.shift = found
        watch.save(update_fields=["shift"])
        return found

    return run_once(stream=stream, job=SCORE_SHIFT, period=day_of(stream, at), at=at, work=work)


def _find_windows(stream: Stream, stretch: Stretch, at: datetime) -> tuple[Window, Window] | None:
    """First and last day of the reference and of the last week; None while they would meet."""
    zone = ZoneInfo(stream.time_zone)
    last, first = at.astimezone(zone).date(), stretch.since.astimezone(zone).date()
    recent = last - timedelta(days=RECENT_DAYS - 1)
    end = min(first + timedelta(days=REFERENCE_DAYS), recent) - timedelta(days=1)
    return ((first, end), (recent, last)) if first <= end else None


def _count(query: str, stream: Stream, model_version: str, window: Window) -> Counts:
    """Items of the window by the query's first column."""
    first, last = window
    with reading().cursor() as cursor:
        cursor.execute(
            query,
            {"stream": stream.id, "first": first, "last": last, "version": model_version},
        )
        return {key: float(count) for key, count in cursor.fetchall()}


def _count_days(
    stream: Stream, model_version: str, window: Window
) -> list[tuple[date, int, str, float]]:
    """Items by day, bin and queue."""
    first, last = window
    with reading().cursor() as cursor:
        cursor.execute(
            BY_DAY,
            {"stream": stream.id, "first": first, "last": last, "version": model_version},
        )
        return [(day, number, queue, float(count)) for day, number, queue, count in cursor]


def _sum_days(
    days: Sequence[tuple[date, int, str, float]], window: Window
) -> tuple[Counts, Counts]:
    """Items of the window by bin, and by queue."""
    bins: Counts = {}
    queues: Counts = {}
    for day, number, queue, count in days:
        if window[0] <= day <= window[1]:
            bins[number] = bins.get(number, 0.0) + count
            queues[queue] = queues.get(queue, 0.0) + count
    return bins, queues


def _compare(before: Counts, now: Counts, *, groups: int | None = None) -> Stability:
    cells = sorted({*before, *now})
    return measure_stability(
        reference=[before.get(cell, 0.0) for cell in cells],
        current=[now.get(cell, 0.0) for cell in cells],
        groups=groups,
    )
