"""Claims: one person, one seat, under a lease that the database's clock measures."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from reviewqueue.models import ReviewTask, ReviewTaskQuerySet, TaskSkip
from routing.events import record_event
from routing.models import Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SKIP_REST: Final = timedelta(minutes=15)
UNCLAIMED: Final = {
    "state": ReviewTask.State.OPEN,
    "holder": None,
    "claimed_at": None,
    "lease_token": None,
    "lease_expires_at": None,
}

# The inner query reads `task_next` from its start and stops at the first free row. Leases begin
# with the statement, like Django's `Now()` they are compared with, however old the transaction.
CLAIM_NEXT = """
    UPDATE reviewqueue_reviewtask SET state = 'claimed', holder_id = %(user)s,
        claimed_at = statement_timestamp(), lease_token = %(token)s,
        lease_expires_at = statement_timestamp() + make_interval(mins => %(lease_minutes)s)
    WHERE id = (
        SELECT task.id FROM reviewqueue_reviewtask AS task
        WHERE task.stream_id = %(stream)s AND task.queue = %(queue)s AND task.state = 'open'
            AND NOT EXISTS (
                SELECT 1 FROM reviewqueue_reviewtask AS mine
                WHERE mine.stream_id = task.stream_id AND mine.item_id = task.item_id
                    AND mine.holder_id = %(user)s)
            AND NOT EXISTS (
                SELECT 1 FROM reviewqueue_taskskip AS skip
                WHERE skip.task_id = task.id AND skip.user_id = %(user)s
                    AND skip.skipped_at
                        > statement_timestamp() - make_interval(secs => %(rest_seconds)s))
        ORDER BY task.priority DESC, task.due_at, task.id
        LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
"""

# Locked in the order in which answering locks them: the one in hand, then the one ahead.
RENEW = """
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
    *, user: "User", stream: Stream, queue: str, taking_up: bool = False
) -> ReviewTask | None:
    """The next task of a queue, leased to the user; the one in hand if there is one.

    Nobody gets a second seat of an item, nor, for a while, a task they skipped. Escalated
    items have a queue of their own; inside a queue priority goes before due time before age.
    Of two tasks held the one claimed first is in hand; with `taking_up`, after an answer, it was
    the one ahead until now and is in hand from now.
    """
    held = _with_content().leased_to(user).filter(stream=stream, queue=queue)
    task = held.order_by("claimed_at").first()
    if task is None:
        found = _claim(user=user, stream=stream, queue=queue)
        return None if found is None else _with_content().get(id=found)
    if taking_up and task.lease_token is not None:
        take_up(
            user=user, stream=stream, queue=queue, task_id=task.id, lease_token=task.lease_token
        )
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
    held = list(_held_in(user, stream, queue).order_by("claimed_at").values_list("id", flat=True))
    if held[:1] != [in_hand]:
        return None
    if len(held) == 1:
        found = _claim(user=user, stream=stream, queue=queue)
        return None if found is None else _with_content().get(id=found)
    ahead = ReviewTask.objects.leased_to(user).filter(id=held[1])
    renewed = ahead.update(lease_token=uuid4(), lease_expires_at=Now() + stream.lease)
    return _with_content().get(id=held[1]) if renewed else None


def take_up(*, user: "User", stream: Stream, queue: str, task_id: UUID, lease_token: UUID) -> bool:
    """Have the task ahead in hand from now on, under a full lease; whether it was still held."""
    ahead = _held(task_id, user, lease_token).filter(stream=stream, queue=queue)
    return bool(ahead.update(claimed_at=Now(), lease_expires_at=Now() + stream.lease))


def release_ahead(*, task_id: UUID, user: "User", lease_token: UUID) -> bool:
    """Give a task back unread; whether it was still ahead, and not the one in hand by now."""
    in_hand = ReviewTask.objects.leased_to(user).filter(
        stream=OuterRef("stream"),
        queue=OuterRef("queue"),
        claimed_at__lt=OuterRef("claimed_at"),
    )
    ahead = _held(task_id, user, lease_token).filter(Exists(in_hand))
    return bool(ahead.update(**UNCLAIMED))


@transaction.atomic
def release_others(*, user: "User", kept: ReviewTask, keep_ahead: bool = False) -> None:
    """Give back what the user holds of the stream, except `kept`.

    With `keep_ahead` what they were reading before stays theirs too, as the one ahead.
    """
    _lock_claims(user, kept.stream, kept.queue)
    others = ReviewTask.objects.filter(
        holder=user, stream_id=kept.stream_id, state=ReviewTask.State.CLAIMED
    ).exclude(id=kept.id)
    if keep_ahead:
        reading = others.filter(queue=kept.queue).order_by("claimed_at").values("id")[:1]
        others = others.exclude(id__in=reading)
    others.update(**UNCLAIMED)


def _lock_claims(user: "User", stream: Stream, queue: str) -> None:
    """Until commit nothing else is claimed for this person from this queue."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"claim:{user.pk}:{stream.id}:{queue}"],
        )


def _held_in(user: "User", stream: Stream, queue: str) -> ReviewTaskQuerySet:
    return ReviewTask.objects.leased_to(user).filter(stream=stream, queue=queue)


def _claim(*, user: "User", stream: Stream, queue: str) -> UUID | None:
    found = _claim_free(user=user, stream=stream, queue=queue)
    if found is None and expire_leases(stream_id=stream.id):
        found = _claim_free(user=user, stream=stream, queue=queue)
    return found


def _claim_free(*, user: "User", stream: Stream, queue: str) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM_NEXT,
            {
                "user": user.pk,
                "token": uuid4(),
                "lease_minutes": stream.lease_minutes,
                "stream": stream.id,
                "queue": queue,
                "rest_seconds": SKIP_REST.total_seconds(),
            },
        )
        row = cursor.fetchone()
    return None if row is None else row[0]


def _with_content() -> ReviewTaskQuerySet:
    return ReviewTask.objects.select_related("item", "decision__policy", "stream")


def renew_lease(*, task_id: UUID, user: "User", lease_token: UUID) -> datetime | None:
    """The new end of a lease that still holds; None if it was lost.

    The lease of the one ahead is renewed with it.
    """
    with connection.cursor() as cursor:
        cursor.execute(RENEW, {"task": task_id, "user": user.pk, "token": lease_token})
        return dict(cursor.fetchall()).get(task_id)


def release_task(*, task_id: UUID, user: "User", lease_token: UUID) -> bool:
    """Give a task back; whether it was still held under this lease."""
    return bool(_held(task_id, user, lease_token).update(**UNCLAIMED))


@transaction.atomic
def skip_task(*, task_id: UUID, user: "User", lease_token: UUID) -> bool:
    """Give a task back and pass it on: the same person is not offered it for a while."""
    stream_id = _held(task_id, user, lease_token).values_list("stream_id", flat=True).first()
    if stream_id is None or not release_task(task_id=task_id, user=user, lease_token=lease_token):
        return False
    TaskSkip.objects.update_or_create(
        task_id=task_id, user=user, defaults={"stream_id": stream_id, "skipped_at": Now()}
    )
    record_event(stream_id=stream_id, kind="task.skipped", subject_id=task_id, actor_id=user.pk)
    return True


@transaction.atomic
def escalate_task(*, task_id: UUID, user: "User", lease_token: UUID) -> bool:
    """Hand a task to the experts' queue, open again; whether it was still held."""
    task = _held(task_id, user, lease_token).exclude(queue=ReviewTask.Queue.ESCALATED)
    stream_id = task.values_list("stream_id", flat=True).first()
    if stream_id is None or not task.update(queue=ReviewTask.Queue.ESCALATED, **UNCLAIMED):
        return False
    record_event(stream_id=stream_id, kind="task.escalated", subject_id=task_id, actor_id=user.pk)
    return True


def expire_leases(*, stream_id: UUID | None = None) -> int:
    """Open every task whose lease ran out again; returns how many."""
    lapsed = ReviewTask.objects.filter(state=ReviewTask.State.CLAIMED, lease_expires_at__lte=Now())
    if stream_id is not None:
        lapsed = lapsed.filter(stream_id=stream_id)
    return lapsed.update(**UNCLAIMED)


def _held(task_id: UUID, user: "User", lease_token: UUID) -> ReviewTaskQuerySet:
    return ReviewTask.objects.leased_to(user).filter(id=task_id, lease_token=lease_token)
