"""Somebody's own last verdicts in a stream, and one of them with its item."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reviewqueue.access import Seats, find_seats, verdicts_visible_to
from reviewqueue.disclosure import disclose
from reviewqueue.htmx import PersonRequest, signed_in
from reviewqueue.models import Verdict
from reviewqueue.overturns import may_be_overturned
from reviewqueue.payloads import read_item
from reviewqueue.pictures import draw_in_stream
from reviewqueue.views.given_grounds import word_grounds
from reviewqueue.views.home import FirstThing, read_last
from reviewqueue.views.items import address_of
from reviewqueue.views.progress import read_labels_of, title_of, word_answer
from reviewqueue.views.screens import name_queue
from reviewqueue.views.sentence_sheet import Sheet, draw_sheet

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LISTED = 50
WITHDRAWN = Verdict.Kind.WITHDRAWN


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Addresses of the own verdicts before and after one; empty at the ends."""

    older: str
    newer: str


@require_safe
@signed_in
def mine(request: PersonRequest, stream_key: str) -> HttpResponse:
    """My last verdicts in a stream, newest first."""
    seats = find_seats(request.user, stream_key)
    if seats is None:
        raise Http404
    stream = seats.stream
    lines = read_last(request.user, stream=stream, count=LISTED, with_items=True)
    context = {
        "section": "mine",
        "is_demo": stream.is_demo,
        "stream": stream,
        "back": _lead_back(seats, request.GET.get("queue", "")),
        "lines": [(line, title_of(line.verdict, stream)) for line in lines],
    }
    with timezone.override(ZoneInfo(stream.time_zone)):
        return render(request, "review/mine.html", context)


def _lead_back(seats: Seats, queue: str) -> FirstThing:
    """To the queue that the person came from; home where that is none of theirs."""
    if queue not in seats.queues:
        return FirstThing(reverse("home"), _("Home"))
    words = _("Back to %(queue)s") % {"queue": name_queue(queue).label}
    return FirstThing(reverse("review", args=[seats.stream.key, queue]), words)


@require_safe
@signed_in
def verdict(request: PersonRequest, verdict_id: UUID) -> HttpResponse:
    """One of my verdicts beside its item; left and right lead through the others."""
    found = get_object_or_404(
        verdicts_visible_to(request.user).select_related(
            "item", "stream", "task__decision", "supersedes", "superseded_by"
        ),
        id=verdict_id,
    )
    stream = found.stream
    label_of = read_labels_of(stream)
    window_over = found.published_at <= timezone.now()
    taken_back = found.kind == Verdict.Kind.WITHDRAWN or hasattr(found, "superseded_by")
    # Whoever judges blind, or will again after an undo, must not see the machine's answer; nor does
    # anybody while another still judges the item blind.
    may_see_machine = not found.blind or (
        window_over
        and not taken_back
        and disclose(viewer=request.user, stream=stream, item=found.item).machine
    )
    context = {
        "section": "mine",
        "is_demo": stream.is_demo,
        "stream": stream,
        "verdict": found,
        "answer": word_answer(found, label_of),
        "machine": label_of(found.task.decision.predicted) if may_see_machine else "",
        "item_address": address_of(stream, found.item_id),
        "grounds": word_grounds(found, found.item),
        "paper": read_item(found.item, stream=stream),
        "sheet": _draw_sheet(found, may_see_machine=may_see_machine),
        "neighbours": _find_neighbours(request.user, found),
        "may_undo": not window_over and not taken_back and found.item.erased_at is None,
        "may_overturn": window_over and may_be_overturned(found),
        "is_overturn": found.supersedes is not None and found.supersedes.kind != WITHDRAWN,
        "taken_back": _word_taken_back(found, label_of),
    }
    return draw_in_stream(request, stream, lambda: render(request, "review/verdict.html", context))


def _draw_sheet(found: Verdict, *, may_see_machine: bool) -> Sheet | None:
    if not found.stream.is_grounded:
        return None
    decision = found.task.decision if may_see_machine else None
    return draw_sheet(found.item, decision=decision, block=found.block or None)


def _word_taken_back(found: Verdict, label_of: Callable[[str], str]) -> str:
    """What became of an answer that does not stand any more; empty where it does."""
    later: Verdict | None = getattr(found, "superseded_by", None)
    if later is None:
        return _("Taken back.") if found.kind == WITHDRAWN else ""
    # What an undone overturn brings back bears the time at which it was given.
    if later.kind == WITHDRAWN or later.answered_at < found.answered_at:
        return _("Taken back.")
    return _("Overturned: the answer is %(answer)s.") % {"answer": word_answer(later, label_of)}


def _find_neighbours(user: "User", found: Verdict) -> Neighbours:
    """The live verdicts next to `found` in the order in which they were given."""
    own = verdicts_visible_to(user).live().filter(stream_id=found.stream_id)
    at = found.answered_at
    older = (
        own.filter(Q(answered_at__lt=at) | Q(answered_at=at, id__lt=found.id))
        .order_by("-answered_at", "-id")
        .values_list("id", flat=True)
        .first()
    )
    newer = (
        own.filter(Q(answered_at__gt=at) | Q(answered_at=at, id__gt=found.id))
        .order_by("answered_at", "id")
        .values_list("id", flat=True)
        .first()
    )
    return Neighbours(
        older=reverse("my-verdict", args=[older]) if older else "",
        newer=reverse("my-verdict", args=[newer]) if newer else "",
    )
