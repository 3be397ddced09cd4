"""How far somebody has come: this sitting, the last verdict, the day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from reviewqueue.models import Verdict
from reviewqueue.payloads import read_item
from reviewqueue.views.waiting import count_in_words, count_left
from routing.models import Category, Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SITTING_GAP = timedelta(minutes=30)
SITTING_READ = 300
DAY_READ = 3_000


@dataclass(frozen=True, slots=True)
class Progress:
    """Verdicts of this sitting, what is left, the median time a verdict took."""

    done: int
    left: str
    share: int
    median: timedelta | None


@dataclass(frozen=True, slots=True)
class LastVerdict:
    """The newest live verdict of somebody in a stream; `undo_left` in seconds, 0 when over."""

    id: UUID
    answer: str
    words: str
    undo_left: int

    @property
    def may_undo(self) -> bool:
        return self.undo_left > 0


@dataclass(frozen=True, slots=True)
class Hour:
    """Verdicts of one hour of the day, with its bar in a picture of 258 by 78."""

    words: str
    count: int
    named: bool
    x: float
    y: float
    width: float
    tall: float

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)

    @property
    def text_y(self) -> float:
        return round(self.y - 5, 1)


@dataclass(frozen=True, slots=True)
class Day:
    """Somebody's day so far."""

    done: int
    median: timedelta | None
    compared: int
    confirmed: int
    ambiguous: int
    hours: tuple[Hour, ...]


def read_progress(*, user: "User", stream: Stream, queue: str) -> Progress:
    """This sitting is what was answered in the stream without a pause of half an hour."""
    rows = list(
        Verdict.objects.live()
        .filter(reviewer=user, stream=stream)
        .order_by("-answered_at")
        .values_list("answered_at", "active_ms")[:SITTING_READ]
    )
    paces, later = [], timezone.now()
    for answered_at, active_ms in rows:
        if later - answered_at > SITTING_GAP:
            break
        later = answered_at
        paces.append(active_ms)
    left = count_left(stream_id=stream.id, queue=queue)
    whole = len(paces) + left
    return Progress(
        done=len(paces),
        left=count_in_words(left),
        share=round(100 * len(paces) / whole) if whole else 0,
        median=median_pace(paces),
    )


def median_pace(paces: Sequence[int]) -> timedelta | None:
    """The median of active milliseconds, in whole seconds; None without any."""
    if not paces:
        return None
    return timedelta(seconds=round(median(paces) / 1000))


def read_last_verdict(
    *, user: "User", stream: Stream, label_of: Callable[[str], str]
) -> LastVerdict | None:
    """The newest live verdict of `user` in `stream`."""
    verdict = (
        Verdict.objects.live()
        .filter(reviewer=user, stream=stream)
        .select_related("item", "task__decision")
        .order_by("-answered_at")
        .first()
    )
    if verdict is None:
        return None
    left = (verdict.published_at - timezone.now()).total_seconds()
    return LastVerdict(
        id=verdict.id,
        answer=word_answer(verdict, label_of),
        words=_last_words(verdict, title_of(verdict, stream), label_of),
        undo_left=max(0, round(left)),
    )


def title_of(verdict: Verdict, stream: Stream) -> str:
    """The heading under which the verdict's item was read."""
    return read_item(verdict.item, stream=stream).title


def _last_words(verdict: Verdict, title: str, label_of: Callable[[str], str]) -> str:
    # Within the undo window a blind answer could still be changed: nothing of the machine's.
    if verdict.kind != Verdict.Kind.CATEGORY or verdict.blind:
        return _("on “%(title)s”") % {"title": title}
    if verdict.confirms:
        return _("confirmed on “%(title)s”") % {"title": title}
    return _("chosen on “%(title)s”, the machine said %(machine)s") % {
        "title": title,
        "machine": label_of(verdict.task.decision.predicted),
    }


def word_answer(verdict: Verdict, label_of: Callable[[str], str]) -> str:
    """The verdict's answer in the reader's words: a category's label, or the kind of answer."""
    if verdict.kind == Verdict.Kind.CATEGORY:
        return label_of(verdict.categories[0])
    if verdict.kind == Verdict.Kind.AMBIGUOUS:
        return _("Ambiguous: %(names)s") % {
            "names": ", ".join(label_of(key) for key in verdict.categories)
        }
    if verdict.kind == Verdict.Kind.NONE_FITS and verdict.proposed_name:
        return _("No category fits, but “%(name)s”") % {"name": verdict.proposed_name}
    if verdict.kind == Verdict.Kind.NONE_FITS:
        return _("No category fits")
    if verdict.kind == Verdict.Kind.CANNOT_JUDGE:
        return _("Cannot judge")
    return _("Withdrawn")


def read_labels(stream_ids: Sequence[UUID]) -> Callable[[UUID, str], str]:
    """Category labels of some streams in one query; an unknown key stands for itself."""
    labels = {
        (stream_id, key): label
        for stream_id, key, label in Category.objects.filter(stream_id__in=stream_ids).values_list(
            "stream_id", "key", "label"
        )
    }
    return lambda stream_id, key: labels.get((stream_id, key), key)


def read_day(user: "User", *, now: datetime) -> Day:
    """What `user` answered since midnight of the current time zone, of all streams."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = list(
        Verdict.objects.live()
        .filter(reviewer=user, answered_at__gte=midnight)
        .order_by("-answered_at")
        .values_list("answered_at", "active_ms", "kind", "confirms", "blind")[:DAY_READ]
    )
    counts: dict[int, int] = {}
    for row in rows:
        hour = timezone.localtime(row[0]).hour
        counts[hour] = counts.get(hour, 0) + 1
    compared = [row for row in rows if row[2] == Verdict.Kind.CATEGORY and not row[4]]
    return Day(
        done=len(rows),
        median=median_pace([row[1] for row in rows]),
        compared=len(compared),
        confirmed=sum(row[3] for row in compared),
        ambiguous=sum(row[2] == Verdict.Kind.AMBIGUOUS for row in rows),
        hours=_hours(counts),
    )


def _hours(counts: dict[int, int]) -> tuple[Hour, ...]:
    """Six hours or more in a row, up to the last with a verdict."""
    if not counts:
        return ()
    last = max(counts)
    first = max(0, min(*counts, last - 5))
    last = max(last, first + 5)
    top, step = max(counts.values()), 258 / (last - first + 1)
    bars = []
    for hour in range(first, last + 1):
        count = counts.get(hour, 0)
        tall = round(44 * count / top, 1)
        bars.append(
            Hour(
                words=f"{hour:02d}",
                count=count,
                named=step > 18 or (hour - first) % 3 == 0,
                x=round((hour - first) * step + step * 0.12, 1),
                y=round(62 - tall, 1),
                width=round(step * 0.76, 1),
                tall=tall,
            )
        )
    return tuple(bars)
