"""What makes a fallback chain that can be followed, and what each mistake is answered."""

from dataclasses import replace

import pytest

from routing.core.fallback import NO_FALLBACK, Fallback
from routing.core.keywords import KeywordRule
from routing.core.maps import IDENTITY, PolicyError
from routing.core.policy import Policy
from tests.routing.core.policies import DEFAULT, HELPDESK

VPN = KeywordRule("vpn", "keyword", "vpn", "vpn_issue", 0.9)


@pytest.mark.parametrize(
    "steps",
    [
        (),
        ("secondary",),
        ("person",),
        ("uncertain",),
        ("person", "uncertain"),
        ("remote", "rules", "secondary"),
        ("secondary", "rules", "remote", "person", "uncertain"),
        ("rules", "uncertain"),
    ],
)
def test_a_chain_in_order_is_taken(steps: tuple[str, ...]) -> None:
    fallback = Fallback(steps=steps, keyword_rules=(VPN,), remote_model="large")
    assert fallback.sources == tuple(s for s in steps if s in ("secondary", "rules", "remote"))


ORDER = (
    "fallback: a person comes after the second opinions and uncertain comes last; "
    "put the steps in that order"
)


@pytest.mark.parametrize(
    ("fields", "message", "field"),
    [
        (
            {"steps": ("prayer",)},
            "fallback: 'prayer' is no step; use secondary, rules, remote, person, uncertain",
            "fallback_steps",
        ),
        (
            {"steps": ("secondary", "person", "secondary")},
            "fallback: secondary stands twice; name each step once",
            "fallback_steps",
        ),
        ({"steps": ("person", "secondary")}, ORDER, "fallback_steps"),
        ({"steps": ("uncertain", "secondary")}, ORDER, "fallback_steps"),
        ({"steps": ("uncertain", "person")}, ORDER, "fallback_steps"),
        ({"steps": ("secondary", "person", "rules", "uncertain")}, ORDER, "fallback_steps"),
        (
            {"steps": ("rules",)},
            "the fallback lists rules but there are none; add rules or take the step out",
            "fallback_steps",
        ),
        (
            {"steps": ("remote",)},
            "the fallback asks a remote model but none is chosen; choose one or take the step out",
            "remote_model",
        ),
        (
            {"source_maps": {"person": IDENTITY}},
            "source_maps: 'person' is no second opinion; use secondary, rules, remote",
            "source_maps.person",
        ),
        (
            {"keyword_rules": (VPN, VPN)},
            "two rules are called 'vpn'; give each its own name",
            "keyword_rules.vpn",
        ),
    ],
)
def test_a_chain_that_cannot_be_followed_is_refused(
    fields: dict[str, object], message: str, field: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        Fallback(**fields)  # type: ignore[arg-type]
    assert (str(refused.value), refused.value.field) == (message, field)


def test_a_rule_for_a_category_of_another_policy_is_refused() -> None:
    rules = (replace(VPN, id="gone", category="printer"),)
    with pytest.raises(PolicyError) as refused:
        Policy(
            version=1,
            categories=HELPDESK,
            cut_offs=DEFAULT,
            fallback=Fallback(steps=("rules",), keyword_rules=rules),
        )
    assert str(refused.value) == (
        "gone: 'printer' is no category of this policy; add it or remove the rule"
    )
    assert refused.value.field == "keyword_rules.gone.category"


def test_rules_are_matched_only_where_the_chain_asks_them() -> None:
    payload = {"body": "the VPN is down"}
    assert Fallback(steps=("rules",), keyword_rules=(VPN,)).match(payload) == ("vpn",)
    assert Fallback(steps=("secondary",), keyword_rules=(VPN,)).match(payload) == ()
    assert NO_FALLBACK.match(payload) == ()


def test_source_maps_cannot_be_changed_afterwards() -> None:
    maps = {"secondary": IDENTITY}
    fallback = Fallback(steps=("secondary",), source_maps=maps)
    maps["rules"] = IDENTITY
    assert dict(fallback.source_maps) == {"secondary": IDENTITY}
    with pytest.raises(TypeError):
        fallback.source_maps["rules"] = IDENTITY  # type: ignore[index]


def test_equal_chains_are_equal_whatever_was_compiled() -> None:
    one, other = (Fallback(steps=("rules",), keyword_rules=(VPN,)) for _ in range(2))
    assert one == other
    assert one != replace(one, steps=("rules", "person"))
