"""How the fallback chain ends: remote models, a person, uncertain, and capacity."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from routing.core.maps import CalibrationMap
from routing.core.policy import CategoryRule, Policy
from routing.core.rules import Opinions, Reason, RemoteAnswer, decide
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


@pytest.mark.parametrize(
    ("scores", "reject_action", "expected"),
    [
        (HELD, "refuse", HELD_AS_BEFORE),
        (REFUSED, "refuse", HELD_AS_BEFORE),
        (REFUSED, "escalate", ("reject", "escalate", None, "")),
    ],
)
def test_an_item_waits_until_the_remote_model_has_answered(
    scores: Mapping[str, float], reject_action: str, expected: tuple[object, ...]
) -> None:
    policy = make_policy("remote", "secondary", "uncertain", reject_action=reject_action)
    decision = decide_one(policy, scores, secondary=SURE)
    assert decision.asks is True
    assert outcome(decision) == expected
    assert last(decision).message == "large is asked for a second opinion"
    assert last(decision).numbers == {"result": "asking", "model": "large"}


def test_a_step_before_the_remote_model_may_settle_it_without_asking() -> None:
    policy = make_policy("secondary", "remote")
    assert decide_one(policy, secondary=SURE).asks is False
    assert decide_one(policy, secondary=WEAK).asks is True


def test_a_remote_answer_lifts_or_leads_to_the_next_step() -> None:
    policy = make_policy("remote", "uncertain")
    lifted = decide_one(policy, remote=RemoteAnswer(SURE))
    assert outcome(lifted) == ("flagged", "act_and_review", "account_unlock", "remote")
    assert last(lifted).message == "large: account_unlock at 0.96: acted on and reviewed"
    assert lifted.asks is False
    weak = decide_one(policy, remote=RemoteAnswer(WEAK))
    assert outcome(weak)[:2] == ("reject", "refuse")
    assert [reason.numbers["result"] for reason in weak.reasons[-2:]] == ["stands", "refused"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (RemoteAnswer(error="timeout after 10 s"), "large gave no second opinion: timeout after"),
        (RemoteAnswer(), "large cannot be used: scores are empty; give the probability"),
        (RemoteAnswer({"printer": 1.0}), "large cannot be used: printer is no category of"),
    ],
)
def test_a_remote_model_that_fails_leaves_the_first_queue(
    answer: RemoteAnswer, message: str
) -> None:
    decision = decide_one(make_policy("remote"), REFUSED, remote=answer)
    assert outcome(decision)[:2] == ("reject", "refuse")
    assert last(decision).message.startswith(message)
    assert last(decision).numbers["result"] == "failed"
    assert decision.asks is False
    then = decide_one(make_policy("remote", "person"), REFUSED, remote=answer)
    assert outcome(then) == HELD_AS_BEFORE


@pytest.mark.parametrize(
    ("step", "scores", "expected", "numbers"),
    [
        ("person", HELD, ("hold", "wait"), {"result": "waits", "instead_of": "wait"}),
        ("person", REFUSED, ("hold", "wait"), {"result": "waits", "instead_of": "refuse"}),
        ("uncertain", HELD, ("reject", "refuse"), {"result": "refused", "instead_of": "wait"}),
        ("uncertain", REFUSED, ("reject", "refuse"), {"result": "refused", "instead_of": "refuse"}),
    ],
)
def test_the_chain_ends_with_a_person_or_an_uncertain_answer(
    step: str, scores: Mapping[str, float], expected: tuple[str, str], numbers: dict[str, str]
) -> None:
    decision = decide_one(make_policy(step), scores)
    assert outcome(decision) == (*expected, None, "")
    assert last(decision).numbers == numbers


@pytest.mark.parametrize("step", ["person", "uncertain"])
def test_what_goes_to_an_expert_stays_there(step: str) -> None:
    decision = decide_one(make_policy(step, reject_action="escalate"), REFUSED)
    assert outcome(decision)[:2] == ("reject", "escalate")
    assert (last(decision).message, last(decision).numbers) == (
        "an expert decides",
        {"result": "waits"},
    )


@pytest.mark.parametrize(
    ("policy", "scores"),
    [
        (make_policy(), HELD),
        (make_policy("person"), REFUSED),
        (make_policy(rules={"vpn_issue": MANDATORY}), HELD),
        (make_policy(uncalibrated="hold"), SURE),
    ],
)
def test_what_would_wait_without_a_free_seat_is_answered_uncertain(
    policy: Policy, scores: Mapping[str, float]
) -> None:
    before, after = decide_one(policy, scores), decide_one(policy, scores, full=True)
    assert outcome(before) == HELD_AS_BEFORE
    assert outcome(after) == ("reject", "refuse", None, "")
    assert after.asks is False
    reason = Reason("capacity", "no seat in hold is free, so it is answered uncertain at once", {})
    assert after.reasons == (*before.reasons, reason)


def test_what_is_turned_away_does_not_say_that_a_model_is_asked() -> None:
    decision = decide_one(make_policy("remote"), HELD, full=True)
    assert outcome(decision) == ("reject", "refuse", None, "")
    assert decision.asks is False
    assert [reason.message for reason in decision.reasons[-2:]] == [
        "no second opinion is asked: it would come too late",
        "no seat in hold is free, so it is answered uncertain at once",
    ]


@pytest.mark.parametrize(
    ("policy", "scores"),
    [
        (make_policy(), SURE),
        (make_policy(), LIKELY),
        (make_policy(), REFUSED),
        (make_policy(reject_action="escalate"), REFUSED),
        (make_policy(escalate_entropy=0.9), HELD),
        (make_policy("remote", reject_action="escalate"), REFUSED),
        (make_policy("uncertain"), HELD),
    ],
)
def test_what_does_not_wait_in_hold_is_never_turned_away(
    policy: Policy, scores: Mapping[str, float]
) -> None:
    assert decide_one(policy, scores, full=True) == decide_one(policy, scores)


def test_a_second_opinion_still_lifts_where_hold_is_full() -> None:
    lifted = decide_one(make_policy("secondary"), secondary=SURE, full=True)
    assert outcome(lifted)[0] == "flagged"


def test_an_added_watch_may_leave_waiting_what_uncertain_would_refuse() -> None:
    refused = decide_one(make_policy("uncertain"))
    watched = make_policy("uncertain", rules={"security_incident": CategoryRule(watch=0.1)})
    assert (refused.queue, decide_one(watched).queue) == ("reject", "hold")


def test_reasons_stand_in_the_order_of_the_steps() -> None:
    policy = make_policy("rules", "secondary", "remote", "person")
    decision = decide_one(
        policy,
        REFUSED,
        secondary=WEAK,
        matched=("locked", "vpn"),
        remote=RemoteAnswer(error="timeout"),
        full=True,
    )
    assert [(reason.code, reason.numbers.get("result")) for reason in decision.reasons[2:]] == [
        ("fallback_rules", "failed"),
        ("fallback_secondary", "stands"),
        ("fallback_remote", "failed"),
        ("fallback_person", "waits"),
        ("capacity", None),
    ]


def test_each_item_of_a_batch_has_its_own_chain() -> None:
    policy = make_policy("secondary", "rules", "person")
    matrix, _ = score_matrix(policy.categories, [HELD, SURE, REFUSED, HELD])
    made = decide(
        policy,
        matrix,
        model_versions=[""] * 4,
        opinions=Opinions(
            secondary=[SURE, SURE, {"printer": 1.0}, {}],
            matched=[(), (), (), ("drops",)],
            remote=[None] * 4,
        ),
        full=[False, False, False, True],
    )
    assert [outcome(each) for each in made] == [
        ("flagged", "act_and_review", "account_unlock", "secondary"),
        ("auto", "act", "account_unlock", ""),
        HELD_AS_BEFORE,
        ("flagged", "act_and_review", "vpn_issue", "rules"),
    ]


def test_uncalibrated_goes_as_far_as_the_policy_says() -> None:
    for says, queue in (("warn", "auto"), ("flagged", "flagged"), ("hold", "hold")):
        decision = decide_one(make_policy(uncalibrated=says), SURE)
        assert decision.queue == queue
    assert last(decision).message == (
        "no calibration map for account_unlock yet: its confidence is as the model gave it"
    )
    own = {"account_unlock": CalibrationMap("identity")}
    mapped = replace(make_policy(uncalibrated="hold"), maps=own, model_versions=("v1",))
    assert decide_one(mapped, SURE).queue == "auto"
