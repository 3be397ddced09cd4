"""How long reviews take, from the active time that reviewers' screens report."""

from datetime import datetime

from django.db.models import Avg, Value
from django.db.models.functions import Least

from reviewqueue.models import Verdict
from routing.models import Stream

MILLISECONDS = 1000.0


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
