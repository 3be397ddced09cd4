"""A sample of a stream's past to try policies on: what routing reads of its items, as arrays.

The signals are read from the stored scores once, over the categories of one policy; then every
policy that differs from it by cut-offs alone is tried in milliseconds, without the database.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from io import BytesIO
from itertools import islice
from typing import Final, Self, TypeVar

import numpy as np
import numpy.typing as npt

from calibration.core.estimates import FloatArray
from calibration.labels import Cohort, count_routed, decisions_of, labels_of
from routing.core.policy import Policy
from routing.core.signals import Outside, ScoreMatrix, Signals
from routing.core.stored import find_signals, read_stored
from routing.models.draws import is_drawn_by_id

# Shares of so many items are known to half a point, and trying a policy on them takes 30 ms.
MOST_ITEMS: Final = 50_000
MOST_LABELS: Final = 30_000
CHUNK: Final = 2_000

T = TypeVar("T")
ShortArray = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Readings:
    """What routing reads of n items, (n,) each, under one policy's categories.

    `watched` (n, W) are the scores of its W watched categories, `outside` the mass on categories
    that it does not have.
    """

    predicted: ShortArray
    raw_confidence: FloatArray
    margin: FloatArray
    entropy: FloatArray
    watched: FloatArray
    outside: FloatArray

    def __len__(self) -> int:
        return len(self.predicted)

    def signals(self) -> Signals:
        """As `route` takes them."""
        return Signals(
            predicted=self.predicted.astype(np.intp),
            raw_confidence=self.raw_confidence,
            margin=self.margin,
            entropy=self.entropy,
        )

    def matrix(self, policy: Policy) -> ScoreMatrix | None:
        """Scores of watched categories and what is outside; None where routing reads neither."""
        strange = np.flatnonzero(self.outside)
        if not len(policy.table.watched) and not len(strange):
            return None
        values = np.zeros((len(self), len(policy.categories)))
        values[:, policy.table.watched] = self.watched
        return ScoreMatrix(
            categories=policy.categories,
            index=np.arange(len(self)),
            posted=values,
            values=values,
            listed=np.ones(values.shape, dtype=np.bool_),
            missing=np.zeros(len(self)),
            outside={row: Outside((), float(self.outside[row])) for row in strange.tolist()},
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """Items drawn from a cohort, and the labels that were settled last with their weights 1/pi.

    `correct` (m,) is 1 where the label agrees with the prediction.
    """

    items: Readings
    labelled: Readings
    correct: FloatArray
    weights: FloatArray

    def to_bytes(self) -> bytes:
        """The sample as an archive of arrays; `from_bytes` reads it back equal."""
        arrays = {"correct": self.correct, "weights": self.weights}
        for part in ("items", "labelled"):
            readings: Readings = getattr(self, part)
            arrays |= {
                f"{part}.{each.name}": getattr(readings, each.name) for each in fields(readings)
            }
        buffer = BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The sample that `to_bytes` wrote."""
        with np.load(BytesIO(data), allow_pickle=False) as stored:
            items, labelled = (
                Readings(**{each.name: stored[f"{part}.{each.name}"] for each in fields(Readings)})
                for part in ("items", "labelled")
            )
            return cls(items, labelled, stored["correct"], stored["weights"])


def read_sample(*, cohort: Cohort, policy: Policy) -> Sample:
    """The sample of a cohort under the policy's categories, in three queries.

    All its items, or about 50,000 of them drawn by their ids; 30,000 labels at most. Items whose
    scores the policy cannot read are left out.
    """
    read = "item__evidence" if cohort.stream.is_grounded else "item__scores"
    _first, routed = count_routed(cohort)
    is_drawn = is_drawn_by_id("item_id", MOST_ITEMS / max(routed, 1))
    drawn = decisions_of(cohort).filter(is_drawn).order_by("-decided_at", "-id")
    scores = drawn.values_list(read, flat=True).iterator(CHUNK)
    items = _join([_read(policy, rows)[0] for rows in _chunks(scores)], len(policy.table.watched))
    labels = labels_of(cohort).order_by("-settled_at", "-id")[:MOST_LABELS]
    parts: list[Readings] = []
    correct: list[bool] = []
    weights: list[float] = []
    columns = labels.values_list(read, "categories", "pi").iterator(CHUNK)
    for rows in _chunks(columns):
        readings, kept = _read(policy, [row[0] for row in rows])
        parts.append(readings)
        said = [policy.categories[place] for place in readings.predicted.tolist()]
        correct += [key in rows[row][1] for key, row in zip(said, kept, strict=True)]
        weights += [1.0 / float(rows[row][2] or 1.0) for row in kept]
    return Sample(
        items=items,
        labelled=_join(parts, len(policy.table.watched)),
        correct=np.array(correct, dtype=np.float64),
        weights=np.array(weights, dtype=np.float64),
    )


def _chunks(rows: Iterator[T]) -> Iterator[list[T]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _read(policy: Policy, scores: Sequence[Mapping[str, float]]) -> tuple[Readings, list[int]]:
    """The readings of score vectors, or of drafts' evidence, and which of these they are of."""
    stored, _errors = read_stored(policy, scores)
    matrix, signals = find_signals(policy, stored)
    readings = _as_readings(signals)
    if matrix is not None:
        outside = np.zeros(len(matrix))
        for row, found in matrix.outside.items():
            outside[row] = found.mass
        watched = matrix.values[:, policy.table.watched]
        readings = replace(readings, watched=watched, outside=outside)
    return readings, stored.index.tolist()


def _as_readings(signals: Signals) -> Readings:
    """Where nothing is watched and nothing outside."""
    count = len(signals)
    return Readings(
        predicted=signals.predicted.astype(np.int16),
        raw_confidence=signals.raw_confidence,
        margin=signals.margin,
        entropy=signals.entropy,
        watched=np.zeros((count, 0)),
        outside=np.zeros(count),
    )


def _join(parts: Sequence[Readings], watched: int) -> Readings:
    nothing = np.zeros(0)
    empty = Readings(
        np.zeros(0, dtype=np.int16), nothing, nothing, nothing, np.zeros((0, watched)), nothing
    )
    return replace(
        empty,
        **{
            each.name: np.concatenate([getattr(part, each.name) for part in [empty, *parts]])
            for each in fields(Readings)
        },
    )
