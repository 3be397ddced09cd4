"""One field of a payload drawn as its kind, or as near to it as its value allows.

Nothing here ever loads anything by itself: a picture is shown only from a data URL of a raster
format or from a host that the stream's admin allowed; any other address becomes a link.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import nh3
from django.utils.safestring import SafeString, mark_safe

from reviewqueue.addresses import Address, is_picture, read_address
from reviewqueue.conversations import TURNS_SHOWN, Turn, read_turns
from reviewqueue.prose import FOLD_FROM, fold, label_of
from reviewqueue.trees import Json, Node, draw_tree, write_leaf

PICTURES = 12
TINY_PICTURE = 4_000  # characters of a data URL
TABLE_ROWS = 200
TABLE_COLUMNS = 200
TABLE_CELLS = 8_000
CELL_LENGTH = 1_000

_HTML_TAGS = {
    *("p", "br", "b", "strong", "i", "em", "u", "s", "code", "pre", "blockquote", "hr"),
    *("ul", "ol", "li", "dl", "dt", "dd", "h2", "h3", "h4", "h5", "h6", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "caption", "span", "div"),
}
_HEADERS = ("columns", "header", "headers")
_ROWS = ("rows", "data")

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One field of a payload, ready to be drawn as `kind`."""

    kind: str
    name: str
    paragraphs: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    folded_length: int = 0
    source: str = ""
    address: Address | None = None
    html: SafeString = field(default_factory=lambda: SafeString(""))
    tall: bool = False
    turns: tuple[Turn, ...] = ()
    turns_folded: tuple[Turn, ...] = ()
    turns_left_out: int = 0
    header: Row = ()
    rows: tuple[Row, ...] = ()
    rows_left_out: int = 0
    columns_left_out: int = 0
    node: Node | None = None

    @property
    def tiny(self) -> bool:
        """Whether a picture is so small a file that its pixels should stay sharp."""
        return len(self.source) < TINY_PICTURE and self.source.startswith("data:")


def draw_blocks(
    kind: str, name: str, value: Json, *, image_hosts: Collection[str] = ()
) -> list[Block]:
    """Draw `value` as `kind` if it can be, else as text or as a tree; pictures one by one."""
    label = label_of(name)
    if kind == "image" and isinstance(value, list) and 0 < len(value) <= PICTURES:
        pictures = [entry for entry in value if isinstance(entry, str)]
        if len(pictures) == len(value) and all(is_picture(each, image_hosts) for each in pictures):
            return [
                Block("image", f"{label} {number}", source=each)
                for number, each in enumerate(pictures, start=1)
            ]
    if isinstance(value, str):
        return [_draw_words(kind, label, value, image_hosts)]
    if kind == "conversation" and (drawn := _draw_conversation(label, value, image_hosts)):
        return [drawn]
    if kind == "table" and (table := read_table(value)):
        return [_draw_table(label, *table)]
    if isinstance(value, list | dict):
        return [Block("tree", label, node=draw_tree(value))]
    return [_draw_text(label, write_leaf(value))]


def clean_html(source: str) -> SafeString:
    """`source` without scripts, styles, forms, pictures and anything else that loads or acts.

    Links open a window of their own and never lead into this product.
    """
    cleaned = nh3.clean(
        source,
        tags=_HTML_TAGS,
        attributes={"a": {"href"}, "th": {"scope"}, "td": {"colspan", "rowspan"}},
        attribute_filter=_filter_attribute,
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(cleaned)  # noqa: S308 - nh3 has left only the tags named above


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    """A cell spans at most 99 others, or a page of one cell takes a browser minutes."""
    if tag == "td" and not re.fullmatch(r"[1-9][0-9]?", value):
        return None
    if name == "scope" and value not in ("row", "col"):
        return None
    return value


def _draw_words(kind: str, label: str, value: str, image_hosts: Collection[str]) -> Block:
    if kind == "image" and is_picture(value, image_hosts):
        return Block("image", label, source=value)
    if kind in ("link", "image") and (address := read_address(value)):
        return Block("link", label, source=value, address=address)
    if kind == "html":
        return Block("html", label, html=clean_html(value), tall=len(value) > FOLD_FROM)
    return _draw_text(label, value)


def _draw_text(label: str, value: str) -> Block:
    prose = fold(value)
    return Block(
        "text",
        label,
        paragraphs=prose.paragraphs,
        folded=prose.folded,
        folded_length=prose.folded_length,
    )


def _draw_conversation(label: str, value: Json, image_hosts: Collection[str]) -> Block | None:
    turns, count = read_turns(value, image_hosts=image_hosts)
    if not turns:
        return None
    return Block(
        "conversation",
        label,
        turns=turns[:TURNS_SHOWN],
        turns_folded=turns[TURNS_SHOWN:],
        turns_left_out=count - len(turns),
    )


def is_flat_rows(value: Json, *, columns: int) -> bool:
    """Whether `value` is a list of objects of plain values, with at most `columns` names."""
    if not isinstance(value, list) or not value:
        return False
    names: set[str] = set()
    for entry in value:
        if not isinstance(entry, dict) or not entry:
            return False
        names |= entry.keys()
        if len(names) > columns or any(isinstance(cell, list | dict) for cell in entry.values()):
            return False
    return True


def read_table(value: Json) -> tuple[list[str], list[list[Json]]] | None:
    """Column names and rows of the shapes that tables are posted in; None for anything else.

    A list of objects; a list of lists, the first of which may be names; an object with `columns`
    (or `header`) and `rows` (or `data`); an object of plain values, name by name.
    """
    if isinstance(value, dict):
        return _read_table_object(value)
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(entry, dict) for entry in value):
        records = [entry for entry in value if isinstance(entry, dict)]
        names = list(dict.fromkeys(name for record in records for name in record))
        return names, [[record.get(name, "") for name in names] for record in records]
    rows = [entry for entry in value if isinstance(entry, list)]
    if len(rows) != len(value):
        return None
    if len(rows) > 1 and rows[0] and all(isinstance(cell, str) for cell in rows[0]):
        return [str(cell) for cell in rows[0]], rows[1:]
    return [str(number + 1) for number in range(max(len(row) for row in rows))], rows


def _read_table_object(value: Mapping[str, Json]) -> tuple[list[str], list[list[Json]]] | None:
    header = next((value[name] for name in _HEADERS if name in value), None)
    listed = next((value[name] for name in _ROWS if name in value), None)
    if isinstance(header, list) and isinstance(listed, list):
        rows = [entry for entry in listed if isinstance(entry, list)]
        if len(rows) == len(listed):
            return [write_leaf(name) for name in header], rows
    if value and not any(isinstance(cell, list | dict) for cell in value.values()):
        return [], [[label_of(name), cell] for name, cell in value.items()]
    return None


def _draw_table(label: str, names: Sequence[str], rows: Sequence[Sequence[Json]]) -> Block:
    width = max([len(names), *(len(row) for row in rows)])
    columns = min(width, TABLE_COLUMNS)
    shown = min(len(rows), TABLE_ROWS, max(1, TABLE_CELLS // max(1, columns)))
    return Block(
        "table",
        label,
        header=tuple(label_of(name) for name in names[:columns]),
        rows=tuple(
            tuple(_cut(write_leaf(cell)) for cell in row[:columns]) + ("",) * (columns - len(row))
            for row in rows[:shown]
        ),
        rows_left_out=len(rows) - shown,
        columns_left_out=width - columns,
    )


def _cut(text: str) -> str:
    return text if len(text) <= CELL_LENGTH else f"{text[:CELL_LENGTH]}…"
