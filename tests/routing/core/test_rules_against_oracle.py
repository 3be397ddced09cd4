"""Random policies and items through the vectorised rules and through the slow ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.core.maps import CalibrationMap
from routing.core.policy import CategoryRule, CutOffs, Policy
from routing.core.rules import QUEUES, Decision, decide
from routing.core.signals import score_matrix, stored_matrix
from tests.routing.core.oracle import decide_slowly
from tests.routing.core.policies import decide_rows

hundredths = st.integers(0, 100).map(lambda value: value / 100)
maybe = st.none() | hundredths


@st.composite
def cut_offs(draw: st.DrawFn) -> CutOffs:
    hold, flagged, auto = sorted(draw(st.tuples(hundredths, hundredths, hundredths)))
    return CutOffs(auto=auto, flagged=flagged, hold=hold)


@st.composite
def category_rules(draw: st.DrawFn) -> CategoryRule:
    own = draw(st.none() | cut_offs())
    mandatory = draw(st.booleans())
    return CategoryRule(
        auto=own.auto if own else None,
        flagged=own.flagged if own else None,
        hold=own.hold if own else None,
        mandatory_review=mandatory,
        mandatory_reason="it is the law" if mandatory else "",
        watch=draw(maybe),
    )


calibration_maps = st.sampled_from(
    [
        CalibrationMap("identity"),
        CalibrationMap("platt", (0.6, -0.2)),
        CalibrationMap("temperature", (1.7,)),
        CalibrationMap("beta", (0.8, 1.2, 0.1)),
        CalibrationMap("isotonic", (), ((0.2, 0.1), (0.6, 0.5), (0.95, 0.9))),
    ]
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    categories = tuple("abcdef"[: draw(st.integers(1, 6))])
    some = st.sampled_from(categories)
    return Policy(
        version=1,
        categories=categories,
        cut_offs=draw(cut_offs()),
        min_margin=draw(maybe),
        max_entropy=draw(maybe),
        distrust_entropy=draw(maybe),
        escalate_entropy=draw(maybe),
        reject_action=draw(st.sampled_from(["refuse", "escalate"])),
        rules=draw(st.dictionaries(some, category_rules(), max_size=3)),
        maps=draw(st.dictionaries(some | st.just(""), calibration_maps, max_size=3)),
        model_versions=("v1",),
        on_other_model=draw(st.sampled_from(["warn", "flagged", "hold"])),
        distrusted=frozenset(draw(st.sets(st.tuples(some, st.integers(0, 5)), max_size=8))),
        alternatives=draw(st.integers(1, 7)),
    )


def random_rows(categories: tuple[str, ...], seed: int, count: int) -> list[dict[str, float]]:
    """Vectors of four decimals, every second one truncated, some with a sum over 1."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        alpha = rng.choice([0.2, 1.0, 5.0])
        shares = rng.dirichlet(np.full(len(categories), alpha)) * rng.choice([1.0, 1.004])
        row = {key: min(1.0, round(float(p), 4)) for key, p in zip(categories, shares, strict=True)}
        if index % 2 and len(row) > 1:
            best = sorted(row, key=row.__getitem__, reverse=True)
            row = {key: row[key] for key in best[: rng.integers(1, len(row))]}
        rows.append(row)
    return rows


def with_strange_keys(
    categories: tuple[str, ...], rows: Sequence[Mapping[str, float]], seed: int
) -> list[dict[str, float]]:
    """The rows with up to three keys that no policy of these tests has, some without any other."""
    rng = np.random.default_rng(seed)
    found = []
    for row in rows:
        share = float(rng.choice([0.0, 0.05, 0.3, 0.6, 1.0]))
        parts = rng.dirichlet(np.ones(3))[: rng.integers(0, 4)]
        strange = {f"old_{n}": round(share * float(p), 4) for n, p in enumerate(parts)}
        kept = {key: round(p * (1 - share), 4) for key, p in row.items()}
        if strange and rng.random() < 0.2:
            kept = {}
        found.append({**strange, **kept})
    return [row for row in found if is_good(categories, row)]


def is_good(categories: tuple[str, ...], row: Mapping[str, float]) -> bool:
    """Without strange keys a complete vector must still come to 0.99."""
    return row.keys() != set(categories) or sum(row.values()) >= 0.99


def decide_stored(
    policy: Policy, rows: Sequence[Mapping[str, float]], version: str = "v1"
) -> list[Decision]:
    matrix, errors = stored_matrix(policy.categories, rows)
    assert errors == {}
    return decide(policy, matrix, model_versions=[version] * len(rows))


def as_oracle(decision: Decision) -> dict[str, Any]:
    fields = {name: getattr(decision, name) for name in decision._fields if name != "reasons"}
    return fields | {"codes": [reason.code for reason in decision.reasons]}


@settings(max_examples=150, deadline=None)
@given(policies(), st.integers(0, 2**32 - 1), st.sampled_from(["v1", "v2", ""]))
def test_vectorised_rules_equal_the_slow_ones(policy: Policy, seed: int, version: str) -> None:
    rows = random_rows(policy.categories, seed, 20)
    for row, decision in zip(rows, decide_rows(policy, rows, model_version=version), strict=True):
        found, expected = as_oracle(decision), decide_slowly(policy, row, version)
        for name in ("entropy", "confidence"):
            assert abs(found.pop(name) - expected.pop(name)) <= 1.5e-9
        assert found == expected


@settings(max_examples=150, deadline=None)
@given(policies(), st.integers(0, 2**32 - 1), st.sampled_from(["v1", "v2", ""]))
def test_rules_equal_the_slow_ones_where_scores_name_other_categories(
    policy: Policy, seed: int, version: str
) -> None:
    plain = random_rows(policy.categories, seed, 20)
    rows = with_strange_keys(policy.categories, plain, seed)
    for row, decision in zip(rows, decide_stored(policy, rows, version), strict=True):
        found, expected = as_oracle(decision), decide_slowly(policy, row, version)
        for name in ("entropy", "confidence"):
            assert abs(found.pop(name) - expected.pop(name)) <= 1.5e-9
        assert found == expected


@settings(max_examples=60, deadline=None)
@given(policies(), st.integers(0, 2**32 - 1))
def test_nothing_is_acted_on_that_the_model_puts_outside_the_policy(
    policy: Policy, seed: int
) -> None:
    rows = with_strange_keys(policy.categories, random_rows(policy.categories, seed, 20), seed)
    for row, decision in zip(rows, decide_stored(policy, rows), strict=True):
        outside = sum(p for key, p in row.items() if key not in policy.categories)
        best = max((row.get(key, 0.0) for key in policy.categories), default=0.0)
        if outside > best + 1e-8:
            assert decision.queue in ("hold", "reject")
            assert "outside_policy" in [reason.code for reason in decision.reasons]
        assert all(key in policy.categories for key, _p in decision.alternatives)
        assert 0.0 <= decision.margin <= 1.0
        assert 0.0 <= decision.entropy <= 1.0


@settings(max_examples=60, deadline=None)
@given(policies(), st.integers(0, 2**32 - 1))
def test_a_row_with_other_categories_leaves_its_neighbours_alone(policy: Policy, seed: int) -> None:
    plain = random_rows(policy.categories, seed, 8)
    strange = {"gone": 0.7, policy.categories[0]: 0.3}
    mixed = [row for pair in zip(plain, [strange] * 8, strict=True) for row in pair]
    decided = decide_stored(policy, mixed)
    assert decided[::2] == decide_rows(policy, plain)
    assert decided[1::2] == decide_stored(policy, [strange] * 8)


@settings(max_examples=60, deadline=None)
@given(policies(), st.integers(0, 2**32 - 1))
def test_a_batch_decides_as_its_items_do_alone(policy: Policy, seed: int) -> None:
    rows = random_rows(policy.categories, seed, 8)
    together = decide_rows(policy, rows)
    assert together == [decide_rows(policy, [row])[0] for row in rows]


@settings(max_examples=60, deadline=None)
@given(policies(), st.integers(0, 2**32 - 1), st.data())
def test_a_rule_added_never_lowers_care(policy: Policy, seed: int, data: st.DataObject) -> None:
    rows = random_rows(policy.categories, seed, 12)
    category = data.draw(st.sampled_from(policy.categories))
    rule = policy.rules.get(category, CategoryRule())
    strict = replace(rule, mandatory_review=True, mandatory_reason="law", watch=0.0)
    stricter = replace(
        policy,
        min_margin=max(policy.min_margin or 0.0, 0.3),
        # A gate where there was none would also give distrusted cells a limit to pass under.
        max_entropy=None if policy.max_entropy is None else min(policy.max_entropy, 0.4),
        escalate_entropy=min(
            1.0 if policy.escalate_entropy is None else policy.escalate_entropy, 0.7
        ),
        rules={**policy.rules, category: strict},
    )
    for before, after in zip(decide_rows(policy, rows), decide_rows(stricter, rows), strict=True):
        assert QUEUES.index(after.queue) >= QUEUES.index(before.queue)


@settings(max_examples=60, deadline=None)
@given(policies(), st.integers(0, 2**32 - 1), st.sampled_from(["v1", "v2"]))
def test_what_is_not_auto_says_why_and_auto_has_nothing_against_it(
    policy: Policy, seed: int, version: str
) -> None:
    for decision in decide_rows(
        policy, random_rows(policy.categories, seed, 12), model_version=version
    ):
        codes = {reason.code for reason in decision.reasons}
        if decision.queue == "auto":
            assert codes <= {"model_version"}
        else:
            assert codes
        assert all(len(reason.message) < 160 for reason in decision.reasons)


def test_the_random_rows_are_varied_and_good() -> None:
    rows = random_rows(("a", "b", "c"), 1, 200)
    matrix, errors = score_matrix(("a", "b", "c"), rows)
    assert errors == {}
    assert 80 < int((~matrix.listed).any(axis=1).sum()) <= 100
    assert int((matrix.posted.sum(axis=1) > 1.0).sum()) > 20
