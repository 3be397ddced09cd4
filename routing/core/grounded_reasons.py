"""What a drafted sentence's confidence is made of, and what it is to be warned of, as reasons."""

from collections.abc import Mapping
from typing import Final

from routing.core.evidence import STALE, Evidence, EvidenceTable
from routing.core.grounding import Composite, Grounding
from routing.core.reasons import Reason
from routing.core.signals import show_number

COMPOSITE: Final = "composite"


def explain_composites(
    grounding: Grounding, table: EvidenceTable, composite: Composite
) -> list[tuple[Reason, ...]]:
    """What each sentence's raw confidence is made of; nothing where no block supports it."""
    columns = {
        "gap_share": composite.share,
        "entailment_part": composite.entailment,
        "gap_part": composite.gap,
        "claims_part": composite.claims,
        "composite": composite.total,
    }
    parts = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [
        (_explain_composite(grounding, row, dict(zip(columns, numbers, strict=True))),)
        if row.blocks
        else ()
        for row, numbers in zip(table.rows, parts, strict=True)
    ]


def _explain_composite(grounding: Grounding, row: Evidence, parts: Mapping[str, float]) -> Reason:
    weights = grounding.entailment_weight, grounding.gap_weight, grounding.claims_weight
    by_entailment, by_gap, by_claims = map(show_number, weights)
    message = (
        f"entailment {row.entailment:.2f} × {by_entailment} + gap {parts['gap_share']:.2f} × "
        f"{by_gap} + 1/{max(1, row.claims)} × {by_claims} = {parts['composite']:.2f}"
    )
    numbers: dict[str, float | str] = {
        "entailment_probability": row.entailment,
        "claim_count": row.claims,
        "gap": row.gap,
        **parts,
        "block": row.block,
    }
    return Reason(COMPOSITE, message, numbers)


def explain_warnings(row: Evidence) -> tuple[Reason, ...]:
    """The warnings of a sentence as reasons; none of them moves it to another queue."""
    return tuple(Reason(code, _word(code, numbers), numbers) for code, numbers in row.warnings)


def _word(code: str, numbers: Mapping[str, float | str]) -> str:
    if code == STALE:
        age, limit = int(numbers["age_days"]), int(numbers["limit_days"])
        return f"the cited block is {age:,} days old, over the limit of {limit:,}"
    count = int(numbers["count"])
    if count == 1:
        return "a number of the sentence stands in no block"
    return f"{count} numbers of the sentence stand in no block"
