"""How much a key may send, and how often."""

import json

import pytest
from django.test import Client
from pytest_django import Settings

from reviewqueue.access import issue_api_key
from routing.models import Stream
from tests.conftest import Upstream, make_body


def make_upstream(stream: Stream, **limits: int) -> Upstream:
    _, text = issue_api_key(name="k", streams=[stream], limits=limits)
    return Upstream(Client(), text, stream.key)


def test_answers_say_what_is_left(stream: Stream) -> None:
    upstream = make_upstream(stream, requests_per_minute=3)
    answers = [upstream.post("decide", make_body()) for _ in range(4)]

    assert [
        (one.status_code, one["RateLimit-Limit"], one["RateLimit-Remaining"]) for one in answers
    ] == [(200, "3", "2"), (200, "3", "1"), (200, "3", "0"), (429, "3", "0")]
    assert [one["RateLimit-Reset"] for one in answers] == ["20", "40", "60", "60"]
    assert answers[3]["Retry-After"] == "20"
    problem = json.loads(answers[3].content)
    assert (problem["limit"], problem["retry_after"]) == (3, 20)
    assert problem["type"] == "urn:reviewqueue:problem:too_many_requests"


def test_each_key_has_its_own_budget(stream: Stream) -> None:
    first = make_upstream(stream, requests_per_minute=1)
    second = make_upstream(stream, requests_per_minute=1)

    assert [one.get("policy").status_code for one in (first, first, second)] == [200, 429, 200]


def test_zero_is_no_limit(stream: Stream, settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    upstream = make_upstream(stream, requests_per_minute=0)

    assert [upstream.get("policy").status_code for _ in range(3)] == [200, 200, 200]


def test_key_without_a_limit_has_the_settings(stream: Stream, settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 7

    assert make_upstream(stream).get("policy")["RateLimit-Limit"] == "7"


def test_everything_is_let_in_while_redis_is_away(stream: Stream, settings: Settings) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock?db=0"
    upstream = make_upstream(stream, requests_per_minute=1)
    answers = [upstream.get("policy") for _ in range(3)]

    assert [one.status_code for one in answers] == [200, 200, 200]
    assert "RateLimit-Limit" not in answers[0].headers  # type: ignore[attr-defined]


def test_own_size_of_an_item(stream: Stream) -> None:
    upstream = make_upstream(stream, item_max_bytes=200)
    fits = make_body("a")
    large = make_body("b", payload={"body": "x" * 200})
    alone = upstream.post("items", large)
    batch = upstream.post("items/batch", [fits, large])

    assert (alone.status_code, alone["Item-Limit"]) == (413, "200")
    assert json.loads(alone.content)["limit"] == 200
    assert [line["status"] for line in json.loads(batch.content)["results"]] == [201, 413]
    assert (batch["Item-Limit"], batch["Batch-Limit"], batch["Body-Limit"]) == (
        "200",
        "10000",
        "67108864",
    )


@pytest.mark.parametrize(("items", "status"), [(2, 200), (3, 422)])
def test_own_number_of_items_in_a_batch(stream: Stream, items: int, status: int) -> None:
    upstream = make_upstream(stream, batch_max_items=2)
    response = upstream.post("items/batch", [make_body(f"t{n}") for n in range(items)])

    assert (response.status_code, response["Batch-Limit"]) == (status, "2")
    assert json.loads(response.content).get("limit") == (2 if status == 422 else None)


def test_no_key_may_send_more_than_all(stream: Stream, settings: Settings) -> None:
    upstream = make_upstream(stream, item_max_bytes=10**9, batch_max_items=10**9)
    response = upstream.post("items/batch", [make_body()])

    assert (response["Item-Limit"], response["Batch-Limit"]) == (
        str(settings.ITEM_MAX_BYTES),
        str(settings.BATCH_MAX_ITEMS),
    )
