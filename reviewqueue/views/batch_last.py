"""What somebody did last in a stream, for the batch's status bar, while it can be undone."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.translation import gettext as _

from reviewqueue.batch_answers import machine_answer
from reviewqueue.htmx import PersonRequest
from reviewqueue.models import Verdict
from reviewqueue.views.batch_form import entry_of
from reviewqueue.views.batch_table import word_result
from reviewqueue.views.passed_on import find_last_passed_on
from reviewqueue.views.progress import LastVerdict
from routing.models import Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class LastAct:
    """Table, answer, skip or escalation; `address` undoes it for `undo_left` seconds more.

    The undo of a table stays on this page, any other leads to the review screen.
    """

    words: str
    address: str
    undo_left: int
    before: str = ""
    answer: str = ""
    is_table: bool = False


def read_last_act(
    request: PersonRequest, stream: Stream, last: LastVerdict | None
) -> LastAct | None:
    """What the user did last; `last` is their newest live verdict in the stream."""
    given = last if last and last.may_undo else None
    undo_left = given.undo_left if given else 0
    passed_on = find_last_passed_on(request, stream, undo_left=undo_left)
    if passed_on is not None:
        words, take_back = passed_on
        return LastAct(words, take_back.address, take_back.seconds)
    return None if given is None else _describe(request.user, stream, given)


def _describe(user: "User", stream: Stream, given: LastVerdict) -> LastAct:
    newest = Verdict.objects.only("batch", "answered_at").get(id=given.id)
    if newest.batch is None:
        address = reverse("undo", args=[given.id])
        return LastAct(given.words, address, given.undo_left, _("Last:"), given.answer)
    since = newest.answered_at - timedelta(seconds=1)
    own = Verdict.objects.live().filter(reviewer=user, stream=stream, answered_at__gte=since)
    rows = own.filter(batch=newest.batch).select_related("task__decision")
    kept = [entry_of(row, machine_answer(row.task.decision)).confirm for row in rows]
    return LastAct(
        words="",
        address=reverse("batch-undo", args=[stream.key, newest.batch]),
        undo_left=given.undo_left,
        before=_("Last table:"),
        answer=word_result(sum(kept), len(kept) - sum(kept), 0),
        is_table=True,
    )
