"""A stream's drafts, and one of them as its author would see it, a sentence at a time."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from reviewqueue.access import may_ask_for_retries, streams_visible_to
from reviewqueue.drafts import DraftedSentence, list_drafts, read_draft
from reviewqueue.grounds import cited_block
from reviewqueue.htmx import PersonRequest, respond, signed_in
from reviewqueue.views.answer_panel import Machine, describe_machine
from reviewqueue.views.badges import Badge, draw_badge
from reviewqueue.views.given_grounds import title_of_block
from reviewqueue.views.sentence_sheet import Sheet, draw_sheet, word_sentence
from routing.models import Item, Stream
from routing.policies import published_spec

TEMPLATE = "review/draft.html"
LISTED = 50


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A draft in the list, with where it is read."""

    name: str
    opening: str
    sentences: int
    received_at: Any
    address: str


@dataclass(frozen=True, slots=True)
class SentenceLine:
    """A sentence in its place. `badge` is None where it may not be seen yet, `text` then too.

    `retry` is where it is asked for again, empty where it may not be, or was.
    """

    id: UUID
    text: str
    badge: Badge | None
    citation: str
    address: str
    is_open: bool
    retry: str
    is_asked: bool


@dataclass(frozen=True, slots=True)
class Side:
    """The sentence that is open beside the draft."""

    sheet: Sheet
    machine: Machine | None
    item_address: str
    line: SentenceLine


@require_safe
@signed_in
def drafts(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The stream's latest drafts."""
    stream = _find_stream(request, stream_key)
    lines = [
        DraftLine(
            each.name,
            each.opening,
            each.sentences,
            each.received_at,
            address_of_draft(stream, each.name),
        )
        for each in list_drafts(stream, count=LISTED)
    ]
    context = {"section": "drafts", "is_demo": stream.is_demo, "stream": stream, "lines": lines}
    with timezone.override(ZoneInfo(stream.time_zone)):
        return render(request, "review/drafts.html", context)


@require_safe
@signed_in
def draft(request: PersonRequest, stream_key: str) -> HttpResponse:
    """One draft, `?id=` its name; `&at=` opens a sentence beside it, for HTMX that alone."""
    stream = _find_stream(request, stream_key)
    name = request.GET.get("id", "")
    found = read_draft(viewer=request.user, stream=stream, name=name) if name else []
    if not found:
        raise Http404
    at = _read_id(request.GET.get("at", ""))
    may_ask = may_ask_for_retries(request.user, stream)
    lines = [_draw_line(stream, name, each, at=at, may_ask=may_ask) for each in found]
    opened = next((pair for pair in zip(found, lines, strict=True) if pair[1].is_open), None)
    context = {
        "section": "drafts",
        "is_demo": stream.is_demo,
        "stream": stream,
        "name": name,
        "lines": lines,
        "counts": _count_badges(lines),
        "side": None if opened is None else _draw_side(stream, *opened),
        "address": address_of_draft(stream, name),
    }
    with timezone.override(ZoneInfo(stream.time_zone)):
        return respond(request, TEMPLATE, context, part="side")


def address_of_draft(stream: Stream, name: str) -> str:
    """Where a draft is read."""
    return f"{reverse('draft', args=[stream.key])}?{urlencode({'id': name})}"


def _find_stream(request: PersonRequest, stream_key: str) -> Stream:
    streams = streams_visible_to(request.user).filter(kind=Stream.Kind.GROUNDED)
    return get_object_or_404(streams, key=stream_key)


def _draw_line(
    stream: Stream, name: str, each: DraftedSentence, *, at: UUID | None, may_ask: bool
) -> SentenceLine:
    item, decision = each.item, each.decision
    badge = None if decision is None else draw_badge(decision)
    refused = badge is not None and not badge.ships
    return SentenceLine(
        id=item.id,
        text=word_sentence(item),
        badge=badge,
        citation=_cite(item) if badge is not None and badge.ships else "",
        address=f"{address_of_draft(stream, name)}&{urlencode({'at': item.id})}",
        is_open=item.id == at,
        retry=reverse("retry", args=[stream.key, item.id])
        if refused and may_ask and each.request is None and item.erased_at is None
        else "",
        is_asked=each.request is not None,
    )


def _cite(item: Item) -> str:
    block = cited_block(item)
    return "" if block is None else title_of_block(item, block)


def _count_badges(lines: list[SentenceLine]) -> list[tuple[Badge, int]]:
    """How many sentences have each badge, in the order in which the badges come."""
    badges = {line.badge.key: line.badge for line in lines if line.badge is not None}
    return [
        (badges[key], sum(line.badge is not None and line.badge.key == key for line in lines))
        for key in ("green", "amber", "refused")
        if key in badges
    ]


def _draw_side(stream: Stream, each: DraftedSentence, line: SentenceLine) -> Side:
    machine = None
    if each.decision is not None:
        policy = published_spec(each.decision.policy_id)
        machine = describe_machine(each.decision, policy=policy, label_of=str)
    return Side(
        sheet=draw_sheet(each.item, decision=each.decision),
        machine=machine,
        item_address=reverse("item", args=[stream.key, each.item.id]),
        line=line,
    )


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
