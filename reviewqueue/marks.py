"""What a sentence and a source have in common, as text in pieces of which some are marked.

A word is shared when it stands in both, whatever its ending (*file*, *files*) and case; words that
stand in every text (*the*, *of*) are left alone. A number is shared when both say the same, however
written, as `routing.core.numbers` reads it. In writing without spaces a run of letters is one word.

Nothing here knows what the machine made of the sentence.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from routing.core.numbers import Span, find_shared

WORD: Final = "word"
NUMBER: Final = "number"
MISSING: Final = "missing"
# A longer text is shown by the passage that has most in common with the sentence.
WHOLE_UP_TO: Final = 900
PASSAGE: Final = 600
# A number that both have says more than a word.
WEIGHTS: Final = {WORD: 1, NUMBER: 4}

_WORD: Final = re.compile(r"[^\W\d_]+")
_ENDINGS: Final = ("ing", "ed", "es", "s", "e")
_SHORTEST_STEM: Final = 3
_EVERYWHERE: Final = frozenset(
    re.findall(
        r"[a-z]+",
        """a about after all also an and any are as at be been but by can could did do does each for
    from had has have he her his how i if in into is it its itself just like may me might more most
    must my no nor not of on only or other our out over per s she should so some such t than that
    the their them then there these they this those to too under up upon was we were what when
    where which while who will with would you your""",
    )
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a text, in order; `kind` is empty where it is not marked."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a text and what it is marked as; places do not overlap."""

    span: Span
    kind: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a text, and how many characters of it stand before and after."""

    pieces: tuple[Piece, ...]
    before: int = 0
    after: int = 0


def find_marks(text: str, *, sentence: str) -> list[Mark]:
    """Where `text` shares words and numbers with the sentence, in order."""
    stems = {_stem(match[0]) for match in _WORD.finditer(sentence)} - _EVERYWHERE
    numbers = find_shared(sentence, text)
    words = [Span(*match.span()) for match in _WORD.finditer(text) if _stem(match[0]) in stems]
    found = [Mark(span, NUMBER) for span in numbers]
    found += [Mark(span, WORD) for span in _leave_out(words, numbers)]
    return sorted(found, key=lambda mark: mark.span.start)


def cut_pieces(
    text: str, marks: Iterable[Mark], *, start: int = 0, end: int | None = None
) -> tuple[Piece, ...]:
    """`text` from `start` to `end` in pieces; marked words with nothing between are one piece."""
    end = len(text) if end is None else end
    pieces: list[Piece] = []
    at = start
    for mark in marks:
        left, right = max(mark.span.start, at), min(mark.span.end, end)
        if left >= right:
            continue
        between = text[at:left]
        if between.isspace() and pieces and pieces[-1].kind == mark.kind == WORD:
            pieces[-1] = Piece(pieces[-1].text + between + text[left:right], WORD)
        else:
            if between:
                pieces.append(Piece(between))
            pieces.append(Piece(text[left:right], mark.kind))
        at = right
    if at < end:
        pieces.append(Piece(text[at:end]))
    return tuple(pieces)


def choose_passage(text: str, marks: Sequence[Mark]) -> Passage:
    """The whole text where it is short, else the part of it with most of the marks."""
    if len(text) <= WHOLE_UP_TO:
        return Passage(cut_pieces(text, marks))
    start = _find_start(text, marks)
    # At the end of a text the passage is as long as elsewhere.
    start = _to_word(text, min(start, len(text) - PASSAGE))
    end = _to_word(text, start + PASSAGE)
    return Passage(cut_pieces(text, marks, start=start, end=end), start, len(text) - end)


def _find_start(text: str, marks: Sequence[Mark]) -> int:
    """Where a stretch of `PASSAGE` characters begins that has most different marks; the first."""
    said = [text[mark.span.start : mark.span.end].casefold() for mark in marks]
    inside: Counter[str] = Counter()
    best, best_weight, weight, last = 0, 0, 0, 0
    for first, mark in enumerate(marks):
        while last < len(marks) and marks[last].span.end <= mark.span.start + PASSAGE:
            weight += 0 if inside[said[last]] else WEIGHTS.get(marks[last].kind, 0)
            inside[said[last]] += 1
            last += 1
        if weight > best_weight:
            best, best_weight = mark.span.start, weight
        if last > first:
            inside[said[first]] -= 1
            weight -= 0 if inside[said[first]] else WEIGHTS.get(mark.kind, 0)
        else:  # longer than a passage by itself
            last = first + 1
    # A little of what stands before, for the eye.
    return max(0, best - PASSAGE // 8)


def _to_word(text: str, at: int) -> int:
    """The place of the next blank, if one is near: words are not cut in two."""
    if at <= 0 or at >= len(text):
        return max(0, min(at, len(text)))
    blank = re.compile(r"\s").search(text, at, min(len(text), at + 40))
    return blank.end() if blank else at


def _leave_out(words: Iterable[Span], taken: Sequence[Span]) -> list[Span]:
    """The words that are no part of a number: *March* of *3 March* is marked with its day."""
    left, place = [], 0
    for word in words:
        while place < len(taken) and taken[place].end <= word.start:
            place += 1
        if place == len(taken) or taken[place].start >= word.end:
            left.append(word)
    return left


def _stem(word: str) -> str:
    """The word without the commonest English endings; the same for its usual forms."""
    folded = word.casefold()
    if folded in _EVERYWHERE:
        return folded
    for ending in _ENDINGS:
        if folded.endswith(ending) and len(folded) - len(ending) >= _SHORTEST_STEM:
            return folded.removesuffix(ending)
    return folded
