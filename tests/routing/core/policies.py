"""Policies and short cuts that several tests of the decision use."""

from collections.abc import Mapping, Sequence

from routing.core.policy import CategoryRule, CutOffs, Policy
from routing.core.rules import Decision, decide
from routing.core.signals import score_matrix

HELPDESK = ("account_unlock", "vpn_issue", "security_incident")
DEFAULT = CutOffs(auto=0.90, flagged=0.70, hold=0.50)

# The policy of the worked examples: no flagged band, everything else hold.
CLASS_AWARE = Policy(
    version=3,
    categories=HELPDESK,
    cut_offs=CutOffs(auto=0.80, flagged=0.80, hold=0.0),
    min_margin=0.30,
    max_entropy=0.45,
    escalate_entropy=0.80,
    rules={
        "vpn_issue": CategoryRule(auto=0.72, flagged=0.72),
        "security_incident": CategoryRule(auto=0.60, flagged=0.60, watch=0.34),
    },
)


def decide_rows(
    policy: Policy, rows: Sequence[Mapping[str, float]], *, model_version: str = "v1"
) -> list[Decision]:
    """Decide on rows that are all good."""
    matrix, errors = score_matrix(policy.categories, rows)
    assert errors == {}
    return decide(policy, matrix, model_versions=[model_version] * len(rows))


def decide_one(policy: Policy, *scores: float, model_version: str = "v1") -> Decision:
    """Decide on one item whose scores are given in category order."""
    row = dict(zip(policy.categories, scores, strict=True))
    return decide_rows(policy, [row], model_version=model_version)[0]
