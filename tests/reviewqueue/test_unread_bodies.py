"""Bodies that nobody wants: who writes them to the end reads why, and an end there is."""

import json
from collections.abc import Callable, Iterable
from contextlib import closing
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks.stage import free_port
from reviewqueue import unread_bodies
from reviewqueue.embedded.processes import wait_until
from reviewqueue.unread_bodies import read_what_is_refused
from tests.reviewqueue.test_web import SECONDS, ask, web_server

MIB = 1024 * 1024


def serve(status: str, source: BytesIO, **environ: str) -> list[str]:
    """Let an application that reads nothing answer with the status."""
    started: list[str] = []

    def application(_environ: object, start_response: Callable[..., object]) -> Iterable[bytes]:
        start_response(status, [])
        return [b""]

    def start(status: str, headers: list[Any], *_rest: object) -> Callable[[bytes], object]:
        assert headers == []
        started.append(status)
        return lambda _part: None

    given: dict[str, Any] = {"wsgi.input": source, **environ}
    assert list(read_what_is_refused(application)(given, start)) == [b""]
    return started


@pytest.mark.parametrize(
    ("status", "environ", "left"),
    [
        ("413 Too large", {"CONTENT_LENGTH": "9"}, b""),
        ("429 Too many", {"HTTP_TRANSFER_ENCODING": "chunked"}, b""),
        ("200 OK", {"CONTENT_LENGTH": "9"}, b"body body"),
        ("404 Not found", {"CONTENT_LENGTH": ""}, b"body body"),
        ("413 Too large", {"CONTENT_LENGTH": "9", "HTTP_EXPECT": "100-Continue"}, b"body body"),
    ],
)
def test_rest_is_read_of_what_is_refused_and_was_sent(
    status: str, environ: dict[str, str], left: bytes
) -> None:
    source = BytesIO(b"body body")
    assert serve(status, source, **environ) == [status]
    assert source.read() == left


def test_rest_is_read_no_further_than_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread_bodies, "MOST_BYTES", 2 * unread_bodies.CHUNK_BYTES)
    source = BytesIO(bytes(4 * unread_bodies.CHUNK_BYTES))
    serve("413 Too large", source, CONTENT_LENGTH="1")
    assert source.tell() == 2 * unread_bodies.CHUNK_BYTES
    monkeypatch.setattr(unread_bodies, "MOST_SECONDS", 0.0)
    serve("413 Too large", source, CONTENT_LENGTH="1")
    assert source.tell() == 2 * unread_bodies.CHUNK_BYTES


def test_client_that_went_away_is_no_error() -> None:
    class Gone(BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise ConnectionResetError

    assert serve("413 Too large", Gone(), CONTENT_LENGTH="9") == ["413 Too large"]


def test_client_that_writes_all_first_reads_the_refusal(tmp_path: Path) -> None:
    port = free_port()
    with web_server(tmp_path, port, {}):
        assert wait_until(lambda: ask(port, "/healthz") == 200, seconds=SECONDS)
        path = "/api/v1/streams/helpdesk/items/batch"
        with closing(HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
            connection.request("POST", path, body=bytes(70 * MIB))
            refused = connection.getresponse()
            assert (refused.status, json.loads(refused.read())["status"]) == (401, 401)
            # The connection is still good for the next request.
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
        address = f"http://127.0.0.1:{port}{path}"
        for body in (bytes(8 * MIB), iter([bytes(MIB)] * 8)):
            assert requests.post(address, data=body, timeout=SECONDS).status_code == 401
