"""What another policy does to the same items, counted and explained."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from routing.core.policy import CategoryRule, CutOffs, Policy
from routing.core.reasons import Cause
from routing.core.routes import Routes, route
from routing.core.shifts import count_actions, explain_move, find_moves
from routing.core.signals import compute_signals, score_matrix
from tests.routing.core.policies import DEFAULT, HELPDESK, decide_one

POLICY = Policy(version=1, categories=HELPDESK, cut_offs=DEFAULT)
ROWS = ((0.95, 0.03, 0.02), (0.85, 0.10, 0.05), (0.60, 0.30, 0.10), (0.05, 0.10, 0.85))
ALL: NDArray[np.bool_] = np.ones(len(ROWS), dtype=np.bool_)


def route_rows(policy: Policy) -> Routes:
    matrix, errors = score_matrix(
        policy.categories, [dict(zip(policy.categories, row, strict=True)) for row in ROWS]
    )
    assert errors == {}
    return route(policy, compute_signals(matrix), matrix, [""] * len(matrix))


def test_actions_are_counted_in_the_order_of_care() -> None:
    assert count_actions(route_rows(POLICY), ALL) == {
        "act": 1,
        "act_and_review": 2,
        "wait": 1,
        "refuse": 0,
        "escalate": 0,
    }


def test_moves_name_the_rules_that_account_for_them() -> None:
    strict = replace(
        POLICY,
        cut_offs=CutOffs(auto=0.90, flagged=0.90, hold=0.0),
        min_margin=0.93,
        rules={"security_incident": CategoryRule(mandatory_review=True, mandatory_reason="costly")},
    )
    moves = find_moves(route_rows(POLICY), route_rows(strict), ALL, most_rows=1)
    assert [(move.before, move.after, move.items, move.rows) for move in moves] == [
        ("act_and_review", "wait", 2, (1,)),
        ("act", "wait", 1, (0,)),
    ]
    assert moves[0].causes == ((Cause.BAND, 2), (Cause.MARGIN, 2), (Cause.MANDATORY, 1))
    assert moves[1].causes == ((Cause.MARGIN, 1),)


def test_moves_to_less_care_are_explained_by_what_no_longer_fires() -> None:
    gated = replace(POLICY, min_margin=0.93)
    (move, other) = find_moves(route_rows(gated), route_rows(POLICY), ALL, most_rows=0)
    assert (move.before, move.after, move.causes) == (
        "wait",
        "act_and_review",
        ((Cause.MARGIN, 2),),
    )
    assert (other.after, other.causes, other.rows) == ("act", ((Cause.MARGIN, 1),), ())


def test_rows_that_are_not_kept_do_not_move() -> None:
    gated = replace(POLICY, min_margin=0.93)
    nothing = np.zeros(len(ROWS), dtype=np.bool_)
    assert find_moves(route_rows(POLICY), route_rows(gated), nothing, most_rows=3) == []


def test_reason_of_a_move_is_the_more_careful_outcomes_own() -> None:
    gated = replace(POLICY, min_margin=0.93)
    before, after = decide_one(POLICY, *ROWS[1]), decide_one(gated, *ROWS[1])
    assert [reason.message for reason in explain_move(before, after)] == ["margin 0.75 under 0.93"]
    assert explain_move(after, before) == explain_move(before, after)


def test_reason_of_a_move_by_the_reject_action_is_all_there_is() -> None:
    expert = replace(POLICY, reject_action="escalate")
    row = (0.40, 0.35, 0.25)
    reasons = explain_move(decide_one(POLICY, *row), decide_one(expert, *row))
    assert [reason.message for reason in reasons] == ["confidence 0.40 under 0.50"]
