"""One POST to a webhook: what counts as received, and where nothing is sent at all."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from reviewqueue import posting
from reviewqueue.outgoing import is_private
from reviewqueue.posting import Posted, post_message, read_retry_after
from reviewqueue.webhook_signatures import make_secret
from tests.reviewqueue.receiver import Receiver, answers, resets, run_receiver, stalls, verify

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.ALLOW_PRIVATE_ADDRESSES = True
    with run_receiver() as server:
        yield server


def post(url: str, *secrets: str) -> Posted:
    return post_message(
        url=url, secrets_in_force=secrets or [make_secret()], message_id="m1", body=b'{"a":1}'
    )


def test_message_arrives_signed(receiver: Receiver) -> None:
    old, new = make_secret(), make_secret()
    posted = post(receiver.url, new, old)
    assert (posted.status, posted.error, posted.is_received) == (200, "", True)
    assert posted.duration_ms is not None
    [got] = receiver.accepted
    assert (got.id, got.body) == ("m1", b'{"a":1}')
    assert abs(int(got.timestamp) - time.time()) < 60
    assert (verify(new, got), verify(old, got)) == (True, True)
    assert not verify(make_secret(), got)


@pytest.mark.parametrize(
    ("status", "received"),
    [(200, True), (204, True), (299, True), (301, False), (404, False), (410, False), (500, False)],
)
def test_only_2xx_is_a_receipt(receiver: Receiver, status: int, received: bool) -> None:
    receiver.behave = answers(status)
    posted = post(receiver.url)
    assert (posted.status, posted.is_received) == (status, received)
    assert posted.error == ("" if received else f"it answered {status}")


def test_redirect_is_not_followed(receiver: Receiver) -> None:
    for status in (301, 302, 303, 307, 308):
        receiver.behave = answers(status, Location=receiver.url)
        assert post(receiver.url).status == status
    assert (len(receiver.requests), receiver.followed) == (5, 0)


def test_reset_and_silence_are_named(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.behave = resets
    assert post(receiver.url).error == "it could not be reached (ConnectionError)"
    monkeypatch.setattr(posting, "DEADLINE", 0.3)
    receiver.behave = stalls
    began = time.monotonic()
    posted = post(receiver.url)
    assert (posted.status, posted.error) == (None, "it did not answer within 0.3 s")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.7",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "[fd00::1]",
        "[fe80::1]",
        "localhost",
    ],
)
def test_private_addresses_are_refused_however_they_are_written(host: str) -> None:
    with run_receiver() as server:
        url = f"http://{host}:{server.server_address[1]}/hook"
        posted = post(url)
        assert (posted.status, posted.is_received) == (None, False)
        assert posted.error.startswith("its address is private")
        assert is_private(url)
        assert server.requests == []


def test_allowed_or_unknown_addresses_are_not_private(settings: Settings) -> None:
    assert not is_private("https://203.0.114.7/")
    assert not is_private("https://no-such-host.invalid/")
    settings.ALLOW_PRIVATE_ADDRESSES = True
    assert not is_private("http://127.0.0.1/")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("9" * 5000, 86_400),
        ("86401", 86_400),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0),
        ("Fri, 01 Jan 2027 11:00:00 GMT", 86_400),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("Thu, 99 Jan 2026 12:00:30 GMT", None),
        ("Thu, 01 Jan 99999 12:00:30 GMT", None),
        ("Thu, 01 Jan 99999999999999999999 12:00:30 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 86_400),
        ("Sat, 01 Jan 0001 00:00:00 +2359", 0),
    ],
)
def test_retry_after_is_read_and_bounded(text: str, seconds: int | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert read_retry_after(text, NOW) == expected
