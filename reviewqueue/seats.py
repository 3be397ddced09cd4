"""Audit seats: the blind review tasks of what the keyed hash has drawn, opened once a week.

Of these the keyed hash draws in turn what two people judge, each without the other's answer.
"""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, OuterRef

from calibration.audits import Rates, is_judged_twice, read_rates
from calibration.jobs import run_once, week_of
from calibration.models import AuditDraw, JobRun
from reviewqueue.models import ReviewTask
from routing.events import record_event
from routing.models import Item, Stream

WEEKLY_AUDIT: Final = "weekly_audit"
AUDIT_DUE: Final = timedelta(days=7)


def open_audit_seats(*, stream: Stream, at: datetime) -> JobRun | None:
    """Open a blind seat, or two, due in a week, for all that was drawn up to `at` and has none.

    Once per ISO week of the stream's time zone: None where it was done or nothing was drawn.
    The result counts `drawn` = `opened` + `settled` + `seated`; items that are settled, or that
    have a seat by another way, are ticked off without one. A constant number of statements.
    It counts items, whether one or two people judge them.
    """

    def open_drawn() -> dict[str, object] | None:
        return _open_drawn(stream, at)

    return run_once(
        stream=stream, job=WEEKLY_AUDIT, period=week_of(stream, at), at=at, work=open_drawn
    )


def _open_drawn(stream: Stream, at: datetime) -> dict[str, object] | None:
    seats = ReviewTask.objects.filter(
        stream_id=stream.id, item_id=OuterRef("item_id"), known__isnull=True
    )
    draws = list(
        AuditDraw.objects.filter(stream=stream, opened_at__isnull=True, drawn_at__lte=at)
        .annotate(has_seat=Exists(seats))
        .select_related("item", "decision")
        .only(
            *("id", "stream_id", "item_id", "decision_id", "pi"),
            *("item__state", "item__priority", "decision__predicted"),
        )
        .order_by("drawn_at", "id")
        .select_for_update(of=("self",))
    )
    if not draws:
        return None
    settled = [draw for draw in draws if draw.item.state == Item.State.SETTLED]
    free = [draw for draw in draws if draw.item.state != Item.State.SETTLED]
    unseated = [draw for draw in free if not draw.has_seat]
    rates = read_rates(stream)
    ReviewTask.objects.bulk_create(seat for draw in unseated for seat in _seats(draw, rates, at))
    AuditDraw.objects.filter(id__in=[draw.id for draw in draws]).update(opened_at=at)
    counts = {
        "drawn": len(draws),
        "opened": len(unseated),
        "settled": len(settled),
        "seated": len(free) - len(unseated),
    }
    record_event(
        stream_id=stream.id,
        kind="audit.opened",
        subject_id=stream.id,
        happened_at=at,
        counts=counts,
    )
    return dict(counts)


def _seats(draw: AuditDraw, rates: Rates, at: datetime) -> list[ReviewTask]:
    twice = is_judged_twice(rates=rates, item_id=draw.item_id, predicted=draw.decision.predicted)
    return [
        ReviewTask(
            stream_id=draw.stream_id,
            item_id=draw.item_id,
            decision_id=draw.decision_id,
            queue=ReviewTask.Queue.AUDIT,
            seat=seat,
            blind=True,
            pi=draw.pi,
            priority=draw.item.priority,
            due_at=at + AUDIT_DUE,
            opened_at=at,
        )
        for seat in ((1, 2) if twice else (1,))
    ]
