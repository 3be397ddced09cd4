"""A Markdown page cut into the passages that a retrieval finds: pieces of its sections, as text.

A passage never spans two sections. Within one it is a run of paragraphs, list items or a table,
closed as soon as it has `LENGTH` characters, so that none is a mere line and none a whole page.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PASSAGES_FILE: Final = Path(__file__).with_name("passages.jsonl")
LENGTH: Final = 240

_HEADING: Final = re.compile(r"#{1,6} +(.+)")
_ITEM: Final = re.compile(r"(?:[-*]|[0-9]{1,2}\.) +")
_RULE: Final = re.compile(r"\|[ |:-]+\|")
_IMAGE: Final = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_CODE: Final = "    "
_CELL_END: Final = re.compile(r"(?<!\\)\|")
_EMPHASIS: Final = re.compile(r"\*{1,2}([^*]+)\*{1,2}")
_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a page: `id` is the page's name and the section's anchor, such as `files#csv-2`.

    `page` is the name of the page, `anchor` the section's, "" before the first; `title` the page's
    and the section's headings, `text` plain.
    """

    id: str
    page: str
    anchor: str
    title: str
    text: str


def read_passages() -> list[Passage]:
    """The passages of this product's own documentation, as they were cut for the demo."""
    lines = PASSAGES_FILE.read_text(encoding="utf-8").splitlines()
    return [Passage(**json.loads(line)) for line in lines]


def cut_page(page: str, markdown: str) -> list[Passage]:
    """Cut a page called `page`; the further passages of a section are counted from 2."""
    passages: list[Passage] = []
    heading = page
    for place, (title, lines) in enumerate(_split_sections(markdown)):
        if place <= 1:  # what stands before the first heading, and under it
            heading = title or heading
        anchor = make_anchor(title) if place > 1 else ""
        full = f"{heading}: {title}" if anchor else heading
        for number, text in enumerate(_gather(_split_pieces(lines)), 1):
            name = f"{page}#{anchor}" if number == 1 else f"{page}#{anchor}-{number}"
            passages.append(Passage(name, page, anchor, full, text))
    return passages


def make_anchor(title: str) -> str:
    """The anchor of a heading: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _split_sections(markdown: str) -> Iterator[tuple[str, list[str]]]:
    title, lines = "", list[str]()
    for line in markdown.splitlines():
        found = _HEADING.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        yield title, lines
        title, lines = _clean(found[1]), []
    yield title, lines


def _split_pieces(lines: list[str]) -> Iterator[str]:
    """Paragraphs, list items and rows of tables; code and drawings are left out."""
    piece: list[str] = []
    for line in [*lines, ""]:
        stripped = line.strip()
        if not stripped or stripped.startswith("|") or _ITEM.match(stripped):
            yield _clean(" ".join(piece))
            piece = []
        if line.startswith(_CODE) or _RULE.fullmatch(stripped):
            continue
        piece.append(_ITEM.sub("", stripped, count=1) if _ITEM.match(stripped) else stripped)


def _gather(pieces: Iterator[str]) -> Iterator[str]:
    held = ""
    for piece in filter(None, pieces):
        held = f"{held}\n{piece}" if held else piece
        if len(held) >= LENGTH:
            yield held
            held = ""
    if held:
        yield held


def _clean(text: str) -> str:
    text = _EMPHASIS.sub(r"\1", _LINK.sub(r"\1", _IMAGE.sub("", text)))
    if text.startswith("|"):
        text = ": ".join(filter(None, map(str.strip, _CELL_END.split(text))))
    return text.replace("`", "").strip()
