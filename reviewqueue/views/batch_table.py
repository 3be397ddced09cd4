"""The flagged batch as values: rows grouped by what the machine said, and what will happen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from reviewqueue.batch_answers import machine_answer
from reviewqueue.blocks import Block
from reviewqueue.claims import SKIP_REST
from reviewqueue.marks import Piece
from reviewqueue.models import ReviewTask
from reviewqueue.payloads import read_item
from reviewqueue.views.answer_panel import is_calibrated
from reviewqueue.views.badges import SHOWN_APART, Grounds, describe_grounds
from reviewqueue.views.batch_form import PICKED, Names, RowEntry, name_categories
from reviewqueue.views.items import address_of
from reviewqueue.views.reason_chips import ReasonChip, percent_apart, word_reason
from reviewqueue.views.sentence_sheet import Source, draw_sentence, draw_sources
from reviewqueue.views.watch_lines import excerpt_of
from routing.core.grounding import ANSWERS
from routing.models import Category, Decision, Item, Stream
from routing.policies import published_spec

ALTERNATIVES: Final = 3


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another category that one key chooses, with the model's score."""

    key: str
    label: str
    score: str
    hotkey: str
    checked: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One flagged item. `figure` is the calibrated confidence in per cent, `raw` as models say.

    `address`: the item's own page.
    `source`: whose second opinion is acted on, if it is not the item's own scores.
    `sentence`, `grounds`, `sources`: of a drafted sentence, its text with the numbers that stand in
    no block, what it rests on, and its best blocks, of which the cited one is chosen unless
    something else was said.
    """

    id: UUID
    external_id: str
    address: str
    title: str
    excerpt: str
    facts: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]
    picture: str
    figure: str
    raw: str
    calibrated: bool
    source: str
    second: Alternative | None
    alternatives: tuple[Alternative, ...]
    reasons: tuple[ReasonChip, ...]
    sentence: tuple[Piece, ...]
    grounds: Grounds | None
    sources: tuple[Source, ...]
    opened_at: datetime
    due_at: datetime
    overdue: bool
    retired: bool
    entry: RowEntry

    @property
    def needs_names(self) -> bool:
        return len(self.blocks) > 1


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one category."""

    key: str
    label: str
    definition: str
    retired: bool
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under one lease. Lease times in seconds."""

    lease_token: UUID | None
    lease_left: int
    lease_whole: int
    groups: tuple[Group, ...]
    names: Names
    words: str
    is_grounded: bool = False
    active_ms: int = 0

    @property
    def size(self) -> int:
        return sum(len(group.rows) for group in self.groups)


def draw_table(
    stream: Stream,
    tasks: Sequence[ReviewTask],
    *,
    entries: Mapping[UUID, RowEntry] | None = None,
    active_ms: int = 0,
) -> Table:
    """The tasks (with item and decision) in the batch's order, with what was chosen so far.

    Groups with most rows come first, and inside a group the order is the batch's.
    """
    taxonomy = {category.key: category for category in stream.categories.all()}
    names = name_categories(list(taxonomy.values()))
    rows: dict[str, list[Row]] = {}
    for task in tasks:
        entry = (entries or {}).get(task.id, RowEntry())
        row = _draw_row(task, taxonomy, names, entry, stream)
        rows.setdefault(machine_answer(task.decision), []).append(row)
    groups = [_draw_group(key, rows[key], taxonomy) for key in rows]
    groups.sort(key=lambda group: (-len(group.rows), group.label))
    first = tasks[0] if tasks else None
    return Table(
        lease_token=first.lease_token if first else None,
        lease_left=first.lease_left if first else 0,
        lease_whole=stream.lease_minutes * 60,
        groups=tuple(groups),
        names=names,
        words=word_send([row.entry for group in groups for row in group.rows]),
        active_ms=active_ms,
        is_grounded=stream.is_grounded,
    )


def word_send(entries: Sequence[RowEntry]) -> str:
    """What the main button will do: "Confirm 47, correct 2, leave 1"."""
    confirmed = sum(entry.confirm for entry in entries)
    left = sum(entry.is_left for entry in entries)
    parts = word_counts(confirmed, len(entries) - confirmed - left, left)
    return parts or _("Nothing to send")


def word_counts(confirmed: int, corrected: int, left: int) -> str:
    """The three counts that are not 0, as one order."""
    parts = [
        _("confirm %(n)d") % {"n": confirmed} if confirmed else "",
        _("correct %(n)d") % {"n": corrected} if corrected else "",
        _("leave %(n)d") % {"n": left} if left else "",
    ]
    words = ", ".join(part for part in parts if part)
    return words[:1].upper() + words[1:]


def word_result(confirmed: int, corrected: int, left: int) -> str:
    """What became of a table, told afterwards."""
    waits = ngettext(
        "%(n)d left: it waits for others, and comes back to you in %(minutes)d min",
        "%(n)d left: they wait for others, and come back to you in %(minutes)d min",
        left,
    )
    parts = [
        _("%(n)d confirmed") % {"n": confirmed} if confirmed else "",
        _("%(n)d corrected") % {"n": corrected} if corrected else "",
        waits % {"n": left, "minutes": SKIP_REST.total_seconds() // 60} if left else "",
    ]
    return ", ".join(part for part in parts if part)


def _draw_group(key: str, rows: Sequence[Row], taxonomy: Mapping[str, Category]) -> Group:
    category = taxonomy.get(key)
    return Group(
        key=key,
        label=category.label if category else key,
        definition=category.definition if category else "",
        retired=category is None or category.retired_at is not None,
        rows=tuple(rows),
    )


def _draw_row(
    task: ReviewTask,
    taxonomy: Mapping[str, Category],
    names: Names,
    entry: RowEntry,
    stream: Stream,
) -> Row:
    item, decision = task.item, task.decision
    policy = published_spec(decision.policy_id)
    cut_offs = policy.effective(decision.predicted)
    machine = machine_answer(decision)
    paper = read_item(item, stream=stream)
    alternatives = _rank_others(item, machine, taxonomy, entry)
    retired = machine not in names.shown
    has_map = policy.map_for(decision.predicted) is not None

    def label_of(key: str) -> str:
        return taxonomy[key].label if key in taxonomy else key

    return Row(
        id=task.id,
        external_id=item.external_id,
        address=address_of(stream, item.id),
        title=paper.title,
        excerpt=excerpt_of(paper),
        facts=paper.facts,
        blocks=paper.blocks,
        picture=paper.picture,
        figure=percent_apart(decision.confidence, cut_offs.auto, cut_offs.flagged, cut_offs.hold),
        raw=f"{decision.raw_confidence:.2f}",
        calibrated=is_calibrated(decision, has_map=has_map),
        source=label_of(decision.predicted) if decision.source else "",
        second=alternatives[0] if alternatives else None,
        alternatives=alternatives,
        reasons=_word_reasons(decision, label_of),
        sentence=draw_sentence(item, decision) if stream.is_grounded else (),
        grounds=describe_grounds(decision, policy.grounding) if policy.grounding else None,
        sources=draw_sources(item, decision, chosen=entry.block) if stream.is_grounded else (),
        opened_at=task.opened_at,
        due_at=task.due_at,
        overdue=task.due_at < timezone.now(),
        retired=retired,
        entry=_place(entry, alternatives, names, retired=retired),
    )


def _word_reasons(decision: Decision, label_of: Callable[[str], str]) -> tuple[ReasonChip, ...]:
    return tuple(
        word_reason(reason, label_of=label_of)
        for reason in decision.reasons
        if reason.get("code") not in SHOWN_APART
    )


def _place(
    entry: RowEntry, alternatives: Sequence[Alternative], names: Names, *, retired: bool
) -> RowEntry:
    """The entry as this row can show it: a category without a key of its own stands typed."""
    if retired and entry.confirm:
        return replace(entry, confirm=False)
    picked = entry.answer.removeprefix(PICKED)
    offered = {alternative.key for alternative in alternatives}
    if entry.answer.startswith(PICKED) and picked not in offered and not entry.other:
        return replace(entry, other=names.shown.get(picked, picked))
    return entry


def _rank_others(
    item: Item, machine: str, taxonomy: Mapping[str, Category], entry: RowEntry
) -> tuple[Alternative, ...]:
    """The best active categories that the machine did not act on; 1 is its own answer's key.

    Of a sentence, which has no scores, the answer that is left.
    """
    scores = item.scores if item.evidence is None else dict.fromkeys(ANSWERS, 0.0)
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])
    others = [
        (taxonomy[key], score)
        for key, score in ranked
        if key != machine and key in taxonomy and taxonomy[key].retired_at is None
    ]
    return tuple(
        Alternative(
            key=category.key,
            label=category.label,
            score=f"{score:.2f}" if item.evidence is None else "",
            hotkey=str(number),
            checked=entry.answer == f"{PICKED}{category.key}" and not entry.other,
        )
        for number, (category, score) in enumerate(others[:ALTERNATIVES], start=2)
    )
