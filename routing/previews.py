"""What a policy would do with the items that came last. Nothing is stored.

An item is routed again by the signals of its latest decision. They hold for any policy over the
categories that decision was made with, unless others had as much as the best of them. There,
where a policy has other categories, where a tie could break differently and where a watch level is
met within the rounding of a sum, the scores are read instead. Of a drafted sentence it is the
evidence, where the policy weighs that otherwise.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

import numpy as np

from routing.blinds import answers_hidden
from routing.core.chain import Opinions, follow_chain
from routing.core.evidence import EvidenceTable
from routing.core.grounding import Grounding
from routing.core.maps import FloatArray
from routing.core.policy import Policy as PolicySpec
from routing.core.reasons import Cause
from routing.core.rules import Routes, decide, route
from routing.core.shifts import Move, count_actions, explain_move, find_moves
from routing.core.signals import (
    MOST,
    BoolArray,
    IndexArray,
    Outside,
    ScoreError,
    ScoreMatrix,
    Signals,
    compute_signals,
)
from routing.core.stored import Stored, read_stored
from routing.models import Item
from routing.opinions import read_opinions
from routing.recent import RecentItems, read_recent, watched_keys

MOST_ITEMS: Final = 50_000
# A preview is to take 2 s at most. Reading an item's scores costs about 0.2 ms, reading the score
# of one watched category 0.6 us.
MOST_READ_AGAIN: Final = 8_000
MOST_WATCHED: Final = 2_000_000
EXAMPLES: Final = 3
CHUNK: Final = 5_000
T = TypeVar("T")

# A rounding error's width, far above those of doubles and far below a step of a cut-off.
_SLACK: Final = 2e-9


@dataclass(frozen=True, slots=True)
class Example:
    """One item that moves, with the reasons of the outcome that is more careful."""

    item_id: UUID
    external_id: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Items that go from one action to another: how many, by which rules, and a few of them."""

    before: str
    after: str
    items: int
    causes: tuple[tuple[Cause, int], ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """Two policies on the same items.

    items: how many were routed, received from `first` to `last`; left_out: newest items whose
    scores one of the policies cannot read; before, after: items by action; changes: the most
    frequent first.
    """

    items: int
    left_out: int
    first: datetime | None
    last: datetime | None
    before: Mapping[str, int]
    after: Mapping[str, int]
    changes: tuple[Change, ...]

    @property
    def moved(self) -> int:
        """How many items another action is taken on."""
        return sum(change.items for change in self.changes)


def preview_change(
    *,
    stream_id: UUID,
    before: PolicySpec,
    after: PolicySpec,
    examples: int = 0,
    most_items: int = MOST_ITEMS,
) -> Preview:
    """Route the stream's newest items under both policies and compare, `examples` of each change.

    They are fewer where the scores or second opinions of more than 8,000 have to be read, or dozens
    of categories are watched. The bound on held items is left out: it depends on what waited at
    the time.
    """
    specs = before, after
    watched = {key for spec in specs for key in watched_keys(spec)}
    most_items = min(most_items, MOST_WATCHED // max(len(watched), 1))
    stored = read_recent(stream_id=stream_id, specs=specs, most_items=most_items)
    stored = _limit(stored, [_find_unsure(stored, spec) for spec in specs])
    if asking := [spec for spec in specs if spec.fallback.sources]:
        stored = _limit(stored, [_route(stored, spec)[0].open_to_fallback for spec in asking])
    (old, old_kept), (new, new_kept) = (_decide(stored, spec) for spec in specs)
    kept = old_kept & new_kept
    moves = find_moves(old, new, kept, most_rows=examples)
    shown = _explain(stored, moves, before, after) if examples else {}
    return Preview(
        items=int(kept.sum()),
        left_out=int((~kept).sum()),
        first=stored.received_at(-1),
        last=stored.received_at(0),
        before=count_actions(old, kept),
        after=count_actions(new, kept),
        changes=tuple(
            Change(
                move.before,
                move.after,
                move.items,
                move.causes,
                tuple(shown[row] for row in move.rows if row in shown),
            )
            for move in moves
        ),
    )


def _limit(stored: RecentItems, costly: Sequence[BoolArray]) -> RecentItems:
    """As many of the newest items as have `MOST_READ_AGAIN` costly ones (n,) among them."""
    places = np.flatnonzero(np.logical_or.reduce(costly))
    return stored if len(places) <= MOST_READ_AGAIN else stored.newest(int(places[MOST_READ_AGAIN]))


def _decide(stored: RecentItems, spec: PolicySpec) -> tuple[Routes, BoolArray]:
    """`_route` with the fallback chain followed."""
    routes, kept = _route(stored, spec)
    if not spec.fallback.steps:
        return routes, kept
    rows = np.flatnonzero(routes.open_to_fallback).tolist() if spec.fallback.sources else []
    read = read_opinions(spec, [stored.item_id(row) for row in rows])
    opinions = Opinions(
        secondary=_spread(rows, read.secondary, len(stored), {}),
        matched=_spread(rows, read.matched, len(stored), ()),
        remote=_spread(rows, read.remote, len(stored), None),
    )
    action = routes.action.copy()
    for row, ending in follow_chain(spec, routes, opinions=opinions).items():
        action[row] = ending.action
    return replace(routes, action=action), kept


def _spread(rows: Sequence[int], values: Sequence[T], count: int, other: T) -> list[T]:
    """`count` values: those of `rows` in their places, `other` elsewhere."""
    spread = [other] * count
    for row, value in zip(rows, values, strict=True):
        spread[row] = value
    return spread


@dataclass(frozen=True, slots=True)
class _Reading:
    """Signals (n,) and watched values (n, K) under one policy, and which rows it can read (n,).

    outside: what is known of categories that the policy does not have, by row.
    """

    signals: Signals
    values: FloatArray
    kept: BoolArray
    outside: dict[int, Outside] = field(default_factory=dict)

    def put(
        self,
        rows: IndexArray,
        matrix: Stored,
        unreadable: Collection[int],
        grounding: Grounding | None,
    ) -> None:
        """Take what the scores of `rows` say; `matrix` has those that are not `unreadable`."""
        self.kept[rows[list(unreadable)]] = False
        good = rows[matrix.index]
        if isinstance(matrix, EvidenceTable):
            if grounding is not None:
                self.signals.raw_confidence[good] = matrix.combine(grounding).total
            return
        again = compute_signals(matrix)
        self.signals.predicted[good] = again.predicted
        self.signals.raw_confidence[good] = again.raw_confidence
        self.signals.margin[good] = again.margin
        self.signals.entropy[good] = again.entropy
        self.values[good] = matrix.values
        for place, outside in matrix.outside.items():
            self.outside[int(good[place])] = outside


def _route(stored: RecentItems, spec: PolicySpec) -> tuple[Routes, BoolArray]:
    """Routes of all rows under `spec`, and which rows it can read; the others' routes are void."""
    reading = _take_stored(stored, spec)
    unsure = np.flatnonzero(_find_unsure(stored, spec))
    for start in range(0, len(unsure), CHUNK):
        rows = unsure[start : start + CHUNK]
        ids = [stored.item_id(row) for row in rows.tolist()]
        found = Item.objects.only("evidence" if spec.grounding else "scores").in_bulk(ids)
        matrix, errors = _lay_out(spec, [found[item_id] for item_id in ids])
        reading.put(rows, matrix, errors, spec.grounding)
    return route(
        spec, reading.signals, _make_matrix(spec, reading), stored.model_versions()
    ), reading.kept


def _lay_out(spec: PolicySpec, items: Sequence[Item]) -> tuple[Stored, Mapping[int, ScoreError]]:
    """What the items bring to be decided from."""
    return read_stored(spec, [item.evidence if spec.grounding else item.scores for item in items])


def _take_stored(stored: RecentItems, spec: PolicySpec) -> _Reading:
    places = {key: place for place, key in enumerate(spec.categories)}
    own = np.array([places.get(key, 0) for key in stored.categories], dtype=np.intp)
    values = np.zeros((len(stored), len(spec.categories)))
    for column in spec.table.watched.tolist():
        place = stored.watched.index(spec.categories[column])
        values[:, column] = stored.watch_scores[:, place]
    signals = Signals(
        predicted=own[np.maximum(stored.predicted, 0)],
        raw_confidence=stored.raw_confidence.copy(),
        margin=stored.margin.copy(),
        entropy=stored.entropy.copy(),
    )
    return _Reading(signals, values, np.ones(len(stored), dtype=np.bool_))


def _find_unsure(stored: RecentItems, spec: PolicySpec) -> BoolArray:
    """(n,) rows whose stored signals may not be what `spec` would read from the scores."""
    known = set(spec.categories)
    # One more at the end for decisions of a policy that is not listed: index -1.
    other = np.array([set(keys) != known for keys in stored.taxonomies] + [True])
    moved = np.array([keys != spec.categories for keys in stored.taxonomies] + [True])
    unsure = other[stored.made_with] | (moved[stored.made_with] & (stored.margin <= 0.0))
    unsure |= stored.predicted < 0
    weighed = np.array([own != spec.grounding for own in stored.groundings] + [True])
    unsure |= weighed[stored.made_with]
    for level, key in zip(spec.table.watch_levels.tolist(), watched_keys(spec), strict=True):
        # Scores are watched after a division by their sum, which is at most MOST.
        posted = stored.watch_scores[:, stored.watched.index(key)]
        unsure |= (posted >= level - _SLACK) & (posted / MOST < level + _SLACK)
    return unsure


def _make_matrix(spec: PolicySpec, reading: _Reading) -> ScoreMatrix | None:
    """A matrix for watch levels and what is outside, all that routing reads of it."""
    if spec.grounding:
        return None
    count = len(reading.values)
    return ScoreMatrix(
        categories=spec.categories,
        index=np.arange(count),
        posted=reading.values,
        values=reading.values,
        listed=np.ones(reading.values.shape, dtype=np.bool_),
        missing=np.zeros(count),
        outside=reading.outside,
    )


def _explain(
    stored: RecentItems, moves: Sequence[Move], before: PolicySpec, after: PolicySpec
) -> dict[int, Example]:
    """Each move's few rows with their reasons, by row; none of what is still to be judged blind."""
    rows = [row for move in moves for row in move.rows]
    told = Item.objects.exclude(answers_hidden("id"))
    items = told.only("external_id", "scores", "evidence", "model_version").in_bulk(
        [stored.item_id(row) for row in rows]
    )
    rows = [row for row in rows if stored.item_id(row) in items]
    if not rows:
        return {}
    found = [items[stored.item_id(row)] for row in rows]
    versions = [item.model_version for item in found]
    outcomes = [
        decide(
            spec,
            _lay_out(spec, found)[0],
            model_versions=versions,
            opinions=read_opinions(spec, [item.id for item in found]),
        )
        for spec in (before, after)
    ]
    return {
        row: Example(
            item.id,
            item.external_id,
            tuple(reason.message for reason in explain_move(old, new)),
        )
        for row, item, old, new in zip(rows, found, *outcomes, strict=True)
    }
