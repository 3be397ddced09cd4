"""How long reviews take, from the active time that reviewers' screens report."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Avg, Value
from django.db.models.functions import Least

from reviewqueue.models import Verdict
from routing.models import Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MILLISECONDS = 1000.0
MOST_VERDICTS = 1_000


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

    Verdicts whose active time is unknown (0) do not count; a queue without any is not listed.
    """
    cap = stream.lease.total_seconds()
    measured = (
        Verdict.objects.live()
        .filter(stream=stream, answered_at__gte=start, answered_at__lt=end, active_ms__gt=0)
        .order_by()
        .values_list("task__queue")
        .annotate(mean=Avg(Least("active_ms", Value(int(cap * MILLISECONDS)))))
    )
    return {queue: mean / MILLISECONDS for queue, mean in measured}
