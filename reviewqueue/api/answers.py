"""Decisions, verdicts and policies as upstream sees them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

import msgspec
from django.http import HttpResponse

from reviewqueue.announcements import tell_grounds
from reviewqueue.intake import Taken
from reviewqueue.models import Verdict
from routing.core.policy import GATES, CategoryRule
from routing.core.policy import Policy as PolicySpec
from routing.core.rules import Decision as Outcome
from routing.models import Category, Decision, Policy
from routing.policies import published_spec

UNCERTAIN: Final = "No answer is certain enough to act on; treat this item as unanswered."


# What JSON has no type for is told as text.
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)


def respond_json(answer: dict[str, object], *, status: int = 200) -> HttpResponse:
    """An answer that is no problem."""
    return HttpResponse(_ENCODER.encode(answer), status=status, content_type="application/json")


def answer_taken(taken: Taken) -> dict[str, object]:
    """A decision, stored or only tried, as a `DecisionOut`."""
    made = taken.made
    candidates = [{"category": key, "probability": p} for key, p in made.alternatives]
    refused = made.action == "refuse"
    erased = {"erased_at": taken.erased_at.isoformat()} if taken.erased_at else {}
    return erased | {
        "id": taken.decision_id,
        "external_id": taken.external_id,
        "queue": made.queue,
        "action": made.action,
        "category": made.category or None,
        "predicted": made.predicted,
        "confidence": made.confidence,
        "raw_confidence": made.raw_confidence,
        "margin": made.margin,
        "entropy": made.entropy,
        "alternatives": candidates,
        "watch": made.watch,
        "uncertain": {"message": UNCERTAIN, "candidates": candidates} if refused else None,
        "reasons": _answer_reasons(made),
        "policy_version": taken.policy_version,
    }


def _answer_reasons(made: Decision | Outcome) -> list[dict[str, object]]:
    """Reasons with their numbers beside their code and message."""
    if isinstance(made, Decision):
        return [flat_reason(document) for document in made.reasons]
    return [{**numbers, "code": code, "message": text} for code, text, numbers in made.reasons]


def flat_reason(reason: Mapping[str, object]) -> dict[str, object]:
    """A stored reason with its numbers beside its code and message."""
    numbers = reason["numbers"]
    beside = numbers if isinstance(numbers, dict) else {}
    return {**beside, "code": reason["code"], "message": reason["message"]}


def answer_verdict(
    verdict: Verdict | None, *, is_grounded: bool = False
) -> dict[str, object] | None:
    """A verdict that upstream may know, as a `VerdictOut`."""
    if verdict is None:
        return None
    return {
        "kind": verdict.kind,
        "categories": verdict.categories,
        "proposed_name": verdict.proposed_name,
        "comment": verdict.comment,
        "answered_at": verdict.answered_at.isoformat(),
        **(tell_grounds(verdict) if is_grounded else {}),
    }


def answer_policy(policy: Policy) -> dict[str, object]:
    """A published policy, its stream loaded, as a `PolicyOut`."""
    spec = published_spec(policy.id)
    rows = Category.objects.filter(stream_id=policy.stream_id, key__in=spec.categories)
    known = {row.key: row for row in rows}
    whole = spec.map_for("")
    return {
        "stream": policy.stream.key,
        "version": spec.version,
        "title": policy.title,
        "published_at": policy.published_at.isoformat() if policy.published_at else None,
        "cut_offs": asdict(spec.cut_offs),
        "gates": {name: getattr(spec, name) for name in GATES},
        "reject_action": spec.reject_action,
        "calibration": {
            "map": whole.kind if whole else None,
            "model_versions": list(spec.model_versions),
            "on_other_model": spec.on_other_model,
            "uncalibrated": spec.uncalibrated,
            "distrusted": _distrusted(spec),
        },
        "fallback": list(spec.fallback.steps),
        **({"grounding": spec.grounding.to_json()} if spec.grounding else {}),
        "categories": [_category(spec, known[key]) for key in spec.categories],
    }


def _category(spec: PolicySpec, row: Category) -> dict[str, object]:
    rule, own = spec.rules.get(row.key, CategoryRule()), spec.map_for(row.key)
    return {
        "key": row.key,
        "label": row.label,
        "definition": row.definition,
        "cut_offs": asdict(spec.effective(row.key)),
        "watch": rule.watch,
        "mandatory_review": rule.mandatory_review,
        "mandatory_reason": rule.mandatory_reason,
        "map": own.kind if own else None,
    }


def _distrusted(spec: PolicySpec) -> list[dict[str, object]]:
    """Cells whose confidence was found to be too high, from a confidence up to another."""
    edges = (0.0, *spec.reporting_edges, 1.0)
    return [
        {"category": category, "from": edges[band], "to": edges[band + 1]}
        for category, band in sorted(spec.distrusted)
    ]
