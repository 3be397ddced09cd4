"""An analyst's file of items: the form, the download, and who gets neither."""

import json
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from routing.models import Event, Stream
from tests import scenes

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

PAGE = "/streams/helpdesk/export/"
FORM_QUERIES = 4


@pytest.fixture
def analyst(stream: Stream) -> Client:
    client = Client()
    client.force_login(scenes.make_person("ana", stream, "analyst"))
    return client


def content_of(response: "Response") -> bytes:
    return b"".join(response.streaming_content)  # type: ignore[attr-defined]


def test_file_has_the_items_and_the_log_tells_who_took_it(stream: Stream, analyst: Client) -> None:
    scenes.post(stream, "a")
    scenes.post_blind(stream, "b")
    response = analyst.post(PAGE, {"format": "jsonl"})
    items = [json.loads(line) for line in content_of(response).splitlines()]
    assert [(item["external_id"], item["blind"]) for item in items] == [("a", False), ("b", True)]
    assert (items[0]["decision"]["predicted"], items[1]["decision"]) == ("vpn_issue", None)
    name = response["Content-Disposition"]
    assert (name[:34], name[-7:]) == ('attachment; filename="helpdesk-202', '.jsonl"')
    assert "no-store" in response["Cache-Control"].split(", ")
    event = Event.objects.get(kind="stream.exported")
    assert (event.actor and event.actor.username, event.data) == (
        "ana",
        {"format": "jsonl", "state": ""},
    )


def test_form_is_shown(
    stream: Stream, analyst: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(FORM_QUERIES):
        page = analyst.get(PAGE)
    assert page.status_code == 200
    assert "Export items" in page.content.decode()


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_what_is_wrong_is_said_at_its_field(analyst: Client, headers: dict[str, str]) -> None:
    response = analyst.post(PAGE, {"format": "xls", "since": "soon"}, headers=headers)
    page = response.content.decode()
    assert response.status_code == 422
    assert ("xls is not one of the available choices" in page, "Enter a valid date" in page) == (
        True,
        True,
    )
    assert ("<html" in page) is not bool(headers)
    assert Event.objects.filter(kind="stream.exported").count() == 0


def test_export_is_for_who_analyses_the_stream(stream: Stream, plain: Client) -> None:
    assert plain.get(PAGE).status_code == 403
    assert plain.post(PAGE, {"format": "jsonl"}).status_code == 403
    stranger = Client()
    stranger.force_login(scenes.make_person("stan"))
    assert stranger.post(PAGE, {"format": "jsonl"}).status_code == 404
    assert Client().get(PAGE).headers["Location"] == f"/accounts/login/?next={PAGE}"
    assert plain.put(PAGE).status_code == 405
