"""The client against the real API, and against a service that fails as services do."""

import time
from collections.abc import Iterator

import pytest
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
        {"outcomes": [{"external_id": "a"}, {"external_id": "b"}], "next": "c2", "more": True},
        {"outcomes": [{"external_id": "c"}], "next": "c3", "more": False},
    ]
    with run_moody(*(Say(200, page) for page in pages)) as server:
        found = list(ask(server).outcomes("c0", limit=2))

    assert [(outcome["external_id"], cursor) for outcome, cursor in found] == [
        ("a", "c0"),
        ("b", "c2"),
        ("c", "c3"),
    ]
    assert [path.partition("?")[2] for _method, path, _body in server.asked] == [
        "limit=2&after=c0",
        "limit=2&after=c2",
    ]
