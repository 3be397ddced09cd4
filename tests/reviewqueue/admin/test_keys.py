"""API keys in the admin: shown once, revoked, never edited."""

import re

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from reviewqueue.access import find_api_key, issue_api_key
from reviewqueue.models import ApiKey
from routing.models import Stream
from tests.forms import send_form
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_bare_stream

LIST = "/admin/reviewqueue/apikey/"


@pytest.fixture
def client(db: None) -> Client:
    return log_in(make_superuser())


def change_path(key: ApiKey) -> str:
    return f"{LIST}{key.id}/change/"


def test_key_is_shown_once_and_opens_its_streams(client: Client, stream: Stream) -> None:
    response = send_form(
        client, f"{LIST}add/", "apikey_form", name="tickets", streams=[str(stream.id)]
    )
    [text] = [
        found.group()
        for message in get_messages(response.wsgi_request)
        if (found := re.search(r"rq_[\w-]{43}", str(message)))
    ]
    key = find_api_key(text)
    assert key is not None
    assert (key.name, list(key.streams.all())) == ("tickets", [stream])
    assert text in client.get(change_path(key)).content.decode()
    for path in (change_path(key), LIST, f"{LIST}{key.id}/history/"):
        assert text not in client.get(path).content.decode()


def test_key_keeps_its_digest_when_its_name_changes(client: Client, stream: Stream) -> None:
    key, text = issue_api_key(name="tickets", streams=[stream])
    response = send_form(
        client, change_path(key), "apikey_form", name="tickets 2", digest="x", prefix="rq_x"
    )
    assert response.status_code == 302
    found = find_api_key(text)
    assert found is not None
    assert (found.name, list(found.streams.all())) == ("tickets 2", [stream])
    assert "digest" not in client.get(change_path(key)).content.decode()


def test_key_gets_limits_of_its_own(client: Client, stream: Stream) -> None:
    fields = {"requests_per_minute": "0", "item_max_bytes": "2000", "batch_max_items": ""}
    send_form(client, f"{LIST}add/", "apikey_form", name="k", streams=[str(stream.id)], **fields)
    key = ApiKey.objects.get()
    made = (key.requests_per_minute, key.item_max_bytes, key.batch_max_items)
    send_form(client, change_path(key), "apikey_form", requests_per_minute="120")
    refused = send_form(client, change_path(key), "apikey_form", item_max_bytes="0")
    key.refresh_from_db()

    assert made == (0, 2000, None)
    assert refused.status_code == 200
    assert (key.requests_per_minute, key.item_max_bytes) == (120, 2000)


def test_revoked_key_opens_nothing_and_stays_revoked(client: Client, stream: Stream) -> None:
    key, text = issue_api_key(name="tickets", streams=[stream])
    other, _other_text = issue_api_key(name="other", streams=[stream])
    client.post(LIST, {"action": "revoke", "_selected_action": [str(key.id)]})
    key.refresh_from_db()
    other.refresh_from_db()
    revoked_at = key.revoked_at
    assert revoked_at is not None
    assert other.revoked_at is None
    assert find_api_key(text) is None
    client.post(LIST, {"action": "revoke", "_selected_action": [str(key.id)]})
    key.refresh_from_db()
    assert key.revoked_at == revoked_at
    assert client.get(f"{LIST}?state=revoked").context["cl"].result_count == 1


def test_key_is_never_deleted(client: Client, stream: Stream) -> None:
    key, _text = issue_api_key(name="tickets", streams=[stream])
    assert client.post(f"{LIST}{key.id}/delete/", {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [str(key.id)]})
    assert ApiKey.objects.filter(id=key.id).exists()


def test_staff_see_keys_of_their_own_streams_only(stream: Stream) -> None:
    other = make_bare_stream("other")
    own, _ = issue_api_key(name="own", streams=[stream])
    issue_api_key(name="both", streams=[stream, other])
    issue_api_key(name="foreign", streams=[other])
    staff = log_in(make_staff("sue", stream, "add_apikey", "change_apikey"))
    assert list(staff.get(LIST).context["cl"].result_list) == [own]
    page = staff.get(f"{LIST}add/")
    assert list(page.context["adminform"].form.fields["streams"].queryset) == [stream]


def test_list_asks_the_same_for_one_key_and_for_three(
    client: Client, stream: Stream, django_assert_num_queries: object
) -> None:
    issue_api_key(name="a", streams=[stream])
    for name in ("b", "c"):
        with django_assert_num_queries(LIST_QUERIES):  # type: ignore[operator]
            client.get(LIST)
        issue_api_key(name=name, streams=[stream, make_bare_stream(name)])
    with django_assert_num_queries(LIST_QUERIES):  # type: ignore[operator]
        client.get(LIST)


LIST_QUERIES = 6
