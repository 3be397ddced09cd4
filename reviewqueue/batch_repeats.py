"""A table that is posted twice, because the reply to the first was lost: answered, not refused."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from reviewqueue.batch_answers import confirming_answer, read_sentences
from reviewqueue.batches import BatchResult, name_rows
from reviewqueue.claims import find_resting
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.verdicts import Answer, repeats
from routing.models import Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def find_sent_table(
    *, user: "User", stream: Stream, lease_token: UUID, task_ids: Collection[UUID]
) -> list[Verdict]:
    """The live verdicts that the user gave to these rows under this lease, as one table."""
    answered = ReviewTask.objects.filter(
        id__in=list(task_ids),
        stream=stream,
        lease_token=lease_token,
        holder=user,
        state=ReviewTask.State.ANSWERED,
    )
    given = Verdict.objects.live().filter(task__in=answered, reviewer=user, batch__isnull=False)
    return list(given.select_related("task__decision"))


def repeat_of_left(*, user: "User", stream: Stream, left: Collection[UUID]) -> BatchResult | None:
    """What became of a table that was left as a whole; None where these rows were not.

    Such a table gave no verdict to be found by. Rows that rest for the user were left by them.
    """
    resting = find_resting(task_ids=left, user=user)
    if not resting:
        return None
    lost = name_rows(stream, set(left) - resting)
    return BatchResult(batch=uuid4(), confirmed=0, corrected=0, left=len(resting), lost=lost)


def repeat_result(
    sent: Collection[Verdict],
    *,
    stream: Stream,
    confirmed: Collection[UUID],
    corrections: Mapping[UUID, Answer],
    left: Collection[UUID],
    blocks: Mapping[UUID, str] | None = None,
) -> BatchResult | None:
    """What became of the table when it came first; None where it says something else now.

    `sent`: verdicts of `find_sent_table`, one at least, with task and decision. Other arguments as
    for `batches.confirm_batch`.
    """
    asked = {*confirmed, *corrections}
    sentences = read_sentences(stream, [verdict.task for verdict in sent])
    count = 0
    for verdict in sent:
        if verdict.task_id not in asked:
            return None
        confirming = confirming_answer(
            verdict.task.decision,
            sentence=sentences.get(verdict.item_id),
            block=(blocks or {}).get(verdict.task_id),
        )
        if not repeats(verdict, corrections.get(verdict.task_id, confirming)):
            return None
        count += verdict.task_id not in corrections
    lost = asked - {verdict.task_id for verdict in sent}
    first = next(iter(sent))
    return BatchResult(
        batch=first.batch or first.id,
        confirmed=count,
        corrected=len(sent) - count,
        left=len(set(left)),
        lost=name_rows(stream, lost),
    )
