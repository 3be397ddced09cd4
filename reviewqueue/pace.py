"""How long reviews take, from the active time that reviewers' screens report."""

from dataclasses import dataclass
from datetime import datetime

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

MILLISECONDS = 1000.0
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Work:
    """Verdicts and their active hours; `untimed` of them told no time."""

    verdicts: int
    hours: float
    untimed: int


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
