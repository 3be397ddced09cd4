"""Drafted sentences over HTTP."""

import json

import pytest
from django.test import Client

from reviewqueue.access import issue_api_key
from reviewqueue.api import examples
from routing.models import Item, Stream
from tests.conftest import Answered, Upstream
from tests.grounded_scenes import GREEN, REFUSED, make_grounded_stream
from tests.reviewqueue.api.test_examples import body_of, steady

pytestmark = pytest.mark.django_db

POST = examples.DRAFTED
REFUSED_POST = POST | {"external_id": "letter-7-2", "signals": REFUSED}


class Drafts:
    """An upstream with a key of its own stream of drafted sentences."""

    def __init__(self, stream: Stream) -> None:
        _key, secret = issue_api_key(name="drafting", streams=[stream])
        self.headers = {"Authorization": f"Bearer {secret}"}
        self.address = f"/api/v1/streams/{stream.key}"

    def post(self, call: str, body: object) -> Answered:
        return Client().post(
            f"{self.address}/{call}",
            json.dumps(body),
            content_type="application/json",
            headers=self.headers,
        )

    def get(self, call: str) -> Answered:
        return Client().get(f"{self.address}/{call}", headers=self.headers)


@pytest.fixture
def drafts() -> Drafts:
    return Drafts(make_grounded_stream())


def test_example_of_a_sentence_is_what_is_answered(drafts: Drafts) -> None:
    taken, again = drafts.post("items", POST), drafts.post("items", POST)

    assert (taken.status_code, again.status_code) == (201, 200)
    assert steady(body_of(taken)) == steady(examples.AMBER)
    assert body_of(again) == body_of(taken)


def test_item_is_told_with_its_badge_and_citation(drafts: Drafts) -> None:
    taken = body_of(drafts.post("items", POST))

    told = body_of(drafts.get("items/letter-7-3"))

    assert {name: told[name] for name in taken} == taken
    assert (told["state"], told["verdict"]) == ("routed", None)


def test_dry_run_answers_the_same_without_an_id(drafts: Drafts) -> None:
    tried = body_of(drafts.post("decide", {k: v for k, v in POST.items() if k != "external_id"}))

    assert tried == examples.AMBER | {"id": None, "external_id": ""}
    assert not Item.objects.exists()


def test_green_sentence_ships_with_its_citation(drafts: Drafts) -> None:
    answer = body_of(drafts.post("items", POST | {"signals": GREEN}))

    assert (answer["badge"], answer["action"], answer["confidence"]) == ("green", "act", 0.85)
    assert answer["citation"] == examples.AMBER["citation"]


def test_refused_sentence_has_no_citation(drafts: Drafts) -> None:
    answer = body_of(drafts.post("items", REFUSED_POST))

    assert (answer["badge"], answer["action"], answer["category"]) == ("refused", "refuse", None)
    assert answer["citation"] is None
    assert answer["contributions"] == {
        "entailment_probability": 0.06,
        "gap": 0.1,
        "claim_count": 0.15,
    }


def test_sentence_without_a_block_says_so(drafts: Drafts) -> None:
    answer = body_of(drafts.post("items", POST | {"blocks": []}))

    assert (answer["badge"], answer["contributions"], answer["citation"]) == ("refused", None, None)
    assert [reason["code"] for reason in answer["reasons"]] == ["confidence", "no_source"]  # type: ignore[attr-defined]


def test_batch_answers_each_sentence_in_its_place(drafts: Drafts) -> None:
    bad = POST | {"external_id": "b", "signals": {"entailment_probability": "high"}}

    answer = body_of(drafts.post("items/batch", [REFUSED_POST, bad, POST]))

    results = answer["results"]
    assert isinstance(results, list)
    assert [line["status"] for line in results] == [201, 422, 201]
    assert results[1]["problem"]["field"] == "signals.entailment_probability"
    assert results[2]["decision"]["badge"] == "amber"


def test_refused_sentence_is_retried_under_its_id(drafts: Drafts) -> None:
    drafts.post("items", REFUSED_POST)

    answer = drafts.post("items", POST | {"retry_of": "letter-7-2"})

    assert answer.status_code == 201
    assert Item.objects.get(external_id="letter-7-3").retry_of == Item.objects.get(
        external_id="letter-7-2"
    )


@pytest.mark.parametrize(
    ("changes", "field", "detail"),
    [
        (
            {"scores": {"supported": 0.9}},
            "scores",
            "scores is a field that no drafted sentence has; this stream takes blocks and signals.",
        ),
        ({"payload": {"text": "x"}}, "payload.sentence", "payload.sentence is missing; add it."),
        (
            {"payload": {"sentence": ""}},
            "payload.sentence",
            "payload.sentence is empty; give it a value.",
        ),
        (
            {"signals": {"claim_count": 1}},
            "signals.entailment_probability",
            "signals.entailment_probability is missing; "
            "add how probably a block supports the sentence",
        ),
        (
            {"blocks": [POST["blocks"][0], POST["blocks"][0]]},
            "blocks.1.id",
            "blocks.1.id is another block's too; give each its own.",
        ),
        (
            {"blocks": [POST["blocks"][0] | {"date": "last week"}]},
            "blocks.0.date",
            "blocks.0.date is no date; write 2026-01-31.",
        ),
        (
            {"blocks": [POST["blocks"][0] | {"score": True}]},
            "blocks.0.score",
            "blocks.0.score is no number between -1,000,000,000 and 1,000,000,000; "
            "send the reranker's score on its own scale, such as 7.5.",
        ),
        (
            {"blocks": [POST["blocks"][0] | {"score": -2e9}]},
            "blocks.0.score",
            "blocks.0.score is no number between -1,000,000,000 and 1,000,000,000; "
            "send the reranker's score on its own scale, such as 7.5.",
        ),
        ({"blocks": {}}, "blocks", "blocks is no array; send a JSON array."),
        (
            {"claims": [{"text": "x", "entailment_probability": "high"}]},
            "claims.0.entailment_probability",
            "claims.0.entailment_probability is no number; send a probability such as 0.25.",
        ),
        (
            {"retry_of": "letter-6"},
            "retry_of",
            "retry_of names 'letter-6', which is no item of this stream; name the refused one",
        ),
        ({"signal": {}}, "signal", "signal is no field of an item; did you mean signals?"),
    ],
)
def test_bad_sentence_is_refused_by_name(
    drafts: Drafts, changes: dict[str, object], field: str, detail: str
) -> None:
    response = drafts.post("items", POST | changes)

    answer = body_of(response)
    assert (response.status_code, answer["field"], answer["detail"]) == (422, field, detail)


def test_nan_among_the_signals_is_refused_by_name(drafts: Drafts) -> None:
    body = POST | {"signals": {"entailment_probability": float("nan"), "claim_count": 1}}

    response = drafts.post("items", body)

    assert response.status_code in {400, 422}
    assert "signals.entailment_probability" in str(body_of(response))


def test_blocks_in_a_stream_of_scores_are_refused_by_name(upstream: Upstream) -> None:
    response = upstream.post("items", examples.TICKET | {"blocks": []})

    assert response.status_code == 422
    assert body_of(response)["detail"] == (
        "blocks is a field that drafted sentences have; this stream takes scores."
    )


def test_policy_of_sentences_tells_its_weights(drafts: Drafts) -> None:
    told = body_of(drafts.get("policy"))

    assert told["grounding"] == {
        "entailment_weight": 0.6,
        "gap_weight": 0.25,
        "claims_weight": 0.15,
        "gap_low": 0.0,
        "gap_high": 1.0,
    }
    assert told["cut_offs"] == {"auto": 0.85, "flagged": 0.5, "hold": 0.5}
