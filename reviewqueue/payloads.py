"""How a payload becomes something to read: a title, facts, and blocks, prose before structure.

A stream may say how a field is shown (`Stream.payload_fields`, field name to one of `KINDS`) and
which fields come first (`Stream.payload_order`). What it does not say is taken from the value
itself. The database does not keep the order of a payload's fields, so for the rest kinds give it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from reviewqueue.addresses import read_address
from reviewqueue.blocks import Block, draw_blocks, is_flat_rows
from reviewqueue.conversations import list_entries
from reviewqueue.prose import label_of
from reviewqueue.sentences import SENTENCE
from reviewqueue.trees import DATA_IMAGE, Json, Node, draw_tree, write_leaf
from routing.models import Item, Stream

KINDS = (
    "title",
    "text",
    "html",
    "image",
    "conversation",
    "table",
    "tree",
    "fact",
    "link",
    "hidden",
)

READING_ORDER = ("image", "conversation", "text", "html", "table", "link", "tree")

FACT_LENGTH = 90  # longer words are prose, unless the stream calls them a fact
FACT_LONGEST = 300
TITLE_LONGEST = 200
FIELDS_SHOWN = 60
PLAIN_COLUMNS = 12  # a wider list of objects is a table only where the stream says so

_TITLE_FIELDS = ("title", "subject", "headline", "name", "summary")
_TEXT_FIELDS = ("body", "text", "content", "message", "description", "comment", "question")


@dataclass(frozen=True, slots=True)
class Paper:
    """A payload as a reviewer reads it; `fields` is all of it, for the disclosure.

    `titled` tells whether the title is the payload's own, `left_out` how many fields stand only
    in `fields`, `erased_at` when there was something to read until.
    """

    title: str
    titled: bool
    facts: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]
    fields: Node
    left_out: int = 0
    erased_at: datetime | None = None

    @property
    def needs_names(self) -> bool:
        """Whether blocks need their names beside them: one body speaks for itself."""
        return len(self.blocks) > 1

    @property
    def picture(self) -> str:
        """The source of the first picture, for a line in a list; empty without any."""
        return next((block.source for block in self.blocks if block.kind == "image"), "")


def read_item(item: Item, *, stream: Stream) -> Paper:
    """The item's payload, arranged as its stream says, under its id where it has no title.

    A drafted sentence is its own title, and the rest of its payload stands under it.
    """
    if stream.is_grounded:
        return _read_sentence(item, stream)
    paper = read_payload(
        item.payload,
        layout=stream.payload_fields,
        fallback_title=item.external_id,
        order=stream.payload_order,
        image_hosts=stream.image_hosts,
    )
    return paper if item.erased_at is None else replace(paper, erased_at=item.erased_at)


def read_title(item: Item, *, stream: Stream) -> str:
    """The heading of `read_item`, without the rest."""
    if stream.is_grounded:
        return _title_of_sentence(item)
    payload, layout = item.payload, stream.payload_fields
    kinds = {name: _choose_kind(name, value, layout) for name, value in payload.items()}
    field = _find_title(payload, kinds, layout)
    return _shorten(write_leaf(payload[field]) if field else item.external_id)


def _read_sentence(item: Item, stream: Stream) -> Paper:
    rest = {name: value for name, value in item.payload.items() if name != SENTENCE}
    kinds = {name: kind_of(name, value) for name, value in rest.items()} | stream.payload_fields
    paper = read_payload(
        rest,
        layout={name: "fact" if kind == "title" else kind for name, kind in kinds.items()},
        fallback_title=item.external_id,
        order=stream.payload_order,
        image_hosts=stream.image_hosts,
    )
    title = _title_of_sentence(item)
    fields = draw_tree(dict(item.payload))
    return replace(paper, title=title, titled=True, fields=fields, erased_at=item.erased_at)


def _title_of_sentence(item: Item) -> str:
    return _shorten(str(item.payload.get(SENTENCE, "")).strip() or item.external_id)


def read_payload(
    payload: Mapping[str, Json],
    *,
    layout: Mapping[str, str],
    fallback_title: str,
    order: Sequence[str] = (),
    image_hosts: Collection[str] = (),
) -> Paper:
    """Arrange `payload` by `layout` (field to kind; unknown kinds are ignored) and its values.

    Fields of `order` come first, in that order. `fallback_title` stands in when no field can be a
    title. Pictures of `image_hosts` are shown, those of other hosts become links.
    """
    kinds = {name: _choose_kind(name, value, layout) for name, value in payload.items()}
    title_field = _find_title(payload, kinds, layout)
    title = write_leaf(payload[title_field]) if title_field else fallback_title
    facts: list[tuple[str, str]] = []
    drawn: list[tuple[int, int, Block]] = []
    left_out = 0
    for name in _arrange(payload, order):
        kind, value = kinds[name], payload[name]
        if name == title_field and len(title) > TITLE_LONGEST:
            kind = "text"  # the heading shows its beginning only
        elif name == title_field or kind == "hidden" or value in (None, ""):
            continue
        if kind in ("fact", "title") and _is_fact(value):
            if len(facts) < FIELDS_SHOWN:
                facts.append((label_of(name), write_leaf(value)))
            else:
                left_out += 1
        elif len(drawn) < FIELDS_SHOWN:
            place = order.index(name) if name in order else len(order)
            blocks = draw_blocks(kind, name, value, image_hosts=image_hosts)
            drawn += [(place, _rank(place, order, block), block) for block in blocks]
        else:
            left_out += 1
    drawn.sort(key=lambda entry: entry[:2])
    return Paper(
        title=_shorten(title),
        titled=title_field is not None,
        facts=tuple(facts),
        blocks=tuple(block for _place, _rank, block in drawn),
        fields=draw_tree(dict(payload)),
        left_out=left_out,
    )


def kind_of(name: str, value: Json) -> str:
    """How a field is shown that the stream says nothing about."""
    if isinstance(value, str):
        return _kind_of_words(name, value)
    wraps = isinstance(value, dict) and len(value) > 1
    if not wraps and list_entries(value):
        return "conversation"
    if is_flat_rows(value, columns=PLAIN_COLUMNS):
        return "table"
    return "tree" if isinstance(value, list | dict) else "fact"


def _choose_kind(name: str, value: Json, layout: Mapping[str, str]) -> str:
    asked = layout.get(name, "")
    return asked if asked in KINDS else kind_of(name, value)


def _kind_of_words(name: str, value: str) -> str:
    if DATA_IMAGE.match(value):
        return "image"
    if read_address(value):
        return "link"
    if "\n" in value or len(value) > FACT_LENGTH or name.lower() in _TEXT_FIELDS:
        return "text"
    return "fact"


def _find_title(
    payload: Mapping[str, Json], kinds: Mapping[str, str], layout: Mapping[str, str]
) -> str | None:
    """The field that the stream calls the title, else one that is named like a title."""
    asked = (name for name, value in payload.items() if kinds[name] == "title" and _is_word(value))
    guessed = (
        name for name in _TITLE_FIELDS if name not in layout and _is_short(payload.get(name))
    )
    return next(asked, None) or next(guessed, None)


def _shorten(title: str) -> str:
    return title if len(title) <= TITLE_LONGEST else f"{title[:TITLE_LONGEST].rstrip()}…"


def _is_word(value: Json) -> bool:
    """Whether a value can be a heading: words or a number, not nothing and not a structure."""
    return not isinstance(value, list | dict) and value is not None and bool(str(value).strip())


def _is_short(value: Json) -> bool:
    return isinstance(value, str) and "\n" not in value and 0 < len(value.strip()) <= TITLE_LONGEST


def _is_fact(value: Json) -> bool:
    words = write_leaf(value)
    return len(words) <= FACT_LONGEST and "\n" not in words.strip()


def _arrange(payload: Mapping[str, Json], order: Sequence[str]) -> list[str]:
    first = [name for name in order if name in payload]
    placed = set(first)
    return first + [name for name in payload if name not in placed]


def _rank(place: int, order: Sequence[str], block: Block) -> int:
    return READING_ORDER.index(block.kind) if place == len(order) else 0
