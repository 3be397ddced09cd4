"""Whatever is posted, the answer is a problem document that names the place; nothing is stored."""

import json

import pytest
from django.test import Client

from reviewqueue.access import issue_api_key
from reviewqueue.models import ApiKey
from routing.models import Item, Stream
from tests.conftest import Upstream, make_body
from tests.scenes import make_bare_stream

GOOD = json.dumps(make_body())
DEEP = "[" * 40 + "]" * 40

SPOILED = [
    ("unknown category", GOOD.replace("vpn_issue", "vpn_isue"), "scores.vpn_isue", "vpn_issue"),
    ("over 1", GOOD.replace("0.576", "1.2"), "scores.account_unlock", "1.2"),
    ("negative", GOOD.replace("0.576", "-0.1"), "scores.account_unlock", "-0.1"),
    ("NaN", GOOD.replace("0.576", "NaN"), "scores.account_unlock", "finite"),
    ("Infinity", GOOD.replace("0.576", "Infinity"), "scores.account_unlock", "finite"),
    ("1e999", GOOD.replace("0.576", "1e999"), "scores.account_unlock", "too large"),
    ("text", GOOD.replace("0.576", '"0.576"'), "scores.account_unlock", "number"),
    ("true", GOOD.replace("0.576", "true"), "scores.account_unlock", "number"),
    ("sum over 1", GOOD.replace("0.386", "0.5"), "scores", "1.114"),
    ("sum under 1", GOOD.replace("0.386", "0.1"), "scores", "0.714"),
    ("no scores", json.dumps(make_body(scores=())), "scores", "empty"),
    ("scores missing", '{"external_id": "t", "payload": {}}', "scores", "missing"),
    ("payload no object", json.dumps(make_body(payload=[1])), "payload", "object"),
    ("id long", json.dumps(make_body("x" * 201)), "external_id", "200"),
    ("id no text", GOOD.replace('"t1"', "7"), "external_id", "string"),
    ("unknown field", json.dumps(make_body(payloud={})), "payloud", "payload"),
    ("key twice", GOOD.replace('"payload"', '"external_id": "t2", "payload"'), "body", "twice"),
    ("NUL", json.dumps(make_body(payload={"a": ["x\0"]})), "payload.a[0]", "NUL"),
    ("NUL key", json.dumps(make_body(payload={"a\0": 1})), "payload", "NUL"),
    ("half pair", json.dumps(make_body(metadata={"a": "\ud800"})), "metadata.a", "surrogate"),
    ("long integer", GOOD[:-1] + f', "priority": {"9" * 5000}}}', "priority", "digits"),
    ("priority range", json.dumps(make_body(priority=40_000)), "priority", "1000"),
    ("due without zone", json.dumps(make_body(due_at="2026-01-01T00:00:00")), "due_at", "zone"),
    ("deep", GOOD.replace('"Third time locked out today."', DEEP), "payload.body", "32 levels"),
    ("array", "[]", "body", "object"),
    ("text body", '"AAA"', "body", "object"),
]


@pytest.mark.parametrize(
    ("raw", "field", "words"), [case[1:] for case in SPOILED], ids=[case[0] for case in SPOILED]
)
@pytest.mark.parametrize("call", ["items", "decide"])
def test_spoiled_item_names_the_field(
    upstream: Upstream, call: str, raw: str, field: str, words: str
) -> None:
    response = upstream.post(call, raw.encode())
    problem = json.loads(response.content)

    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert problem["field"].startswith(field)
    assert words in problem["detail"]
    assert problem["status"] == 422
    assert Item.objects.count() == 0


def test_item_without_an_id(upstream: Upstream) -> None:
    problem = json.loads(upstream.post("items", make_body("")).content)

    assert (problem["field"], problem["detail"]) == (
        "external_id",
        "external_id is empty; give it a value.",
    )


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "line 1, column 1"),
        (b"{", "line 1"),
        (b'{"external_id": "t1",}', "column"),
        (GOOD.encode() + b"x", "Extra data"),
        (b"\xff\xfe", "Byte 0 is no UTF-8"),
        (b"[" * 100_000, "nested deeper"),
        (b'{"a":' * 100_000, "nested deeper"),
    ],
)
def test_malformed_json(upstream: Upstream, raw: bytes, words: str) -> None:
    response = upstream.post("items", raw)

    assert response.status_code == 400
    assert words in json.loads(response.content)["detail"]


def test_oversize_body(upstream: Upstream) -> None:
    response = upstream.post("items", make_body(payload={"body": "x" * (1024 * 1024)}))

    assert response.status_code == 413
    assert "1,048,576" in json.loads(response.content)["detail"]


def test_unknown_stream(upstream: Upstream) -> None:
    elsewhere = Upstream(upstream.client, upstream.key, "nowhere")
    problem = json.loads(elsewhere.post("items", make_body()).content)

    assert (problem["status"], problem["field"], problem["value"]) == (404, "stream", "nowhere")


def test_stream_of_another_key(upstream: Upstream) -> None:
    make_bare_stream("other")

    assert Upstream(upstream.client, upstream.key, "other").get("items/x").status_code == 404


@pytest.mark.parametrize("key", ["", "rq_", "rq_wrong", "nonsense\0"])
def test_wrong_key(upstream: Upstream, key: str) -> None:
    response = Upstream(upstream.client, key, upstream.stream_key).post("items", make_body())

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="review queue"'
    assert json.loads(response.content)["type"] == "urn:reviewqueue:problem:unauthorised"


def test_key_with_right_prefix_and_wrong_rest(upstream: Upstream) -> None:
    wrong = upstream.key[:-1] + ("A" if upstream.key[-1] != "A" else "B")

    response = Upstream(upstream.client, wrong, upstream.stream_key).post("items", make_body())

    assert response.status_code == 401


def test_no_key(stream: Stream) -> None:
    assert Client().get(f"/api/v1/streams/{stream.key}/items/x").status_code == 401


def test_revoked_key(upstream: Upstream) -> None:
    key = ApiKey.objects.get()
    key.revoked_at = key.created_at
    key.save()

    assert upstream.post("items", make_body()).status_code == 401


def test_stream_without_policy(db: None) -> None:
    stream = make_bare_stream()
    _, key = issue_api_key(name="k", streams=[stream])
    response = Upstream(Client(), key, stream.key).post("items", make_body())

    assert response.status_code == 409
    assert "publish one" in json.loads(response.content)["detail"]


def test_key_is_not_stored(upstream: Upstream) -> None:
    key = ApiKey.objects.get()

    assert upstream.key.startswith(key.prefix)
    assert len(key.prefix) == 12
    assert len(bytes(key.digest)) == 32
