"""Decisions as upstream sees them, stored or only tried."""

from typing import Final

from reviewqueue.intake import Taken
from reviewqueue.models import Verdict
from routing.core.rules import Decision as Outcome
from routing.items import reason_documents
from routing.models import Decision

UNCERTAIN: Final = "No answer is certain enough to act on; treat this item as unanswered."


def answer_taken(taken: Taken) -> dict[str, object]:
    """A decision, stored or only tried, as a `DecisionOut`."""
    made = taken.made
    documents = made.reasons if isinstance(made, Decision) else reason_documents(made)
    return {
        "id": str(taken.decision_id) if taken.decision_id else None,
        "external_id": taken.external_id,
        **_facts(made),
        "reasons": [_flat(document) for document in documents],
        "policy_version": taken.policy_version,
    }


def _facts(made: Decision | Outcome) -> dict[str, object]:
    candidates = [{"category": key, "probability": p} for key, p in made.alternatives]
    refused = made.action == "refuse"
    return {
        "queue": made.queue,
        "action": made.action,
        "category": made.category or None,
        "predicted": made.predicted,
        "confidence": made.confidence,
        "raw_confidence": made.raw_confidence,
        "margin": made.margin,
        "entropy": made.entropy,
        "alternatives": candidates,
        "watch": list(made.watch),
        "uncertain": {"message": UNCERTAIN, "candidates": candidates} if refused else None,
    }


def _flat(reason: dict[str, object]) -> dict[str, object]:
    """A stored reason with its numbers beside its code and message."""
    numbers = reason["numbers"]
    beside = numbers if isinstance(numbers, dict) else {}
    return {**beside, "code": reason["code"], "message": reason["message"]}


def answer_verdict(verdict: Verdict | None) -> dict[str, object] | None:
    """A verdict that upstream may know, as a `VerdictOut`."""
    if verdict is None:
        return None
    return {
        "kind": verdict.kind,
        "categories": verdict.categories,
        "proposed_name": verdict.proposed_name,
        "comment": verdict.comment,
        "answered_at": verdict.answered_at.isoformat(),
    }
