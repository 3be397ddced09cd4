"""Earlier answers on items like the one in hand, when its holder asks for them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from reviewqueue.access import tasks_visible_to
from reviewqueue.htmx import PersonRequest, respond, signed_in
from reviewqueue.neighbours import Neighbour, find_neighbours, may_see_neighbours
from reviewqueue.payloads import Paper, read_item, read_title
from reviewqueue.pictures import draw_in_stream
from reviewqueue.views.given_grounds import word_grounds
from reviewqueue.views.progress import read_labels_of, word_answer
from reviewqueue.views.watch_lines import excerpt_of
from routing.models import Stream

TEMPLATE: Final = "review/alike.html"
VERY_BY_TEXT: Final = 0.6
QUITE_BY_TEXT: Final = 0.3
VERY_BY_SCORES: Final = 0.98


@dataclass(frozen=True, slots=True)
class AlikeLine:
    """One neighbour: what it is, what was answered and when, and how alike it is in words.

    `grounds`: what the answer on a drafted sentence rests on.
    """

    external_id: str
    paper: Paper
    excerpt: str
    picture: str
    answer: str
    grounds: tuple[str, ...]
    at: datetime
    likeness: str


@require_safe
@signed_in
def alike(request: PersonRequest, task_id: UUID) -> HttpResponse:
    """The earlier answers; 404 for a seat that is somebody else's, or blind."""
    held = tasks_visible_to(request.user).filter(holder=request.user)
    task = get_object_or_404(held.select_related("item", "decision", "stream"), id=task_id)
    if not may_see_neighbours(task):
        raise Http404
    stream = task.stream
    label_of = read_labels_of(stream)
    lines = [_draw_line(each, stream, label_of) for each in find_neighbours(task)]
    context = {
        "section": "review",
        "is_demo": stream.is_demo,
        "stream": stream,
        "title": read_title(task.item, stream=stream),
        "back": reverse("review", args=[stream.key, task.queue]),
        "lines": lines,
        "announcement": _announce(len(lines)),
    }
    return draw_in_stream(
        request, stream, lambda: respond(request, "review/alike.html", context, part="lines")
    )


def _draw_line(found: Neighbour, stream: Stream, label_of: Callable[[str], str]) -> AlikeLine:
    paper = read_item(found.item, stream=stream)
    return AlikeLine(
        external_id=found.item.external_id,
        paper=paper,
        excerpt=excerpt_of(paper),
        picture=paper.picture,
        answer=word_answer(found.verdict, label_of),
        grounds=word_grounds(found.verdict, found.item),
        at=found.verdict.answered_at,
        likeness=_word_likeness(found),
    )


def _word_likeness(found: Neighbour) -> str:
    if not found.by_text:
        if found.likeness >= VERY_BY_SCORES:
            return _("scored almost the same")
        return _("scored much the same")
    if found.likeness >= VERY_BY_TEXT:
        return _("very alike")
    return _("alike") if found.likeness >= QUITE_BY_TEXT else _("somewhat alike")


def _announce(count: int) -> str:
    if not count:
        return _("No earlier answer on an item like this one.")
    text = ngettext(
        "%(n)d earlier answer below the item.", "%(n)d earlier answers below the item.", count
    )
    return text % {"n": count}
