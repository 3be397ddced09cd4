"""The client against the real API, and against a service that fails as services do."""

import json
import time
from collections.abc import Iterator
from typing import get_type_hints, is_typeddict

import pytest
import reviewqueue_client
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from reviewqueue_client import Refused, ReviewQueue, Unreachable

from reviewqueue.access import issue_api_key
from reviewqueue.claims import claim_next
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Item, Stream
from tests.clients.moody_server import MoodyServer, Say, run_moody
from tests.conftest import make_body
from tests.scenes import make_bare_stream, make_person, publish_worked_policy

ITEM = make_body("t1")
# The client's types by the names of their schemas.
FORMS = {
    reviewqueue_client.Alternative: "Alternative",
    reviewqueue_client.Answer: "AnswerOut",
    reviewqueue_client.BatchLine: "BatchLine",
    reviewqueue_client.Calibration: "CalibrationOut",
    reviewqueue_client.Category: "CategoryOut",
    reviewqueue_client.Citation: "CitationOut",
    reviewqueue_client.CutOffs: "CutOffsOut",
    reviewqueue_client.Decision: "DecisionOut",
    reviewqueue_client.Distrusted: "DistrustedOut",
    reviewqueue_client.Gates: "GatesOut",
    reviewqueue_client.Grounding: "GroundingOut",
    reviewqueue_client.Item: "ItemOut",
    reviewqueue_client.Limits: "LimitsOut",
    reviewqueue_client.Machine: "MachineOut",
    reviewqueue_client.Outcome: "OutcomeOut",
    reviewqueue_client.OutcomeData: "OutcomeData",
    reviewqueue_client.Policy: "PolicyOut",
    reviewqueue_client.Problem: "ProblemDocument",
    reviewqueue_client.Retry: "RetryOut",
    reviewqueue_client.Stream: "StreamOut",
    reviewqueue_client.Streams: "StreamsOut",
    reviewqueue_client.Uncertain: "Uncertain",
    reviewqueue_client.Verdict: "VerdictOut",
}


@pytest.fixture
def live_stream(transactional_db: None) -> Stream:
    made = make_bare_stream(undo_seconds=0)
    publish_worked_policy(made)
    return made


@pytest.fixture
def queue(live_stream: Stream, live_server: LiveServer) -> ReviewQueue:
    _, key = issue_api_key(name="client", streams=[live_stream])
    return ReviewQueue(str(live_server.url), key, live_stream.key)


def ask(server: MoodyServer, *, tries: int = 3) -> ReviewQueue:
    return ReviewQueue(server.url, "rq_x", "helpdesk", tries=tries, timeout=5)


def test_item_is_posted_once_however_often_it_is_sent(queue: ReviewQueue) -> None:
    first, again = queue.post_item(ITEM), queue.post_item(ITEM)

    assert (first["action"], first["predicted"], first["category"]) == (
        "wait",
        "account_unlock",
        None,
    )
    assert again == first
    assert Item.objects.count() == 1


def test_other_body_under_the_same_id_is_refused(queue: ReviewQueue) -> None:
    queue.post_item(ITEM)
    fingerprint = queue.get_item("t1")["fingerprint"]
    with pytest.raises(Refused) as refused:
        queue.post_item({**ITEM, "priority": 5})

    assert (refused.value.status, refused.value.code) == (422, "conflict")
    assert refused.value.problem["stored_fingerprint"] == fingerprint


def test_wrong_key_is_refused_at_once(queue: ReviewQueue) -> None:
    stranger = ReviewQueue(queue.url, "rq_wrong", queue.stream)
    with pytest.raises(Refused, match=r"^401: Send a key that is not revoked") as refused:
        stranger.get_policy()

    assert refused.value.code == "unauthorised"


def test_batch_is_sent_in_chunks_and_answered_in_order(queue: ReviewQueue) -> None:
    def items() -> Iterator[dict[str, object]]:
        for number in range(5):
            yield make_body(f"t{number}", (0.9, 0.06, 0.04))
        yield make_body("bad", (2.0,))

    lines = list(queue.post_batch(items(), chunk=2))

    assert [(line["index"], line["status"]) for line in lines] == [
        *((number, 201) for number in range(5)),
        (5, 422),
    ]
    assert lines[0]["decision"]["category"] == "account_unlock"
    assert lines[5]["problem"]["field"] == "scores.account_unlock"
    assert list(queue.post_batch([])) == []


def test_large_items_go_in_chunks_that_the_service_takes(
    queue: ReviewQueue, settings: Settings
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 4_000
    items = [
        make_body(f"t{number}", (0.9, 0.06, 0.04), payload={"body": "x" * 900})
        for number in range(10)
    ]
    long = make_body("long", payload={"body": "x" * 5_000})
    lines = list(queue.post_batch([*items, long]))

    assert [(line["index"], line["status"]) for line in lines] == [
        *((number, 201) for number in range(10)),
        (10, 413),
    ]
    assert lines[10]["problem"]["limit"] == 4_000
    assert Item.objects.count() == 10


@pytest.mark.parametrize(
    ("chunk", "chunk_bytes", "sizes"),
    [(1000, 100, [2, 2, 1, 1]), (1, 100, [1] * 6), (4, 1000, [4, 2]), (1000, 1000, [6])],
)
def test_chunks_are_bounded_by_items_and_by_bytes(
    chunk: int, chunk_bytes: int, sizes: list[int]
) -> None:
    items = [{"a": "x" * length} for length in (41, 40, 10, 60, 95, 0)]
    with run_moody(*[Say(200, {"results": []})] * len(sizes)) as server:
        assert list(ask(server).post_batch(items, chunk=chunk, chunk_bytes=chunk_bytes)) == []
        bodies = [body for _method, _path, body in server.asked]

    assert [json.loads(line) for body in bodies for line in body.splitlines()] == items
    assert [len(body.splitlines()) for body in bodies] == sizes
    assert all(len(body) <= chunk_bytes or body.count(b"\n") == 0 for body in bodies)


def test_streams_of_the_key_and_what_it_may_send(queue: ReviewQueue) -> None:
    found = queue.streams()

    assert found["streams"] == [{"key": "helpdesk", "name": "Helpdesk", "policy_version": 1}]
    assert found["limits"]["batch_items"] == 10_000


@pytest.mark.parametrize(("form", "schema"), FORMS.items())
def test_types_have_the_keys_of_the_schemas(db: None, form: type, schema: str) -> None:
    document = json.loads(Client().get("/api/v1/openapi.json").content)
    described = document["components"]["schemas"][schema]

    assert set(get_type_hints(form)) == set(described["properties"])
    assert form.__required_keys__ == set(described["required"])  # type: ignore[attr-defined]


def test_every_type_is_compared() -> None:
    types = {found for found in vars(reviewqueue_client).values() if is_typeddict(found)}
    assert types == set(FORMS)


def test_dry_run_stores_nothing(queue: ReviewQueue) -> None:
    assert queue.decide({"scores": {"vpn_issue": 0.97}})["id"] is None
    assert Item.objects.count() == 0


@pytest.mark.parametrize("external_id", ["a/b", "a b?c#d", "ü%41", "batch"])
def test_item_with_any_id_is_found(queue: ReviewQueue, external_id: str) -> None:
    queue.post_item(make_body(external_id))

    assert queue.get_item(external_id)["external_id"] == external_id


def test_item_tells_its_verdict(queue: ReviewQueue, live_stream: Stream) -> None:
    queue.post_item(ITEM)
    before = queue.get_item("t1")
    rita = make_person("rita", live_stream, "reviewer")
    task = claim_next(user=rita, stream=live_stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=rita,
        answer=Answer("category", ("vpn_issue",)),
    )
    after = queue.get_item("t1")

    assert (before["state"], before["verdict"]) == ("waiting", None)
    assert after["state"] == "settled"
    assert after["verdict"] is not None
    assert after["verdict"]["categories"] == ["vpn_issue"]


def test_client_waits_as_long_as_the_real_limit_says(
    queue: ReviewQueue, settings: Settings
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 60
    began = time.monotonic()
    for _ in range(62):
        queue.get_policy()

    assert time.monotonic() - began >= 2.0


def test_what_fails_for_a_while_is_sent_again(transactional_db: None) -> None:
    told = {"external_id": "t1"}
    with run_moody(Say(0), Say(503, {}, {"Retry-After": "1"}), Say(200, told)) as server:
        began = time.monotonic()
        assert ask(server).post_item(ITEM)["external_id"] == "t1"
        assert time.monotonic() - began >= 1.0
        assert len({body for _method, _path, body in server.asked}) == 1
        assert len(server.asked) == 3


def test_client_gives_up_after_its_tries() -> None:
    with run_moody(Say(429, {}, {"Retry-After": "0"}), Say(0)) as server:
        with pytest.raises(Unreachable, match="was tried 2 times"):
            ask(server, tries=2).post_item(ITEM)
        assert len(server.asked) == 2


def test_page_of_a_proxy_is_no_problem_document() -> None:
    with run_moody(Say(403, b"<h1>Forbidden</h1>")) as server:
        with pytest.raises(Refused, match=r"403: <h1>Forbidden</h1>") as refused:
            ask(server).get_policy()
        assert refused.value.code == ""


def test_key_is_not_sent_where_a_redirect_leads() -> None:
    with (
        run_moody(Say(200, {})) as other,
        run_moody(Say(302, {}, {"Location": f"{other.url}/api"})) as server,
    ):
        with pytest.raises(Refused) as refused:
            ask(server).get_policy()
        assert refused.value.status == 302
        assert other.asked == []


def test_outcomes_are_read_page_by_page_with_a_cursor_to_keep() -> None:
    pages = [
        {"outcomes": [{"id": "a"}, {"id": "b"}], "next": "c2", "more": True},
        {"outcomes": [{"id": "c"}], "next": "c3", "more": False},
    ]
    with run_moody(*(Say(200, page) for page in pages)) as server:
        found = list(ask(server).outcomes("c0", limit=2))

    assert [(outcome["id"], cursor) for outcome, cursor in found] == [
        ("a", "c0"),
        ("b", "c2"),
        ("c", "c3"),
    ]
    assert [path.partition("?")[2] for _method, path, _body in server.asked] == [
        "limit=2&after=c0",
        "limit=2&after=c2",
    ]
