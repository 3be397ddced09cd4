"""Asking for a refused sentence to be drafted again, and what its page says then."""

import re

import pytest
from django.test import Client

from calibration.models import AuditDraw
from reviewqueue.retry_models import RetryRequest
from routing.models import Announcement, Decision, Item, Stream
from tests import scenes
from tests.grounded_scenes import REFUSED, make_grounded_stream, post_sentence
from tests.reviewqueue.views.test_sentence_screen import text_of


@pytest.fixture
def stream(db: None) -> Stream:
    return make_grounded_stream()


@pytest.fixture
def refused(stream: Stream) -> Item:
    return posted(stream, "s-1", signals=REFUSED)


def posted(stream: Stream, external_id: str, **fields: object) -> Item:
    post_sentence(stream, external_id, **fields)
    return Item.objects.get(external_id=external_id)


def page_of(item: Item) -> str:
    return f"/streams/drafts/items/{item.id}/"


def retry_of(item: Item) -> str:
    return f"{page_of(item)}retry/"


def test_refused_sentence_can_be_asked_for_again(plain: Client, refused: Item) -> None:
    page = text_of(plain.get(page_of(refused)).content)
    asking = text_of(plain.get(retry_of(refused)).content)

    assert "Refused “no confident source” stands in its place" in page
    assert "Draft it again R" in page
    assert "Rewrite the prompt The sources are right, the wording is not." in asking
    assert "Refused 31 %" in asking


def test_page_tells_that_upstream_was_asked(plain: Client, refused: Item) -> None:
    answer = plain.post(retry_of(refused), {"how": "widen", "note": "Look at limits."})

    page = text_of(plain.get(page_of(refused)).content)
    request = RetryRequest.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (303, page_of(refused))
    assert (request.how, request.note, request.requested_by_id is None) == (
        "widen",
        "Look at limits.",
        False,
    )
    assert Announcement.objects.get(kind="item.retry_requested").item_id == refused.id
    assert "Upstream is asked to draft the sentence again." in page
    assert re.search(
        r"Upstream was asked to widen the retrieval\. \d\d:\d\d Look at limits\. "
        r"The new sentence will be linked here once upstream has posted it\.",
        page,
    )
    assert "Draft it again" not in page


def test_asked_twice_is_asked_once(plain: Client, refused: Item) -> None:
    for how in ("widen", "rewrite"):
        assert plain.post(retry_of(refused), {"how": how}).status_code == 303

    assert [request.how for request in RetryRequest.objects.all()] == ["widen"]


def test_with_htmx_the_browser_is_sent_to_the_item(htmx: Client, refused: Item) -> None:
    answer = htmx.post(retry_of(refused), {"how": "rewrite"})

    assert answer.headers["HX-Redirect"] == page_of(refused)


def test_both_sentences_lead_to_each_other(plain: Client, stream: Stream, refused: Item) -> None:
    plain.post(retry_of(refused), {"how": "rewrite"})
    later = posted(stream, "s-2", retry_of="s-1")

    before = plain.get(page_of(refused)).content
    after = plain.get(page_of(later)).content

    assert f'href="{page_of(later)}"'.encode() in before
    assert f'href="{page_of(refused)}"'.encode() in after
    assert "Drafted again s-1 this one s-2" in text_of(before)
    assert "Drafted again s-1 s-2 this one" in text_of(after)
    assert "will be linked here" not in text_of(before)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Choose between another prompt and a wider retrieval."),
        ({"how": "pray"}, "Choose between another prompt and a wider retrieval."),
        ({"how": "widen", "note": "x" * 1001}, "Ensure this value has at most 1000 characters"),
    ],
)
def test_form_that_is_wrong_stays_with_its_message(
    plain: Client, refused: Item, fields: dict[str, str], message: str
) -> None:
    answer = plain.post(retry_of(refused), fields)

    assert answer.status_code == 422
    assert message in answer.content.decode()
    assert not RetryRequest.objects.exists()


def test_sentence_that_shipped_has_nothing_to_ask_for(plain: Client, stream: Stream) -> None:
    amber = posted(stream, "s-1")

    assert plain.get(retry_of(amber)).status_code == 404
    assert "Draft it again" not in plain.get(page_of(amber)).content.decode()


def test_sentence_that_is_drawn_for_an_audit_does_not_tell_that_it_was_refused(
    plain: Client, stream: Stream, refused: Item
) -> None:
    decision = Decision.objects.get()
    post_sentence(stream, "s-2", retry_of="s-1")
    AuditDraw.objects.create(stream=stream, decision=decision, item=refused, pi=0.05)

    page = text_of(plain.get(page_of(refused)).content)

    assert plain.get(retry_of(refused)).status_code == 404
    read = page.partition("Not confirmed")[0]
    assert [told for told in ("Refused", "Draft it", "score", "cited", "s-2") if told in read] == []


def test_anonymous_is_sent_to_log_in(client: Client, refused: Item) -> None:
    answer = client.get(retry_of(refused))

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/")


def test_stranger_finds_nothing(client: Client, refused: Item) -> None:
    client.force_login(scenes.make_person("sam"))

    assert client.get(retry_of(refused)).status_code == 404


def test_analyst_may_not_ask(client: Client, stream: Stream, refused: Item) -> None:
    client.force_login(scenes.make_person("ann", stream, "analyst"))

    assert client.post(retry_of(refused), {"how": "widen"}).status_code == 403
    assert "Draft it again" not in client.get(page_of(refused)).content.decode()


def test_admin_of_the_stream_may_ask(client: Client, stream: Stream, refused: Item) -> None:
    client.force_login(scenes.make_person("ada", stream, "stream_admin"))

    assert client.post(retry_of(refused), {"how": "widen"}).status_code == 303


def test_wrong_method_is_refused(plain: Client, refused: Item) -> None:
    assert plain.put(retry_of(refused)).status_code == 405
