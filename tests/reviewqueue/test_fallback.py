"""Second opinions at intake: what upstream is answered when one lifts, fails or is asked."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from django.test import Client

from reviewqueue.access import issue_api_key
from reviewqueue.models import ReviewTask
from routing.models import Decision, Item, KeywordRule, Policy, RemoteModel, Stream
from routing.policies import publish_policy
from tests.conftest import Upstream
from tests.scenes import HELD, SURE, make_bare_stream

pytestmark = pytest.mark.django_db

REFUSED = {"account_unlock": 0.4, "vpn_issue": 0.3, "security_incident": 0.3}


@pytest.fixture
def stream(db: None) -> Stream:
    return make_bare_stream()


@pytest.fixture
def upstream(stream: Stream) -> Upstream:
    _, key = issue_api_key(name="tickets", streams=[stream])
    return Upstream(Client(), key, stream.key)


def publish_chain(stream: Stream, *steps: str, **fields: object) -> Policy:
    remote = RemoteModel.objects.create(stream=stream, name="large", url="https://m.example/")
    policy = Policy.objects.create(
        stream=stream, fallback_steps=list(steps), remote_model=remote, min_margin=0.3, **fields
    )
    for name, pattern, kind, key in (
        ("vpn", "vpn", "keyword", "vpn_issue"),
        ("code", "err(or)?-[0-9]+", "regex", "vpn_issue"),
        ("locked", "locked out", "keyword", "account_unlock"),
    ):
        KeywordRule.objects.create(
            stream=stream,
            policy=policy,
            name=name,
            kind=kind,
            pattern=pattern,
            category=stream.categories.get(key=key),
            confidence=0.92,
        )
    return publish_policy(policy_id=policy.id, reason="for the test", published_by_id=None)


def post(
    upstream: Upstream,
    *,
    scores: Mapping[str, float] = HELD,
    body: str = "It does not work.",
    call: str = "items",
    **fields: object,
) -> dict[str, Any]:
    external_id = {} if call == "decide" else {"external_id": "T-1"}
    response = upstream.post(
        call, {**external_id, "payload": {"body": body}, "scores": scores, **fields}
    )
    assert response.status_code in (200, 201), response.content
    answer: dict[str, Any] = json.loads(response.content)
    return answer


def decided(answer: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(answer[name] for name in ("queue", "action", "category", "predicted"))


def test_a_posted_second_opinion_lifts_to_flagged(stream: Stream, upstream: Upstream) -> None:
    publish_chain(stream, "secondary")
    sure = {"account_unlock": 0.95, "vpn_issue": 0.05}
    answer = post(upstream, secondary=sure)
    assert decided(answer) == ("flagged", "act_and_review", "account_unlock", "vpn_issue")
    assert answer["uncertain"] is None
    assert answer["reasons"][-1] == {
        "code": "fallback_secondary",
        "message": "second opinion: account_unlock at 0.95: acted on and reviewed",
        "result": "lifted",
        "category": "account_unlock",
        "confidence": 0.95,
        "raw_confidence": 0.95,
        "margin": 0.9,
        "entropy": 0.180696362,
        "queue": "auto",
    }
    made = Decision.objects.get()
    assert (made.category, made.source, made.predicted) == (
        "account_unlock",
        "secondary",
        "vpn_issue",
    )
    assert ReviewTask.objects.get().queue == "flagged"
    assert Item.objects.get().secondary == sure
    assert post(upstream, secondary=sure) == answer
    assert json.loads(upstream.get("items/T-1").content)["category"] == "account_unlock"


def test_another_second_opinion_under_the_same_id_is_another_body(
    stream: Stream, upstream: Upstream
) -> None:
    publish_chain(stream, "secondary")
    post(upstream)
    response = upstream.post(
        "items",
        {
            "external_id": "T-1",
            "payload": {"body": "It does not work."},
            "scores": HELD,
            "secondary": SURE,
        },
    )
    assert response.status_code == 422
    assert json.loads(response.content)["type"].endswith("conflict")


def test_a_second_opinion_that_cannot_be_used_leaves_the_item_in_hold(
    stream: Stream, upstream: Upstream
) -> None:
    publish_chain(stream, "secondary")
    answer = post(upstream, secondary={"printer": 1.0})
    assert decided(answer) == ("hold", "wait", None, "vpn_issue")
    assert answer["reasons"][-1]["result"] == "failed"
    assert ReviewTask.objects.get().queue == "hold"


def test_a_second_opinion_is_ignored_without_the_step(stream: Stream, upstream: Upstream) -> None:
    publish_chain(stream)
    answer = post(upstream, secondary=SURE, body="vpn")
    assert decided(answer) == ("hold", "wait", None, "vpn_issue")
    assert Decision.objects.get().matched_rules == []


@pytest.mark.parametrize(
    ("body", "matched", "said"),
    [
        ("The VPN drops", ["vpn"], "lifted: vpn_issue"),
        ("it says Error-42 about the vpn", ["code", "vpn"], "lifted: vpn_issue"),
        ("locked out", ["locked"], "lifted: account_unlock"),
        ("locked out of the vpn", ["locked", "vpn"], "failed"),
        ("nothing works", [], "missing"),
        ("", [], "missing"),
    ],
)
def test_keyword_rules_read_the_payload(
    stream: Stream,
    upstream: Upstream,
    body: str,
    matched: Sequence[str],
    said: str,
) -> None:
    publish_chain(stream, "rules")
    answer = post(upstream, body=body)
    made = Decision.objects.get()
    result, _, category = said.partition(": ")
    assert answer["reasons"][-1]["result"] == result
    assert answer["category"] == (category or None)
    assert made.matched_rules == matched
    assert made.source == ("rules" if result == "lifted" else "")
    assert answer["queue"] == ("flagged" if result == "lifted" else "hold")


def test_a_refusal_answers_uncertain_with_its_candidates(
    stream: Stream, upstream: Upstream
) -> None:
    publish_chain(stream, "secondary", "rules")
    answer = post(upstream, scores=REFUSED)
    assert decided(answer) == ("reject", "refuse", None, "account_unlock")
    assert answer["uncertain"] == {
        "message": "No answer is certain enough to act on; treat this item as unanswered.",
        "candidates": [
            {"category": "account_unlock", "probability": 0.4},
            {"category": "vpn_issue", "probability": 0.3},
            {"category": "security_incident", "probability": 0.3},
        ],
    }
    assert not ReviewTask.objects.exists()


@pytest.mark.parametrize(
    ("steps", "scores", "action"),
    [
        (("person",), REFUSED, "wait"),
        (("uncertain",), HELD, "refuse"),
        (("secondary", "person", "uncertain"), REFUSED, "wait"),
    ],
)
def test_the_last_step_decides_between_a_person_and_uncertain(
    stream: Stream,
    upstream: Upstream,
    steps: Sequence[str],
    scores: Mapping[str, float],
    action: str,
) -> None:
    publish_chain(stream, *steps)
    answer = post(upstream, scores=scores)
    assert answer["action"] == action
    assert (answer["uncertain"] is None) == (action == "wait")
    assert Item.objects.get().state == ("waiting" if action == "wait" else "routed")
    assert ReviewTask.objects.filter(queue="hold").count() == (1 if action == "wait" else 0)


def test_an_item_waits_in_hold_while_the_remote_model_is_asked(
    stream: Stream, upstream: Upstream
) -> None:
    publish_chain(stream, "remote")
    answer = post(upstream, scores=REFUSED)
    assert decided(answer) == ("hold", "wait", None, "account_unlock")
    assert answer["reasons"][-1] == {
        "code": "fallback_remote",
        "message": "large is asked for a second opinion",
        "result": "asking",
        "model": "large",
    }
    assert answer["uncertain"] is None
    assert Decision.objects.get().remote_answer is None


def test_a_try_follows_the_chain_and_stores_nothing(stream: Stream, upstream: Upstream) -> None:
    publish_chain(stream, "rules", "uncertain")
    assert post(upstream, call="decide", body="vpn")["category"] == "vpn_issue"
    refused = post(upstream, call="decide")
    assert (refused["action"], refused["uncertain"]["candidates"][0]["category"]) == (
        "refuse",
        "vpn_issue",
    )
    assert not Item.objects.exists()


def test_a_batch_follows_the_chain_item_by_item(stream: Stream, upstream: Upstream) -> None:
    publish_chain(stream, "secondary", "rules", "uncertain")
    posts = [
        {"external_id": "a", "payload": {}, "scores": HELD, "secondary": SURE},
        {"external_id": "b", "payload": {"body": "vpn"}, "scores": HELD},
        {"external_id": "c", "payload": {}, "scores": HELD},
        {"external_id": "d", "payload": {}, "scores": SURE},
        {"external_id": "e", "payload": {}, "scores": {"printer": 1.0}},
    ]
    body = json.loads(upstream.post("items/batch", posts).content)
    assert (body["taken"], body["refused"]) == (4, 1)
    made = [line["decision"] for line in body["results"] if "decision" in line]
    assert [each["action"] for each in made] == [
        "act_and_review",
        "act_and_review",
        "refuse",
        "act",
    ]
    sources = Decision.objects.order_by("item__external_id").values_list("source", flat=True)
    assert list(sources) == ["secondary", "rules", "", ""]
