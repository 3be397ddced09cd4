"""What one policy says differently from another."""

from routing.core.difference import Difference, find_differences, find_lifted
from routing.core.maps import CalibrationMap
from routing.core.policy import CategoryRule, CutOffs, Policy

CUT_OFFS = CutOffs(auto=0.9, flagged=0.7, hold=0.5)
PLATT = CalibrationMap(kind="platt", parameters=(0.5, -0.25))
ISOTONIC = CalibrationMap(kind="isotonic", knots=((0.1, 0.2), (0.9, 0.8)))
REVIEWED = CategoryRule(mandatory_review=True, mandatory_reason="Prices bind us.")


def make_policy(**changes: object) -> Policy:
    fields = {"version": 1, "categories": ("a", "b"), "cut_offs": CUT_OFFS} | changes
    return Policy(**fields)  # type: ignore[arg-type]


def test_differences_of_a_policy_from_itself_are_none() -> None:
    policy = make_policy(rules={"a": REVIEWED}, maps={"": PLATT}, model_versions=("m1",))
    assert find_differences(policy, make_policy(**_content(policy), version=2)) == []


def _content(policy: Policy) -> dict[str, object]:
    return {
        "rules": dict(policy.rules),
        "maps": dict(policy.maps),
        "model_versions": policy.model_versions,
    }


def test_differences_name_field_category_before_and_after() -> None:
    old = make_policy(min_margin=0.3, rules={"b": CategoryRule(auto=0.95, watch=0.4)})
    new = make_policy(
        cut_offs=CutOffs(auto=0.925, flagged=0.7, hold=0.5),
        reject_action="escalate",
        rules={"a": REVIEWED, "b": CategoryRule(auto=0.95)},
        maps={"": PLATT, "b": ISOTONIC},
        model_versions=("m1", "m2"),
        distrusted=frozenset({("b", 2), ("b", 0)}),
    )
    assert find_differences(old, new) == [
        Difference("", "auto", "0.90", "0.925"),
        Difference("", "reject_action", "refuse", "escalate"),
        Difference("", "model_versions", "", "m1, m2"),
        Difference("", "map", "", "platt (0.50, -0.25)"),
        Difference("", "min_margin", "0.30", ""),
        Difference("a", "mandatory_review", "", "yes"),
        Difference("a", "mandatory_reason", "", "Prices bind us."),
        Difference("b", "map", "", "isotonic (0.10 → 0.20, 0.90 → 0.80)"),
        Difference("b", "distrusted", "", "0.00 to 0.50, 0.60 to 0.70"),
        Difference("b", "watch", "0.40", ""),
    ]


def test_differences_of_a_first_policy_are_all_that_it_sets() -> None:
    found = find_differences(None, make_policy(rules={"b": CategoryRule(watch=0.3)}))
    assert [(each.category, each.field, each.after) for each in found] == [
        ("", "auto", "0.90"),
        ("", "flagged", "0.70"),
        ("", "hold", "0.50"),
        ("", "reject_action", "refuse"),
        ("", "on_other_model", "warn"),
        ("", "uncalibrated", "warn"),
        ("", "categories", "a, b"),
        ("", "reporting_edges", "0.50, 0.60, 0.70, 0.80, 0.90"),
        ("b", "watch", "0.30"),
    ]
    assert {each.before for each in found} == {""}


def test_differences_show_categories_that_came_and_went_last() -> None:
    old = make_policy(categories=("a", "gone"), rules={"gone": CategoryRule(auto=0.95)})
    new = make_policy(categories=("new", "a"), rules={"new": CategoryRule(auto=0.99)})
    assert find_differences(old, new) == [
        Difference("", "categories", "a, gone", "new, a"),
        Difference("new", "auto", "", "0.99"),
        Difference("gone", "auto", "0.95", ""),
    ]


def test_lifted_are_categories_that_lose_mandatory_review() -> None:
    old = make_policy(rules={"a": REVIEWED, "b": REVIEWED})
    assert find_lifted(old, make_policy(rules={"b": REVIEWED})) == ("a",)
    assert find_lifted(old, make_policy(rules={"a": REVIEWED, "b": CategoryRule(auto=0.95)})) == (
        "b",
    )
    assert find_lifted(old, old) == ()
    assert find_lifted(None, old) == ()


def test_lifted_are_not_categories_that_are_gone() -> None:
    old = make_policy(rules={"b": REVIEWED})
    assert find_lifted(old, make_policy(categories=("a",))) == ()
