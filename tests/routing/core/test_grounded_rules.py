"""Decisions on drafted sentences."""

from dataclasses import replace

import pytest

from routing.core.evidence import Evidence, EvidenceTable, evidence_table
from routing.core.fallback import Fallback
from routing.core.grounding import ANSWERS, Grounding
from routing.core.maps import CalibrationMap
from routing.core.policy import CategoryRule, CutOffs, Policy, PolicyError
from routing.core.rules import Decision, decide
from routing.core.signals import score_matrix

POLICY = Policy(
    version=1,
    categories=ANSWERS,
    cut_offs=CutOffs(auto=0.85, flagged=0.50, hold=0.50),
    reporting_edges=(0.3, 0.5, 0.7, 0.85, 0.95),
    grounding=Grounding(),
)
AMBER = Evidence(0.91, 2, 0.4, 5, "a")


def table(*rows: Evidence) -> EvidenceTable:
    return evidence_table(rows)[0]


def decide_one(row: Evidence, policy: Policy = POLICY) -> Decision:
    return decide(policy, table(row), model_versions=[""])[0]


@pytest.mark.parametrize(
    ("entailment", "confidence", "queue", "action"),
    [
        (1.0, 0.85, "auto", "act"),  # the lower bound belongs to its band
        (0.99, 0.844, "flagged", "act_and_review"),
        (5 / 12, 0.5, "flagged", "act_and_review"),
        (0.41, 0.496, "reject", "refuse"),
    ],
)
def test_sentence_is_routed_by_its_composite(
    entailment: float, confidence: float, queue: str, action: str
) -> None:
    made = decide_one(Evidence(entailment, 1, 0.4, 5, "a"))

    assert (made.confidence, made.queue, made.action) == (confidence, queue, action)
    assert made.predicted == "supported"
    assert made.category == (None if action == "refuse" else "supported")
    assert (made.margin, made.entropy, made.alternatives, made.watch) == (0.0, 0.0, (), ())


def test_reasons_begin_with_what_the_composite_is_made_of() -> None:
    made = decide_one(AMBER)

    assert [reason.code for reason in made.reasons] == ["composite", "confidence"]
    assert made.reasons[0].message == (
        "entailment 0.91 × 0.60 + gap 0.40 × 0.25 + 1/2 × 0.15 = 0.72"
    )
    assert made.reasons[0].numbers == {
        "entailment_probability": 0.91,
        "claim_count": 2,
        "gap": 0.4,
        "gap_share": 0.4,
        "entailment_part": 0.546,
        "gap_part": 0.1,
        "claims_part": 0.075,
        "composite": 0.721,
        "block": "a",
    }


def test_sentence_without_a_block_is_refused_with_its_own_reason() -> None:
    lifting = replace(
        POLICY,
        maps={"": CalibrationMap("isotonic", knots=((0.0, 0.9), (1.0, 1.0)))},
        model_versions=("",),
        reject_action="escalate",
        fallback=Fallback(steps=("person",)),
    )

    made = decide_one(Evidence(0.99, 1, 0.0, 0, ""), lifting)

    assert (made.queue, made.action, made.raw_confidence) == ("reject", "refuse", 0.0)
    assert [reason.code for reason in made.reasons] == ["no_source"]
    assert made.reasons[0].message == "no block supports the sentence"


def test_map_calibrates_the_composite() -> None:
    policy = replace(POLICY, maps={"": CalibrationMap("platt", (1.0, -1.0))}, model_versions=("",))

    made = decide_one(AMBER, policy)

    assert (made.raw_confidence, made.confidence) == (0.721, 0.487359533)
    assert made.queue == "reject"


def test_warnings_move_nothing_and_come_last() -> None:
    warned = AMBER._replace(
        entailment=1.0,
        claims=1,
        warnings=(
            ("stale_source", {"block": "a", "age_days": 1_200, "limit_days": 365}),
            ("number_not_found", {"count": 2, "places": "1-2 4-6"}),
        ),
    )

    made = decide_one(warned)

    assert made.queue == "auto"
    assert [(reason.code, reason.message) for reason in made.reasons[1:]] == [
        ("stale_source", "the cited block is 1,200 days old, over the limit of 365"),
        ("number_not_found", "2 numbers of the sentence stand in no block"),
    ]


def test_batch_decides_each_as_alone() -> None:
    rows = [Evidence(place / 10, place, place / 20, place, "a") for place in range(10)]

    together = decide(POLICY, table(*rows), model_versions=[""] * 10)

    assert together == [decide_one(row) for row in rows]


def test_refusal_goes_to_a_person_where_the_chain_says_so() -> None:
    asking = replace(POLICY, fallback=Fallback(steps=("person",)))

    made = decide_one(Evidence(0.1, 1, 0.0, 1, "a"), asking)

    assert (made.queue, made.action) == ("hold", "wait")


def test_scores_under_a_grounded_policy_are_a_mistake() -> None:
    matrix, _errors = score_matrix(ANSWERS, [{"supported": 1.0}])

    with pytest.raises(ValueError, match="a grounded policy decides from evidence"):
        decide(POLICY, matrix, model_versions=[""])
    with pytest.raises(ValueError, match="the policy is not grounded"):
        decide(replace(POLICY, grounding=None), table(AMBER), model_versions=[""])


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        (
            {"categories": ("supported", "refuted")},
            "categories",
            "a grounded policy has the categories supported and not_supported, in this order, "
            "and no others",
        ),
        (
            {"min_margin": 0.3},
            "min_margin",
            "min_margin is set, but drafted sentences have neither margin nor entropy; "
            "leave it empty",
        ),
        (
            {"escalate_entropy": 0.8},
            "escalate_entropy",
            "escalate_entropy is set, but drafted sentences have neither margin nor entropy; "
            "leave it empty",
        ),
        (
            {"rules": {"supported": CategoryRule(watch=0.0)}},
            "rules.supported.watch",
            "supported: watch is set, but every drafted sentence is predicted to be supported; "
            "move the cut-offs instead",
        ),
        (
            {"rules": {"supported": CategoryRule(mandatory_review=True, mandatory_reason="law")}},
            "rules.supported.mandatory_review",
            "supported: mandatory_review is set, but every drafted sentence is predicted to be "
            "supported; move the cut-offs instead",
        ),
        (
            {"fallback": Fallback(steps=("secondary",))},
            "fallback_steps",
            "the fallback asks secondary for scores, which drafted sentences do not have; "
            "use person or uncertain",
        ),
    ],
)
def test_what_reads_scores_has_no_place_in_a_grounded_policy(
    changes: dict[str, object], field: str, message: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        replace(POLICY, **changes)  # type: ignore[arg-type]

    assert (caught.value.field, str(caught.value)) == (field, message)
