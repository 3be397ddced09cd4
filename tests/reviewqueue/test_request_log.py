"""A request's id, its line in the log, and that no payload gets there."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery.signals import before_task_publish
from django.test import Client

from reviewqueue import draining, logs
from reviewqueue.celery import bind_task, send_request_id, unbind_task
from reviewqueue.models import ReviewTask
from routing.ids import uuid7
from tests.conftest import ItemBody, Upstream
from tests.scenes import make_person

CANARY = "canary-3f0a"
Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """The lines written so far, as JSON objects."""
    formatter = logs.JsonFormatter()
    written: list[str] = []

    class Writer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(formatter.format(record))

    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, "reviewqueue.requests")
    logging.getLogger().addHandler(writer := Writer())
    yield lambda: [json.loads(line) for line in written]
    logging.getLogger().removeHandler(writer)


@pytest.mark.parametrize("given", ["0123abcd", "a:b.c_d-e9", "x" * 128])
def test_well_formed_request_id_comes_back(db: None, given: str) -> None:
    answer = Client().get("/healthz", headers={"X-Request-ID": given})
    assert answer["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "short", "x" * 129, "spaces in it", "läßt-nicht-zu"])
def test_other_request_ids_are_replaced(db: None, given: str) -> None:
    answer = Client().get("/healthz", headers={"X-Request-ID": given})
    assert answer["X-Request-ID"] != given
    assert len(answer["X-Request-ID"]) == 32


def test_api_request_is_told_with_key_stream_and_item(
    upstream: Upstream, body: Callable[..., ItemBody], lines: Lines
) -> None:
    upstream.post("items", body(payload={"body": CANARY}), **{"x-request-id": "r-0000001"})
    upstream.get("items/t1")
    posted, read = [line for line in lines() if line["logger"] == "reviewqueue.requests"]
    assert {
        name: posted[name] for name in ("request_id", "method", "status", "stream", "message")
    } == {
        "request_id": "r-0000001",
        "method": "POST",
        "status": 201,
        "stream": "helpdesk",
        "message": "answered",
    }
    assert posted["key"] == upstream.key[:12]
    assert posted["route"] == "api/v1/streams/<stream>/items"
    assert posted["item"] == str(ReviewTask.objects.get().item_id)
    assert (read["status"], read["stream"], read["item"]) == (200, "helpdesk", "t1")


def test_page_is_told_with_its_person(db: None, lines: Lines) -> None:
    client, person = Client(), make_person("rita")
    client.force_login(person)
    client.get(f"/?q={CANARY}")
    (line,) = [line for line in lines() if line["logger"] == "reviewqueue.requests"]
    assert (line["route"], line["status"], line["user"]) == ("", 200, person.pk)


def test_probe_writes_no_line(lines: Lines) -> None:
    assert Client().get("/healthz").status_code == 200
    assert lines() == []


def test_no_line_holds_a_payload_or_a_key(
    upstream: Upstream, body: Callable[..., ItemBody], lines: Lines
) -> None:
    for posted in (
        body(payload={"body": CANARY}),
        body(payload={"body": CANARY}, scores=(2.0, 0.0, 0.0)),
        body("t2", payload=CANARY * 100, metadata={CANARY: CANARY}),
        body("t3", payload={"body": CANARY}, **{CANARY: 1}),
        f'{{"external_id": "t4", "payload": "{CANARY}'.encode(),
        f'{{"external_id": "t4", "payload": "\\ud800{CANARY}"}}'.encode(),
    ):
        upstream.post("items", posted)
        upstream.post("decide", posted)
        upstream.post("items/batch", posted)
    written = json.dumps(lines())
    assert "reviewqueue.requests" in written
    assert CANARY not in written
    assert upstream.key not in written


def test_request_id_goes_with_what_it_rings_for(lines: Lines) -> None:
    headers: dict[str, object] = {}
    with logs.bound_anew(request_id="r-0000001"):
        before_task_publish.send(sender="some.task", headers=headers)
    assert headers == {"request_id": "r-0000001"}

    class Request:
        request_id = "r-0000001"

    class Ring:
        name = "some.task"
        request = Request()

    task_id = str(uuid7())
    bind_task(task_id=task_id, task=Ring())
    logging.getLogger("reviewqueue.tasks").info("done")
    unbind_task(task_id=task_id)
    (line,) = [line for line in lines() if line["logger"] == "reviewqueue.tasks"]
    assert (line["request_id"], line["task"], line["task_id"]) == (
        "r-0000001",
        "some.task",
        task_id,
    )
    assert dict(logs.bound()) == {}


def test_message_outside_of_a_request_carries_none() -> None:
    headers: dict[str, object] = {}
    send_request_id(headers=headers)
    assert headers == {}


def test_answers_of_a_server_that_drains_close_their_connection(
    db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REVIEWQUEUE_DRAIN_SIGN", str(tmp_path / "sign"))
    assert "Connection" not in Client().get("/accounts/login/").headers
    draining.begin()
    answer = Client().get("/accounts/login/")
    assert (answer.status_code, answer["Connection"]) == (200, "close")
    draining.end()
    assert "Connection" not in Client().get("/accounts/login/").headers
