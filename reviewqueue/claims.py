"""Claims: one person, one seat, under a lease that the database's clock measures."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.functions import Now

from reviewqueue.known_answers import seat_known
from reviewqueue.lines import IN_ORDER, OPEN_SINGLY, SINGLY
from reviewqueue.models import ReviewTask, ReviewTaskQuerySet, TaskSkip
from reviewqueue.task_rows import TASK_COLUMNS, make_task
from routing.events import record_event
from routing.models import Stream
from routing.rows import Question, fetch_row

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SKIP_REST: Final = timedelta(minutes=15)
ORDINARY: Final = Q(known__isnull=True)
# A seat that was slipped in is its holder's alone: it does not open, it is over.
UNCLAIMED: Final = {
    "state": Case(
        When(ORDINARY, then=Value(ReviewTask.State.OPEN)),
        default=Value(ReviewTask.State.CANCELLED),
    ),
    "holder": Case(When(ORDINARY, then=Value(None)), default=F("holder")),
    "closed_at": Case(When(ORDINARY, then=Value(None)), default=Now()),
    "claimed_at": None,
    "lease_token": None,
    "lease_expires_at": None,
}

# Whoever asks twice at once waits here for their own first request, and then sees what it claimed:
# each statement looks anew. The lock ends with the transaction.
ONE_AT_A_TIME: Final = """
    SELECT pg_advisory_xact_lock(%(lock)s, hashtext(%(whose)s))
"""
CLAIM_LOCK: Final = 0x52515F4E  # "RQ_N": who asks for the next task

# What is in hand goes first. Else the inner query reads `task_next` from its start and stops at
# the first free row; what it asks of each is one row of a unique index, where NOT EXISTS could
# read all that the person ever judged. Leases begin with the statement, like Django's `Now()`
# they are compared with, however old the transaction.
CLAIM_NEXT: Final = f"""
    WITH held AS (
        SELECT * FROM reviewqueue_reviewtask AS task
        WHERE holder_id = %(user)s AND stream_id = %(stream)s AND queue = %(queue)s
            AND state = 'claimed' AND lease_expires_at > statement_timestamp()
            AND ({SINGLY} OR known_id IS NOT NULL)
        ORDER BY claimed_at LIMIT 1 OFFSET %(after)s),
    taken AS (
        UPDATE reviewqueue_reviewtask SET state = 'claimed', holder_id = %(user)s,
            claimed_at = statement_timestamp(), lease_token = %(token)s,
            lease_expires_at = statement_timestamp() + make_interval(mins => %(lease_minutes)s)
        WHERE NOT EXISTS (SELECT 1 FROM held) AND id = (
            SELECT task.id FROM reviewqueue_reviewtask AS task
            WHERE task.stream_id = %(stream)s AND task.queue = %(queue)s AND {OPEN_SINGLY}
                AND (
                    SELECT true FROM reviewqueue_reviewtask AS mine
                    WHERE mine.stream_id = task.stream_id AND mine.item_id = task.item_id
                        AND mine.holder_id = %(user)s) IS NULL
                AND (
                    SELECT true FROM reviewqueue_taskskip AS skip
                    WHERE skip.task_id = task.id AND skip.user_id = %(user)s
                        AND skip.skipped_at
                            > statement_timestamp() - make_interval(secs => %(rest_seconds)s)
                ) IS NULL
            ORDER BY {IN_ORDER}
            LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING *)
    SELECT {TASK_COLUMNS}
    FROM (SELECT * FROM held UNION ALL SELECT * FROM taken) AS task
    JOIN routing_item AS item ON item.id = task.item_id
    JOIN routing_decision AS decision ON decision.id = task.decision_id
"""  # noqa: S608 - made of constants

# Locked in the order in which answering locks them: the one in hand, then the one ahead.
RENEW: Final = """
    WITH held AS (
        SELECT task.id FROM reviewqueue_reviewtask AS task
        JOIN reviewqueue_reviewtask AS in_hand USING (holder_id, stream_id, queue)
        WHERE in_hand.id = %(task)s AND in_hand.holder_id = %(user)s
            AND in_hand.lease_token = %(token)s AND in_hand.state = 'claimed'
            AND in_hand.lease_expires_at > statement_timestamp()
            AND task.state = 'claimed' AND task.lease_expires_at > statement_timestamp()
        ORDER BY task.claimed_at FOR UPDATE OF task)
    UPDATE reviewqueue_reviewtask AS task
    SET lease_expires_at = statement_timestamp() + make_interval(mins => stream.lease_minutes)
    FROM held, routing_stream AS stream
    WHERE task.id = held.id AND stream.id = task.stream_id
    RETURNING task.id, task.lease_expires_at
"""


def claim_next(
    *,
    user: "User",
    stream: Stream,
    queue: str,
    taking_up: bool = False,
    along: Question | None = None,
) -> ReviewTask | None:
    """The next task of a queue, leased to the user; the one in hand if there is one.

    With its item, decision and stream. Nobody gets a second seat of an item, nor, for a while, a
    task they skipped, nor two tasks by asking twice at once. Escalated items have a queue of
    their own; inside a queue priority goes before due time before age. Of two tasks held the one
    claimed first is in hand; with `taking_up`, after an answer, it was the one ahead until now and
    is in hand from now. What goes `along` is asked of the database in the same journey.
    """
    if stream.known_rate:
        _slip_in(user=user, stream=stream, queue=queue)
    token = uuid4()
    task = _claim(user=user, stream=stream, queue=queue, token=token, along=along)
    if task is None or task.lease_token in (None, token) or not taking_up:
        return task
    take_up(user=user, stream=stream, queue=queue, task_id=task.id, lease_token=task.lease_token)
    task.refresh_from_db(fields=["claimed_at", "lease_expires_at"])
    return task


@transaction.atomic
def claim_ahead(*, user: "User", stream: Stream, queue: str, in_hand: UUID) -> ReviewTask | None:
    """The one task after the task `in_hand`, leased too, so that it can be on screen at once.

    Asked for again it is the same one under a new lease and token: whoever knows only the old
    token can neither take it up nor release it. None where nothing is left for the user, or where
    `in_hand` is not what they have in hand.
    """
    _lock_claims(user, stream, queue)
    held = list(_held_singly(user, stream, queue)[:2])
    if [task.id for task in held[:1]] != [in_hand]:
        return None
    if len(held) == 1:
        seat_known(user=user, stream=stream, queue=queue, ahead_of=held[0])
    token = uuid4()
    task = _claim(user=user, stream=stream, queue=queue, token=token, after=1)
    if task is not None and task.lease_token != token:
        ahead = ReviewTask.objects.leased_to(user).filter(id=task.id)
        ahead.update(lease_token=token, lease_expires_at=Now() + stream.lease)
        task.refresh_from_db(fields=["lease_token", "lease_expires_at"])
    return task


def take_up(*, user: "User", stream: Stream, queue: str, task_id: UUID, lease_token: UUID) -> bool:
    """Have the task ahead in hand from now on, under a full lease; whether it was still held."""
    ahead = _held(task_id, user, lease_token).filter(stream=stream, queue=queue)
    return bool(ahead.update(claimed_at=Now(), lease_expires_at=Now() + stream.lease))


def release_ahead(*, task_id: UUID, user: "User", lease_token: UUID) -> bool:
    """Give a task back unread; whether it was still ahead, and not the one in hand by now."""
    in_hand = (
        ReviewTask.objects.leased_to(user)
        .singly()
        .filter(
            stream=OuterRef("stream"),
            queue=OuterRef("queue"),
            claimed_at__lt=OuterRef("claimed_at"),
        )
    )
    ahead = _held(task_id, user, lease_token).filter(Exists(in_hand))
    return bool(ahead.update(**UNCLAIMED))


@transaction.atomic
def release_others(*, user: "User", kept: ReviewTask, keep_ahead: bool = False) -> None:
    """Give back what the user holds of the stream, except `kept` and rows of a batch.

    With `keep_ahead` what they were reading before stays theirs too, as the one ahead.
    """
    _lock_claims(user, kept.stream, kept.queue)
    others = (
        ReviewTask.objects.singly()
        .filter(holder=user, stream_id=kept.stream_id, state=ReviewTask.State.CLAIMED)
        .exclude(id=kept.id)
    )
    if keep_ahead:
        in_order = others.filter(queue=kept.queue).order_by("claimed_at")
        reading = list(in_order.values_list("id", flat=True)[:1])
        # `kept` may have been claimed a moment ago, and of two the one claimed first is in hand.
        others.filter(id__in=reading).update(claimed_at=Now())
        others = others.exclude(id__in=reading)
    others.update(**UNCLAIMED)


@transaction.atomic
def _slip_in(*, user: "User", stream: Stream, queue: str) -> None:
    """Perhaps put an item whose answer is known in the user's hand, where there is nothing."""
    _lock_claims(user, stream, queue)
    if not _held_singly(user, stream, queue).exists():
        seat_known(user=user, stream=stream, queue=queue)


def _lock_claims(user: "User", stream: Stream, queue: str) -> None:
    """Until commit nothing else is claimed for this person from this queue."""
    with connection.cursor() as cursor:
        cursor.execute(ONE_AT_A_TIME, _whose(user, stream, queue))


def _whose(user: "User", stream: Stream, queue: str) -> dict[str, int | str]:
    return {"lock": CLAIM_LOCK, "whose": f"{user.pk} {stream.id} {queue}"}


def _held_singly(user: "User", stream: Stream, queue: str) -> ReviewTaskQuerySet:
    """What the user has in hand and, after it, ahead."""
    held = ReviewTask.objects.leased_to(user).singly().filter(stream=stream, queue=queue)
    return held.order_by("claimed_at")


def _claim(
    *,
    user: "User",
    stream: Stream,
    queue: str,
    token: UUID,
    after: int = 0,
    along: Question | None = None,
) -> ReviewTask | None:
    """What the user holds `after` so many others, else a free task, under `token`."""
    task = _claim_once(user, stream, queue, token=token, after=after, along=along)
    if task is None and expire_leases(stream_id=stream.id):
        task = _claim_once(user, stream, queue, token=token, after=after)
    return task


def _claim_once(
    user: "User",
    stream: Stream,
    queue: str,
    *,
    token: UUID,
    after: int,
    along: Question | None = None,
) -> ReviewTask | None:
    row = fetch_row(
        CLAIM_NEXT,
        {
            "user": user.pk,
            "token": token,
            "after": after,
            "lease_minutes": stream.lease_minutes,
            "stream": stream.id,
            "queue": queue,
            "rest_seconds": SKIP_REST.total_seconds(),
        },
        before=(ONE_AT_A_TIME, _whose(user, stream, queue)),
        along=along,
    )
    return None if row is None else make_task(row, stream)


def renew_lease(*, task_id: UUID, user: "User", lease_token: UUID) -> datetime | None:
    """The new end of a lease that still holds; None if it was lost.

    The lease of the one ahead is renewed with it.
    """
    with connection.cursor() as cursor:
        cursor.execute(RENEW, {"task": task_id, "user": user.pk, "token": lease_token})
        return dict(cursor.fetchall()).get(task_id)


def claimed_by(user: "User", stream: Stream) -> dict[str, object]:
    """What an UPDATE sets to put a task back in somebody's hand, under a new lease."""
    return {
        "state": ReviewTask.State.CLAIMED,
        "holder": user,
        "claimed_at": Now(),
        "lease_token": uuid4(),
        "lease_expires_at": Now() + stream.lease,
    }


def release_task(*, task_id: UUID, user: "User", lease_token: UUID) -> bool:
    """Give a task back; whether it was still held under this lease."""
    return bool(_held(task_id, user, lease_token).update(**UNCLAIMED))


@transaction.atomic
def skip_task(*, task_id: UUID, user: "User", lease_token: UUID) -> bool:
    """Give a task back and pass its item on: the same person is not offered it for a while."""
    task = _held(task_id, user, lease_token).first()
    if task is None or not release_task(task_id=task_id, user=user, lease_token=lease_token):
        return False
    _rest_from(task, user)
    record_event(
        stream_id=task.stream_id, kind="task.skipped", subject_id=task_id, actor_id=user.pk
    )
    return True


def rests_from(*, task_id: UUID, user: "User") -> bool:
    """Whether the user skipped the task a moment ago and is not offered it for a while."""
    return bool(find_resting(task_ids=[task_id], user=user))


def find_resting(*, task_ids: Collection[UUID], user: "User") -> set[UUID]:
    """Those of the tasks that rest for the user, who skipped or left them."""
    recent = TaskSkip.objects.filter(
        task__in=list(task_ids), user=user, skipped_at__gt=Now() - SKIP_REST
    )
    return set(recent.values_list("task_id", flat=True))


def _rest_from(task: ReviewTask, user: "User") -> None:
    """Offer the user no seat of the task's item for a while; of two the other would come next."""
    seats = ReviewTask.objects.unanswered().filter(stream_id=task.stream_id, item_id=task.item_id)
    note_skips(stream_id=task.stream_id, user=user, task_ids=seats.values_list("id", flat=True))


def note_skips(*, stream_id: UUID, user: "User", task_ids: Iterable[UUID]) -> None:
    """Offer the user none of these seats for a while, from now on."""
    TaskSkip.objects.bulk_create(
        [
            TaskSkip(stream_id=stream_id, task_id=task_id, user=user, skipped_at=Now())
            for task_id in task_ids
        ],
        update_conflicts=True,
        unique_fields=["task", "user"],
        update_fields=["skipped_at"],
    )


@transaction.atomic
def escalate_task(*, task_id: UUID, user: "User", lease_token: UUID, comment: str = "") -> bool:
    """Hand a task to the experts' queue, open again; whether it was still held.

    The event keeps the queue it left and, for the expert, what the user wrote.
    """
    held = _held(task_id, user, lease_token).exclude(queue=ReviewTask.Queue.ESCALATED)
    task = held.first()
    if task is None or not held.update(queue=ReviewTask.Queue.ESCALATED, **UNCLAIMED):
        return False
    _rest_from(task, user)
    record_event(
        stream_id=task.stream_id,
        kind="task.escalated",
        subject_id=task_id,
        actor_id=user.pk,
        queue=task.queue,
        comment=comment.strip(),
    )
    return True


def expire_leases(*, stream_id: UUID | None = None) -> int:
    """Open every task whose lease ran out again; returns how many."""
    lapsed = ReviewTask.objects.filter(state=ReviewTask.State.CLAIMED, lease_expires_at__lte=Now())
    if stream_id is not None:
        lapsed = lapsed.filter(stream_id=stream_id)
    return lapsed.update(**UNCLAIMED)


def _held(task_id: UUID, user: "User", lease_token: UUID) -> ReviewTaskQuerySet:
    return ReviewTask.objects.leased_to(user).filter(id=task_id, lease_token=lease_token)
