"""Claims of many rows at once: a table of flagged items under one lease."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from django.db import connection

from reviewqueue.claims import SKIP_REST, UNCLAIMED, expire_leases
from reviewqueue.lines import IN_ORDER, OPEN_IN_BATCH
from reviewqueue.models import ReviewTask, ReviewTaskQuerySet
from routing.models import Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

BATCH_SIZE: Final = 50

Wanted = dict[str, str | int | float | UUID | list[UUID] | None]

# No row of an item that the user holds a seat of, and none that they passed on a moment ago. Apart,
# so that each is a look-up by index: joined by OR, all that the user ever held would be read.
FOR_USER: Final = """
    NOT EXISTS (
        SELECT 1 FROM reviewqueue_reviewtask AS mine
        WHERE mine.stream_id = task.stream_id AND mine.item_id = task.item_id
            AND mine.holder_id = %(user)s)
    AND NOT EXISTS (
        SELECT 1 FROM reviewqueue_taskskip AS skip
        WHERE skip.task_id = task.id AND skip.user_id = %(user)s
            AND skip.skipped_at > statement_timestamp() - make_interval(secs => %(rest_seconds)s))
"""
# The batch is the next day's.
BEFORE_TODAY: Final = """
    (%(with_today)s OR task.opened_at < date_trunc('day', statement_timestamp(), %(time_zone)s))
"""
# The inner query reads `task_batch` from its start and stops when the table is full. ARRAY makes
# it run once: as a plain IN it could run, and lock, for every row that it is compared with.
CLAIM_BATCH: Final = f"""
    UPDATE reviewqueue_reviewtask SET state = 'claimed', holder_id = %(user)s,
        claimed_at = statement_timestamp(), lease_token = %(token)s,
        lease_expires_at = statement_timestamp() + make_interval(mins => %(lease_minutes)s)
    WHERE id = ANY (ARRAY (
        SELECT task.id FROM reviewqueue_reviewtask AS task
        WHERE task.stream_id = %(stream)s AND {OPEN_IN_BATCH} AND {BEFORE_TODAY}
            AND (%(ids)s::uuid[] IS NULL OR task.id = ANY (%(ids)s::uuid[]))
            AND (%(category)s = '' OR EXISTS (
                SELECT 1 FROM routing_decision AS decision
                WHERE decision.id = task.decision_id
                    AND coalesce(nullif(decision.category, ''), decision.predicted)
                        = %(category)s))
            AND {FOR_USER}
        ORDER BY {IN_ORDER}
        LIMIT %(size)s FOR UPDATE SKIP LOCKED))
    RETURNING id
"""  # noqa: S608 - made of constants
# The drawn share that this person could be offered now: an index range of `task_next`.
COUNT_SINGLES: Final = f"""
    SELECT count(*) FROM (
        SELECT 1 FROM reviewqueue_reviewtask AS task
        WHERE task.stream_id = %(stream)s AND task.queue = 'flagged' AND task.pi IS NOT NULL
            AND task.state = 'open' AND {BEFORE_TODAY} AND {FOR_USER}
        LIMIT %(size)s) AS found
"""  # noqa: S608 - made of constants


def claim_batch(
    *,
    user: "User",
    stream: Stream,
    category: str = "",
    size: int = BATCH_SIZE,
    with_today: bool = False,
) -> list[ReviewTask]:
    """Up to `size` flagged rows under one lease token; those in hand if there are any.

    The batch is the next day's: what was opened since midnight of the stream's time zone waits
    unless `with_today`. `category`: only what the machine acted on as this one. By priority, due
    time and age; nobody gets a row of an item that they hold a seat of, nor, for a while, one
    that they left.
    """
    held = find_batch(user=user, stream=stream)
    if held:
        return held
    wanted = _wanted(user, stream) | {
        "size": size,
        "category": category,
        "with_today": with_today,
    }
    claimed = _claim(wanted)
    if not claimed and expire_leases(stream_id=stream.id):
        claimed = _claim(wanted)
    return _in_order(ReviewTask.objects.filter(id__in=claimed)) if claimed else []


def claim_again(*, user: "User", stream: Stream, task_ids: Sequence[UUID]) -> list[ReviewTask]:
    """What of these rows is free again, or still in hand, under one lease.

    For somebody whose lease ran out over a table: what nobody took meanwhile is theirs again.
    """
    expire_leases(stream_id=stream.id)
    _claim(_wanted(user, stream) | {"ids": list(task_ids)})
    return find_batch(user=user, stream=stream)


def _wanted(user: "User", stream: Stream) -> Wanted:
    return {
        "user": user.pk,
        "token": uuid4(),
        "lease_minutes": stream.lease_minutes,
        "stream": stream.id,
        "time_zone": stream.time_zone,
        "with_today": True,
        "category": "",
        "ids": None,
        "rest_seconds": SKIP_REST.total_seconds(),
        "size": BATCH_SIZE,
    }


def _claim(wanted: Wanted) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_BATCH, wanted)
        return [row[0] for row in cursor.fetchall()]


def find_batch(*, user: "User", stream: Stream) -> list[ReviewTask]:
    """The rows that the user holds in the stream, under one token, in the batch's order."""
    rows = held_batch(user, stream)
    held = _in_order(rows)
    if len({task.lease_token for task in held}) > 1:
        # Rows whose single verdicts were undone came back under leases of their own.
        token = uuid4()
        rows.update(lease_token=token)
        for task in held:
            task.lease_token = token
    return held


def held_batch(user: "User", stream: Stream) -> ReviewTaskQuerySet:
    """The rows of a batch that the user holds in the stream under a lease."""
    return ReviewTask.objects.leased_to(user).in_batch().filter(stream=stream)


def _in_order(tasks: ReviewTaskQuerySet) -> list[ReviewTask]:
    joined = tasks.select_related("item", "decision", "stream")
    return list(joined.order_by("-priority", "due_at", "id"))


def count_singles(*, user: "User", stream: Stream, bound: int, with_today: bool = False) -> int:
    """How many of the drawn share, up to `bound`, the user is to judge before the batch."""
    wanted = _wanted(user, stream) | {"with_today": with_today, "size": bound}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SINGLES, wanted)
        return int(cursor.fetchone()[0])


def renew_batch(*, user: "User", stream: Stream, lease_token: UUID) -> datetime | None:
    """The new end of the lease of every row that still holds; None if none does."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE reviewqueue_reviewtask
            SET lease_expires_at = statement_timestamp() + make_interval(mins => %s)
            WHERE holder_id = %s AND stream_id = %s AND lease_token = %s
                AND state = 'claimed' AND lease_expires_at > statement_timestamp()
            RETURNING lease_expires_at
            """,
            [stream.lease_minutes, user.pk, stream.id, lease_token],
        )
        row = cursor.fetchone()
    return None if row is None else row[0]


def release_batch(*, user: "User", stream: Stream, lease_token: UUID) -> int:
    """Give the rows back; returns how many were still held under this lease."""
    return held_batch(user, stream).filter(lease_token=lease_token).update(**UNCLAIMED)
