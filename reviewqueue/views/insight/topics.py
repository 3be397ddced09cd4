"""Pairs, topics and proposals as the ambiguity map shows them: with examples and links to act."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils.text import slugify

from calibration.models import GroundTruth
from reviewqueue.disclosure import hidden_from
from reviewqueue.htmx import PersonRequest
from reviewqueue.insight.cells import UNREAD, may_be_shown
from reviewqueue.insight.figures import ClusterFigures, PairFigures, ProposalFigures
from reviewqueue.payloads import read_item
from reviewqueue.priorities import waiting_in
from reviewqueue.views.insight.pages import NOTHING, as_percent
from reviewqueue.views.items import address_of
from reviewqueue.views.watch_lines import excerpt_of
from routing.models import Item, Stream

BESIDE: Final = 3
TYPICAL: Final = 3
# Looked up for a topic, so that some are left where others may not be shown.
TRIED: Final = 8
KEY_LENGTH: Final = 60
READ_OF_ITEM: Final = ("scores", "signals", "secondary", "metadata")


@dataclass(frozen=True, slots=True)
class Sources:
    """Whose page it is, and what links it may have."""

    request: PersonRequest
    stream: Stream
    label_of: Mapping[str, str]
    may_edit: bool


@dataclass(frozen=True, slots=True)
class Example:
    """An item in a few words."""

    address: str
    title: str
    excerpt: str
    picture: str


@dataclass(frozen=True, slots=True)
class Side:
    """What the model said for what, how often, and examples of it."""

    said: str
    people: str
    share: str
    examples: Sequence[Example]


@dataclass(frozen=True, slots=True)
class PairCard:
    """Two categories that get mixed up; the addresses are empty for who may not act."""

    first: str
    second: str
    labels: int
    share: str
    lift: str
    interval: str
    named: int
    close: int
    close_share: str
    sides: Sequence[Side]
    define: str
    merge: str


@dataclass(frozen=True, slots=True)
class Topic:
    """A cluster: `waiting` of its items can be brought forward, `token` says which cluster."""

    name: str
    terms: Sequence[str]
    size: int
    guesses: Sequence[tuple[str, int]]
    none_fits: int
    labelled: int
    none_fits_share: str
    examples: Sequence[Example]
    waiting: int
    token: str
    add: str


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A name that people proposed, and how often."""

    name: str
    count: int
    examples: Sequence[Example]
    add: str


def draw_pairs(sources: Sources, pairs: Sequence[PairFigures], *, examples: int) -> list[PairCard]:
    """The pairs, the first `examples` of them with items side by side; one query."""
    ids = [
        item
        for pair in pairs[:examples]
        for item in (*pair["examples_first"], *pair["examples_second"])
    ]
    shown = _read_judged(sources, ids)
    return [
        _draw_pair(sources, pair, shown if number < examples else {})
        for number, pair in enumerate(pairs)
    ]


def draw_topics(
    sources: Sources, clusters: Sequence[ClusterFigures], *, with_waiting: bool
) -> list[Topic]:
    """The clusters with typical items; one query, and one for what waits if that is asked for."""
    stream = sources.stream
    shown = _read_items(sources, [item for each in clusters for item in each["members"][:TRIED]])
    members = [UUID(item) for each in clusters for item in each["members"]]
    waiting = waiting_in(stream=stream, items=members) if with_waiting else {}
    return [
        Topic(
            name=each["name"],
            terms=each["terms"],
            size=each["size"],
            guesses=[(sources.label_of.get(key, key), count) for key, count in each["guesses"]],
            none_fits=each["none_fits"],
            labelled=each["labelled"],
            none_fits_share=as_percent(each["none_fits"] / each["labelled"], 0)
            if each["labelled"]
            else NOTHING,
            examples=_pick(shown, each["members"][:TRIED], TYPICAL),
            waiting=sum(UUID(item) in waiting for item in each["members"]),
            token=each["members"][0],
            add=_address_new(sources, each["name"], each["terms"]),
        )
        for each in clusters
    ]


def draw_proposals(sources: Sources, proposals: Sequence[ProposalFigures]) -> list[ProposalRow]:
    """The names with the newest items they were proposed for; one query."""
    shown = _read_judged(sources, [item for each in proposals for item in each["items"][:TRIED]])
    return [
        ProposalRow(
            name=each["name"],
            count=len(each["items"]),
            examples=_pick(shown, each["items"][:TRIED], 1),
            add=_address_new(sources, each["name"], ()),
        )
        for each in proposals
    ]


def _draw_pair(sources: Sources, pair: PairFigures, shown: Mapping[str, Example]) -> PairCard:
    first, second = (sources.label_of.get(key, key) for key in (pair["first"], pair["second"]))
    return PairCard(
        first=first,
        second=second,
        labels=pair["labels"],
        share=as_percent(pair["share"]) if pair["labels"] else NOTHING,
        lift=NOTHING if pair["lift"] is None else f"{pair['lift']:.1f}×",
        interval=""
        if pair["low"] is None or pair["high"] is None
        else f"{pair['low']:.1f}–{pair['high']:.1f}",
        named=pair["named"],
        close=pair["close"],
        close_share=as_percent(pair["close_share"]),
        sides=[
            Side(said, people, as_percent(share), _pick(shown, items, BESIDE))
            for said, people, share, items in (
                (second, first, pair["first_as_second"], pair["examples_second"]),
                (first, second, pair["second_as_first"], pair["examples_first"]),
            )
            if share
        ],
        define=_address(sources, {"apart": [pair["first"], pair["second"]]}),
        merge=_address(sources, {"merge": [pair["second"], pair["first"]]}),
    )


def _read_judged(sources: Sources, ids: Sequence[str]) -> dict[str, Example]:
    """Items whose label the viewer may see."""
    labels = GroundTruth.objects.usable().filter(stream=sources.stream, item_id__in=ids)
    found = may_be_shown(labels, sources.request.user, sources.stream)
    rows = found.select_related("item").defer(*UNREAD)
    return {str(row.item_id): _draw_example(sources.stream, row.item) for row in rows}


def _read_items(sources: Sources, ids: Sequence[str]) -> dict[str, Example]:
    """Items of which the viewer may know how sure the model is."""
    stream = sources.stream
    hidden = hidden_from(viewer=sources.request.user, stream=stream, item="id")
    found = Item.objects.filter(stream=stream, id__in=ids).exclude(hidden).defer(*READ_OF_ITEM)
    return {str(item.id): _draw_example(stream, item) for item in found}


def _draw_example(stream: Stream, item: Item) -> Example:
    paper = read_item(item, stream=stream)
    return Example(
        address=address_of(stream, item.id),
        title=paper.title,
        excerpt=excerpt_of(paper),
        picture=paper.picture,
    )


def _pick(shown: Mapping[str, Example], items: Sequence[str], most: int) -> list[Example]:
    return [shown[item] for item in items if item in shown][:most]


def _address_new(sources: Sources, name: str, terms: Sequence[str]) -> str:
    words = ", ".join(terms)
    key = slugify(name).replace("-", "_")[:KEY_LENGTH]
    return _address(sources, {"new": [key, name, words]})


def _address(sources: Sources, suggestion: Mapping[str, Sequence[str]]) -> str:
    """The stream's page in the admin with the fields filled in; empty for who may not edit it."""
    if not sources.may_edit:
        return ""
    page = reverse("admin:routing_stream_change", args=[sources.stream.id])
    return f"{page}?{urlencode(suggestion, doseq=True)}#categories-group"
