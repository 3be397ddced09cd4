"""The clients of the measurements: whole answers, kept connections, and what is cut."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from benchmarks.clients import Caller, CutError, UnexpectedAnswerError

OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def serving(*connections: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives each connection its answers and hangs up; what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answers in connections:
                client, _address = server.accept()
                with client:
                    for answer in answers:
                        asked.append(client.recv(65_536))
                        client.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        thread.join()


def test_a_connection_is_kept_and_both_kinds_of_body_are_read() -> None:
    answers = [
        OK + b"Content-Length: 5\r\n\r\nfirst",
        OK + b"transfer-encoding: chunked\r\n\r\n3\r\nsec\r\n3;x\r\nond\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        OK + b"CONTENT-LENGTH: 4\r\n\r\nlast",
    ]
    with serving(answers) as (url, asked):
        caller = Caller(url, {"Cookie": "a=b"})
        got = [caller.ask("POST", "/x", b"body", {"X-Y": "z"}) for _ in range(3)]
        last = caller.ask("GET", "/y")
        caller.close()
    assert [(answer.status, answer.body) for answer in [*got, last]] == [
        (200, b"first"),
        (200, b"second"),
        (204, b""),
        (200, b"last"),
    ]
    place = url.removeprefix("http://").encode()
    assert asked[0] == (
        b"POST /x HTTP/1.1\r\nHost: " + place + b"\r\nCookie: a=b\r\nX-Y: z\r\n"
        b"Content-Length: 4\r\n\r\nbody"
    )
    assert asked[3] == b"GET /y HTTP/1.1\r\nHost: " + place + b"\r\nCookie: a=b\r\n\r\n"


def test_after_a_farewell_another_connection_is_opened() -> None:
    bye = OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi"
    with serving([bye], [OK + b"\r\nto the end"]) as (url, _asked):
        caller = Caller(url)
        assert [caller.ask("GET", "/").body for _ in range(2)] == [b"hi", b"to the end"]
        caller.close()


@pytest.mark.parametrize(
    "answer", [b"", OK, OK + b"Content-Length: 9\r\n\r\nshort", b"nonsense\r\n\r\n"]
)
def test_what_is_cut_is_said(answer: bytes) -> None:
    with serving([answer]) as (url, _asked), pytest.raises(CutError, match="GET /"):
        Caller(url).ask("GET", "/")


def test_nobody_there_is_a_cut_too() -> None:
    with serving() as (url, _asked):
        pass
    with pytest.raises(CutError, match="GET /"):
        Caller(url).ask("GET", "/")


def test_an_unexpected_status_is_said() -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
    with serving([answer]) as (url, _asked):
        caller = Caller(url)
        with pytest.raises(UnexpectedAnswerError, match="answered 404, not 200: b'no'"):
            caller.expect(200, "GET", "/")
        caller.close()
