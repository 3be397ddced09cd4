"""Sending what is due to webhooks: leases, several at a time, tried again for three days.

A `Delivery` row is all the work there is; a message to a worker only says that one may be due.
A sender that dies leaves a lease that runs out, so a receiver may hear the same thing twice, under
the same id and with the same body. One that is slow or broken has a few senders at most and holds
up nobody else.
"""

import logging
from collections import Counter
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from secrets import SystemRandom
from threading import Lock
from time import monotonic
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Func, JSONField, QuerySet, Value
from django.db.models.functions import Now
from django.utils import timezone

from reviewqueue.messages import read_message, write_message
from reviewqueue.posting import Posted
from reviewqueue.webhook_models import Delivery, Result, Webhook
from reviewqueue.webhooks import disable_webhook, note_failure, note_receipt, post_to_webhook

logger = logging.getLogger(__name__)

AT_ONCE: Final = 16
AT_ONCE_EACH: Final = 4
# The example schedule of the specification: three days and three hours in all.
PAUSES: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MOST_TRIES: Final = len(PAUSES) + 1
JITTER: Final = 0.2  # up to so much longer, so that what failed together does not come back so
# Beyond the deadline of a try, so that nothing is sent twice at a time.
LEASE: Final = timedelta(seconds=60)
PATIENCE: Final = 10.0
# One sender per process: a slow receiver leaves the other threads of a worker to other work.
_SENDING: Final = Lock()
LOOK_AGAIN: Final = 0.5  # seconds, while the receivers of what was sent take their time
KEPT: Final = timedelta(days=30)
RESULTS_KEPT: Final = 3 * MOST_TRIES  # who sends again and again must not make a row grow for ever
DELETED_AT_ONCE: Final = 10_000
GONE: Final = 410

CLAIM_DUE: Final = """
    UPDATE reviewqueue_delivery SET tries = tries + 1, token = gen_random_uuid(),
        due_at = statement_timestamp() + make_interval(secs => %s)
    WHERE id IN (
        SELECT next.id FROM reviewqueue_webhook webhook CROSS JOIN LATERAL (
            SELECT id, due_at FROM reviewqueue_delivery
            WHERE webhook_id = webhook.id AND state = 'due' AND due_at <= statement_timestamp()
            ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) next
        WHERE webhook.state = 'active' AND NOT webhook.id = ANY(%s)
        ORDER BY next.due_at LIMIT %s)
    RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Try:
    """A delivery under its lease."""

    delivery_id: UUID
    webhook_id: UUID
    token: UUID | None
    tries: int


def send_due(*, patience: float = PATIENCE) -> int:
    """Send what is due until nothing is; returns how many tries were made.

    After `patience` seconds nothing more is begun: the next sweep goes on. Beside another sender
    of this process it does nothing.
    """
    if not _SENDING.acquire(blocking=False):
        return 0
    try:
        return _send_until(monotonic() + patience)
    finally:
        _SENDING.release()


def _send_until(until: float) -> int:
    made = 0
    under_way: dict[Future[Posted], Try] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while True:
            free = AT_ONCE - len(under_way)
            begun = _begin(pool, under_way.values(), free) if monotonic() < until else {}
            under_way |= begun
            made += len(begun)
            if not under_way:
                return made
            if not begun:
                done, _rest = wait(under_way, timeout=LOOK_AGAIN, return_when=FIRST_COMPLETED)
                for future in done:
                    _settle(under_way.pop(future), future)


def _begin(
    pool: ThreadPoolExecutor, under_way: Collection[Try], free: int
) -> dict[Future[Posted], Try]:
    """Claim the next delivery of every webhook that is not busy, and send them in threads."""
    if not free:
        return {}
    counts = Counter(one.webhook_id for one in under_way)
    busy = [webhook_id for webhook_id, count in counts.items() if count >= AT_ONCE_EACH]
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_DUE, [LEASE.total_seconds(), busy, free])
        ids = [row[0] for row in cursor.fetchall()]
    claimed = Delivery.objects.filter(id__in=ids).select_related("webhook", "announcement__item")
    return {
        # No query in the thread: what it needs is read here.
        pool.submit(
            post_to_webhook,
            delivery.webhook,
            message_id=str(delivery.announcement_id),
            body=write_message(read_message(delivery.announcement)),
        ): Try(delivery.id, delivery.webhook_id, delivery.token, delivery.tries)
        for delivery in claimed.defer(
            "announcement__item__payload",
            "announcement__item__scores",
            "announcement__item__blocks",
        )
    }


def _settle(one: Try, future: Future[Posted]) -> None:
    broken = future.exception()
    if broken is not None:
        logger.error("delivery %s could not be tried", one.delivery_id, exc_info=broken)
    posted = Posted(error=f"it broke ({type(broken).__name__})") if broken else future.result()
    settle_try(one, posted)


@transaction.atomic
def settle_try(one: Try, posted: Posted) -> Delivery.State | None:
    """Note what a try came to: delivered, due again, or given up.

    Returns the state; None where the lease had run out and somebody else has tried since.
    """
    # The webhook before the delivery: two who hear the same at once would wait for each other.
    if posted.is_received:
        note_receipt(webhook_id=one.webhook_id)
    elif posted.status != GONE:
        note_failure(webhook_id=one.webhook_id, tries=one.tries, error=posted.error)
    else:
        Webhook.objects.select_for_update(no_key=True).get(id=one.webhook_id)
    told: dict[str, object] = {
        "status": posted.status,
        "error": posted.error[:300],
        "duration_ms": posted.duration_ms,
        "results": _with_result(one.tries, posted),
    }
    if posted.is_received:
        told |= {"state": Delivery.State.DELIVERED, "closed_at": Now()}
    elif posted.status == GONE or one.tries >= MOST_TRIES:
        told |= {"state": Delivery.State.DEAD, "closed_at": Now()}
    else:
        told |= {"due_at": Now() + pause_after(one.tries, posted.retry_after)}
    under_lease = Delivery.objects.filter(
        id=one.delivery_id, token=one.token, state=Delivery.State.DUE
    )
    if not under_lease.update(**told):
        return None
    if posted.status == GONE:
        disable_webhook(webhook_id=one.webhook_id, reason=posted.error)
    return Delivery.State(str(told.get("state", Delivery.State.DUE)))


def _with_result(tries: int, posted: Posted) -> Func:
    """The results with that of this try behind them, in the UPDATE that settles it."""
    result: Result = {
        "number": tries,
        "at": timezone.now().isoformat(timespec="seconds"),
        "status": posted.status,
        "error": posted.error[:300],
        "ms": posted.duration_ms,
    }
    return Func(
        F("results"),
        Value([result], JSONField()),
        template=f"jsonb_path_query_array(%(expressions)s, '$[last - {RESULTS_KEPT - 1} to last]')",
        arg_joiner=" || ",
        output_field=JSONField(),
    )


def pause_after(tries: int, retry_after: timedelta | None = None) -> timedelta:
    """How long to wait after so many tries; never shorter than the receiver asks for."""
    pause = PAUSES[min(tries, len(PAUSES)) - 1] * (1 + JITTER * SystemRandom().random())
    return max(pause, retry_after or timedelta())


def replay_deliveries(deliveries: QuerySet[Delivery]) -> int:
    """Send again what was delivered or given up, from the first try on; returns how many."""
    closed = deliveries.exclude(state=Delivery.State.DUE)
    ids = list(closed.order_by().values_list("id", flat=True))
    return Delivery.objects.filter(id__in=ids, closed_at__isnull=False).update(
        state=Delivery.State.DUE, tries=0, due_at=Now(), token=None, closed_at=None
    )


def delete_old_deliveries() -> int:
    """Drop what was delivered or given up over thirty days ago; the announcements stay."""
    deleted = 0
    while True:
        old = Delivery.objects.filter(closed_at__lt=Now() - KEPT).order_by("closed_at")
        ids = list(old.values_list("id", flat=True)[:DELETED_AT_ONCE])
        deleted += Delivery.objects.filter(id__in=ids).delete()[0]
        if len(ids) < DELETED_AT_ONCE:
            return deleted
