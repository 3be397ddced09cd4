"""Text as paragraphs, of which a long one shows its beginning and folds the rest."""

import re
from dataclasses import dataclass

FOLD_FROM = 4_000
FOLD_TO = 2_400
FOLDED_PARAGRAPHS = 200

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
