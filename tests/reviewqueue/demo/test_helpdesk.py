"""The tickets are what they claim to be, and the model's confidence is worth distrusting."""

from collections import Counter

import pytest

from reviewqueue.demo import Prediction
from reviewqueue.demo.helpdesk import CATEGORIES, MODEL_VERSION, predictions, read_tickets

KEYS = [category.key for category in CATEGORIES]


@pytest.fixture(scope="module")
def scored() -> list[Prediction]:
    return list(predictions(seed=7))


def test_tickets_are_numbered_and_each_written_once() -> None:
    tickets = read_tickets()
    assert [ticket.external_id for ticket in tickets] == [f"HD-{n:04d}" for n in range(1, 433)]
    assert len({ticket.body for ticket in tickets}) == 432
    assert len({ticket.subject for ticket in tickets}) == 432


def test_tickets_spread_evenly_over_the_categories() -> None:
    assert Counter(ticket.truth for ticket in read_tickets()) == {
        "account_unlock": 66,
        "vpn_issue": 62,
        "security_incident": 59,
        "hardware_request": 61,
        "software_install": 62,
        "email_delivery": 60,
        "access_request": 62,
    }


def test_tickets_run_from_a_few_words_to_a_long_mail() -> None:
    words = sorted(len(ticket.body.split()) for ticket in read_tickets())
    assert (words[0], words[len(words) // 2], words[-1]) == (6, 34, 114)


def test_ambiguous_tickets_name_other_categories_only() -> None:
    ambiguous = [ticket for ticket in read_tickets() if ticket.also]
    assert len(ambiguous) == 36
    for ticket in ambiguous:
        assert set(ticket.also) <= set(KEYS) - {ticket.truth}
        assert len(set(ticket.also)) == len(ticket.also)


def test_predictions_cover_every_ticket_once_with_its_words_and_labels(
    scored: list[Prediction],
) -> None:
    by_id = {prediction.external_id: prediction for prediction in scored}
    assert len(scored) == len(by_id) == 432
    for ticket in read_tickets():
        prediction = by_id[ticket.external_id]
        assert prediction.payload == {"subject": ticket.subject, "body": ticket.body}
        assert (prediction.truth, prediction.also) == (ticket.truth, ticket.also)
        assert prediction.model_version == MODEL_VERSION


def test_scores_list_all_categories_in_order_and_sum_to_one(scored: list[Prediction]) -> None:
    for prediction in scored:
        assert list(prediction.scores) == KEYS
        assert min(prediction.scores.values()) >= 0
        assert 1 - 1e-5 < sum(prediction.scores.values()) <= 1 + 1e-12


def test_model_is_useful_but_overconfident_at_the_top(scored: list[Prediction]) -> None:
    tops = [
        (max(prediction.scores.values()), max(prediction.scores, key=prediction.scores.__getitem__))
        for prediction in scored
    ]
    hits = [top == prediction.truth for (_, top), prediction in zip(tops, scored, strict=True)]
    assert sum(hits) / 432 == pytest.approx(0.77, abs=0.03)
    sure = [(p, hit) for (p, _), hit in zip(tops, hits, strict=True) if p >= 0.9]
    promised = sum(p for p, _ in sure) / len(sure)
    kept = sum(hit for _, hit in sure) / len(sure)
    assert 0.4 < len(sure) / 432 < 0.7
    assert promised - kept > 0.05


def test_categories_have_distinct_labels_and_definitions() -> None:
    assert len(set(KEYS)) == 7
    assert len({category.label for category in CATEGORIES}) == 7
    assert len({category.definition for category in CATEGORIES}) == 7
    assert min(len(category.definition) for category in CATEGORIES) > 60
