"""Decisions as upstream sees them, stored or only tried."""

from collections.abc import Sequence
from typing import Final

from reviewqueue.intake import Tried
from reviewqueue.models import Verdict
from routing.core.rules import Decision as Outcome
from routing.items import reason_documents
from routing.models import Decision

ACTING: Final = ("act", "act_and_review")
UNCERTAIN: Final = "No answer is certain enough to act on; treat this item as unanswered."


def answer_decision(decision: Decision) -> dict[str, object]:
    """A stored decision, its item and policy loaded, as a `DecisionOut`."""
    return {
        "id": str(decision.id),
        "external_id": decision.item.external_id,
        **_facts(decision, decision.alternatives),
        "reasons": _flat(decision.reasons),
        "policy_version": decision.policy.version,
    }


def answer_tried(tried: Tried, external_id: str) -> dict[str, object]:
    """An outcome of which nothing is stored, as a `DecisionOut` without an id."""
    return {
        "id": None,
        "external_id": external_id,
        **_facts(tried.outcome, tried.outcome.alternatives),
        "reasons": _flat(reason_documents(tried.outcome)),
        "policy_version": tried.policy_version,
    }


def _facts(made: Decision | Outcome, alternatives: Sequence[Sequence[object]]) -> dict[str, object]:
    candidates = [{"category": key, "probability": p} for key, p in alternatives]
    refused = made.action == "refuse"
    return {
        "queue": made.queue,
        "action": made.action,
        "category": made.predicted if made.action in ACTING else None,
        "predicted": made.predicted,
        "confidence": made.confidence,
        "raw_confidence": made.raw_confidence,
        "margin": made.margin,
        "entropy": made.entropy,
        "alternatives": candidates,
        "watch": list(made.watch),
        "uncertain": {"message": UNCERTAIN, "candidates": candidates} if refused else None,
    }


def _flat(reasons: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Each reason's numbers beside its code and message."""
    flat = []
    for reason in reasons:
        numbers = reason["numbers"]
        beside = numbers if isinstance(numbers, dict) else {}
        flat.append({**beside, "code": reason["code"], "message": reason["message"]})
    return flat


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
