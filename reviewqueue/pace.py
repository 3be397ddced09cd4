"""How long reviews take, from the active time that reviewers' screens report."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import (
    Avg,
    BooleanField,
    Count,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    Sum,
    Value,
)
from django.db.models.functions import Least

from calibration.labels import Cohort, labels_of
from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MILLISECONDS = 1000.0
SECONDS_PER_HOUR = 3600.0
MOST_VERDICTS = 1_000
MOST_TIMED = 50_000


@dataclass(frozen=True, slots=True)
class Work:
    """Verdicts and their active hours; `untimed` of them told no time."""

    verdicts: int
    hours: float
    untimed: int


@dataclass(frozen=True, slots=True)
class Pace:
    """Median active seconds of a person's newest `verdicts`, with its 95% interval if it has one.

    `verdicts` counts those with a known active time, at most 1,000.
    """

    verdicts: int
    median: float | None
    low: float | None
    high: float | None


def measure_pace(*, stream: Stream, user: "User", start: datetime, end: datetime) -> Pace:
    """The pace of what the user judged singly from `start` until before `end`, in one query.

    The interval is that of the order statistics, whatever the distribution; from six verdicts up.
    """
    # With it comes scipy, which a process does not need until somebody looks.
    from scipy.stats import binom  # noqa: PLC0415

    cap = stream.lease.total_seconds()
    newest = (
        Verdict.objects.live()
        .first_hand()
        .filter(
            reviewer=user,
            stream=stream,
            answered_at__gte=start,
            answered_at__lt=end,
            active_ms__gt=0,
            batch__isnull=True,
        )
    )
    milliseconds = newest.order_by("-answered_at").values_list("active_ms", flat=True)
    seconds = sorted(min(each / MILLISECONDS, cap) for each in milliseconds[:MOST_VERDICTS])
    size = len(seconds)
    if not size:
        return Pace(0, None, None, None)
    median = (seconds[(size - 1) // 2] + seconds[size // 2]) / 2.0
    # P(the median lies under the place-th smallest) is P(Binomial(n, 1/2) < place).
    place = int(binom.ppf(0.025, size, 0.5))
    if not place:
        return Pace(size, median, None, None)
    return Pace(size, median, seconds[place - 1], seconds[size - place])


def seconds_per_review(*, stream: Stream, start: datetime, end: datetime) -> dict[str, float]:
    """Mean active seconds of a verdict by the queue its task waited in, capped at the lease.

    Of the newest 50,000 with a known active time, those that stand; a queue without any is not
    listed.
    """
    cap = stream.lease.total_seconds()
    timed = Verdict.objects.filter(
        stream=stream, answered_at__gte=start, answered_at__lt=end, active_ms__gt=0
    )
    measured = (
        Verdict.objects.live()
        .filter(id__in=timed.order_by("-answered_at").values("id")[:MOST_TIMED])
        .order_by()
        .values_list("task__queue")
        .annotate(mean=Avg(Least("active_ms", Value(int(cap * MILLISECONDS)))))
    )
    return {queue: mean / MILLISECONDS for queue, mean in measured}


def measure_label_work(cohort: Cohort) -> dict[bool, Work]:
    """The work behind the cohort's labels, in one query: adjudications under True, else False.

    Every verdict on a labelled item counts, those that were changed later too; rows that were
    closed in bulk and seats that were slipped in to measure their holder do not. Active times are
    capped at the lease.
    """
    cap = int(cohort.stream.lease.total_seconds() * MILLISECONDS)
    is_adjudication = Q(task__queue=ReviewTask.Queue.ADJUDICATION)
    rows = (
        Verdict.objects.exclude(kind=Verdict.Kind.WITHDRAWN)
        .filter(
            Exists(labels_of(cohort).filter(item_id=OuterRef("item_id"))),
            stream=cohort.stream,
            # Who judges an item does so after it was decided; a day less, for two machines' clocks.
            answered_at__gte=cohort.start - timedelta(days=1),
            batch__isnull=True,
            task__known__isnull=True,
        )
        .order_by()
        .annotate(is_adjudication=ExpressionWrapper(is_adjudication, BooleanField()))
        .values_list("is_adjudication")
        .annotate(
            verdicts=Count("id"),
            active=Sum(Least("active_ms", Value(cap))),
            untimed=Count("id", filter=Q(active_ms=0)),
        )
    )
    found = {
        which: Work(verdicts, active / MILLISECONDS / SECONDS_PER_HOUR, untimed)
        for which, verdicts, active, untimed in rows
    }
    return {which: found.get(which, Work(0, 0.0, 0)) for which in (False, True)}
