"""A drafted sentence beside its sources, as values for the screens.

Where the machine's answer is hidden, nothing of it is in here: neither scores nor warnings nor
which block is cited, and the blocks come in an order that has nothing to do with any of these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from reviewqueue.addresses import Address, read_address
from reviewqueue.grounds import cited_block
from reviewqueue.marks import (
    MISSING,
    Mark,
    Passage,
    Piece,
    choose_passage,
    cut_pieces,
    find_marks,
)
from reviewqueue.sentences import SENTENCE
from reviewqueue.views.badges import Badge, draw_badge, numbers_of
from routing.core.evidence import NOT_FOUND, STALE, rank_blocks, read_date, read_places
from routing.models import Decision, Item

SHOWN_FIRST: Final = 3
LARGE_UP_TO: Final = 240
# The digits after those of the two answers.
BLOCK_KEYS: Final = "345"
DAYS_OF_A_MONTH: Final = 30
DAYS_OF_A_YEAR: Final = 365
TOLD_IN_DAYS: Final = 180


@dataclass(frozen=True, slots=True)
class Source:
    """One block. `score` and `hotkey` are empty where there is none to be shown.

    `whole` is the text where `passage` is only some of it, `address` None where the link leads
    nowhere that may be followed: then `link` is shown as it is.
    """

    id: str
    title: str
    passage: Passage
    whole: tuple[Piece, ...]
    length: int
    score: str
    is_cited: bool
    is_stale: bool
    is_chosen: bool
    hotkey: str
    link: str
    address: Address | None
    day: date | None
    age: str


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """A claim of the sentence, and what was said of it: "yes", "no" or nothing yet."""

    number: int
    text: str
    said: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that is read of a sentence. `badge` is None where the machine's answer is hidden."""

    sentence: tuple[Piece, ...]
    badge: Badge | None
    first: tuple[Source, ...]
    further: tuple[Source, ...]
    claims: tuple[ClaimLine, ...]
    chosen: str | None

    @property
    def is_long(self) -> bool:
        """Whether the sentence is too long to be set in large letters."""
        return sum(len(piece.text) for piece in self.sentence) > LARGE_UP_TO


def draw_sheet(
    item: Item,
    *,
    decision: Decision | None,
    block: str | None = None,
    claims: Sequence[bool | None] = (),
) -> Sheet:
    """The sentence with its sources; `decision` is None where nothing of it may be seen.

    `block` is the id of the chosen one, "" for none in particular, None while nothing was said.
    `claims` are what was said of them so far.
    """
    blocks = rank_blocks(item.blocks or ())
    first = _arrange(item, blocks[:SHOWN_FIRST], decision)
    further = _arrange(item, blocks[SHOWN_FIRST:], decision)
    return Sheet(
        sentence=draw_sentence(item, decision),
        badge=None if decision is None else draw_badge(decision),
        first=tuple(
            _draw_source(one, item, decision, chosen=block, hotkey=key)
            for one, key in zip(first, BLOCK_KEYS, strict=False)
        ),
        further=tuple(_draw_source(one, item, decision, chosen=block) for one in further),
        claims=tuple(
            ClaimLine(number, str(claim["text"]), _word_said(claims, number))
            for number, claim in enumerate(item.claims or ())
        ),
        chosen=block,
    )


def draw_sentence(item: Item, decision: Decision | None) -> tuple[Piece, ...]:
    """The sentence with the numbers marked that the decision found in no block."""
    return cut_pieces(word_sentence(item), [] if item.erased_at else _find_missing(decision))


def draw_sources(item: Item, decision: Decision, *, chosen: str | None) -> tuple[Source, ...]:
    """The best blocks, the cited one first; that one is chosen while nothing was said (None)."""
    if chosen is None:
        chosen = cited_block(item)
    blocks = rank_blocks(item.blocks or ())[:SHOWN_FIRST]
    return tuple(
        _draw_source(block, item, decision, chosen=chosen, hotkey=key)
        for block, key in zip(blocks, BLOCK_KEYS, strict=False)
    )


def word_sentence(item: Item) -> str:
    """The sentence; of one that was erased, that it was."""
    return str(item.payload.get(SENTENCE, "" if item.erased_at is None else _("(erased)")))


def _arrange(
    item: Item, blocks: Sequence[Mapping[str, Any]], decision: Decision | None
) -> list[Mapping[str, Any]]:
    """Best first; where the scores are hidden by a hash, which tells nothing of them."""
    if decision is not None:
        return list(blocks)
    return sorted(blocks, key=lambda block: sha256(f"{item.id} {block['id']}".encode()).digest())


def _draw_source(
    block: Mapping[str, Any],
    item: Item,
    decision: Decision | None,
    *,
    chosen: str | None = None,
    hotkey: str = "",
) -> Source:
    text, own = str(block["text"]), str(block["id"])
    marks = find_marks(text, sentence=word_sentence(item))
    passage = choose_passage(text, marks)
    link, day = str(block.get("link") or ""), _read_day(block.get("date"))
    return Source(
        id=own,
        title=str(block.get("title") or own),
        passage=passage,
        whole=cut_pieces(text, marks) if passage.before or passage.after else (),
        length=len(text),
        score=f"{float(block['score']):.2f}" if decision else "",
        is_cited=decision is not None and own == cited_block(item),
        is_stale=decision is not None and own == numbers_of(decision, STALE).get("block"),
        is_chosen=own == chosen,
        hotkey=hotkey,
        link=link,
        address=read_address(link),
        day=day,
        age=_word_age(day) if day else "",
    )


def _find_missing(decision: Decision | None) -> list[Mark]:
    """The numbers of the sentence that the decision found in no block."""
    if decision is None:
        return []
    places = numbers_of(decision, NOT_FOUND).get("places", "")
    return [Mark(span, MISSING) for span in read_places(places)]


def _read_day(value: object) -> date | None:
    try:
        return read_date(str(value)) if value else None
    except ValueError:  # stored before dates were checked
        return None


def _word_age(day: date) -> str:
    """How old a source is today, roughly; one of tomorrow has no age."""
    days = (timezone.localdate() - day).days
    if days < 0:
        return _("dated in the future")
    if days < TOLD_IN_DAYS:
        return ngettext("%(n)d day old", "%(n)d days old", days) % {"n": days}
    if days < 2 * DAYS_OF_A_YEAR:
        return _("%(n)d months old") % {"n": days // DAYS_OF_A_MONTH}
    return _("%(n)d years old") % {"n": days // DAYS_OF_A_YEAR}


def _word_said(claims: Sequence[bool | None], number: int) -> str:
    said = claims[number] if number < len(claims) else None
    return "" if said is None else "yes" if said else "no"
