from dataclasses import replace

import numpy as np
import pytest

from routing.core.maps import IDENTITY, CalibrationMap
from routing.core.policy import CategoryRule, CutOffs, Policy
from routing.core.rules import QUEUES, decide, route
from routing.core.signals import compute_signals, score_matrix
from tests.routing.core.policies import (
    CLASS_AWARE,
    DEFAULT,
    HELPDESK,
    decide_one,
    decide_rows,
)

PLAIN = Policy(version=1, categories=HELPDESK, cut_offs=DEFAULT)
HALVED = CalibrationMap("temperature", (2.0,))
MAPPED = replace(PLAIN, maps={"": HALVED}, model_versions=("v1",))


@pytest.mark.parametrize(
    ("scores", "queue", "action", "watch", "codes"),
    [
        ((0.576, 0.386, 0.039), "hold", "wait", (), ["confidence", "margin", "entropy"]),
        (
            (0.576, 0.044, 0.380),
            "hold",
            "wait",
            ("security_incident",),
            ["confidence", "margin", "entropy", "watch"],
        ),
        (
            (0.450, 0.210, 0.340),
            "reject",
            "escalate",
            ("security_incident",),
            ["confidence", "margin", "entropy", "watch", "escalation"],
        ),
        ((0.900, 0.060, 0.040), "auto", "act", (), []),
        (
            (0.500, 0.120, 0.380),
            "reject",
            "escalate",
            ("security_incident",),
            ["confidence", "margin", "entropy", "watch", "escalation"],
        ),
        (
            (0.100, 0.250, 0.650),
            "hold",
            "wait",
            ("security_incident",),
            ["entropy", "watch"],
        ),
    ],
)
def test_the_six_worked_rows(
    scores: tuple[float, float, float],
    queue: str,
    action: str,
    watch: tuple[str, ...],
    codes: list[str],
) -> None:
    decision = decide_one(CLASS_AWARE, *scores)
    assert (decision.queue, decision.action, decision.watch) == (queue, action, watch)
    assert [reason.code for reason in decision.reasons] == codes


def test_reasons_of_the_first_worked_row_word_for_word() -> None:
    decision = decide_one(CLASS_AWARE, 0.576, 0.386, 0.039)
    assert [reason.message for reason in decision.reasons] == [
        "confidence 0.58 under 0.80",
        "margin 0.19 under 0.30",
        "entropy 0.74 over 0.45",
    ]
    raw = round(0.576 / 1.001, 9)
    assert decision.reasons[0].numbers == {"confidence": raw, "cut_off": 0.8, "band": "hold"}
    assert decision.reasons[1].numbers == {"margin": round(0.19 / 1.001, 9), "min_margin": 0.3}
    assert decision.open_to_fallback is True


def test_watch_and_escalation_word_for_word() -> None:
    reasons = decide_one(CLASS_AWARE, 0.450, 0.210, 0.340).reasons
    assert [reason.message for reason in reasons[3:]] == [
        "security_incident 0.34 reaches 0.34",
        "entropy 0.96 reaches 0.80, so an expert decides",
    ]
    assert reasons[3].numbers == {"category": "security_incident", "score": 0.34, "watch": 0.34}


@pytest.mark.parametrize(
    ("top", "queue", "action", "category"),
    [
        (0.95, "auto", "act", "account_unlock"),
        (0.90, "auto", "act", "account_unlock"),
        (0.899999999, "flagged", "act_and_review", "account_unlock"),
        (0.70, "flagged", "act_and_review", "account_unlock"),
        (0.699999999, "hold", "wait", None),
        (0.50, "hold", "wait", None),
        (0.499999999, "reject", "refuse", None),
    ],
)
def test_a_lower_bound_belongs_to_its_band(
    top: float, queue: str, action: str, category: str | None
) -> None:
    decision = decide_one(PLAIN, top, round(1 - top, 9), 0.0)
    if top < 0.5:
        decision = decide_one(PLAIN, top, 0.3, round(0.7 - top, 9))
    assert (decision.queue, decision.action, decision.category) == (queue, action, category)


@pytest.mark.parametrize(
    ("top", "queue"),
    [
        (0.1 + 0.7, "auto"),  # 0.7999999999999999
        (0.7999999999, "auto"),  # 0.800000000 at nine decimals
        (0.7999999994, "flagged"),  # 0.799999999
        (0.8, "auto"),
    ],
)
def test_noise_beyond_nine_decimals_does_not_move_a_band(top: float, queue: str) -> None:
    policy = replace(PLAIN, cut_offs=CutOffs(auto=0.8, flagged=0.5, hold=0.5))
    assert decide_one(policy, top, 0.1, 0.1).queue == queue


def test_division_by_a_sum_a_hair_over_one_does_not_move_a_band() -> None:
    scores = (0.9, 0.06, 0.04 + 4e-16)
    assert sum(scores) > 1.0
    assert decide_one(PLAIN, *scores).queue == "auto"


def test_margin_and_entropy_at_their_limits_pass() -> None:
    even = decide_one(replace(PLAIN, min_margin=0.8), 0.9, 0.1, 0.0)
    assert even.queue == "auto"
    assert decide_one(replace(PLAIN, max_entropy=even.entropy), 0.9, 0.1, 0.0).queue == "auto"
    less = round(even.entropy - 1e-9, 9)
    assert decide_one(replace(PLAIN, max_entropy=less), 0.9, 0.1, 0.0).queue == "hold"
    assert decide_one(replace(PLAIN, min_margin=0.800000001), 0.9, 0.1, 0.0).queue == "hold"


def test_a_sum_of_1005_is_routed_divided_and_listed_as_posted() -> None:
    decision = decide_one(PLAIN, 0.905, 0.06, 0.04)
    assert decision.raw_confidence == round(0.905 / 1.005, 9)
    assert decision.queue == "auto"
    assert decision.alternatives[0] == ("account_unlock", 0.905)


def test_a_cut_off_near_one_shows_the_digits_it_takes() -> None:
    policy = replace(PLAIN, cut_offs=CutOffs(auto=0.9902, flagged=0.7, hold=0.5))
    near = decide_one(policy, 0.98, 0.01, 0.01)
    assert near.reasons[0].message == "confidence 0.9800 under 0.9902"
    nearer = decide_one(replace(PLAIN, min_margin=0.3), 0.6498, 0.3502, 0.0)
    assert nearer.reasons[1].message == "margin 0.2996 under 0.30"


def test_ties_take_the_first_category_and_keep_its_order() -> None:
    row = {"security_incident": 0.4, "vpn_issue": 0.4, "account_unlock": 0.2}
    decision = decide_rows(PLAIN, [row])[0]
    assert decision.predicted == "vpn_issue"
    assert [key for key, _score in decision.alternatives] == [
        "vpn_issue",
        "security_incident",
        "account_unlock",
    ]


def test_one_category_is_routed_by_confidence_alone() -> None:
    policy = Policy(
        version=1, categories=("spam",), cut_offs=DEFAULT, min_margin=0.9, max_entropy=0.0
    )
    decision = decide_one(policy, 1.0)
    assert (decision.queue, decision.margin, decision.entropy) == ("auto", 1.0, 0.0)


def test_a_truncated_top_score_lists_only_what_was_posted() -> None:
    decision = decide_rows(replace(PLAIN, min_margin=0.3), [{"vpn_issue": 0.6}])[0]
    assert decision.alternatives == (("vpn_issue", 0.6),)
    assert decision.margin == 0.2
    assert [reason.code for reason in decision.reasons] == ["confidence", "margin"]


def test_alternatives_stop_at_the_policys_number() -> None:
    decision = decide_one(replace(PLAIN, alternatives=2), 0.2, 0.3, 0.5)
    assert decision.alternatives == (("security_incident", 0.5), ("vpn_issue", 0.3))


def test_a_category_is_measured_by_its_own_cut_offs() -> None:
    policy = replace(PLAIN, rules={"vpn_issue": CategoryRule(auto=0.75)})
    assert decide_one(policy, 0.2, 0.8, 0.0).queue == "auto"
    assert decide_one(policy, 0.8, 0.2, 0.0).queue == "flagged"


def test_empty_bands_make_three_bucket_and_auto_or_hold_policies() -> None:
    three = replace(PLAIN, cut_offs=CutOffs(auto=0.85, flagged=0.60, hold=0.0))
    tops = (0.85, 0.84, 0.60, 0.59, 0.34)
    rows = [dict(zip(HELPDESK, (top, (1 - top) / 2, (1 - top) / 2), strict=True)) for top in tops]
    queues = [decision.queue for decision in decide_rows(three, rows)]
    assert queues == ["auto", "flagged", "flagged", "hold", "hold"]
    two = replace(PLAIN, cut_offs=CutOffs(auto=0.85, flagged=0.85, hold=0.0))
    queues = [decision.queue for decision in decide_rows(two, rows)]
    assert queues == ["auto", "hold", "hold", "hold", "hold"]


def test_reject_goes_where_the_policy_says() -> None:
    assert decide_one(PLAIN, 0.4, 0.3, 0.3).action == "refuse"
    escalating = decide_one(replace(PLAIN, reject_action="escalate"), 0.4, 0.3, 0.3)
    assert (escalating.queue, escalating.action) == ("reject", "escalate")
    assert escalating.reasons[0].message == "confidence 0.40 under 0.50"
    assert escalating.reasons[0].numbers["band"] == "reject"


def test_escalation_is_over_a_refusal() -> None:
    decision = decide_one(replace(PLAIN, escalate_entropy=0.8), 0.4, 0.3, 0.3)
    assert (decision.queue, decision.action) == ("reject", "escalate")
    assert [reason.code for reason in decision.reasons] == ["confidence", "escalation"]


def test_escalation_begins_at_its_level() -> None:
    entropy = decide_one(PLAIN, 0.6, 0.3, 0.1).entropy
    assert decide_one(replace(PLAIN, escalate_entropy=entropy), 0.6, 0.3, 0.1).queue == "reject"
    above = round(entropy + 1e-9, 9)
    assert decide_one(replace(PLAIN, escalate_entropy=above), 0.6, 0.3, 0.1).queue == "hold"


def test_gates_do_not_soften_a_rejection() -> None:
    decision = decide_one(replace(PLAIN, min_margin=0.3), 0.4, 0.3, 0.3)
    assert decision.queue == "reject"
    assert [reason.code for reason in decision.reasons] == ["confidence", "margin"]


def test_a_mandatory_category_is_held_and_says_why() -> None:
    rule = CategoryRule(mandatory_review=True, mandatory_reason="prices bind us")
    policy = replace(PLAIN, rules={"vpn_issue": rule})
    decision = decide_one(policy, 0.0, 1.0, 0.0)
    assert decision.queue == "hold"
    assert [reason.message for reason in decision.reasons] == [
        "vpn_issue always goes to a person: prices bind us"
    ]
    assert decision.open_to_fallback is False
    assert decide_one(policy, 1.0, 0.0, 0.0).queue == "auto"
    assert decide_one(policy, 0.3, 0.4, 0.3).queue == "reject"


def test_watch_flags_even_where_the_flagged_band_is_empty() -> None:
    policy = replace(CLASS_AWARE, max_entropy=None, min_margin=None, escalate_entropy=None)
    policy = replace(policy, cut_offs=CutOffs(auto=0.6, flagged=0.6, hold=0.0))
    decision = decide_one(policy, 0.65, 0.0, 0.35)
    assert (decision.queue, decision.action) == ("flagged", "act_and_review")
    assert decision.watch == ("security_incident",)
    assert [reason.code for reason in decision.reasons] == ["watch"]


def test_watch_level_is_reached_at_nine_decimals() -> None:
    assert decide_one(CLASS_AWARE, 0.66, 0.0, 0.34 - 4e-10).watch == ("security_incident",)
    assert decide_one(CLASS_AWARE, 0.66, 0.0, 0.34 - 6e-10).watch == ()


def test_two_watched_categories_are_both_listed_in_order() -> None:
    rules = {key: CategoryRule(watch=0.3) for key in ("security_incident", "account_unlock")}
    decision = decide_one(replace(PLAIN, rules=rules), 0.35, 0.3, 0.35)
    assert decision.watch == ("account_unlock", "security_incident")
    assert [reason.message for reason in decision.reasons[1:]] == [
        "account_unlock 0.35 reaches 0.30",
        "security_incident 0.35 reaches 0.30",
    ]


def test_a_distrusted_cell_is_acted_on_only_under_its_entropy() -> None:
    distrusted = frozenset({("account_unlock", 4)})
    policy = replace(PLAIN, distrusted=distrusted, max_entropy=0.6)
    two_way = decide_one(policy, 0.85, 0.15, 0.0)  # entropy 0.38
    assert two_way.queue == "hold"
    assert two_way.reasons[1].message == (
        "account_unlock at 0.80-0.90 was found overconfident: entropy 0.38 over 0.30"
    )
    assert two_way.open_to_fallback is True
    assert decide_one(replace(policy, distrust_entropy=0.4), 0.85, 0.15, 0.0).queue == "flagged"
    assert decide_one(policy, 0.15, 0.85, 0.0).queue == "flagged"
    assert decide_one(policy, 0.9, 0.1, 0.0).queue == "auto"


def test_a_reporting_edge_belongs_to_the_cell_above_it() -> None:
    policy = replace(PLAIN, distrusted=frozenset({("account_unlock", 4)}))
    assert decide_one(policy, 0.8, 0.2, 0.0).queue == "hold"
    assert decide_one(policy, 0.79, 0.21, 0.0).queue == "flagged"
    assert decide_one(policy, 0.9, 0.1, 0.0).queue == "auto"


def test_a_distrusted_cell_without_a_limit_is_always_held() -> None:
    policy = replace(PLAIN, distrusted=frozenset({("account_unlock", 5)}))
    decision = decide_one(policy, 1.0, 0.0, 0.0)
    assert decision.queue == "hold"
    assert [reason.message for reason in decision.reasons] == [
        "account_unlock at 0.90-1.00 was found overconfident"
    ]


def test_distrust_looks_at_the_calibrated_confidence() -> None:
    # Raw 0.95 is 0.813 under the map, in the cell of 0.80-0.90.
    policy = replace(MAPPED, distrusted=frozenset({("account_unlock", 4)}))
    assert decide_one(policy, 0.95, 0.05, 0.0).queue == "hold"


def test_confidence_goes_through_the_own_map_else_the_streams() -> None:
    own = CalibrationMap("platt", (1.0, -1.0))
    policy = replace(MAPPED, maps={"": HALVED, "vpn_issue": own})
    unlock, vpn = decide_rows(
        policy, [{"account_unlock": 0.8, "vpn_issue": 0.2}, {"vpn_issue": 0.5}]
    )
    assert (unlock.raw_confidence, unlock.confidence) == (0.8, 0.666666667)
    assert (vpn.raw_confidence, vpn.confidence) == (0.5, 0.268941421)
    assert unlock.queue == "hold"


def test_a_category_without_any_map_is_left_unchanged() -> None:
    policy = replace(MAPPED, maps={"vpn_issue": HALVED})
    assert decide_one(policy, 0.8, 0.2, 0.0).confidence == 0.8


@pytest.mark.parametrize(
    ("says", "queue", "is_open"),
    [("warn", "auto", False), ("flagged", "flagged", False), ("hold", "hold", False)],
)
def test_another_model_is_uncalibrated_and_goes_as_far_as_the_policy_says(
    says: str, queue: str, is_open: bool
) -> None:
    policy = replace(MAPPED, on_other_model=says)
    decision = decide_one(policy, 0.95, 0.05, 0.0, model_version="v2")
    assert (decision.queue, decision.confidence) == (queue, 0.95)
    assert decision.open_to_fallback is is_open
    assert [(reason.code, reason.message) for reason in decision.reasons] == [
        (
            "model_version",
            'model version "v2" is not one the maps were fitted on: confidence is not calibrated',
        )
    ]
    assert decide_one(policy, 0.95, 0.05, 0.0, model_version="v1").reasons[0].code == "confidence"


def test_another_model_matters_only_where_there_are_maps() -> None:
    policy = replace(PLAIN, on_other_model="hold", model_versions=("v1",))
    assert decide_one(policy, 0.95, 0.05, 0.0, model_version="v2").reasons == ()
    mapped = replace(policy, maps={"": IDENTITY})
    assert decide_one(mapped, 0.95, 0.05, 0.0, model_version="").queue == "hold"


def test_another_model_held_by_its_band_is_open_to_fallback_unless_the_model_held_it() -> None:
    flagged = replace(MAPPED, on_other_model="flagged")
    assert decide_one(flagged, 0.6, 0.4, 0.0, model_version="v2").open_to_fallback is True
    held = replace(MAPPED, on_other_model="hold")
    assert decide_one(held, 0.6, 0.4, 0.0, model_version="v2").open_to_fallback is False


def test_reasons_stand_in_the_order_of_the_rules() -> None:
    policy = replace(
        MAPPED,
        min_margin=0.5,
        max_entropy=0.4,
        escalate_entropy=0.6,
        rules={
            "account_unlock": CategoryRule(mandatory_review=True, mandatory_reason="law", watch=0.1)
        },
        distrusted=frozenset({("account_unlock", 1)}),
    )
    decision = decide_one(policy, 0.55, 0.45, 0.0, model_version="v9")
    assert [reason.code for reason in decision.reasons] == [
        "model_version",
        "confidence",
        "margin",
        "entropy",
        "distrust",
        "mandatory_review",
        "watch",
        "escalation",
    ]
    assert decision.action == "escalate"


def test_route_on_signals_alone_equals_decide() -> None:
    rng = np.random.default_rng(3)
    rows = [dict(zip(HELPDESK, row, strict=True)) for row in rng.dirichlet((1, 1, 1), 200).tolist()]
    policy = replace(MAPPED, min_margin=0.3, max_entropy=0.5)
    matrix, _errors = score_matrix(HELPDESK, rows)
    versions = ["v1"] * len(rows)
    routes = route(policy, compute_signals(matrix), None, versions)
    decisions = decide(policy, matrix, model_versions=versions)
    assert [QUEUES[queue] for queue in routes.queue] == [each.queue for each in decisions]
    assert routes.confidence.tolist() == [each.confidence for each in decisions]


def test_route_refuses_what_does_not_fit_together() -> None:
    matrix, _errors = score_matrix(HELPDESK, [{"vpn_issue": 0.9}])
    signals = compute_signals(matrix)
    with pytest.raises(ValueError, match="0 model versions for 1 items"):
        route(PLAIN, signals, matrix, [])
    with pytest.raises(ValueError, match="give the score matrix too"):
        route(CLASS_AWARE, signals, None, ["v1"])
    with pytest.raises(ValueError, match="other categories than the policy"):
        route(replace(PLAIN, categories=HELPDESK[::-1]), signals, matrix, ["v1"])


def test_nothing_to_decide_is_an_empty_list() -> None:
    assert decide_rows(CLASS_AWARE, []) == []
