"""Names as people write them; text as paragraphs, of which a long one folds its later part."""

import re
from dataclasses import dataclass

FOLD_FROM = 4_000
FOLD_TO = 2_400
FOLDED_PARAGRAPHS = 200
NAME_LENGTH = 80

_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs that are read at once, and `folded` ones with their length in characters."""

    paragraphs: tuple[str, ...]
    folded: tuple[str, ...] = ()
    folded_length: int = 0


def fold(value: str) -> Prose:
    """`value` in paragraphs; from `FOLD_FROM` characters on what is beyond `FOLD_TO` folds."""
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    if not value.strip():
        return Prose(())
    paragraphs = tuple(part.strip("\n") for part in _PARAGRAPHS.split(value.strip()))
    if len(value) <= FOLD_FROM:
        return Prose(paragraphs)
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
    folded_length = sum(len(part) for part in folded)
    if len(folded) > FOLDED_PARAGRAPHS:  # one element, or a page of blank lines is a slow one
        folded = ["\n\n".join(folded)]
    return Prose(tuple(shown), tuple(folded), folded_length)


def label_of(name: str) -> str:
    """A field's name as people write it: `vpn_client` becomes "Vpn client"."""
    words = re.sub(r"[_\-.]+", " ", name[:NAME_LENGTH]).strip()
    return words[:1].upper() + words[1:] if words else name[:NAME_LENGTH]
