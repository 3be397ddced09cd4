"""Erasures: what an item holds of a person is emptied, what it was decided from stays.

Emptied are payload, signals, metadata, blocks and claims, and what people wrote of the item:
comments, proposed names, notes to upstream, reasons of known answers. Left are its ids, its scores
or evidence, and all that was decided, answered and counted, so that decisions replay and no figure
changes. `docs/erasure.md` tells users.

Whoever erases gives way: where people are at work on an item it waits a moment, lets go of all that
it has locked and begins anew, so that nobody's answer is lost to a deadlock.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from calibration.jobs import day_of, run_once
from calibration.models import AuditDraw, JobRun
from reviewqueue.insight_models import InsightSheet
from reviewqueue.models import KnownAnswer, RemoteAsk, ReviewTask, Verdict
from reviewqueue.retry_models import RetryRequest
from routing.events import record_events
from routing.ids import first_uuid7
from routing.models import Event, Item, Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

AT_ONCE: Final = 500
RETENTION: Final = "retention"
# Less than PostgreSQL's deadlock_timeout, so that it is never somebody else who has to go.
LOCK_WAIT: Final = "SET LOCAL lock_timeout = '300ms'"
LOCK_WAIT_OVER: Final = "SET LOCAL lock_timeout = DEFAULT"
MOST_TRIES: Final = 20
PAUSE_SECONDS: Final = 0.2
# Well within the time that a task may take.
PATIENCE_SECONDS: Final = 60.0


class ErasureError(RuntimeError):
    """The items stayed in use; nothing of them was erased. Run it again."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of the items that were named: counts, and the external ids of no item."""

    erased: int
    before: int
    unknown: tuple[str, ...]


def erase_items(*, stream: Stream, external_ids: Sequence[str], by: "User | None" = None) -> Erased:
    """Erase what the stream's items with these ids hold, whatever state they are in.

    Open seats are cancelled, so that a waiting item is judged no more. Up to `AT_ONCE` items go in
    one transaction; those that were erased before stay as they are.

    Raises:
        ErasureError: somebody kept the items locked; what was erased before stays erased.
    """
    asked = [each for each in dict.fromkeys(external_ids) if "\0" not in each]
    erased, known = 0, set[str]()
    for begin in range(0, len(asked), AT_ONCE):
        names = asked[begin : begin + AT_ONCE]
        found = Item.objects.filter(stream=stream, external_id__in=names)
        ids = dict(found.values_list("external_id", "id"))
        known |= ids.keys()
        erased += _erase(stream, list(ids.values()), by=by, why="request")
    unknown = tuple(each for each in dict.fromkeys(external_ids) if each not in known)
    return Erased(erased=erased, before=len(known) - erased, unknown=unknown)


def erase_expired(
    *, stream: Stream, at: datetime, patience: float = PATIENCE_SECONDS
) -> JobRun | None:
    """Erase what the stream has kept for longer than its retention, a batch at a time.

    Once a day of the stream's time zone, and only items that nobody has to judge any more, nobody
    can take an answer to back, and that are in use as no known answer. None where the stream keeps
    all, it was done today, or `patience` (seconds) ran out: the next sweep goes on.
    """
    period = day_of(stream, at)
    done = JobRun.objects.filter(stream=stream, job=RETENTION)
    if stream.retention_days is None or done.filter(period=period).exists():
        return None
    last = done.order_by("-done_at").first()
    begin = UUID(str(last.result["from"])) if last else UUID(int=0)
    end = first_uuid7(at - timedelta(days=stream.retention_days))
    until = time.monotonic() + patience
    erased = 0
    for ids in _expired_batches(stream, begin, end):
        erased += _erase(stream, ids, by=None, why=RETENTION)
        if time.monotonic() > until:
            return None
    left = _kept(stream, begin, end).order_by("id").values_list("id", flat=True).first()
    result: dict[str, object] = {"erased": erased, "from": str(left or end)}
    return run_once(stream=stream, job=RETENTION, period=period, at=at, work=lambda: result)


def _kept(stream: Stream, begin: UUID, end: UUID) -> QuerySet[Item]:
    """What is not erased yet of those taken in from `begin` on and before `end`."""
    return Item.objects.filter(stream=stream, id__gte=begin, id__lt=end, erased_at__isnull=True)


def _expired_batches(stream: Stream, begin: UUID, end: UUID) -> Iterator[list[UUID]]:
    """The ids of items that nothing is to happen to any more, in their order."""
    found = _over(_kept(stream, begin, end), stream).order_by("id").values_list("id", flat=True)
    ids = list(found[:AT_ONCE])
    while ids:
        yield ids
        ids = list(found.filter(id__gt=ids[-1])[:AT_ONCE])


def _over(items: QuerySet[Item], stream: Stream) -> QuerySet[Item]:
    """Those of the stream's items that nobody has to judge and no answer may be taken back of."""
    here = {"stream": stream, "item_id": OuterRef("id")}
    return items.exclude(state=Item.State.WAITING).filter(
        ~Exists(ReviewTask.objects.unanswered().filter(**here)),
        ~Exists(AuditDraw.objects.filter(**here, opened_at__isnull=True)),
        ~Exists(RemoteAsk.objects.filter(**here, state=RemoteAsk.State.DUE)),
        ~Exists(KnownAnswer.objects.filter(**here, retired_at__isnull=True)),
        ~Exists(Verdict.objects.filter(**here, published_at__gt=Now())),
    )


def _erase(stream: Stream, ids: Sequence[UUID], *, by: "User | None", why: str) -> int:
    """Erase these items in one transaction; how many were not erased before."""
    for _try in range(MOST_TRIES):
        try:
            with transaction.atomic():
                return _erase_locked(stream, ids, by=by, why=why)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            time.sleep(PAUSE_SECONDS)
    raise ErasureError(ErasureError.__doc__)


def _erase_locked(stream: Stream, ids: Sequence[UUID], *, by: "User | None", why: str) -> int:
    _execute(LOCK_WAIT)
    # In the order in which they are locked elsewhere: a question before its item, that before its
    # seats. Each statement sees what those it waited for have committed.
    asks = RemoteAsk.objects.filter(stream=stream, item__in=ids, state=RemoteAsk.State.DUE)
    list(asks.select_for_update(of=("self",)).order_by("id").values_list("id"))
    items = Item.objects.filter(stream=stream, id__in=ids, erased_at__isnull=True)
    locked = items.select_for_update(no_key=True).order_by("id")
    found = list(locked.values_list("id", flat=True))
    if why == RETENTION:  # what was taken up again since it was looked for stays
        found = list(_over(items.filter(id__in=found), stream).values_list("id", flat=True))
    if not found:
        return 0
    now = timezone.now()
    asks.filter(item__in=found).update(state=RemoteAsk.State.DROPPED, closed_at=now)
    seats = _close_seats(stream, found, at=now)
    _empty(stream, found, at=now)
    _empty_words(stream, found, by=by, at=now)
    record_events(
        stream_id=stream.id,
        kind="item.erased",
        about=[(each, {"why": why, "seats_cancelled": seats.count(each)}) for each in found],
        actor_id=None if by is None else by.pk,
        happened_at=now,
    )
    _execute(LOCK_WAIT_OVER)
    return len(found)


def _close_seats(stream: Stream, ids: Sequence[UUID], *, at: datetime) -> list[UUID]:
    """Let nobody be asked about the items any more; the item of each seat that was cancelled.

    Who holds such a seat is told so on answering, and keeps what was typed.
    """
    KnownAnswer.objects.filter(item__in=ids).update(reason="")
    KnownAnswer.objects.filter(item__in=ids, retired_at__isnull=True).update(retired_at=at)
    # The weekly job opens no seat of what is ticked off; those that it has just opened come next.
    AuditDraw.objects.filter(stream=stream, item__in=ids, opened_at__isnull=True).update(
        opened_at=at
    )
    idle = ReviewTask.objects.unanswered().filter(stream=stream, item__in=ids)
    seats = dict(idle.select_for_update(of=("self",)).order_by("id").values_list("id", "item_id"))
    ReviewTask.objects.filter(id__in=list(seats)).update(
        state=ReviewTask.State.CANCELLED, lease_expires_at=None, closed_at=at
    )
    return list(seats.values())


def _empty(stream: Stream, ids: Sequence[UUID], *, at: datetime) -> None:
    """Empty what was posted, and what was made of it beforehand."""
    items = Item.objects.filter(id__in=ids)
    items.filter(blocks__isnull=False).update(blocks=[])
    items.filter(claims__isnull=False).update(claims=[])
    items.filter(state=Item.State.WAITING).update(state=Item.State.ROUTED)
    items.update(payload={}, signals={}, metadata={}, erased_at=at)
    # Its words stand in the ambiguity map. Who is drawing one just now loses the lease on it.
    InsightSheet.objects.filter(stream=stream, kind=InsightSheet.Kind.AMBIGUITY).update(
        figures={},
        pictures={},
        arrays=b"",
        error="",
        version="",
        asked_version="",
        made_at=None,
        token=None,
        leased_until=None,
    )


def _empty_words(stream: Stream, ids: Sequence[UUID], *, by: "User | None", at: datetime) -> None:
    """Empty what people wrote of the items; the database lets this be done of erased ones alone."""
    said = Verdict.objects.filter(item__in=ids).exclude(comment="", proposed_name="")
    said.update(comment="", proposed_name="")
    RetryRequest.objects.filter(item__in=ids).exclude(note="").update(note="")
    seats = ReviewTask.objects.filter(stream=stream, item__in=ids).values_list("id", flat=True)
    written = Event.objects.filter(
        stream=stream, subject_id__in=[*ids, *seats], data__has_key="comment"
    ).exclude(data__comment="")
    subjects = dict(written.values_list("id", "subject_id"))
    if not subjects:
        return
    record_events(
        stream_id=stream.id,
        kind="comment.erased",
        about=[(subject, {}) for subject in dict.fromkeys(subjects.values())],
        actor_id=None if by is None else by.pk,
        happened_at=at,
    )
    emptied = Event.objects.filter(stream=stream, id__in=list(subjects))
    for event in emptied:
        emptied.filter(id=event.id).update(data=event.data | {"comment": ""})


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
