"""Second opinions in the fallback chain: what each makes of an item, and every failure."""

from collections.abc import Mapping
from typing import Any

import pytest

from routing.core.maps import CalibrationMap
from routing.core.policy import CategoryRule, CutOffs
from routing.core.rules import decide
from routing.core.signals import score_matrix
from tests.routing.core.chains import (
    HELD,
    HELD_AS_BEFORE,
    LIKELY,
    MANDATORY,
    REFUSED,
    SURE,
    WEAK,
    decide_one,
    last,
    make_policy,
    outcome,
)
from tests.routing.core.policies import HELPDESK


def test_a_sure_second_opinion_lifts_to_flagged_and_says_what_it_said() -> None:
    decision = decide_one(make_policy("secondary"), secondary=SURE)
    assert outcome(decision) == ("flagged", "act_and_review", "account_unlock", "secondary")
    assert decision.predicted == "vpn_issue"
    assert [reason.code for reason in decision.reasons] == [
        "confidence",
        "margin",
        "fallback_secondary",
    ]
    assert last(decision).message == (
        "second opinion: account_unlock at 0.96: acted on and reviewed"
    )
    assert last(decision).numbers == {
        "result": "lifted",
        "category": "account_unlock",
        "confidence": 0.96,
        "raw_confidence": 0.96,
        "margin": 0.93,
        "entropy": 0.173343731,
        "queue": "auto",
    }


@pytest.mark.parametrize("scores", [HELD, REFUSED])
@pytest.mark.parametrize("reject_action", ["refuse", "escalate"])
def test_a_second_opinion_lifts_what_was_held_refused_or_escalated_by_its_band(
    scores: Mapping[str, float], reject_action: str
) -> None:
    policy = make_policy("secondary", reject_action=reject_action)
    lifted = ("flagged", "act_and_review", "account_unlock", "secondary")
    assert outcome(decide_one(policy, scores, secondary=LIKELY)) == lifted


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"max_entropy": 0.1}, "entropy"),
        ({"min_margin": 0.99}, "margin"),
        ({"distrusted": frozenset({("vpn_issue", 5)})}, "distrust"),
        ({"cut_offs": CutOffs(0.99, 0.99, 0.0)}, "confidence"),
    ],
)
def test_what_gates_bands_or_distrust_hold_goes_down_the_chain(
    fields: Mapping[str, Any], code: str
) -> None:
    policy = make_policy("person", **fields)
    sure_of_vpn = {"vpn_issue": 0.96, "account_unlock": 0.03, "security_incident": 0.01}
    decision = decide_one(policy, sure_of_vpn)
    assert [reason.code for reason in decision.reasons] == [code, "fallback_person"]


@pytest.mark.parametrize(
    ("fields", "version", "expected"),
    [
        ({"rules": {"vpn_issue": MANDATORY}}, "v1", HELD_AS_BEFORE),
        ({"rules": {"security_incident": CategoryRule(watch=0.1)}}, "v1", HELD_AS_BEFORE),
        ({"escalate_entropy": 0.9}, "v1", ("reject", "escalate", None, "")),
        ({"uncalibrated": "hold"}, "v1", HELD_AS_BEFORE),
        (
            {
                "maps": {"": CalibrationMap("identity")},
                "model_versions": ("v1",),
                "on_other_model": "hold",
            },
            "v2",
            HELD_AS_BEFORE,
        ),
    ],
)
def test_what_another_rule_holds_does_not_go_down_the_chain(
    fields: Mapping[str, Any], version: str, expected: tuple[object, ...]
) -> None:
    policy = make_policy("secondary", "uncertain", **fields)
    decision = decide_one(policy, secondary=SURE, version=version)
    assert outcome(decision) == expected
    assert not any(reason.code.startswith("fallback") for reason in decision.reasons)


def test_what_is_acted_on_is_not_asked_about() -> None:
    policy = make_policy("secondary", "remote", "uncertain")
    assert decide_one(policy, SURE, secondary=WEAK).reasons == ()
    assert outcome(decide_one(policy, LIKELY, secondary=WEAK))[0] == "flagged"


def test_a_second_opinion_meets_the_gates() -> None:
    policy = make_policy("secondary", "person")
    close = {"account_unlock": 0.72, "vpn_issue": 0.28}
    assert outcome(decide_one(policy, secondary=close))[3] == "secondary"
    strict = make_policy("secondary", "person", min_margin=0.5)
    decision = decide_one(strict, secondary=close)
    assert outcome(decision) == HELD_AS_BEFORE
    assert decision.reasons[-2].message == (
        "second opinion: account_unlock at 0.72 is not enough either"
    )
    assert decision.reasons[-2].numbers["result"] == "stands"
    entropy = make_policy("secondary", max_entropy=0.3)
    assert last(decide_one(entropy, secondary=close)).numbers["result"] == "stands"


def test_a_second_opinion_is_measured_by_its_own_categorys_cut_offs() -> None:
    own = {"account_unlock": CategoryRule(auto=0.99, flagged=0.99)}
    decision = decide_one(make_policy("secondary", rules=own), secondary=SURE)
    assert outcome(decision) == HELD_AS_BEFORE
    assert last(decision).numbers["queue"] == "hold"


def test_a_second_opinion_goes_through_its_sources_map_not_the_policys() -> None:
    shy = CalibrationMap("temperature", (3.0,))
    maps = {"": shy, "account_unlock": shy}
    plain = make_policy("secondary", maps=maps, model_versions=("v1",))
    assert last(decide_one(plain, secondary=SURE)).numbers["confidence"] == 0.96
    own = {"secondary": shy}
    said = last(decide_one(make_policy("secondary", source_maps=own), secondary=SURE)).numbers
    assert (said["raw_confidence"], said["confidence"]) == (0.96, 0.742566554)
    assert (said["queue"], said["result"]) == ("flagged", "lifted")
    rules = make_policy("rules", source_maps=own)
    assert last(decide_one(rules, matched=("locked",))).numbers["confidence"] == 0.95


def test_distrusted_cells_are_about_the_first_model_alone() -> None:
    policy = make_policy("secondary", distrusted=frozenset({("account_unlock", 5)}))
    assert outcome(decide_one(policy, secondary=SURE))[0] == "flagged"


@pytest.mark.parametrize(
    ("rules", "secondary", "by", "message", "watch"),
    [
        (
            {"account_unlock": MANDATORY},
            SURE,
            "mandatory_review",
            "second opinion: account_unlock at 0.96, which always goes to a person: it stays",
            (),
        ),
        (
            {"security_incident": CategoryRule(watch=0.2)},
            {"account_unlock": 0.75, "security_incident": 0.25},
            "watch",
            "second opinion: account_unlock at 0.75, which reaches a watch level: it stays",
            ("security_incident",),
        ),
        (
            {},
            {"account_unlock": 0.35, "vpn_issue": 0.33, "security_incident": 0.32},
            "escalation",
            "second opinion: account_unlock at 0.35, too uncertain, as its entropy shows: it stays",
            (),
        ),
    ],
)
def test_a_hard_rule_in_the_second_opinion_ends_the_chain(
    rules: Mapping[str, CategoryRule],
    secondary: Mapping[str, float],
    by: str,
    message: str,
    watch: tuple[str, ...],
) -> None:
    policy = make_policy("secondary", "rules", "uncertain", rules=rules, escalate_entropy=0.95)
    decision = decide_one(policy, secondary=secondary, matched=("drops",))
    assert outcome(decision) == HELD_AS_BEFORE
    assert decision.watch == watch
    assert (last(decision).message, last(decision).numbers["by"]) == (message, by)
    assert last(decision).numbers["result"] == "ended"


def test_a_refusal_stays_one_where_the_second_opinion_ends_the_chain() -> None:
    policy = make_policy("secondary", "person", rules={"account_unlock": MANDATORY})
    assert outcome(decide_one(policy, REFUSED, secondary=SURE))[:2] == ("reject", "refuse")


@pytest.mark.parametrize(
    ("secondary", "message"),
    [
        ({"printer": 1.0}, "printer is no category of this stream's policy; leave it out or"),
        ({"account_unlock": 1.2}, "account_unlock is 1.2; give a number from 0 to 1"),
        ({"account_unlock": "high"}, "account_unlock is 'high'; give a number from 0 to 1"),
        ({"account_unlock": 0.9, "vpn_issue": 0.9}, "scores sum to 1.80, over 1.01; send"),
        (dict.fromkeys(HELPDESK, 0.1), "all 3 categories are listed but sum to 0.30, under 0.99"),
        (["account_unlock"], "scores must be an object of category to probability, not a list"),
        ("account_unlock", "scores must be an object of category to probability, not 'account"),
    ],
)
def test_bad_scores_of_a_second_model_fail_and_the_next_step_follows(
    secondary: Any, message: str
) -> None:
    policy = make_policy("secondary", "rules")
    decision = decide_one(policy, secondary=secondary, matched=("locked",))
    failed = decision.reasons[-2]
    assert failed.message.startswith(f"second opinion cannot be used: {message}")
    assert failed.numbers == {"result": "failed"}
    assert outcome(decision) == ("flagged", "act_and_review", "account_unlock", "rules")
    alone = decide_one(make_policy("secondary"), secondary=secondary)
    assert outcome(alone) == HELD_AS_BEFORE


def test_an_error_names_the_same_key_however_the_scores_are_ordered() -> None:
    policy = make_policy("secondary")
    one, other = (
        decide_one(policy, secondary=scores)
        for scores in ({"zeta": 0.5, "alpha": 0.5}, {"alpha": 0.5, "zeta": 0.5})
    )
    assert one == other


def test_a_missing_second_opinion_is_said_and_the_next_step_follows() -> None:
    decision = decide_one(make_policy("secondary", "rules", "person"))
    assert [(reason.code, reason.message) for reason in decision.reasons[2:]] == [
        ("fallback_secondary", "no second opinion was posted"),
        ("fallback_rules", "no keyword rule matches"),
        ("fallback_person", "a person decides"),
    ]
    assert outcome(decision) == HELD_AS_BEFORE


def test_without_opinions_nobody_said_anything() -> None:
    policy = make_policy("secondary", "rules", "uncertain")
    matrix, _ = score_matrix(policy.categories, [HELD])
    decision = decide(policy, matrix, model_versions=["v1"])[0]
    assert outcome(decision)[:2] == ("reject", "refuse")
    assert decision == decide_one(policy)


@pytest.mark.parametrize(
    ("matched", "confidence", "expected"),
    [
        (("drops",), 0.9, "lifted"),
        (("vpn",), 0.75, "lifted"),
        (("vpn", "drops"), 0.9, "lifted"),
        (("maybe",), 0.6, "stands"),
    ],
)
def test_keyword_rules_say_their_category_with_the_highest_confidence(
    matched: tuple[str, ...], confidence: float, expected: str
) -> None:
    decision = decide_one(make_policy("rules"), matched=matched)
    assert last(decision).numbers["result"] == expected
    assert last(decision).numbers["confidence"] == confidence
    assert decision.category == ("vpn_issue" if expected == "lifted" else None)


def test_keyword_rules_that_contradict_each_other_fail() -> None:
    decision = decide_one(make_policy("rules", "person"), REFUSED, matched=("locked", "vpn"))
    failed, then = decision.reasons[-2:]
    assert failed.message == ("keyword rules contradict each other: account_unlock and vpn_issue")
    assert failed.numbers == {"result": "failed", "rules": "locked, vpn"}
    assert then.code == "fallback_person"
    assert outcome(decision) == HELD_AS_BEFORE


def test_rules_of_another_version_are_no_match() -> None:
    decision = decide_one(make_policy("rules"), matched=("gone",))
    assert last(decision).message == "no keyword rule matches"
