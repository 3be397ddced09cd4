"""Policies with a chain, items for it, and short cuts that its tests use."""

from collections.abc import Mapping
from typing import Any

from routing.core.fallback import Fallback
from routing.core.keywords import KeywordRule
from routing.core.maps import CalibrationMap
from routing.core.policy import CategoryRule, Policy
from routing.core.rules import Decision, Opinions, Reason, RemoteAnswer, decide
from routing.core.signals import score_matrix
from tests.routing.core.policies import DEFAULT, HELPDESK

HELD = {"account_unlock": 0.31, "vpn_issue": 0.52, "security_incident": 0.17}
REFUSED = {"account_unlock": 0.34, "vpn_issue": 0.4, "security_incident": 0.26}
SURE = {"account_unlock": 0.96, "vpn_issue": 0.03, "security_incident": 0.01}
LIKELY = {"account_unlock": 0.8, "vpn_issue": 0.15, "security_incident": 0.05}
WEAK = {"account_unlock": 0.6, "vpn_issue": 0.25, "security_incident": 0.15}
RULES = (
    KeywordRule("locked", "keyword", "locked", "account_unlock", 0.95),
    KeywordRule("drops", "keyword", "drops", "vpn_issue", 0.9),
    KeywordRule("vpn", "keyword", "vpn", "vpn_issue", 0.75),
    KeywordRule("maybe", "keyword", "maybe", "vpn_issue", 0.6),
)


def make_policy(*steps: str, **fields: Any) -> Policy:
    source_maps: Mapping[str, CalibrationMap] = fields.pop("source_maps", {})
    fallback = Fallback(
        steps=steps, keyword_rules=RULES, remote_model="large", source_maps=source_maps
    )
    return Policy(
        version=1,
        categories=HELPDESK,
        **{"cut_offs": DEFAULT, "min_margin": 0.3, "fallback": fallback, **fields},
    )


def decide_one(
    policy: Policy,
    scores: Mapping[str, float] = HELD,
    *,
    secondary: Any = None,
    matched: tuple[str, ...] = (),
    remote: RemoteAnswer | None = None,
    full: bool = False,
    version: str = "v1",
) -> Decision:
    matrix, errors = score_matrix(policy.categories, [scores])
    assert errors == {}
    opinions = Opinions([secondary or {}], [matched], [remote])
    made = decide(policy, matrix, model_versions=[version], opinions=opinions, full=[full])
    return made[0]


def last(decision: Decision) -> Reason:
    return decision.reasons[-1]


def outcome(decision: Decision) -> tuple[str, str, str | None, str]:
    return decision.queue, decision.action, decision.category, decision.source


HELD_AS_BEFORE = ("hold", "wait", None, "")
MANDATORY = CategoryRule(mandatory_review=True, mandatory_reason="law")
