"""What speaks for a drafted sentence: read from its post once, kept small, and decided from.

A sentence comes with the blocks that were retrieved for it and with signals. Of these the decision
needs no more than an `Evidence`: the two signals, the reranker's gap, how many blocks there are,
which of them is cited, and what is to be warned of. It stands beside the item, so that a decision
can be made again without reading the blocks.

The cited block is the one with the highest score, the first that was posted among equals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import numpy as np

from routing.core.grounding import Composite, Grounding
from routing.core.maps import FloatArray
from routing.core.numbers import Span, find_unsupported
from routing.core.signals import (
    DECIMALS,
    IndexArray,
    ScoreError,
    Signals,
    show_value,
)

MOST_CLAIMS: Final = 1_000
# The gap is taken to the block in this place, or to the last where there are fewer.
GAP_TO: Final = 5
ENTAILMENT: Final = "entailment_probability"
COUNT: Final = "claim_count"
STALE: Final = "stale_source"
NOT_FOUND: Final = "number_not_found"
WARNINGS: Final = (STALE, NOT_FOUND)


class EvidenceError(ScoreError):
    """Signals of a sentence that cannot be used; `field` is the place, as `ScoreError` has it."""


class Evidence(NamedTuple):
    """What is decided from: see the module.

    entailment 0..1; claims, a count; gap on the reranker's scale, from 0; blocks, a count; block,
    the id of the cited one, "" where there is none; warnings, each a code with its numbers.
    """

    entailment: float
    claims: int
    gap: float
    blocks: int
    block: str
    warnings: tuple[tuple[str, Mapping[str, float | str]], ...] = ()

    def to_json(self) -> dict[str, object]:
        """As it is stored; `from_json` reads it back equal."""
        return {
            ENTAILMENT: self.entailment,
            COUNT: self.claims,
            "gap": self.gap,
            "blocks": self.blocks,
            "block": self.block,
            "warnings": [{"code": code, "numbers": dict(found)} for code, found in self.warnings],
        }

    @classmethod
    def from_json(cls, document: Any) -> "Evidence":
        """Raises EvidenceError where the document is not what `to_json` makes."""
        try:
            return cls(
                entailment=float(document[ENTAILMENT]),
                claims=int(document[COUNT]),
                gap=float(document["gap"]),
                blocks=int(document["blocks"]),
                block=str(document["block"]),
                warnings=tuple((each["code"], each["numbers"]) for each in document["warnings"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EvidenceError(
                f"evidence cannot be read: {type(error).__name__} {error}",
                field="evidence",
                value=document,
            ) from error


@dataclass(frozen=True, slots=True)
class EvidenceTable:
    """The evidence of n sentences; index (n,) is the place of each in what was posted."""

    index: IndexArray
    rows: tuple[Evidence, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def combine(self, grounding: Grounding) -> Composite:
        """The composites under a policy's weights."""
        return grounding.combine(
            entailment=np.array([row.entailment for row in self.rows], dtype=np.float64),
            gap=np.array([row.gap for row in self.rows], dtype=np.float64),
            claims=np.array([row.claims for row in self.rows], dtype=np.int64),
            blocks=np.array([row.blocks for row in self.rows], dtype=np.int64),
        )


def read_evidence(
    *,
    sentence: str,
    signals: Mapping[str, object],
    blocks: Sequence[Mapping[str, Any]],
    claims: Sequence[Mapping[str, Any]] = (),
    received: date,
    freshness_days: int | None,
) -> Evidence:
    """The evidence of one post, whose blocks and claims were checked for form.

    Where claims come without signals of their own, their number is the claim count and the least
    of their probabilities the sentence's: it is supported only if every claim is.

    Raises:
        EvidenceError: a signal is missing or no number in its range; names it.
    """
    own: dict[str, object] = {}
    if claims:
        own = {ENTAILMENT: min(float(each[ENTAILMENT]) for each in claims), COUNT: len(claims)}
    known = own | dict(signals)
    entailment = _read_probability(known)
    count = _read_count(known)
    if claims and count != len(claims):
        raise EvidenceError(
            f"signals.{COUNT} is {count} but {len(claims)} claims are posted; "
            "make them agree or leave it out",
            field=f"signals.{COUNT}",
            value=count,
        )
    ranked = rank_blocks(blocks)
    scores = [float(block["score"]) for block in ranked[:GAP_TO]]
    warnings = [
        *_find_stale(ranked[:1], received, freshness_days),
        *(_find_numbers(sentence, ranked) if ranked else ()),
    ]
    return Evidence(
        entailment=entailment,
        claims=count,
        gap=round(scores[0] - scores[-1], DECIMALS) if scores else 0.0,
        blocks=len(ranked),
        block=str(ranked[0]["id"]) if ranked else "",
        warnings=tuple(warnings),
    )


def rank_blocks(blocks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The blocks by score, best first; equals in the order in which they were posted."""
    return sorted(blocks, key=lambda block: -float(block["score"]))


def read_date(text: str) -> date:
    """The day of a block's date, which may have a time; ValueError where it is none."""
    return datetime.fromisoformat(text).date()


def read_places(text: object) -> list[Span]:
    """The places in the sentence that a `number_not_found` warning tells of."""
    pairs = (place.split("-") for place in str(text).split())
    return [Span(int(start), int(end)) for start, end in pairs]


def ground_signals(grounding: Grounding, table: EvidenceTable) -> tuple[Signals, Composite]:
    """The signals by which sentences are routed; each is predicted to be supported.

    Margin and entropy are about several categories and are 0.
    """
    composite = table.combine(grounding)
    return make_signals(composite.total), composite


def make_signals(confidence: FloatArray) -> Signals:
    """Signals of n sentences with these composites (n,)."""
    return Signals(
        predicted=np.zeros(len(confidence), dtype=np.intp),
        raw_confidence=confidence,
        margin=np.zeros(len(confidence)),
        entropy=np.zeros(len(confidence)),
    )


def _find_stale(
    top: Sequence[Mapping[str, Any]], received: date, limit: int | None
) -> list[tuple[str, Mapping[str, float | str]]]:
    if limit is None or not top or not top[0].get("date"):
        return []
    age = (received - read_date(str(top[0]["date"]))).days
    if age <= limit:
        return []
    return [(STALE, {"block": str(top[0]["id"]), "age_days": age, "limit_days": limit})]


def _find_numbers(
    sentence: str, blocks: Sequence[Mapping[str, Any]]
) -> list[tuple[str, Mapping[str, float | str]]]:
    """By their places: the words themselves stay in the payload."""
    sources = (f"{block.get('title', '')}\n{block['text']}" for block in blocks)
    found = find_unsupported(sentence, sources)
    if not found:
        return []
    places = " ".join(f"{span.start}-{span.end}" for span in found)
    return [(NOT_FOUND, {"count": len(found), "places": places})]


def _read_probability(signals: Mapping[str, object]) -> float:
    value = _find_signal(signals, ENTAILMENT, "how probably a block supports the sentence")
    # Asked before any conversion: an integer may be too large for a float.
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
        raise EvidenceError(
            f"signals.{ENTAILMENT} is {show_value(value)}; give a number from 0 to 1",
            field=f"signals.{ENTAILMENT}",
            value=value,
        )
    return round(float(value), DECIMALS)


def _read_count(signals: Mapping[str, object]) -> int:
    value = _find_signal(signals, COUNT, "how many claims the sentence makes")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= MOST_CLAIMS or value != int(value):  # type: ignore[operator, call-overload]
        raise EvidenceError(
            f"signals.{COUNT} is {show_value(value)}; give a whole number from 0 to {MOST_CLAIMS}",
            field=f"signals.{COUNT}",
            value=value,
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


def _find_signal(signals: Mapping[str, object], name: str, meaning: str) -> object:
    if name not in signals:
        raise EvidenceError(
            f"signals.{name} is missing; add {meaning}", field=f"signals.{name}", value=None
        )
    return signals[name]


def evidence_table(
    rows: Sequence[Evidence | EvidenceError],
) -> tuple[EvidenceTable, dict[int, ScoreError]]:
    """The good rows, in order, and the error of each other one by its index."""
    good = [number for number, row in enumerate(rows) if isinstance(row, Evidence)]
    table = EvidenceTable(
        index=np.array(good, dtype=np.intp),
        rows=tuple(row for row in rows if isinstance(row, Evidence)),
    )
    errors: dict[int, ScoreError] = {
        number: row for number, row in enumerate(rows) if isinstance(row, EvidenceError)
    }
    return table, errors


def stored_evidence(
    documents: Sequence[Any],
) -> tuple[EvidenceTable, dict[int, ScoreError]]:
    """As it was stored with items that were taken in before."""
    rows: list[Evidence | EvidenceError] = []
    for document in documents:
        try:
            rows.append(Evidence.from_json(document))
        except EvidenceError as error:
            rows.append(error)
    return evidence_table(rows)
