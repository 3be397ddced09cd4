"""The examples of the OpenAPI document are what really happens."""

import json
from collections.abc import Mapping

from django.test import Client

from reviewqueue.access import issue_api_key
from reviewqueue.api import examples
from reviewqueue.api.problems import TITLES
from reviewqueue.claims import claim_next
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Stream
from tests.conftest import Answered, Upstream
from tests.scenes import make_bare_stream, make_person

CHANGING = (
    *("id", "item", "policy", "alarm", "webhook"),
    *("received_at", "answered_at", "published_at", "requested_at", "timestamp"),
)


def body_of(response: Answered) -> dict[str, object]:
    found = json.loads(response.content)
    assert isinstance(found, dict)
    return found


def steady(body: object) -> object:
    """A body without what differs each time."""
    if isinstance(body, list):
        return [steady(one) for one in body]
    if isinstance(body, Mapping):
        return {key: steady(value) for key, value in body.items() if key not in CHANGING}
    return body


def test_examples_of_posts(upstream: Upstream, stream: Stream) -> None:
    Stream.objects.update(undo_seconds=0)
    taken = upstream.post("items", examples.TICKET)
    again = upstream.post("items", examples.TICKET)
    other = upstream.post("items", examples.TICKET | {"priority": 5})
    batch = upstream.post("items/batch", examples.BATCHES["two"][1])
    tried = [upstream.post("decide", body) for _summary, body in examples.TRIED.values()]
    rita = make_person("rita", stream, "reviewer")
    task = claim_next(user=rita, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=rita,
        answer=Answer("category", ("account_unlock",), comment="The lock is what stops them."),
    )
    settled = body_of(upstream.get("items/HD-4711"))
    assert steady(body_of(upstream.get("outcomes"))) == steady(examples.OUTCOMES)

    assert (taken.status_code, again.status_code) == (201, 200)
    assert body_of(again) == body_of(taken)
    assert steady(body_of(taken)) == steady(examples.HELD)
    assert body_of(other) == examples.PROBLEMS["conflict"]
    assert steady(body_of(batch)) == steady(examples.BATCH_ANSWER)
    assert steady(body_of(tried[0])) == steady(examples.ACTED_ON)
    assert steady(body_of(tried[1])) == steady(examples.ACTED_ON | {"external_id": "HD-4712"})
    assert steady(settled) == steady(examples.SETTLED)
    assert settled.keys() == examples.SETTLED.keys()


def test_examples_of_streams(upstream: Upstream) -> None:
    headers = {"authorization": f"Bearer {upstream.key}"}
    streams = upstream.client.get("/api/v1/streams", headers=headers)

    assert body_of(streams) == examples.STREAMS
    assert steady(body_of(upstream.get("policy"))) == steady(examples.POLICY)


def test_examples_of_problems(upstream: Upstream) -> None:
    bare = make_bare_stream("bare")
    _, text = issue_api_key(name="slow", streams=[bare], limits={"requests_per_minute": 2})
    slow = Upstream(Client(), text, "bare")
    elsewhere = Upstream(upstream.client, upstream.key, "helpdesc")
    large = {"external_id": "x" * 1_100_000}
    told = {
        "malformed": upstream.post("items", b"{"),
        "unauthorised": Client().get("/api/v1/streams"),
        "not_found": elsewhere.get("policy"),
        "method_not_allowed": upstream.client.put("/api/v1/streams"),
        "no_policy": slow.post("items", examples.SURE),
        "too_large": upstream.post("items", large),
        "too_many_requests": [slow.get("policy") for _ in range(2)][1],
    }

    assert {code: body_of(answer) for code, answer in told.items()} == {
        code: examples.PROBLEMS[code] for code in told
    }
    for code, problem in examples.PROBLEMS.items():
        assert (problem["status"], problem["title"]) == TITLES[code]
