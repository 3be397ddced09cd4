"""How payloads are shown: rows in the stream's admin, with a recent item beside them."""

import re
from collections.abc import Mapping

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from reviewqueue.layouts import list_fields
from routing.models import Event, Stream
from tests.forms import read_errors, read_form, send_form
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_bare_stream, make_stream, post

FORM = "stream_form"


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream(payload_fields={"scan": "image"}, payload_order=["site", "scan"])


@pytest.fixture
def root(stream: Stream) -> Client:
    return log_in(make_superuser())


def page_of(stream: Stream) -> str:
    return f"/admin/routing/stream/{stream.id}/change/"


def preview_of(stream: Stream) -> str:
    return f"/admin/routing/stream/{stream.id}/layout/"


def rows(*rows: tuple[str, str, str]) -> dict[str, list[str]]:
    names, kinds, places = ([row[column] for row in rows] for column in range(3))
    return {
        "payload_fields_name": names,
        "payload_fields_kind": kinds,
        "payload_fields_place": places,
    }


def post_three(stream: Stream) -> None:
    for number in range(3):
        payload = {"subject": f"Ticket {number}", "body": "Hm.\nOh.", "site": "Kiel"}
        post(stream, f"HD-{number}", payload=payload)


def test_rows_hold_the_layout_and_the_fields_that_came_last(root: Client, stream: Stream) -> None:
    post_three(stream)
    assert list_fields(stream) == ["site", "scan", "body", "subject"]
    sent = read_form(root.get(page_of(stream)), FORM)
    assert sent["payload_fields_name"] == ["site", "scan", "body", "subject", "", ""]
    assert sent["payload_fields_kind"] == ["", "image", "", "", "", ""]
    assert sent["payload_fields_place"] == ["1", "2", "", "", "", ""]


def test_page_that_is_saved_untouched_changes_nothing(root: Client, stream: Stream) -> None:
    post_three(stream)
    assert send_form(root, page_of(stream), FORM).status_code == 302
    stream.refresh_from_db()
    assert (stream.payload_fields, stream.payload_order) == ({"scan": "image"}, ["site", "scan"])
    assert Event.objects.filter(kind="stream.changed").count() == 0


def test_rows_become_kinds_and_an_order_and_the_log_says_so(root: Client, stream: Stream) -> None:
    entered = rows(("body", "html", "2"), ("site", "", "1"), ("scan", "", ""), ("new", "link", ""))
    response = send_form(
        root, page_of(stream), FORM, **entered, image_hosts="images.example.org,a.example.org:8443"
    )
    assert response.status_code == 302
    stream.refresh_from_db()
    assert stream.payload_fields == {"body": "html", "new": "link"}
    assert stream.payload_order == ["site", "body"]
    assert stream.image_hosts == ["images.example.org", "a.example.org:8443"]
    event = Event.objects.get(kind="stream.changed")
    assert event.data["changes"] == {
        "payload_fields": [{"scan": "image"}, {"body": "html", "new": "link"}],
        "payload_order": [["site", "scan"], ["site", "body"]],
        "image_hosts": [[], ["images.example.org", "a.example.org:8443"]],
    }


WRONG: list[tuple[dict[str, list[str]], dict[str, list[str]]]] = [
    (
        rows(("body", "hologram", "")),
        {"payload_fields": ["body: hologram is no way to show a field; choose one of the list."]},
    ),
    (
        rows(("body", "text", ""), ("body", "html", "")),
        {"payload_fields": ["body stands here twice; keep one of its rows."]},
    ),
    (
        rows(("body", "", "first")),
        {"payload_order": ["body: first is no place; write a number from 1 to 999."]},
    ),
    (
        rows(("body", "", "0")),
        {"payload_order": ["body: 0 is no place; write a number from 1 to 999."]},
    ),
]


@pytest.mark.parametrize(("entered", "errors"), WRONG)
def test_bad_layout_is_explained_at_its_field(
    root: Client,
    stream: Stream,
    entered: dict[str, list[str]],
    errors: Mapping[str, list[str]],
) -> None:
    response = send_form(root, page_of(stream), FORM, **entered)
    assert read_errors(response) == errors
    assert (
        read_form(response, FORM)["payload_fields_place"][0] == entered["payload_fields_place"][0]
    )
    preview = root.post(preview_of(stream), entered)
    assert preview.status_code == 422
    assert [text for found in errors.values() for text in found] == re.findall(
        "<li>(.*)</li>", preview.content.decode()
    )


@pytest.mark.parametrize(
    "host",
    ["https://images.example.org", "images", "*.example.org", "a.example.org/x", "'self'", "a_b.c"],
)
def test_host_is_a_bare_name(root: Client, stream: Stream, host: str) -> None:
    response = send_form(root, page_of(stream), FORM, image_hosts=host)
    assert read_errors(response) == {
        "image_hosts": [
            f"{host} is no host; write it in small letters, with no scheme and no path, such as "
            "images.example.org."
        ]
    }


def test_preview_draws_what_is_not_saved(root: Client, stream: Stream) -> None:
    post_three(stream)
    response = root.post(preview_of(stream), rows(("body", "title", ""), ("site", "hidden", "")))
    assert response.status_code == 200
    document = str(response.context["document"])
    assert re.findall("<h1.*?>(.*?)</h1>", document, re.DOTALL) == ["Hm.\nOh."]
    assert "Kiel" not in document.split("</article>", maxsplit=1)[0]
    stream.refresh_from_db()
    assert stream.payload_fields == {"scan": "image"}


@pytest.mark.parametrize(
    ("stood", "step", "shown"),
    [
        ("0", "older", "HD-1"),
        ("1", "older", "HD-0"),
        ("2", "older", "HD-2"),
        ("2", "newer", "HD-1"),
        ("0", "newer", "HD-2"),
        ("1", "", "HD-1"),
        ("x", "", "HD-2"),
        ("9999999", "", "HD-2"),
    ],
)
def test_preview_steps_through_recent_items(
    root: Client, stream: Stream, stood: str, step: str, shown: str
) -> None:
    post_three(stream)
    response = root.post(preview_of(stream), {"preview_at": stood, "step": step})
    assert response.context["item"].external_id == shown


def test_hostile_payload_stays_inside_the_frame(root: Client, stream: Stream) -> None:
    hostile = "</iframe><script>alert(1)</script>\"' onload=alert(2)"
    post(stream, "HD-1", payload={"subject": hostile, "body": hostile})
    page = root.post(preview_of(stream)).content.decode()
    assert "<script" not in page
    assert page.count("</iframe>") == 1
    assert re.findall('sandbox="(.*?)"', page) == ["allow-same-origin allow-popups"]


def test_stream_without_items_says_so(root: Client, stream: Stream) -> None:
    assert (
        "No item has been posted to this stream yet" in root.get(page_of(stream)).content.decode()
    )
    response = root.post(preview_of(stream))
    assert (response.status_code, response.context["item"]) == (200, None)


def test_new_stream_has_empty_rows_and_no_preview(root: Client) -> None:
    page = root.get("/admin/routing/stream/add/")
    assert read_form(page, FORM)["payload_fields_name"] == ["", ""]
    assert "hx-post" not in page.content.decode()


def test_preview_is_for_the_streams_admin(stream: Stream) -> None:
    assert Client().post(preview_of(stream)).status_code == 302
    stranger = log_in(make_staff("sue", make_bare_stream("other"), "change_stream"))
    assert stranger.post(preview_of(stream)).status_code == 404
    reader = log_in(make_staff("ron", stream, "view_stream"))
    assert reader.post(preview_of(stream)).status_code == 403
    admin = log_in(make_staff("ada", stream, "change_stream"))
    assert admin.post(preview_of(stream)).status_code == 200
    assert admin.get(preview_of(stream)).status_code == 405


def test_preview_takes_as_many_queries_for_three_items_as_for_one(
    root: Client, stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    post(stream, "HD-9")
    with django_assert_num_queries(4):
        root.post(preview_of(stream))
    post_three(stream)
    with django_assert_num_queries(4):
        root.post(preview_of(stream))


def test_pictures_of_allowed_hosts_pass_the_pages_policy(root: Client, stream: Stream) -> None:
    def sources() -> str:
        policy = root.get(page_of(stream)).headers["Content-Security-Policy"]
        return str(re.findall("img-src ([^;]*)", policy)[0])

    assert sources() == "'self' data:"
    Stream.objects.update(image_hosts=["images.example.org"])
    assert sources() == "'self' data: https://images.example.org"
    Stream.objects.update(image_hosts=[])
    assert sources() == "'self' data:"
