"""Claims are told apart, compared with passages, and scored by a model that never saw them."""

import numpy as np
import pytest

from reviewqueue.demo.entailment import compare, estimate_entailment, split_claims

PASSAGE = "A batch takes up to 10,000 items. Bad ones are not stored."


@pytest.mark.parametrize(
    ("sentence", "claims"),
    [
        ("A batch has 10 items.", ["A batch has 10 items."]),
        (
            "It waits for a person, and the item is then settled; nobody is asked.",
            ["It waits for a person", "the item is then settled, nobody is asked."],
        ),
        ("JSON, CSV and XML are read.", ["JSON, CSV and XML are read."]),
        ("", [""]),
    ],
)
def test_split_claims(sentence: str, claims: list[str]) -> None:
    assert split_claims(sentence) == claims


def test_compare_of_what_the_passage_says() -> None:
    # Four of four words, in one phrase; of the pairs batch-10, 10-000 and 000-items two.
    shares = compare("A batch: 10,000 items.", PASSAGE)
    assert shares == [1.0, 1.0, pytest.approx(2 / 3), 1.0, 0.0]


def test_compare_of_another_number() -> None:
    assert compare("A batch takes 500 items.", PASSAGE)[3] == 0.0


def test_compare_of_a_denial() -> None:
    assert compare("A batch never takes items.", PASSAGE)[4] == 1.0
    assert compare("Bad ones are never stored.", PASSAGE)[4] == 0.0


def test_compare_of_nothing_shared() -> None:
    assert compare("Webhooks.", PASSAGE) == [0.0, 0.0, 0.0, 0.5, 0.0]


def test_estimate_entailment_never_sees_the_draft_that_it_scores() -> None:
    """Each draft is its own feature: who had seen it could tell, and who had not cannot."""
    drafts = np.repeat(np.arange(20), 5)
    labels = drafts % 2 == 0
    features = (drafts[:, None] == np.arange(20)[None, :]).astype(float)
    estimates = estimate_entailment(features, labels, drafts.astype(str), seed=1)
    assert np.abs(estimates - 0.5).max() < 0.2


def test_estimate_entailment_learns_what_supports() -> None:
    rng = np.random.default_rng(5)
    features = rng.random((200, 5))
    labels = features[:, 0] > 0.5
    drafts = (np.arange(200) // 4).astype(str)
    estimates = estimate_entailment(features, labels, drafts, seed=1)
    assert ((estimates > 0.5) == labels).mean() > 0.9
