from collections.abc import Callable
from dataclasses import replace

import pytest

from routing.core.maps import IDENTITY, CalibrationMap
from routing.core.policy import CategoryRule, CutOffs, Policy, PolicyError
from tests.routing.core.policies import CLASS_AWARE, DEFAULT, HELPDESK

PLAIN = Policy(version=1, categories=HELPDESK, cut_offs=DEFAULT)


def test_effective_merges_the_overrides_of_a_category() -> None:
    policy = replace(PLAIN, rules={"vpn_issue": CategoryRule(auto=0.95, hold=0.4)})
    assert policy.effective("vpn_issue") == CutOffs(auto=0.95, flagged=0.70, hold=0.4)
    assert policy.effective("account_unlock") == DEFAULT


def test_equal_policies_are_equal_and_hash_alike() -> None:
    again = replace(CLASS_AWARE)
    assert again == CLASS_AWARE
    assert hash(again) == hash(CLASS_AWARE)
    assert replace(CLASS_AWARE, min_margin=0.2) != CLASS_AWARE


def test_a_policy_does_not_follow_later_changes_of_its_arguments() -> None:
    rules = {"vpn_issue": CategoryRule(auto=0.95)}
    policy = replace(PLAIN, rules=rules)
    rules["vpn_issue"] = CategoryRule(auto=0.99)
    assert policy.effective("vpn_issue").auto == 0.95


def test_map_for_takes_the_own_map_then_the_streams() -> None:
    own, stream = CalibrationMap("platt", (1.0, 0.5)), CalibrationMap("platt", (0.5, 0.0))
    policy = replace(PLAIN, maps={"vpn_issue": own, "": stream}, model_versions=("v1",))
    assert policy.map_for("vpn_issue") == own
    assert policy.map_for("account_unlock") == stream
    assert PLAIN.map_for("vpn_issue") is None


def test_distrust_limit_defaults_to_half_of_max_entropy() -> None:
    assert replace(PLAIN, distrust_entropy=0.3, max_entropy=0.5).distrust_limit() == 0.3
    assert replace(PLAIN, max_entropy=0.5).distrust_limit() == 0.25
    assert PLAIN.distrust_limit() is None


@pytest.mark.parametrize(
    ("make", "field", "words"),
    [
        (
            lambda: replace(PLAIN, cut_offs=CutOffs(auto=0.7, flagged=0.8, hold=0.5)),
            "cut_offs.flagged",
            "account_unlock: flagged 0.80 is over auto 0.70",
        ),
        (
            lambda: replace(PLAIN, cut_offs=CutOffs(auto=0.9, flagged=0.5, hold=0.6)),
            "cut_offs.hold",
            "account_unlock: hold 0.60 is over flagged 0.50",
        ),
        (
            lambda: replace(PLAIN, rules={"vpn_issue": CategoryRule(auto=0.65)}),
            "rules.vpn_issue.auto",
            "vpn_issue: flagged 0.70 is over auto 0.65",
        ),
        (
            lambda: replace(PLAIN, rules={"security_incident": CategoryRule(hold=0.75)}),
            "rules.security_incident.hold",
            "security_incident: hold 0.75 is over flagged 0.70",
        ),
        (
            lambda: replace(PLAIN, cut_offs=CutOffs(auto=1.2, flagged=0.8, hold=0.5)),
            "cut_offs.auto",
            "cut_offs.auto is 1.2; give a number from 0 to 1",
        ),
        (lambda: replace(PLAIN, min_margin=float("nan")), "min_margin", "min_margin is nan"),
        (lambda: replace(PLAIN, max_entropy=-0.1), "max_entropy", "max_entropy is -0.1"),
        (lambda: replace(PLAIN, distrust_entropy=True), "distrust_entropy", "is true"),
        (lambda: replace(PLAIN, escalate_entropy=2), "escalate_entropy", "is 2"),
        (
            lambda: replace(PLAIN, rules={"vpn_issue": CategoryRule(watch=1.5)}),
            "rules.vpn_issue.watch",
            "is 1.5",
        ),
        (
            lambda: replace(PLAIN, rules={"vpn": CategoryRule()}),
            "rules.vpn",
            "'vpn' is no category",
        ),
        (
            lambda: replace(PLAIN, maps={"vpn": IDENTITY}, model_versions=("v1",)),
            "maps.vpn",
            "'vpn' is no category",
        ),
        (lambda: replace(PLAIN, maps={"": IDENTITY}), "model_versions", "model_versions is empty"),
        (
            lambda: replace(PLAIN, rules={"vpn_issue": CategoryRule(mandatory_review=True)}),
            "rules.vpn_issue.mandatory_reason",
            "say in mandatory_reason why",
        ),
        (
            lambda: replace(PLAIN, distrusted=frozenset({("vpn", 1)})),
            "distrusted.vpn",
            "'vpn' is no category",
        ),
        (
            lambda: replace(PLAIN, distrusted=frozenset({("vpn_issue", 6)})),
            "distrusted.vpn_issue",
            "names band 6; bands go from 0 to 5",
        ),
        (lambda: replace(PLAIN, reporting_edges=(0.6, 0.5)), "reporting_edges", "must rise"),
        (lambda: replace(PLAIN, reporting_edges=(0.0, 0.5)), "reporting_edges", "between 0 and 1"),
        (lambda: replace(PLAIN, reject_action="drop"), "reject_action", "one of refuse, escalate"),
        (lambda: replace(PLAIN, on_other_model="stop"), "on_other_model", "one of warn"),
        (lambda: replace(PLAIN, categories=()), "categories", "at least one category"),
        (lambda: replace(PLAIN, categories=("a", "a")), "categories", "must be different"),
        (lambda: replace(PLAIN, categories=("a", "")), "categories", "not empty"),
        (lambda: replace(PLAIN, alternatives=0), "alternatives", "list at least 1"),
    ],
)
def test_a_broken_policy_is_refused_by_name(
    make: Callable[[], Policy], field: str, words: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        make()
    assert caught.value.field == field
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "cut_offs",
    [
        CutOffs(auto=0.85, flagged=0.60, hold=0.0),  # three buckets
        CutOffs(auto=0.8, flagged=0.8, hold=0.0),  # auto or hold
        CutOffs(auto=0.8, flagged=0.8, hold=0.8),  # auto or reject
        CutOffs(auto=0.0, flagged=0.0, hold=0.0),
        CutOffs(auto=1.0, flagged=1.0, hold=1.0),
    ],
)
def test_equal_cut_offs_are_allowed(cut_offs: CutOffs) -> None:
    assert replace(PLAIN, cut_offs=cut_offs).effective("vpn_issue") == cut_offs


def test_warnings_of_the_class_aware_policy() -> None:
    entropy = "with 3 categories and entropy at most 0.45 nothing under 0.804 can pass the gate"
    assert CLASS_AWARE.warnings() == [
        f"auto 0.80 cannot bind: {entropy}",
        f"vpn_issue: auto 0.72 cannot bind: {entropy}",
        f"security_incident: auto 0.60 cannot bind: {entropy}",
    ]


def test_warnings_count_the_margin_too() -> None:
    policy = replace(PLAIN, cut_offs=CutOffs(auto=0.9, flagged=0.5, hold=0.5), min_margin=0.3)
    assert policy.warnings() == [
        "flagged 0.50 cannot bind: with 3 categories and margin at least 0.30 "
        "nothing under 0.533 can pass the gate"
    ]


def test_warnings_carry_the_bound_through_the_map() -> None:
    # logit 0.8043 is 1.4138; half of it gives 0.6697
    policy = replace(
        PLAIN,
        cut_offs=CutOffs(auto=0.8, flagged=0.6, hold=0.5),
        max_entropy=0.45,
        maps={"": CalibrationMap("temperature", (2.0,))},
        model_versions=("v1",),
    )
    assert policy.warnings() == [
        "flagged 0.60 cannot bind: with 3 categories and entropy at most 0.45 "
        "nothing under 0.669 can pass the gate"
    ]


def test_warnings_name_what_no_item_can_reach() -> None:
    low = CalibrationMap("isotonic", (), ((0.0, 0.1), (1.0, 0.85)))
    policy = replace(PLAIN, maps={"vpn_issue": low}, model_versions=("v1",))
    assert policy.warnings() == [
        "vpn_issue: auto 0.90 cannot be reached: the map gives 0.850 at most"
    ]


def test_warnings_name_gates_that_another_gate_covers() -> None:
    policy = replace(PLAIN, max_entropy=0.8, escalate_entropy=0.7, distrust_entropy=0.9)
    assert policy.warnings()[:2] == [
        "max_entropy 0.80 cannot bind: escalation at 0.70 takes the item first",
        "distrust_entropy 0.90 cannot bind: max_entropy is 0.80",
    ]


def test_a_policy_whose_numbers_all_bind_has_no_warnings() -> None:
    assert replace(PLAIN, max_entropy=0.6, min_margin=0.3).warnings() == []
    assert PLAIN.warnings() == []
