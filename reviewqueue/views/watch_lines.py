"""Entries of a watch list as lines: what was read of the item, and what became of it, in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from typing import Final

from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from reviewqueue.payloads import Paper, read_item
from reviewqueue.views.answer_panel import is_calibrated
from reviewqueue.views.progress import read_labels_of, word_answer
from reviewqueue.views.reason_chips import percent_apart
from reviewqueue.views.screens import QueueName, name_queue
from reviewqueue.watchlist import Watched
from routing.models import Decision, Item, Stream

EXCERPT: Final = 160


@dataclass(frozen=True, slots=True)
class Level:
    """A watched category that an item reached: its raw probability and the level."""

    label: str
    score: str
    level: str


@dataclass(frozen=True, slots=True)
class Status:
    """What became of an item, in words."""

    words: str
    detail: str
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class WatchLine:
    """One line of the list."""

    address: str
    title: str
    excerpt: str
    picture: str
    levels: tuple[Level, ...]
    predicted: str
    figure: str
    calibrated: bool
    queue: QueueName
    status: Status
    at: datetime


def draw_lines(stream: Stream, entries: Sequence[Watched]) -> list[WatchLine]:
    """The entries of a page as lines, in one query."""
    label_of = read_labels_of(stream)
    return [draw_line(stream, each, label_of) for each in entries]


def draw_line(stream: Stream, entry: Watched, label_of: Callable[[str], str]) -> WatchLine:
    """One entry as a line."""
    decision, item = entry.decision, entry.decision.item
    paper = read_item(item, stream=stream)
    return WatchLine(
        address=reverse("watched", args=[stream.key, decision.id]),
        title=paper.title,
        excerpt=excerpt_of(paper),
        picture=paper.picture,
        levels=_read_levels(decision, label_of),
        predicted=label_of(decision.predicted),
        figure=percent_apart(decision.confidence),
        calibrated=is_calibrated(decision, has_map=entry.has_map),
        queue=name_queue_of(decision),
        status=_word_status(entry, label_of),
        at=decision.decided_at,
    )


def excerpt_of(paper: Paper) -> str:
    """The first words of what is to be read, in one line; empty where there are none."""
    for block in paper.blocks:
        spoken = block.turns[0].paragraphs if block.turns else ()
        words = " ".join((*block.paragraphs, *spoken)) or unescape(strip_tags(block.html))
        if not words and block.kind == "link":
            words = block.source
        if words.strip():
            return Truncator(" ".join(words.split())).chars(EXCERPT)
    return Truncator(", ".join(f"{name} {value}" for name, value in paper.facts)).chars(EXCERPT)


def _read_levels(decision: Decision, label_of: Callable[[str], str]) -> tuple[Level, ...]:
    """Each category whose list the item is on, with the numbers that were stored as its reason."""
    numbers = {
        reason["numbers"]["category"]: reason["numbers"]
        for reason in decision.reasons
        if reason.get("code") == "watch"
    }
    return tuple(
        Level(
            label=label_of(key),
            score=f"{numbers[key]['score']:.2f}" if key in numbers else "",
            level=f"{numbers[key]['watch']:.2f}" if key in numbers else "",
        )
        for key in decision.watch
    )


def name_queue_of(decision: Decision) -> QueueName:
    """The machine's queue in the reader's words; a reject that goes to an expert by its own."""
    labels: Mapping[str, str] = {
        Decision.Queue.AUTO: _("Auto"),
        Decision.Queue.REJECT: _("Reject"),
    }
    if decision.action == Decision.Action.ESCALATE:
        return name_queue("escalated")
    if decision.queue in labels:
        return QueueName(decision.queue, labels[decision.queue])
    return name_queue(decision.queue)


def _word_status(entry: Watched, label_of: Callable[[str], str]) -> Status:
    decision, state, seat = entry.decision, entry.decision.item.state, entry.seat_queue
    if state == Item.State.SETTLED:
        answer = word_answer(entry.verdict, label_of) if entry.verdict else _("may be undone yet")
        return Status(_("Settled"), answer, is_settled=True)
    if state == Item.State.WAITING:
        moved = seat and seat != name_queue_of(decision).key
        detail = _("in %(queue)s") % {"queue": name_queue(seat).label} if moved else ""
        return Status(_("Waiting"), detail)
    if decision.action == Decision.Action.REFUSE:
        return Status(_("Refused"), _("answered “uncertain”"))
    return Status(_("Acted on"), _("to be checked") if seat else "")
