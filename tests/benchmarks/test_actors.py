"""The clients of a fault run: what they send again, and what surprises them."""

import pytest

from benchmarks.actors import ask_or_none
from benchmarks.clients import Caller
from benchmarks.ledger import Ledger
from tests.benchmarks.test_clients import serving


def ask(answer: bytes) -> tuple[int | None, list[str]]:
    """The status that a client goes by, and its surprises."""
    ledger = Ledger()
    with serving([answer]) as (url, _asked):
        caller = Caller(url)
        got = ask_or_none(ledger, caller, "GET", "/x")
        caller.close()
    return (None if got is None else got.status), ledger.surprises


@pytest.mark.parametrize("status", [502, 503, 504])
def test_server_that_is_away_is_no_surprise(status: int) -> None:
    assert ask(b"HTTP/1.1 %d Away\r\nContent-Length: 0\r\n\r\n" % status) == (None, [])


def test_cut_connection_is_no_surprise() -> None:
    assert ask(b"HTTP/1.1 200 OK\r\n") == (None, [])


@pytest.mark.parametrize("status", [500, 501])
def test_fault_is_a_surprise(status: int) -> None:
    answer = b"HTTP/1.1 %d Fault\r\nContent-Length: 3\r\n\r\nwhy" % status
    assert ask(answer) == (None, [f"{status} to GET /x: b'why'"])


@pytest.mark.parametrize("status", [200, 409])
def test_other_answers_are_what_they_are(status: int) -> None:
    answer = b"HTTP/1.1 %d So\r\nContent-Length: 0\r\n\r\n" % status
    assert ask(answer) == (status, [])
