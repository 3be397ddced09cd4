"""Which categories get mixed up in a cohort, read of its newest labels and decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np

from calibration.core.ambiguity import (
    ClosePair,
    ConfusedPair,
    NamedPair,
    close_pairs,
    confused_pairs,
    named_pairs,
)
from calibration.core.estimates import FloatArray
from calibration.labels import CodeArray, Cohort, decisions_of, labels_of

MOST_LABELS: Final = 30_000
MOST_DECISIONS: Final = 30_000

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Said:
    """n labels, the last settled first: what the model said and, by label, all that would do.

    `predicted` (n,) and `truth` are numbers of `categories`; a label that fits no category has an
    empty truth.
    """

    categories: tuple[str, ...]
    items: tuple[UUID, ...]
    verdicts: tuple[UUID | None, ...]
    predicted: CodeArray
    truth: tuple[tuple[int, ...], ...]
    pi: FloatArray

    @property
    def fits_none(self) -> list[int]:
        """Places of the labels that fit no category."""
        return [place for place, keys in enumerate(self.truth) if not keys]


@dataclass(frozen=True, slots=True)
class Mixups:
    """The pairs that labels and scores speak of, by the numbers of `said.categories`.

    `errors` labels are wrong and name another category, `items` decisions were looked at for close
    pairs.
    """

    said: Said
    confused: Mapping[Pair, ConfusedPair]
    named: Mapping[Pair, NamedPair]
    close: Mapping[Pair, ClosePair]
    errors: int
    items: int

    def examples(self, model: int, people: int, *, most: int) -> list[UUID]:
        """The newest items that the model called `model` and people `people`."""
        found = [
            item
            for item, said, truth in zip(
                self.said.items, self.said.predicted.tolist(), self.said.truth, strict=True
            )
            if said == model and people in truth and model not in truth
        ]
        return found[:most]


def find_mixups(*, cohort: Cohort, categories: Sequence[str]) -> Mixups:
    """Pairs among `categories`, in two queries of at most 30,000 rows each.

    What names a category outside of these is left out.
    """
    numbers = {key: number for number, key in enumerate(categories)}
    said = _read_labels(cohort, numbers)
    first, second, margin = _read_top_two(cohort, numbers)
    size = len(categories)
    confused = confused_pairs(
        predicted=said.predicted, truth=said.truth, pi=said.pi, categories=size
    )
    named = named_pairs(truth=said.truth, pi=said.pi, categories=size)
    close = close_pairs(first=first, second=second, margin=margin, categories=size)
    wrong = [
        bool(truth) and said_here not in truth
        for said_here, truth in zip(said.predicted.tolist(), said.truth, strict=True)
    ]
    return Mixups(
        said=said,
        confused={(each.first, each.second): each for each in confused},
        named={(each.first, each.second): each for each in named},
        close={(each.first, each.second): each for each in close},
        errors=sum(wrong),
        items=len(first),
    )


def _read_labels(cohort: Cohort, numbers: Mapping[str, int]) -> Said:
    newest = labels_of(cohort).order_by("-settled_at", "-id")[:MOST_LABELS]
    columns = ("item_id", "verdict_id", "decision__predicted", "categories", "pi")
    rows = [
        row
        for row in newest.values_list(*columns)
        if row[2] in numbers and all(key in numbers for key in row[3])
    ]
    return Said(
        categories=tuple(numbers),
        items=tuple(row[0] for row in rows),
        verdicts=tuple(row[1] for row in rows),
        predicted=np.array([numbers[row[2]] for row in rows], dtype=np.int32),
        truth=tuple(tuple(numbers[key] for key in row[3]) for row in rows),
        pi=np.array([row[4] for row in rows], dtype=np.float64),
    )


def _read_top_two(
    cohort: Cohort, numbers: Mapping[str, int]
) -> tuple[CodeArray, CodeArray, FloatArray]:
    """The two best categories of the newest decisions that list two, and the margin between."""
    newest = decisions_of(cohort).order_by("-decided_at", "-id")[:MOST_DECISIONS]
    columns = ("alternatives__0__0", "alternatives__1__0", "margin")
    rows = [row for row in newest.values_list(*columns) if row[0] in numbers and row[1] in numbers]
    return (
        np.array([numbers[row[0]] for row in rows], dtype=np.int32),
        np.array([numbers[row[1]] for row in rows], dtype=np.int32),
        np.array([row[2] for row in rows], dtype=np.float64),
    )
