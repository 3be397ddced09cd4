"""Keys of upstream: changed without a pause, revoked at once, kept as digests, told to nobody."""

import base64
import logging

import pytest
from django.test import Client
from django.utils import timezone

from reviewqueue.access import find_api_key, issue_api_key
from reviewqueue.models import ApiKey
from routing.models import Stream
from tests.scenes import make_bare_stream, publish_worked_policy


def ask(text: str, stream: str = "helpdesk") -> int:
    headers = {"authorization": f"Bearer {text}"}
    return Client().get(f"/api/v1/streams/{stream}/policy", headers=headers).status_code


def test_two_keys_work_at_once_until_one_is_revoked(stream: Stream) -> None:
    old, old_text = issue_api_key(name="tickets", streams=[stream])
    _new, new_text = issue_api_key(name="tickets", streams=[stream])
    assert (ask(old_text), ask(new_text)) == (200, 200)
    ApiKey.objects.filter(id=old.id).update(revoked_at=timezone.now())
    assert (ask(old_text), ask(new_text)) == (401, 200)


def test_key_reaches_its_streams_only(stream: Stream) -> None:
    other = make_bare_stream("other")
    publish_worked_policy(other)
    _key, text = issue_api_key(name="tickets", streams=[stream])
    assert (ask(text), ask(text, "other"), ask(text, "nothing")) == (200, 404, 404)


def test_key_is_256_bits_and_kept_as_a_digest(stream: Stream) -> None:
    made = [issue_api_key(name="k", streams=[stream]) for _ in range(20)]
    texts = [text for _key, text in made]
    assert {len(base64.urlsafe_b64decode(f"{text[3:]}=")) for text in texts} == {32}
    assert len(set(texts)) == 20
    for key, text in made:
        stored = ApiKey.objects.values_list("prefix", "digest").get(id=key.id)
        assert (stored[0], len(stored[1])) == (text[:12], 32)
        assert text[12:].encode() not in bytes(stored[1])


@pytest.mark.parametrize("place", [3, 11, 12, 30, 45])
def test_key_that_differs_anywhere_is_none(stream: Stream, place: int) -> None:
    _key, text = issue_api_key(name="k", streams=[stream])
    other = "B" if text[place] == "A" else "A"
    assert find_api_key(text[:place] + other + text[place + 1 :]) is None
    assert find_api_key(text) is not None


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer x", ""])
def test_key_is_taken_as_a_bearer_only(stream: Stream, scheme: str) -> None:
    _key, text = issue_api_key(name="k", streams=[stream])
    headers = {"authorization": f"{scheme} {text}".strip()}
    assert Client().get("/api/v1/streams", headers=headers).status_code == 401
    assert Client().get(f"/api/v1/streams?key={text}").status_code == 401


def test_key_is_in_no_answer_and_no_log(stream: Stream, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _key, text = issue_api_key(name="k", streams=[stream])
    headers = {"authorization": f"Bearer {text}"}
    answers = [
        Client().get("/api/v1/streams", headers=headers),
        Client().get("/api/v1/streams/nothing/policy", headers=headers),
        Client().post("/api/v1/streams/helpdesk/items", b"{", "application/json", headers=headers),
    ]
    secret = text[12:]
    assert [secret in answer.content.decode() for answer in answers] == [False] * 3
    assert secret not in caplog.text
