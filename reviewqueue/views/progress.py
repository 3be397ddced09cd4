"""How far somebody has come: this sitting, the last verdict, the day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from reviewqueue.models import Verdict
from reviewqueue.payloads import read_title
from reviewqueue.views.waiting import count_in_words, count_left
from routing.models import Category, Item, Stream
from routing.rows import Columns, Question
from routing.taxonomies import TAXONOMY_MARK, Taxonomy, taxonomy_as_of

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
class Surroundings:
    """What a review screen shows around its item; the categories as they are now."""

    progress: Progress
    last: LastVerdict | None
    taxonomy: Taxonomy


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


_VERDICT: Final = Columns(Verdict, "verdict")
_ITEM: Final = Columns(Item, "item", without=("fingerprint", "scores"))

# The sitting is what was answered in the stream without a pause, of the newest verdicts alone: one
# index range of `verdict_of_reviewer`, the rest by primary key. The stream is compared so that
# no index can: to a planner whose statistics are old, all that the stream's people ever answered
# looks like a few rows.
SURROUNDINGS: Final = f"""
    WITH newest AS MATERIALIZED (
        SELECT id, answered_at, active_ms FROM reviewqueue_verdict AS verdict
        WHERE verdict.reviewer_id = %(user)s
            AND verdict.stream_id IS NOT DISTINCT FROM %(stream)s
            AND verdict.kind <> 'withdrawn'
            AND NOT EXISTS (
                SELECT 1 FROM reviewqueue_verdict AS later WHERE later.supersedes_id = verdict.id)
        ORDER BY verdict.answered_at DESC LIMIT {SITTING_READ}),
    paused AS (
        SELECT active_ms, answered_at, lag(answered_at, 1, %(now)s)
            OVER (ORDER BY answered_at DESC) - answered_at > %(gap)s AS after_pause
        FROM newest),
    sitting AS (
        SELECT active_ms, bool_or(after_pause) OVER (ORDER BY answered_at DESC) AS is_over
        FROM paused)
    SELECT {TAXONOMY_MARK}, pace.done, pace.median, decision.predicted, {_VERDICT.sql}, {_ITEM.sql}
    FROM (
        SELECT count(*) AS done, percentile_cont(0.5) WITHIN GROUP (ORDER BY active_ms) AS median
        FROM sitting WHERE NOT is_over) AS pace
    LEFT JOIN (SELECT id FROM newest ORDER BY answered_at DESC LIMIT 1) AS last ON true
    LEFT JOIN reviewqueue_verdict AS verdict ON verdict.id = last.id
    LEFT JOIN routing_item AS item ON item.id = verdict.item_id
    LEFT JOIN reviewqueue_reviewtask AS judged ON judged.id = verdict.task_id
    LEFT JOIN routing_decision AS decision ON decision.id = judged.decision_id
"""  # noqa: S608 - the columns of our own models


def ask_for_surroundings(*, user: "User", stream: Stream) -> Question:
    """What `read_surroundings` reads, not asked yet."""
    now = timezone.now()
    return Question(
        SURROUNDINGS, {"user": user.pk, "stream": stream.id, "now": now, "gap": SITTING_GAP}
    )


def read_surroundings(*, stream: Stream, queue: str, asked: Question) -> Surroundings:
    """What stands around a task or an empty queue: how far somebody has come, and the categories.

    This sitting is what was answered in the stream without a pause of half an hour.
    """
    # One row, also without any verdict.
    mark, done, middle, predicted, *row = asked.answer() or ()
    taxonomy = taxonomy_as_of(stream.id, mark)
    last = None
    if predicted is not None:
        verdict = _VERDICT.make(row)
        verdict.item = _ITEM.make(row, _VERDICT.width)
        last = describe_last(verdict, stream=stream, predicted=predicted, taxonomy=taxonomy)
    left = count_left(stream_id=stream.id, queue=queue)
    progress = Progress(
        done=done,
        left=count_in_words(left),
        share=round(100 * done / (done + left)) if done + left else 0,
        median=None if middle is None else timedelta(seconds=round(middle / 1000)),
    )
    return Surroundings(progress, last, taxonomy)


def median_pace(paces: Sequence[int]) -> timedelta | None:
    """The median of active milliseconds, in whole seconds; None without any."""
    if not paces:
        return None
    return timedelta(seconds=round(median(paces) / 1000))


def describe_last(
    verdict: Verdict, *, stream: Stream, predicted: str, taxonomy: Taxonomy
) -> LastVerdict:
    """The newest live verdict; `predicted` is what the machine had said."""
    return LastVerdict(
        id=verdict.id,
        answer=word_answer(verdict, taxonomy.label_of),
        words=_last_words(verdict, title_of(verdict, stream), machine=taxonomy.label_of(predicted)),
        undo_left=verdict.undo_left,
    )


def title_of(verdict: Verdict, stream: Stream) -> str:
    """The heading under which the verdict's item was read."""
    return read_title(verdict.item, stream=stream)


def _last_words(verdict: Verdict, title: str, *, machine: str) -> str:
    # Within the undo window a blind answer could still be changed: nothing of the machine's.
    if verdict.kind != Verdict.Kind.CATEGORY or verdict.blind:
        return _("on “%(title)s”") % {"title": title}
    if verdict.confirms:
        return _("confirmed on “%(title)s”") % {"title": title}
    return _("chosen on “%(title)s”, the machine said %(machine)s") % {
        "title": title,
        "machine": machine,
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


def read_labels_of(stream: Stream) -> Callable[[str], str]:
    """Category labels of one stream in one query; an unknown key stands for itself."""
    return partial(read_labels([stream.id]), stream.id)


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
