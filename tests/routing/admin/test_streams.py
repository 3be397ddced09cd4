"""Streams in the admin: keys stay, categories retire, every change is in the log."""

import pytest
from django.test import Client

from routing.models import Event, Stream
from tests.forms import read_errors, send_form
from tests.routing.admin.conftest import log_in, make_staff
from tests.scenes import make_bare_stream, publish

LIST = "/admin/routing/stream/"
FORM = "stream_form"


def change_path(stream: Stream) -> str:
    return f"{LIST}{stream.id}/change/"


def test_stream_is_made_with_its_categories(root_client: Client) -> None:
    response = send_form(
        root_client,
        f"{LIST}add/",
        FORM,
        name="Returns",
        key="returns",
        **{"categories-0-key": "refund", "categories-0-label": "Refund"},
    )
    assert response.status_code == 302
    stream = Stream.objects.get(key="returns")
    assert [category.key for category in stream.categories.all()] == ["refund"]
    kinds = Event.objects.filter(stream=stream).values_list("kind", flat=True)
    assert sorted(kinds) == ["category.created", "stream.created"]


def test_keys_never_change_once_saved(root_client: Client, stream: Stream) -> None:
    response = send_form(
        root_client, change_path(stream), FORM, key="other", **{"categories-0-key": "other"}
    )
    assert response.status_code == 302
    stream.refresh_from_db()
    assert stream.key == "helpdesk"
    assert stream.categories.order_by("position")[0].key == "account_unlock"


def test_change_of_a_stream_is_logged_with_who_and_what(
    root_client: Client, stream: Stream
) -> None:
    send_form(
        root_client,
        change_path(stream),
        FORM,
        audit_rate="0.2",
        **{"categories-2-audit_rate": "1", "categories-0-label": "Unlock"},
    )
    events = Event.objects.filter(stream=stream).order_by("id").exclude(kind="policy.published")
    assert [(event.kind, event.data["changes"]) for event in events] == [
        ("stream.changed", {"audit_rate": [0.05, 0.2]}),
        ("category.changed", {"label": ["Account unlock", "Unlock"]}),
        ("category.changed", {"audit_rate": [None, 1.0]}),
    ]
    assert {event.actor.username for event in events if event.actor} == {"root"}
    assert events[2].subject_id == stream.categories.get(key="security_incident").id


def test_category_that_was_published_is_retired_not_deleted(
    root_client: Client, stream: Stream
) -> None:
    page = root_client.get(change_path(stream))
    assert "categories-0-DELETE" not in page.content.decode()
    send_form(root_client, change_path(stream), FORM, **{"categories-0-retired": "on"})
    category = stream.categories.get(key="account_unlock")
    retired_at = category.retired_at
    assert retired_at is not None
    send_form(root_client, change_path(stream), FORM, **{"categories-1-label": "VPN"})
    category.refresh_from_db()
    assert category.retired_at == retired_at
    send_form(root_client, change_path(stream), FORM, **{"categories-0-retired": None})
    category.refresh_from_db()
    assert category.retired_at is None


def test_category_of_a_stream_without_policy_can_be_deleted(root_client: Client) -> None:
    stream = make_bare_stream()
    send_form(root_client, change_path(stream), FORM, **{"categories-0-DELETE": "on"})
    assert not stream.categories.filter(key="account_unlock").exists()
    [event] = Event.objects.filter(stream=stream, kind="category.deleted")
    assert event.data == {"was": "Account unlock"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("audit_rate", "1.2"),
        ("time_zone", "Mars/Olympus"),
        ("reporting_edges", "0.7,0.5"),
        ("payload_fields", '{"body": "hologram"}'),
        ("payload_fields", '["body"]'),
        ("categories-0-audit_rate", "-1"),
    ],
)
def test_wrong_value_is_refused_at_its_field(
    root_client: Client, stream: Stream, field: str, value: str
) -> None:
    response = send_form(root_client, change_path(stream), FORM, **{field: value})
    assert list(read_errors(response)) == [field]


def test_payload_fields_name_how_each_is_shown(root_client: Client, stream: Stream) -> None:
    send_form(root_client, change_path(stream), FORM, payload_fields='{"scan": "image"}')
    stream.refresh_from_db()
    assert stream.payload_fields == {"scan": "image"}


def test_list_leads_to_the_first_policy_in_constant_queries(
    root_client: Client, django_assert_num_queries: object
) -> None:
    stream = make_bare_stream()
    page = root_client.get(change_path(stream))
    assert f"/admin/routing/policy/add/?stream={stream.id}" in page.content.decode()
    with django_assert_num_queries(LIST_QUERIES):  # type: ignore[operator]
        root_client.get(LIST)
    for key in ("second", "third"):
        publish(make_bare_stream(key))
    with django_assert_num_queries(LIST_QUERIES):  # type: ignore[operator]
        page = root_client.get(LIST)
    shown = {
        each.key: (each.categories_now, each.version_now) for each in page.context["cl"].result_list
    }
    assert shown == {"helpdesk": (3, None), "second": (3, 1), "third": (3, 1)}


LIST_QUERIES = 5


def test_staff_see_the_streams_they_administer(stream: Stream) -> None:
    make_bare_stream("other")
    client = log_in(make_staff("sue", stream, "change_stream"))
    assert list(client.get(LIST).context["cl"].result_list) == [stream]
    assert client.get(change_path(Stream.objects.get(key="other"))).status_code == 302
