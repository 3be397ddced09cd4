"""Second opinions of remote models: asked while the item waits, and what comes of the answer.

A `RemoteAsk` row is all the work there is; a message to a worker only says that one may be due.
The answer leads to a further decision under the policy that asked. A person who took the item in
hand meanwhile is faster: the answer is dropped.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from reviewqueue.intake import decide_again
from reviewqueue.models import RemoteAsk, ReviewTask, Verdict
from reviewqueue.remote_models import NoAnswerError, ask_model
from routing.core.chain import RemoteAnswer
from routing.models import Item

AT_ONCE: Final = 8
MOST_TRIES: Final = 3
PAUSES: Final = (timedelta(seconds=5), timedelta(seconds=30))
# Beyond the longest that a model may take, a minute to connect and one until it answers, so that a
# row is not asked twice at a time.
LEASE: Final = timedelta(seconds=150)
# Well within the time that a task may take, with a round of the slowest models after it.
PATIENCE: Final = 60.0

CLAIM_DUE: Final = """
    UPDATE reviewqueue_remoteask SET tries = tries + 1, token = gen_random_uuid(),
        due_at = statement_timestamp() + make_interval(secs => %s)
    WHERE id IN (
        SELECT id FROM reviewqueue_remoteask
        WHERE state = 'due' AND due_at <= statement_timestamp()
        ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING id
"""


def ask_due_models(*, patience: float = PATIENCE) -> int:
    """Ask about what is due, a few at a time; returns how many were asked.

    After `patience` seconds nothing more is begun: the next sweep goes on.
    """
    asked = 0
    until = monotonic() + patience
    while monotonic() < until and (due := _claim_due()):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(_ask, due))
        for ask, answer in zip(due, answers, strict=True):
            if isinstance(answer, NoAnswerError) and ask.tries < MOST_TRIES:
                _ask_later(ask, str(answer))
            else:
                said = RemoteAnswer(error=str(answer)) if isinstance(answer, Exception) else answer
                settle_ask(ask_id=ask.id, token=ask.token, answer=said)
        asked += len(due)
    return asked


def _claim_due() -> list[RemoteAsk]:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_DUE, [LEASE.total_seconds(), AT_ONCE])
        ids = [row[0] for row in cursor.fetchall()]
    return list(
        RemoteAsk.objects.filter(id__in=ids).select_related("item", "decision__policy", "model")
    )


def _ask(ask: RemoteAsk) -> RemoteAnswer | NoAnswerError:
    """Ask about one item; no query, since it runs in a thread of its own."""
    try:
        return ask_model(
            model=ask.model,
            item=ask.item,
            categories=ask.decision.policy.category_keys,
            timeout=ask.model.timeout_seconds,
        )
    except NoAnswerError as error:
        return error


def _ask_later(ask: RemoteAsk, error: str) -> None:
    RemoteAsk.objects.filter(id=ask.id, token=ask.token, state=RemoteAsk.State.DUE).update(
        due_at=Now() + PAUSES[ask.tries - 1], error=error
    )


@transaction.atomic
def settle_ask(*, ask_id: UUID, token: UUID | None, answer: RemoteAnswer) -> RemoteAsk.State | None:
    """Decide again with the answer, unless somebody has taken the item in hand.

    Returns what became of the question; None where it was settled or asked again meanwhile.
    """
    ask = (
        RemoteAsk.objects.select_for_update(of=("self", "decision__item"), no_key=True)
        .select_related("decision__item", "decision__stream")
        .filter(id=ask_id, token=token, state=RemoteAsk.State.DUE)
        .first()
    )
    if ask is None:
        return None
    if _withdraw_seats(ask.decision.item):
        decide_again(decision=ask.decision, remote=answer)
        state = RemoteAsk.State.FAILED if answer.error else RemoteAsk.State.ANSWERED
    else:
        state = RemoteAsk.State.DROPPED
    RemoteAsk.objects.filter(id=ask.id).update(
        state=state, error=answer.error, closed_at=timezone.now()
    )
    return state


def _withdraw_seats(item: Item) -> bool:
    """Take back the item's seats, if nobody holds or has answered one; whether there were any."""
    seats = list(ReviewTask.objects.filter(item=item).select_for_update(of=("self",)))
    if not seats or any(seat.state != ReviewTask.State.OPEN for seat in seats):
        return False
    if item.state == Item.State.SETTLED or Verdict.objects.filter(item=item).exists():
        return False
    ReviewTask.objects.filter(id__in=[seat.id for seat in seats]).delete()
    return True
