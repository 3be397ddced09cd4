"""Scores on categories that the policy does not have: held where they outweigh its own best."""

from dataclasses import replace

import pytest

from routing.core.chain import Opinions
from routing.core.fallback import Fallback
from routing.core.maps import CalibrationMap
from routing.core.policy import CutOffs, Policy
from routing.core.rules import Decision, decide
from routing.core.signals import stored_matrix
from tests.routing.core.policies import CLASS_AWARE, DEFAULT, HELPDESK

PLAIN = Policy(version=1, categories=HELPDESK, cut_offs=DEFAULT)


def decide_with_others(policy: Policy, row: dict[str, float]) -> Decision:
    matrix, errors = stored_matrix(policy.categories, [row])
    assert errors == {}
    return decide(policy, matrix, model_versions=["v1"])[0]


def test_an_item_that_is_most_likely_outside_the_policy_is_held_and_says_so() -> None:
    policy = replace(PLAIN, cut_offs=CutOffs(auto=0.3, flagged=0.3, hold=0.0), min_margin=0.3)
    row = {"account_unlock": 0.36, "vpn_issue": 0.01, "security_incident": 0.01, "old_vpn": 0.62}
    decision = decide_with_others(policy, row)
    assert (decision.queue, decision.predicted, decision.margin) == ("hold", "account_unlock", 0.35)
    assert decision.open_to_fallback is True
    assert decision.alternatives == (
        ("account_unlock", 0.36),
        ("vpn_issue", 0.01),
        ("security_incident", 0.01),
    )
    [reason] = decision.reasons
    assert (reason.code, reason.message) == (
        "outside_policy",
        "0.62 on old_vpn, which this policy does not have; its own best has 0.36",
    )
    assert reason.numbers == {"category": "old_vpn", "more": 0, "outside": 0.62, "top": 0.36}


@pytest.mark.parametrize(
    ("mass", "queue"), [(0.5, "hold"), (0.499999999, "auto"), (0.2, "auto"), (0.0, "auto")]
)
def test_less_outside_than_the_best_is_missing_mass_and_no_more(mass: float, queue: str) -> None:
    policy = replace(PLAIN, cut_offs=CutOffs(auto=0.4, flagged=0.4, hold=0.0))
    assert decide_with_others(policy, {"vpn_issue": 0.5, "old_vpn": mass}).queue == queue


def test_several_categories_outside_are_counted_together() -> None:
    policy = replace(PLAIN, cut_offs=CutOffs(auto=0.4, flagged=0.4, hold=0.0))
    row = {"vpn_issue": 0.4, "a_old": 0.2, "b_old": 0.25, "c_old": 0.15}
    [reason] = decide_with_others(policy, row).reasons
    assert reason.message == (
        "0.60 on b_old and 2 more, which this policy does not have; its own best has 0.40"
    )


def test_all_mass_outside_is_a_decision_and_never_acted_on() -> None:
    lifting = CalibrationMap("isotonic", (), ((0.0, 0.97), (1.0, 1.0)))
    policy = replace(PLAIN, maps={"": lifting}, model_versions=("v1",))
    decision = decide_with_others(policy, {"old_vpn": 1.0})
    assert (decision.queue, decision.predicted, decision.raw_confidence) == (
        "hold",
        "account_unlock",
        0.0,
    )
    assert decision.confidence == 0.97
    assert decision.alternatives == ()
    refused = decide_with_others(PLAIN, {"old_vpn": 1.0})
    assert (refused.queue, refused.action, refused.category) == ("reject", "refuse", None)


@pytest.mark.parametrize(
    ("last", "queue", "action", "category"),
    [("person", "hold", "wait", None), ("uncertain", "reject", "refuse", None)],
)
def test_what_is_mostly_outside_goes_down_the_chain_past_every_second_opinion(
    last: str, queue: str, action: str, category: str | None
) -> None:
    policy = replace(PLAIN, fallback=Fallback(steps=("secondary", last)))
    rows = [{"vpn_issue": 0.3, "old_vpn": 0.6}, {"vpn_issue": 0.45, "old_vpn": 0.4}]
    matrix, _errors = stored_matrix(policy.categories, rows)
    opinions = Opinions(secondary=[{"vpn_issue": 0.99}] * 2, matched=[()] * 2, remote=[None] * 2)
    strange, other = decide(policy, matrix, model_versions=["v1"] * 2, opinions=opinions)
    assert (strange.queue, strange.action, strange.category) == (queue, action, category)
    assert [reason.code for reason in strange.reasons] == [
        "confidence",
        "outside_policy",
        "fallback_secondary",
        f"fallback_{last}",
    ]
    assert strange.reasons[2].numbers == {"result": "skipped"}
    assert (other.queue, other.category, other.source) == ("flagged", "vpn_issue", "secondary")


def test_watch_and_escalation_go_over_what_is_outside() -> None:
    row = {"account_unlock": 0.15, "security_incident": 0.35, "old_vpn": 0.5}
    decision = decide_with_others(CLASS_AWARE, row)
    assert (decision.queue, decision.action) == ("reject", "escalate")
    assert [reason.code for reason in decision.reasons] == [
        "confidence",
        "margin",
        "entropy",
        "outside_policy",
        "watch",
        "escalation",
    ]
