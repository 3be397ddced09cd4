"""Asking a model over HTTP: what it is sent, what it may answer, and whom it may be."""

import time
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from reviewqueue.remote_models import LONGEST_ANSWER, NoAnswerError, ask_model
from routing.core.chain import RemoteAnswer
from routing.models import Item, RemoteModel
from tests.reviewqueue.model_server import Answer, Handler, ModelServer, run_model, says, sends

SCORES = {"vpn_issue": 0.9, "account_unlock": 0.1}


@pytest.fixture
def model(settings: Settings) -> Iterator[ModelServer]:
    settings.ALLOW_PRIVATE_ADDRESSES = True
    with run_model() as server:
        yield server


def ask(url: str, *, token: str = "", timeout: float = 5.0) -> RemoteAnswer:
    item = Item(
        external_id="HD-1", payload={"body": "no VPN"}, scores={"a": 0.5}, model_version="m1"
    )
    return ask_model(
        model=RemoteModel(name="second", url=url, token=token),
        item=item,
        categories=["account_unlock", "vpn_issue"],
        timeout=timeout,
    )


def test_asks_with_the_item_and_the_token(model: ModelServer) -> None:
    model.answer = says(SCORES)
    assert ask(model.url, token="s3cret") == RemoteAnswer(scores=SCORES)
    [(headers, body)] = model.asked
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Content-Type"] == "application/json"
    assert body == {
        "external_id": "HD-1",
        "payload": {"body": "no VPN"},
        "scores": {"a": 0.5},
        "model_version": "m1",
        "categories": ["account_unlock", "vpn_issue"],
    }


def test_no_token_sends_none(model: ModelServer) -> None:
    model.answer = says(SCORES)
    ask(model.url)
    assert "Authorization" not in model.asked[0][0]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says(SCORES, status=404), "it answered 404 instead of 200"),
        (sends(b"", status=302, Location="http://127.0.0.1:1/"), "it answered 302 instead of 200"),
        (sends(b"<html>"), "its answer is no JSON"),
        (sends(b"[" * 100_000), "its answer is no JSON"),
        (sends(b"[]"), 'its answer has no "scores" by category'),
        (sends(b'{"scores": [0.9]}'), 'its answer has no "scores" by category'),
        (says({}), 'its answer has no "scores" by category'),
        (says({"a": "0.9"}), "its answer has no number for 'a'"),
        (says({"a": True}), "its answer has no number for 'a'"),
        (says({"a": 1.5}), "its answer has a number outside 0..1 for 'a'"),
        (sends(b'{"scores": {"a": NaN}}'), "its answer has a number outside 0..1 for 'a'"),
        (sends(b'{"scores": {"a": 1e999}}'), "its answer has a number outside 0..1 for 'a'"),
        (says({"a\0": 0.5}), "its answer scores something that is no category"),
        (sends(b'{"scores": {"\\ud800": 0.5}}'), "its answer scores something that is no category"),
        (says({"a" * 101: 0.5}), "its answer scores something that is no category"),
        (says({str(n): 0.0 for n in range(10_001)}), "its answer has over 10000 scores"),
        (sends(b" " * (LONGEST_ANSWER + 1)), f"its answer is over {LONGEST_ANSWER} bytes"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(
    model: ModelServer, answer: Answer, error: str
) -> None:
    model.answer = answer
    assert ask(model.url) == RemoteAnswer(error=error)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_out_of_order_may_be_asked_again(model: ModelServer, status: int) -> None:
    model.answer = sends(b"", status=status)
    with pytest.raises(NoAnswerError, match=f"it answered {status}"):
        ask(model.url)


def test_nobody_there_may_be_asked_again(model: ModelServer) -> None:
    with run_model() as gone:
        url = gone.url
    with pytest.raises(NoAnswerError, match="it could not be reached"):
        ask(url)


def test_slow_answer_is_given_up(model: ModelServer) -> None:
    model.answer = lambda handler: time.sleep(1.0)
    with pytest.raises(NoAnswerError, match=r"it did not answer within 0\.2 s"):
        ask(model.url, timeout=0.2)


@pytest.mark.parametrize("length", [1, 1 << 16])
@pytest.mark.parametrize("headers", [{}, {"Content-Length": str(60 << 16)}])
def test_answer_that_drips_is_given_up(
    model: ModelServer, headers: dict[str, str], length: int
) -> None:
    def drip(handler: Handler) -> None:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        for _ in range(60):
            handler.wfile.write(b" " * length)
            time.sleep(0.05)

    model.answer = drip
    began = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"it did not answer within 0\.3 s"):
        ask(model.url, timeout=0.3)
    assert time.monotonic() - began < 2.0


def test_answer_that_breaks_off_may_be_asked_again(model: ModelServer) -> None:
    def break_off(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b'{"scores"')
        handler.close_connection = True

    model.answer = break_off
    with pytest.raises(NoAnswerError, match="it could not be reached"):
        ask(model.url)


@pytest.mark.parametrize("begin", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nX-Slow: "])
def test_answer_that_drips_byte_by_byte_is_given_up(model: ModelServer, begin: bytes) -> None:
    def drip(handler: Handler) -> None:
        handler.wfile.write(begin)
        for _ in range(60):
            handler.wfile.write(b"a")
            time.sleep(0.05)

    model.answer = drip
    began = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"it did not answer within 0\.3 s"):
        ask(model.url, timeout=0.3)
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "10.1.2.3"),
        *("169.254.169.254", "192.168.0.1", "0.0.0.0", "100.64.0.1"),
    ],
)
def test_private_address_is_refused(settings: Settings, host: str) -> None:
    settings.ALLOW_PRIVATE_ADDRESSES = False
    with run_model() as server:
        answer = ask(server.url.replace("127.0.0.1", host), timeout=1.0)
        assert server.asked == []
    assert answer.error == (
        "its address is private; the deployment may allow it with ALLOW_PRIVATE_ADDRESSES=true"
    )


def test_proxy_of_the_environment_is_not_used(
    model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    model.answer = says(SCORES)
    assert ask(model.url).scores == SCORES
