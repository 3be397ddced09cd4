"""What another policy does to the same items: how many go where, from where, and by which rule.

Outcomes are actions, not queues: a reject that goes to an expert is not one that is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routing.core.reasons import Cause, Reason
from routing.core.rules import ACTIONS, Decision, Routes
from routing.core.signals import BoolArray, IndexArray


@dataclass(frozen=True, slots=True)
class Move:
    """The items that one pair of outcomes has in common.

    before, after: the action under each policy; items: how many; causes: rules that account for
    the move with the number of items each, most first; rows: the first few of those items.
    """

    before: str
    after: str
    items: int
    causes: tuple[tuple[Cause, int], ...]
    rows: tuple[int, ...]


def count_actions(routes: Routes, kept: BoolArray) -> dict[str, int]:
    """Items by action, every action in the order of care; `kept` (n,) says which rows count."""
    counts = np.bincount(routes.action[kept], minlength=len(ACTIONS)).tolist()
    return dict(zip(ACTIONS, counts, strict=True))


def find_moves(before: Routes, after: Routes, kept: BoolArray, *, most_rows: int) -> list[Move]:
    """Every change of outcome among the `kept` (n,) rows, the most frequent first.

    Both routes are of the same n items.
    """
    pairs = before.action * len(ACTIONS) + after.action
    pairs[~kept | (before.action == after.action)] = -1
    found = [
        _describe(before, after, np.flatnonzero(pairs == pair), most_rows)
        for pair in np.unique(pairs[pairs >= 0]).tolist()
    ]
    return sorted(found, key=lambda move: -move.items)


def explain_move(before: Decision, after: Decision) -> tuple[Reason, ...]:
    """Why one item moves: reasons that only the more careful outcome has.

    Where it has none, those that only the other has (what lifted it); else all of them.
    """
    careful, other = (after, before) if _care(after) >= _care(before) else (before, after)
    return _without(careful, other) or _without(other, careful) or careful.reasons


def _without(decision: Decision, other: Decision) -> tuple[Reason, ...]:
    shared = {reason.message for reason in other.reasons}
    return tuple(reason for reason in decision.reasons if reason.message not in shared)


def _care(decision: Decision) -> int:
    return ACTIONS.index(decision.action)


def _describe(before: Routes, after: Routes, rows: IndexArray, most_rows: int) -> Move:
    old, new = int(before.action[rows[0]]), int(after.action[rows[0]])
    careful, other = (after, before) if new > old else (before, after)
    fired = careful.causes[rows] & ~other.causes[rows]
    # Below the auto band confidence speaks under both policies; what counts is another band.
    fired |= np.where(careful.band[rows] != other.band[rows], int(Cause.BAND), 0)
    return Move(
        before=ACTIONS[old],
        after=ACTIONS[new],
        items=len(rows),
        causes=_count_causes(fired.tolist()),
        rows=tuple(rows[:most_rows].tolist()),
    )


def _count_causes(fired: Sequence[int]) -> tuple[tuple[Cause, int], ...]:
    counts = [(cause, sum(1 for bits in fired if bits & cause)) for cause in Cause]
    return tuple(sorted((pair for pair in counts if pair[1]), key=lambda pair: -pair[1]))
