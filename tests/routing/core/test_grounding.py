"""The composite confidence, worked by hand."""

import math

import numpy as np
import pytest

from routing.core.grounding import Composite, Grounding
from routing.core.maps import PolicyError


def combine(
    grounding: Grounding, *, entailment: float, gap: float, claims: int, blocks: int = 5
) -> Composite:
    return grounding.combine(
        entailment=np.array([entailment]),
        gap=np.array([gap]),
        claims=np.array([claims]),
        blocks=np.array([blocks]),
    )


@pytest.mark.parametrize(
    ("entailment", "gap", "claims", "expected"),
    [
        (0.91, 0.4, 2, 0.721),  # .546 + .1 + .075
        (1.0, 1.0, 1, 1.0),
        (0.0, 0.0, 1, 0.15),
        (0.8, 0.0, 0, 0.63),  # no claim counts as one
        (0.5, 2.0, 3, 0.6),  # a gap beyond the range counts as its end
        (0.5, -1.0, 3, 0.35),
    ],
)
def test_composite_of_the_usual_weights(
    entailment: float, gap: float, claims: int, expected: float
) -> None:
    found = combine(Grounding(), entailment=entailment, gap=gap, claims=claims)

    assert found.total.tolist() == [expected]


def test_composite_tells_the_part_of_each_signal() -> None:
    grounding = Grounding(gap_low=-2.0, gap_high=8.0)

    found = combine(grounding, entailment=0.91, gap=2.0, claims=2)

    assert found.share.tolist() == [0.4]
    assert found.entailment.tolist() == [0.546]
    assert found.gap.tolist() == [0.1]
    assert found.claims.tolist() == [0.075]
    assert found.total.tolist() == [0.721]


def test_composite_without_a_block_is_nothing() -> None:
    found = combine(Grounding(), entailment=0.99, gap=0.0, claims=1, blocks=0)

    assert found.total.tolist() == [0.0]
    assert found.entailment.tolist() == [0.0]


@pytest.mark.parametrize(
    ("numbers", "field", "message"),
    [
        (
            {"entailment_weight": 0.55},
            "grounding.weights",
            "the weights of entailment, gap and claims sum to 0.95; make them sum to 1",
        ),
        (
            {"entailment_weight": 1.10, "gap_weight": -0.25},
            "grounding.gap_weight",
            "gap_weight is -0.25; a weight is 0 or more",
        ),
        (
            {"gap_weight": math.nan},
            "grounding.gap_weight",
            "gap_weight is nan; give a finite number",
        ),
        (
            {"claims_weight": True},
            "grounding.claims_weight",
            "claims_weight is true; give a finite number",
        ),
        ({"gap_high": math.inf}, "grounding.gap_high", "gap_high is inf; give a finite number"),
        (
            {"gap_low": 1.0},
            "grounding.gap_low",
            "gap_low 1 is not under gap_high 1; give the smallest and the largest difference that "
            "the reranker's scores make",
        ),
    ],
)
def test_grounding_that_cannot_be_is_refused_by_name(
    numbers: dict[str, float], field: str, message: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        Grounding(**numbers)

    assert (caught.value.field, str(caught.value)) == (field, message)


def test_weights_that_sum_to_one_at_nine_decimals_are_taken() -> None:
    assert Grounding(1 / 3, 1 / 3, 1 / 3).entailment_weight == 1 / 3


def test_grounding_reads_back_what_it_writes() -> None:
    own = Grounding(0.5, 0.3, 0.2, -4.0, 12.0)

    assert Grounding.from_json(own.to_json()) == own


def test_stored_grounding_with_an_unknown_number_is_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        Grounding.from_json({"similarity_weight": 0.1})

    assert str(caught.value).startswith("grounding has no 'similarity_weight'; known are")


def test_stored_grounding_that_is_no_object_is_refused() -> None:
    with pytest.raises(PolicyError, match="grounding is a list; give an object"):
        Grounding.from_json([0.6, 0.25, 0.15])
