"""How a payload becomes something to read: a title, facts, and blocks, prose before structure.

The database does not keep the order of a payload's fields, so kinds give the order.

A stream may say how a field is shown (`Stream.payload_fields`, field name to one of `KINDS`).
What it does not say is taken from the value itself. Nothing here ever loads anything: an image
is shown only when it is a data URL of a raster format, any other address becomes a link.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import nh3
from django.utils.safestring import SafeString, mark_safe

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

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

FOLD_FROM = 4_000
FOLD_TO = 2_400
FACT_LENGTH = 90
TREE_DEPTH = 12
TREE_NODES = 400
TABLE_ROWS = 200
TABLE_COLUMNS = 12

_TITLE_FIELDS = ("title", "subject", "headline", "name", "summary")
_TEXT_FIELDS = ("body", "text", "content", "message", "description", "comment", "question")
_DATA_IMAGE = re.compile(r"\Adata:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+\Z")
_ADDRESS = re.compile(r"\Ahttps?://[^\s<>\"']+\Z")
_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")
_HTML_TAGS = {
    *("p", "br", "b", "strong", "i", "em", "u", "s", "code", "pre", "blockquote", "hr"),
    *("ul", "ol", "li", "dl", "dt", "dd", "h2", "h3", "h4", "h5", "h6", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "caption", "span", "div"),
}


@dataclass(frozen=True, slots=True)
class Node:
    """One line of a JSON tree: its name, its value when it is a leaf, else its children."""

    name: str
    value: str = ""
    kind: str = "leaf"
    children: tuple["Node", ...] = ()
    size: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance of a conversation."""

    speaker: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One field of a payload, ready to be drawn as `kind`."""

    kind: str
    name: str
    paragraphs: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    folded_length: int = 0
    source: str = ""
    html: SafeString = field(default_factory=lambda: SafeString(""))
    turns: tuple[Turn, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    rows_left_out: int = 0
    node: Node | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """A payload as a reviewer reads it; `fields` is all of it, for the disclosure.

    `titled` tells whether the title is the payload's own.
    """

    title: str
    titled: bool
    facts: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]
    fields: Node

    @property
    def needs_names(self) -> bool:
        """Whether blocks need their names beside them: one body speaks for itself."""
        return len(self.blocks) > 1


def read_payload(
    payload: Mapping[str, Json], *, layout: Mapping[str, str], fallback_title: str
) -> Paper:
    """Arrange `payload` by `layout` (field to kind; unknown kinds are ignored) and its values.

    `fallback_title` stands in when no field can be a title.
    """
    kinds = {name: layout.get(name, "") for name in payload}
    for name, value in payload.items():
        if kinds[name] not in KINDS:
            kinds[name] = _kind_of(name, value)
    title_field = next((name for name in payload if kinds[name] == "title"), None) or next(
        (
            name
            for name in _TITLE_FIELDS
            if name not in layout and _is_short(payload.get(name)) and payload.get(name)
        ),
        None,
    )
    title = _leaf(payload[title_field]) if title_field else fallback_title
    facts, blocks = [], []
    for name, value in payload.items():
        if name == title_field or kinds[name] == "hidden" or value in (None, ""):
            continue
        if kinds[name] in ("fact", "title"):
            facts.append((label_of(name), _leaf(value)))
        else:
            blocks.append(_block(kinds[name], name, value))
    blocks.sort(key=lambda block: READING_ORDER.index(block.kind))
    return Paper(
        title, title_field is not None, tuple(facts), tuple(blocks), _tree("", dict(payload))
    )


def label_of(name: str) -> str:
    """A field's name as people write it: `vpn_client` becomes "Vpn client"."""
    words = re.sub(r"[_\-.]+", " ", name).strip()
    return words[:1].upper() + words[1:] if words else name


def _is_short(value: Json) -> bool:
    return isinstance(value, str) and "\n" not in value and 0 < len(value) <= 200


def _kind_of(name: str, value: Json) -> str:
    if isinstance(value, str):
        return _kind_of_words(name, value)
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        if all(_speaker_and_words(entry) for entry in value):
            return "conversation"
        if all(_is_row(entry) for entry in value):
            return "table"
    return "tree" if isinstance(value, list | dict) else "fact"


def _kind_of_words(name: str, value: str) -> str:
    if _DATA_IMAGE.match(value):
        return "image"
    if _ADDRESS.match(value):
        return "link"
    if "\n" in value or len(value) > FACT_LENGTH or name.lower() in _TEXT_FIELDS:
        return "text"
    return "fact"


def _block(kind: str, name: str, value: Json) -> Block:
    """Draw `value` as `kind` if it can be, else as text or as a tree."""
    label = label_of(name)
    if isinstance(value, str):
        return _block_of_words(kind, label, value)
    if isinstance(value, list):
        if kind == "conversation" and (turns := _turns(value)):
            return Block("conversation", label, turns=turns)
        if kind == "table" and all(_is_row(entry) for entry in value):
            return _table(label, value)
    if isinstance(value, list | dict):
        return Block("tree", label, node=_tree("", value))
    return _text(label, _leaf(value))


def _block_of_words(kind: str, label: str, value: str) -> Block:
    if kind == "image" and _DATA_IMAGE.match(value):
        return Block("image", label, source=value)
    if kind in ("link", "image") and _ADDRESS.match(value):
        return Block("link", label, source=value)
    if kind == "html":
        return Block("html", label, html=clean_html(value))
    return _text(label, value)


def clean_html(source: str) -> SafeString:
    """`source` without scripts, styles, forms, pictures and anything else that loads or acts."""
    cleaned = nh3.clean(
        source,
        tags=_HTML_TAGS,
        attributes={"a": {"href"}, "th": {"scope"}, "td": {"colspan", "rowspan"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(cleaned)  # noqa: S308 - nh3 has left only the tags named above


def _text(label: str, value: str) -> Block:
    paragraphs = tuple(part.strip("\n") for part in _PARAGRAPHS.split(value.strip()))
    if len(value) <= FOLD_FROM:
        return Block("text", label, paragraphs=paragraphs)
    shown, folded, length = [], [], 0
    for paragraph in paragraphs:
        room = FOLD_TO - length
        if room <= 0:
            folded.append(paragraph)
        elif len(paragraph) <= room + FOLD_TO // 4:
            shown.append(paragraph)
        else:
            at = paragraph.rfind(" ", 0, room)
            at = at if at > room // 2 else room
            shown.append(paragraph[:at])
            folded.append(paragraph[at:].lstrip())
        length += len(paragraph)
    return Block(
        "text",
        label,
        paragraphs=tuple(shown),
        folded=tuple(folded),
        folded_length=sum(len(part) for part in folded),
    )


def _speaker_and_words(entry: Json) -> tuple[str, str] | None:
    if not isinstance(entry, dict):
        return None
    speaker = next((entry[key] for key in ("role", "speaker", "from", "author") if key in entry), 0)
    words = next((entry[key] for key in ("content", "text", "message", "body") if key in entry), 0)
    return (speaker, words) if isinstance(speaker, str) and isinstance(words, str) else None


def _turns(value: list[Json]) -> tuple[Turn, ...]:
    pairs = [_speaker_and_words(entry) for entry in value]
    if not all(pairs):
        return ()
    return tuple(
        Turn(label_of(pair[0]), tuple(_PARAGRAPHS.split(pair[1].strip()))) for pair in pairs if pair
    )


def _is_row(entry: Json) -> bool:
    return (
        isinstance(entry, dict)
        and 0 < len(entry) <= TABLE_COLUMNS
        and all(
            value is None or isinstance(value, str | int | float | bool) for value in entry.values()
        )
    )


def _table(label: str, value: list[Json]) -> Block:
    rows = [entry for entry in value if isinstance(entry, dict)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Block(
        "table",
        label,
        header=tuple(label_of(name) for name in names),
        rows=tuple(tuple(_leaf(row.get(name, "")) for name in names) for row in rows[:TABLE_ROWS]),
        rows_left_out=max(0, len(rows) - TABLE_ROWS),
    )


def _leaf(value: Json) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _tree(name: str, value: Json) -> Node:
    budget = iter(range(TREE_NODES))
    return _node(name, value, depth=0, budget=budget)


def _node(name: str, value: Json, *, depth: int, budget: Iterator[int]) -> Node:
    """A tree of at most `TREE_NODES` lines; what is beyond that or too deep stays JSON text."""
    members: list[tuple[str, Json]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = [(str(index), entry) for index, entry in enumerate(value)]
    if not members:
        return Node(name, _leaf(value), kind=_leaf_kind(value))
    if depth >= TREE_DEPTH or next(budget, None) is None:
        return Node(name, _leaf(value), kind="code")
    children = tuple(_node(key, entry, depth=depth + 1, budget=budget) for key, entry in members)
    return Node(name, kind="branch", children=children, size=len(members))


def _leaf_kind(value: Json) -> str:
    if isinstance(value, str):
        return "image" if _DATA_IMAGE.match(value) else "leaf"
    return "code"
