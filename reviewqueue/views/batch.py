"""The flagged batch: a table of what was acted on, confirmed at one stroke but for exceptions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from reviewqueue.access import queues_workable_by
from reviewqueue.batch_answers import machine_answer
from reviewqueue.batch_claims import (
    claim_again,
    claim_batch,
    count_singles,
    find_batch,
    release_batch,
    renew_batch,
)
from reviewqueue.batch_repeats import find_sent_table, repeat_of_left, repeat_result
from reviewqueue.batches import (
    BatchError,
    BatchResult,
    confirm_batch,
    undo_batch,
)
from reviewqueue.claims import SKIP_REST
from reviewqueue.htmx import INVALID, LOST, PersonRequest, go_to, is_htmx, respond, signed_in
from reviewqueue.models import ReviewTask
from reviewqueue.pictures import draw_in_stream
from reviewqueue.verdicts import Answer, LateVerdictError, UndoWindowPassedError
from reviewqueue.views.answer_form import read_lease
from reviewqueue.views.batch_form import (
    TableEntry,
    entry_of,
    name_categories,
    read_corrections,
    read_table,
)
from reviewqueue.views.batch_last import LastAct, read_last_act
from reviewqueue.views.batch_table import Table, draw_table, word_result
from reviewqueue.views.in_hand import workable_stream
from reviewqueue.views.kept_table import recall_table
from reviewqueue.views.progress import Progress, ask_for_surroundings, read_surroundings
from reviewqueue.views.screens import EmptyQueue, QueueName, name_queue, offer_next
from reviewqueue.views.waiting import (
    COUNTED_UP_TO,
    NOTHING,
    Waiting,
    count_in_words,
    count_waiting,
)
from routing.models import Stream

TEMPLATE = "review/batch.html"
FLAGGED = ReviewTask.Queue.FLAGGED
NOTHING_KEPT: Final = TableEntry(lease_token=None, rows={})


@dataclass(frozen=True, slots=True)
class BatchScreen:
    """All that the batch's templates show; `table` is None where there is none to work."""

    stream: Stream
    queue: QueueName
    address: str
    title: str
    announcement: str
    waiting: Waiting
    with_today: bool
    progress: Progress
    last: LastAct | None = None
    told: str = ""
    table: Table | None = None
    empty: EmptyQueue | None = None
    late: str = ""
    notice: str = ""
    errors: int = 0


@require_GET
@signed_in
def batch(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The next table; the one in hand if there is one. `?today=yes` takes today's already."""
    stream = workable_stream(request.user, stream_key, FLAGGED)
    kept = recall_table(request, stream)
    with_today = kept.with_today or request.GET.get("today") == "yes"
    screen = _next_screen(request, stream, with_today=with_today, kept=kept)
    return _show(request, screen)


@require_POST
@signed_in
def confirm(request: PersonRequest, stream_key: str) -> HttpResponse:
    """Close the table as it was posted and show the next, in one request."""
    stream = workable_stream(request.user, stream_key, FLAGGED)
    entry = read_table(request.POST)
    if entry.lease_token is None:
        return lost_table(request, stream, entry)
    names = name_categories(list(stream.categories.all()))
    corrections, errors = read_corrections(entry, names)
    if errors:
        return _refused(request, stream, entry, errors)
    try:
        result = confirm_batch(
            user=request.user,
            stream=stream,
            lease_token=entry.lease_token,
            confirmed=entry.confirmed(),
            corrections=corrections,
            left=entry.left(),
            blocks=entry.blocks(),
            active_ms=entry.active_ms,
        )
    except LateVerdictError:
        return _answer_late(request, stream, entry, corrections)
    except BatchError as error:
        return _refused(request, stream, entry, error.rows)
    return _go_on(request, stream, result, with_today=entry.with_today)


@require_POST
@signed_in
def heartbeat(request: PersonRequest, stream_key: str) -> HttpResponse:
    """Keep the table for another lease; 409 with nothing left when it was lost."""
    stream = workable_stream(request.user, stream_key, FLAGGED)
    token = read_lease(request.POST)
    ends = token and renew_batch(user=request.user, stream=stream, lease_token=token)
    if not is_htmx(request):
        return go_to(request, reverse("batch", args=[stream.key]))
    lease = {
        "lease_token": token,
        "lease_left": int((ends - timezone.now()).total_seconds()) if ends else 0,
        "lease_whole": stream.lease_minutes * 60,
    }
    context = {"table": lease, "stream": stream}
    return respond(request, TEMPLATE, context, part="lease", status=200 if ends else LOST)


@require_POST
@signed_in
def release(request: PersonRequest, stream_key: str) -> HttpResponse:
    """Give the table back and go home."""
    stream = workable_stream(request.user, stream_key, FLAGGED)
    token = read_lease(request.POST)
    if token is not None:
        release_batch(user=request.user, stream=stream, lease_token=token)
    return go_to(request, "home")


@require_POST
@signed_in
def undo(request: PersonRequest, stream_key: str, batch_id: UUID) -> HttpResponse:
    """Take the whole table back within its window; it is in hand again as it was sent."""
    stream = workable_stream(request.user, stream_key, FLAGGED)
    try:
        verdicts = undo_batch(batch=batch_id, user=request.user)
    except UndoWindowPassedError:
        words = _("Too late to undo: the verdicts have been passed on, or are undone already.")
        if not is_htmx(request):
            messages.error(request, words)
            return go_to(request, reverse("batch", args=[stream.key]))
        screen = _next_screen(request, stream, notice=words)
        return _show(request, screen, status=LOST)
    entries = {
        verdict.task_id: entry_of(verdict, machine_answer(verdict.task.decision))
        for verdict in verdicts
    }
    words = ngettext("%(n)d verdict taken back", "%(n)d verdicts taken back", len(verdicts))
    told = words % {"n": len(verdicts)}
    if not is_htmx(request):
        messages.info(request, told)
    table = draw_table(stream, find_batch(user=request.user, stream=stream), entries=entries)
    return _show(request, _screen(request, stream, table=table, announcement=told))


def _go_on(
    request: PersonRequest, stream: Stream, result: BatchResult, *, with_today: bool
) -> HttpResponse:
    lost = ""
    if result.lost:
        words = ngettext(
            "Answered or taken up elsewhere meanwhile: %(names)s. "
            "Nothing of this table was recorded for it.",
            "Answered or taken up elsewhere meanwhile: %(names)s. "
            "Nothing of this table was recorded for them.",
            len(result.lost),
        )
        lost = words % {"names": ", ".join(result.lost)}
    told = word_result(result.confirmed, result.corrected, result.left)
    if not is_htmx(request):
        messages.success(request, told)
        if lost:
            messages.warning(request, lost)
        address = reverse("batch", args=[stream.key])
        return go_to(request, f"{address}?today=yes" if with_today else address)
    screen = _next_screen(request, stream, with_today=with_today, notice=lost, told=told)
    return _show(request, screen)


def _answer_late(
    request: PersonRequest, stream: Stream, entry: TableEntry, corrections: Mapping[UUID, Answer]
) -> HttpResponse:
    """A table that arrives twice is recorded once; any other that comes late is refused."""
    sent = entry.lease_token and find_sent_table(
        user=request.user,
        stream=stream,
        lease_token=entry.lease_token,
        task_ids=list(entry.rows),
    )
    if not sent:
        return _answer_unsent(request, stream, entry)
    result = repeat_result(
        sent,
        stream=stream,
        confirmed=entry.confirmed(),
        corrections=corrections,
        left=entry.left(),
        blocks=entry.blocks(),
    )
    if result is not None:
        return _go_on(request, stream, result, with_today=entry.with_today)
    words = _("You have sent this table already, and those answers stand. Undo it to change them.")
    screen = _next_screen(request, stream, with_today=entry.with_today, notice=words)
    return _show(request, screen, status=LOST)


def _answer_unsent(request: PersonRequest, stream: Stream, entry: TableEntry) -> HttpResponse:
    """A table without a verdict: one that was left as a whole, or one that is lost."""
    left = entry.left()
    if len(left) == len(entry.rows):
        result = repeat_of_left(user=request.user, stream=stream, left=left)
        if result is not None:
            return _go_on(request, stream, result, with_today=entry.with_today)
    return lost_table(request, stream, entry)


def lost_table(request: PersonRequest, stream: Stream, entry: TableEntry) -> HttpResponse:
    """409: nothing was recorded. What nobody took meanwhile is claimed again, choices kept."""
    tasks = claim_again(user=request.user, stream=stream, task_ids=list(entry.rows))
    words = _("Your time with this table was over.")
    if all(task.id not in entry.rows for task in tasks):
        words = _(
            "This table was sent already, or your time with it was over and others have its "
            "rows by now."
        )
        screen = _next_screen(request, stream, with_today=entry.with_today, notice=words)
        return _show(request, screen, status=LOST)
    return _show_entered(request, stream, entry, late=words, status=LOST)


def _refused(
    request: PersonRequest, stream: Stream, entry: TableEntry, errors: Mapping[UUID, str]
) -> HttpResponse:
    return _show_entered(request, stream, entry.with_errors(errors), status=INVALID)


def _show_entered(
    request: PersonRequest, stream: Stream, entry: TableEntry, *, status: int, late: str = ""
) -> HttpResponse:
    """The table in hand with what was entered."""
    tasks = find_batch(user=request.user, stream=stream)
    if all(task.id not in entry.rows for task in tasks):
        return lost_table(request, stream, entry)
    table = draw_table(stream, tasks, entries=entry.rows, active_ms=entry.active_ms)
    wrong = sum(bool(row.error) for row in entry.rows.values())
    said = late or ngettext("%(n)d row needs a look", "%(n)d rows need a look", wrong)
    screen = _screen(
        request,
        stream,
        table=table,
        late=late,
        errors=wrong,
        with_today=entry.with_today,
        announcement=said if late else said % {"n": wrong},
    )
    return _show(request, screen, status=status)


def _next_screen(
    request: PersonRequest,
    stream: Stream,
    *,
    with_today: bool = False,
    notice: str = "",
    told: str = "",
    kept: TableEntry = NOTHING_KEPT,
) -> BatchScreen:
    """The table in hand, as it was `kept`; else the drawn share first; else the next table."""
    user = request.user
    tasks = find_batch(user=user, stream=stream)
    singles = 0
    if not tasks:
        bound = COUNTED_UP_TO + 1
        singles = count_singles(user=user, stream=stream, bound=bound, with_today=with_today)
    if not tasks and not singles:
        tasks = claim_batch(user=user, stream=stream, with_today=with_today)
    if not tasks:
        return _screen(
            request, stream, singles=singles, with_today=with_today, notice=notice, told=told
        )
    table = draw_table(stream, tasks, entries=kept.rows, active_ms=kept.active_ms)
    words = ngettext("%(n)d flagged item", "%(n)d flagged items", table.size)
    said = ". ".join(part for part in (told, notice, words % {"n": table.size}) if part)
    return _screen(
        request,
        stream,
        table=table,
        with_today=with_today,
        notice=notice,
        told=told,
        announcement=said,
    )


def _screen(
    request: PersonRequest,
    stream: Stream,
    *,
    table: Table | None = None,
    singles: int = 0,
    with_today: bool = False,
    notice: str = "",
    told: str = "",
    late: str = "",
    errors: int = 0,
    announcement: str = "",
) -> BatchScreen:
    user = request.user
    queues = queues_workable_by(user, stream)
    counts = count_waiting(user=user, queues=[(stream.id, queue) for queue in queues])
    waiting = counts.get((stream.id, FLAGGED), NOTHING)
    empty = None
    if table is None:
        empty = _word_empty(stream, waiting, singles, offer_next(stream, counts, but=FLAGGED))
        announcement = ". ".join(part for part in (told, notice, empty.heading) if part)
    asked = ask_for_surroundings(user=user, stream=stream)
    around = read_surroundings(stream=stream, queue=FLAGGED, asked=asked)
    return BatchScreen(
        stream=stream,
        queue=name_queue(FLAGGED),
        address=reverse("batch", args=[stream.key]),
        title=_("Flagged batch") if empty is None else empty.heading,
        announcement=announcement,
        waiting=waiting,
        with_today=with_today,
        progress=around.progress,
        last=read_last_act(request, stream, around.last),
        told=told,
        table=table,
        empty=empty,
        late=late,
        notice=notice,
        errors=errors,
    )


def _word_empty(
    stream: Stream, waiting: Waiting, singles: int, other: tuple[str, str]
) -> EmptyQueue:
    """Why there is no table, and what to do instead."""
    if singles:
        count = count_in_words(singles)
        return EmptyQueue(
            _("First %(n)s of these, blind and one by one") % {"n": count},
            _(
                "A drawn share is judged without the machine's answer, before the table shows "
                "what it says. It measures how often the machine is right."
            ),
            reverse("review", args=[stream.key, FLAGGED]),
            _("Judge %(n)s blind") % {"n": count},
        )
    if waiting.today:
        address = reverse("batch", args=[stream.key])
        return EmptyQueue(
            _("The batch is done until tomorrow"),
            _("What is flagged today is gone through tomorrow, as one table."),
            *other,
            also_address=f"{address}?today=yes",
            also_words=_("Take today's %(n)s already") % {"n": count_in_words(waiting.today)},
        )
    words = _("Every flagged item has its verdict, or somebody is reading it now.")
    if waiting.count:
        words = _(
            "What is left you left a moment ago, or somebody is reading it now. "
            "What you leave comes back to you after %(minutes)d minutes."
        ) % {"minutes": SKIP_REST.total_seconds() // 60}
    return EmptyQueue(_("Nothing waits for you in the flagged batch"), words, *other)


def _show(request: PersonRequest, screen: BatchScreen, *, status: int = 200) -> HttpResponse:
    context = {
        "screen": screen,
        "stream": screen.stream,
        "table": screen.table,
        "section": "batch",
        "is_demo": screen.stream.is_demo,
    }
    return draw_in_stream(
        request,
        screen.stream,
        lambda: respond(
            request, TEMPLATE, context, part="work", status=status, address=screen.address
        ),
    )
