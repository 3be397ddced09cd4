"""Random chains, second opinions and full queues: against the slow rules, and what always holds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.core.fallback import Fallback
from routing.core.keywords import KeywordRule
from routing.core.policy import CategoryRule, Policy
from routing.core.rules import ACTIONS, QUEUES, Decision, Opinions, RemoteAnswer, decide
from routing.core.signals import score_matrix
from tests.routing.core.oracle import decide_slowly_with
from tests.routing.core.policies import DEFAULT
from tests.routing.core.test_rules_against_oracle import (
    calibration_maps,
    hundredths,
    policies,
    random_rows,
)

SOURCES = ("secondary", "rules", "remote")
RULES = ("r0", "r1", "r2", "r3")
ACTIONS_OF = {
    "auto": {"act"},
    "flagged": {"act_and_review"},
    "hold": {"wait"},
    "reject": {"refuse", "escalate"},
}
BAD: Sequence[Any] = (
    {"nowhere": 1.0},
    {"zz": 0.5, "b-side": 0.5},
    {"a": 1.5},
    {"a": -0.1},
    {"a": "high"},
    {"a": True},
    {"a": None},
    {"a": 10**400},
    {"a": 1e22},
    {"a": 0.9, "b": 0.8},
    {"a": 0.2, "b": 0.1, "c": 0.1, "d": 0.0, "e": 0.0, "f": 0.0},
)


@dataclass(frozen=True)
class Case:
    """One item with all that a decision on it is made from."""

    scores: Mapping[str, float]
    version: str
    secondary: Any
    matched: tuple[str, ...]
    remote: RemoteAnswer | None
    full: bool


@st.composite
def chained_policies(draw: st.DrawFn) -> Policy:
    policy = draw(policies())
    sources = draw(st.permutations(SOURCES).flatmap(lambda all_: st.sampled_from(_starts(all_))))
    ends = draw(st.sampled_from([(), ("person",), ("uncertain",), ("person", "uncertain")]))
    category = st.sampled_from(policy.categories)
    fallback = Fallback(
        steps=(*sources, *ends),
        keyword_rules=tuple(
            KeywordRule(name, "keyword", name, draw(category), draw(hundredths)) for name in RULES
        ),
        remote_model="large",
        source_maps=draw(st.dictionaries(st.sampled_from(SOURCES), calibration_maps)),
    )
    uncalibrated = draw(st.sampled_from(["warn", "flagged", "hold"]))
    return replace(policy, fallback=fallback, uncalibrated=uncalibrated)


def _starts(sources: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(sources[:count]) for count in range(len(sources) + 1)]


def make_cases(policy: Policy, seed: int, count: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    rows, others = (random_rows(policy.categories, seed + part, count) for part in (0, 1))
    return [
        Case(
            scores=row,
            version=str(rng.choice(["v1", "v2", ""])),
            secondary=rng.choice(np.array([other, other, {}, rng.choice(BAD)], dtype=object)),
            matched=tuple(name for name in RULES if rng.random() < 0.3),
            remote=rng.choice(
                np.array(
                    [
                        None,
                        RemoteAnswer(error="timeout"),
                        RemoteAnswer(dict(reversed(other.items()))),
                        RemoteAnswer(rng.choice(BAD)),
                        RemoteAnswer(),
                    ],
                    dtype=object,
                )
            ),
            full=bool(rng.random() < 0.3),
        )
        for row, other in zip(rows, others, strict=True)
    ]


def decide_cases(policy: Policy, cases: Sequence[Case]) -> list[Decision]:
    matrix, errors = score_matrix(policy.categories, [case.scores for case in cases])
    assert errors == {}
    return decide(
        policy,
        matrix,
        model_versions=[case.version for case in cases],
        opinions=Opinions(
            secondary=[case.secondary for case in cases],
            matched=[case.matched for case in cases],
            remote=[case.remote for case in cases],
        ),
        full=[case.full for case in cases],
    )


def as_oracle(decision: Decision) -> dict[str, Any]:
    fields = {name: getattr(decision, name) for name in decision._fields if name != "reasons"}
    codes = [
        f"{reason.code}: {reason.numbers['result']}"
        if reason.code.startswith("fallback_")
        else reason.code
        for reason in decision.reasons
    ]
    return fields | {"codes": codes}


@settings(max_examples=300, deadline=None)
@given(chained_policies(), st.integers(0, 2**31))
def test_chains_equal_the_slow_ones(policy: Policy, seed: int) -> None:
    cases = make_cases(policy, seed, 20)
    for case, decision in zip(cases, decide_cases(policy, cases), strict=True):
        found = as_oracle(decision)
        expected = decide_slowly_with(
            policy,
            case.scores,
            case.version,
            secondary=case.secondary,
            matched=case.matched,
            remote=case.remote,
            full=case.full,
        )
        for name in ("entropy", "confidence"):
            assert abs(found.pop(name) - expected.pop(name)) <= 1.5e-9
        assert found == expected


@settings(max_examples=100, deadline=None)
@given(chained_policies(), st.integers(0, 2**31))
def test_every_item_gets_one_whole_decision(policy: Policy, seed: int) -> None:
    cases = make_cases(policy, seed, 20)
    decisions = decide_cases(policy, cases)
    assert len(decisions) == len(cases)
    for case, made in zip(cases, decisions, strict=True):
        results = [reason.numbers.get("result") for reason in made.reasons]
        codes = [reason.code for reason in made.reasons]
        assert made.action in ACTIONS_OF[made.queue]
        assert (made.category is not None) == (made.queue in ("auto", "flagged"))
        assert (made.source != "") == ("lifted" in results)
        assert not made.source or made.queue == "flagged"
        assert results.count("lifted") + results.count("ended") <= 1
        assert made.asks == ("asking" in results and "capacity" not in codes)
        assert not made.asks or made.action in ("wait", "escalate")
        assert not (case.full and made.queue == "hold")
        assert ("capacity" in codes) <= (case.full and made.action == "refuse")
        assert made.open_to_fallback or not any(code.startswith("fallback") for code in codes)
        assert all(len(reason.message) < 250 for reason in made.reasons)
        json.dumps([dict(reason.numbers) for reason in made.reasons], allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(chained_policies(), st.integers(0, 2**31), st.randoms(use_true_random=False))
def test_a_batch_in_any_order_decides_as_its_items_do_alone(
    policy: Policy, seed: int, random: Any
) -> None:
    cases = make_cases(policy, seed, 8)
    together = decide_cases(policy, cases)
    assert together == decide_cases(policy, cases)
    assert together == [decide_cases(policy, [case])[0] for case in cases]
    order = list(range(len(cases)))
    random.shuffle(order)
    assert decide_cases(policy, [cases[place] for place in order]) == [
        together[place] for place in order
    ]


def store(value: Any) -> Any:
    """A JSON value as the database gives it back: keys in its own order, numbers as decimals."""
    if isinstance(value, dict):
        return {key: store(value[key]) for key in sorted(value, key=lambda key: (len(key), key))}
    if isinstance(value, float) and value >= 1e16:
        return int(value)
    return value


@settings(max_examples=100, deadline=None)
@given(chained_policies(), st.integers(0, 2**31))
def test_a_decision_made_from_what_was_stored_is_the_same(policy: Policy, seed: int) -> None:
    cases = make_cases(policy, seed, 20)
    stored = [
        replace(
            case,
            scores=store(case.scores),
            secondary=store(case.secondary),
            remote=case.remote and replace(case.remote, scores=store(case.remote.scores)),
        )
        for case in cases
    ]
    assert decide_cases(policy, stored) == decide_cases(policy, cases)


def tighten(policy: Policy, how: str, category: str) -> Policy:
    """The same policy with one thing made stricter."""
    if how == "cut_offs":
        raised = replace(
            policy.cut_offs, auto=1.0, flagged=max(policy.cut_offs.flagged, policy.cut_offs.hold)
        )
        return replace(policy, cut_offs=raised)
    if how == "hold":
        top = policy.cut_offs.flagged
        return replace(policy, cut_offs=replace(policy.cut_offs, hold=top), rules=_keep(policy))
    if how == "min_margin":
        return replace(policy, min_margin=max(policy.min_margin or 0.0, 0.4))
    if how == "max_entropy":
        # A gate where there was none would also give distrusted cells a limit to pass under.
        limit = None if policy.max_entropy is None else policy.max_entropy / 2
        return replace(policy, max_entropy=limit)
    if how == "escalate_entropy":
        level = 1.0 if policy.escalate_entropy is None else policy.escalate_entropy
        return replace(policy, escalate_entropy=min(level, 0.5))
    rule = policy.rules.get(category, CategoryRule())
    if how == "watch":
        level = 0.1 if rule.watch is None else rule.watch / 2
        return replace(policy, rules={**policy.rules, category: replace(rule, watch=level)})
    strict = replace(rule, mandatory_review=True, mandatory_reason="law")
    return replace(policy, rules={**policy.rules, category: strict})


def _keep(policy: Policy) -> dict[str, CategoryRule]:
    """The rules without own cut-offs, which need not fit to raised ones."""
    return {
        key: replace(rule, auto=None, flagged=None, hold=None) for key, rule in policy.rules.items()
    }


CHANGES = ("cut_offs", "hold", "min_margin", "max_entropy", "escalate_entropy", "watch", "must")


@pytest.mark.parametrize("how", CHANGES)
@settings(max_examples=60, deadline=None)
@given(policy=chained_policies(), seed=st.integers(0, 2**31), data=st.data())
def test_a_stricter_policy_never_lowers_care(
    how: str, policy: Policy, seed: int, data: st.DataObject
) -> None:
    """Nothing that was kept from acting is acted on; the queue itself only ever rises, but for one.

    A rule that ends the chain lets the first queue stand, so it may leave waiting for a person
    what the chain's last step, *uncertain*, would have refused. Neither is acted on.
    """
    policy = replace(policy, rules=_keep(policy))
    stricter = tighten(policy, how, data.draw(st.sampled_from(policy.categories)))
    cases = make_cases(policy, seed, 20)
    pairs = zip(decide_cases(policy, cases), decide_cases(stricter, cases), strict=True)
    for before, after in pairs:
        refused = any(
            reason.code == "fallback_uncertain" and reason.numbers["result"] == "refused"
            for reason in before.reasons
        )
        least = "hold" if refused else before.queue
        assert QUEUES.index(after.queue) >= QUEUES.index(least)


@settings(max_examples=60, deadline=None)
@given(chained_policies(), st.integers(0, 2**31))
def test_no_opinion_moves_an_item_beyond_flagged_nor_one_with_a_hard_rule(
    policy: Policy, seed: int
) -> None:
    cases = make_cases(policy, seed, 20)
    alone = decide_cases(
        replace(policy, fallback=Fallback()), [replace(case, full=False) for case in cases]
    )
    hard = {"mandatory_review", "watch", "escalation"}
    for before, after in zip(alone, decide_cases(policy, cases), strict=True):
        assert (after.queue == "auto") == (before.queue == "auto")
        if hard & {reason.code for reason in before.reasons} or before.queue in ("auto", "flagged"):
            assert after.source == ""
        if before.action == "escalate":
            assert after.action == "escalate" or after.source
        assert after.predicted == before.predicted
        assert after.reasons[: len(before.reasons)] == before.reasons


def test_the_random_cases_reach_every_result() -> None:
    results: set[str] = set()
    actions: set[str] = set()
    policy = Policy(
        version=1,
        categories=tuple("abc"),
        cut_offs=DEFAULT,
        escalate_entropy=0.98,
        rules={"a": CategoryRule(mandatory_review=True, mandatory_reason="law")},
    )
    keyword_rules = tuple(
        KeywordRule(name, "keyword", name, key, 0.95)
        for name, key in zip(RULES, "abcb", strict=True)
    )
    for steps in (SOURCES, ("remote", "rules", "secondary", "person"), ("uncertain",)):
        fallback = Fallback(steps=steps, keyword_rules=keyword_rules, remote_model="large")
        chained = replace(policy, fallback=fallback)
        for decision in decide_cases(chained, make_cases(chained, 5, 400)):
            actions.add(decision.action)
            results |= set(as_oracle(decision)["codes"])
    assert actions == set(ACTIONS)
    for step in SOURCES:
        for result in ("lifted", "ended", "failed"):
            assert f"fallback_{step}: {result}" in results
    assert {"fallback_secondary: stands", "fallback_remote: asking", "capacity"} <= results
    assert {"fallback_person: waits", "fallback_uncertain: refused"} <= results
