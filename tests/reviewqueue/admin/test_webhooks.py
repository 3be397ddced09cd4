"""Webhooks in the admin: secrets shown once, and the buttons."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from reviewqueue.webhook_models import Delivery, Webhook, default_events
from routing.models import Event, Stream
from tests.forms import read_errors, send_form
from tests.reviewqueue.receiver import Receiver, answers, run_receiver, verify
from tests.reviewqueue.test_deliveries import announce_items
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_bare_stream

LIST = "/admin/reviewqueue/webhook/"
BUTTONS = ("ping", "pause", "resume", "rotate", "disable")
RIGHTS = [f"{verb}_webhook" for verb in ("view", "change", "add")]


@pytest.fixture
def client(db: None) -> Client:
    return log_in(make_superuser())


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.ALLOW_PRIVATE_ADDRESSES = True
    with run_receiver() as server:
        yield server


def make_webhook(stream: Stream, url: str = "https://hooks.example/", **fields: object) -> Webhook:
    return Webhook.objects.create(stream=stream, url=url, **fields)


def change_path(webhook: Webhook) -> str:
    return f"{LIST}{webhook.id}/change/"


def press(client: Client, webhook: Webhook, button: str) -> list[str]:
    """What the admin is told."""
    response = client.post(f"{LIST}{webhook.id}/{button}/")
    assert response.status_code == 302
    assert response.headers["Location"] == change_path(webhook)
    told = [str(message) for message in get_messages(response.wsgi_request)]
    client.get(change_path(webhook))  # where they are shown
    return told


def test_secret_is_shown_when_made_and_never_again(client: Client, stream: Stream) -> None:
    response = send_form(
        client,
        f"{LIST}add/",
        "webhook_form",
        stream=str(stream.id),
        url="https://hooks.invalid/a",
        description="ticket desk",
    )
    assert response.status_code == 302
    webhook = Webhook.objects.get()
    assert (webhook.events, webhook.state) == (default_events(), "active")
    assert "item.routed" not in webhook.events
    shown = [str(message) for message in get_messages(response.wsgi_request)]
    assert shown[0] == (f"The secret is {webhook.secret} – copy it now: it is never shown again.")
    client.get(LIST)  # where the message is shown
    for path in (LIST, change_path(webhook), f"{LIST}{webhook.id}/history/"):
        page = client.get(path).content.decode()
        assert webhook.secret not in page
    assert "whsec_" not in str(list(Event.objects.values_list("data", flat=True)))
    [event] = Event.objects.filter(kind="webhook.created")
    assert event.data["changes"]["url"] == [None, "https://hooks.invalid/a"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://hooks.example/", "Begin the address with https:// or http://."),
        ("http://127.0.0.1:9/", "This address is private"),
        ("http://2130706433/", "Enter a valid URL."),
        ("http://[::1]/", "This address is private"),
        ("https://", "Enter a valid URL."),
        ("https://us:secret@hooks.example/", "A name or password stands before the @"),
        ("https://token@hooks.example/", "A name or password stands before the @"),
    ],
)
def test_address_that_could_not_be_sent_to_is_refused(
    client: Client, stream: Stream, url: str, words: str
) -> None:
    response = send_form(client, f"{LIST}add/", "webhook_form", stream=str(stream.id), url=url)
    assert response.status_code == 200
    [error] = read_errors(response)["url"]
    assert error.startswith(words)
    assert not Webhook.objects.exists()


def test_webhook_keeps_its_stream_and_may_move(client: Client, stream: Stream) -> None:
    webhook = make_webhook(stream)
    page = client.get(change_path(webhook)).content.decode()
    assert 'name="stream"' not in page
    response = send_form(
        client,
        change_path(webhook),
        "webhook_form",
        url="https://moved.invalid/",
        events=["item.routed"],
    )
    assert response.status_code == 302
    webhook.refresh_from_db()
    assert (webhook.url, webhook.events) == ("https://moved.invalid/", ["item.routed"])


def test_test_message_says_what_came_of_it(
    client: Client, stream: Stream, receiver: Receiver
) -> None:
    webhook = make_webhook(stream, receiver.url)
    [text] = press(client, webhook, "ping")
    assert re.fullmatch(r"Received: it answered 200 after \d+ ms\.", text)
    [got] = receiver.accepted
    assert verify(webhook.secret, got)
    assert b'"type":"webhook.test"' in got.body
    receiver.behave = answers(503)
    [text] = press(client, webhook, "ping")
    assert re.fullmatch(r"Not received: it answered 503, after \d+ ms\.", text)
    assert not Delivery.objects.exists()


def test_test_message_to_a_private_address_is_refused(client: Client, stream: Stream) -> None:
    with run_receiver() as server:
        [text] = press(client, make_webhook(stream, server.url), "ping")
        assert server.requests == []
    assert text.startswith("Not received: its address is private")


def test_renewed_secret_is_shown_once_and_the_old_one_signs_on(
    client: Client, stream: Stream
) -> None:
    webhook = make_webhook(stream)
    old = webhook.secret
    shown = press(client, webhook, "rotate")
    webhook.refresh_from_db()
    assert webhook.secret != old
    assert webhook.previous_secret == old
    assert shown == [
        f"The secret is {webhook.secret} – copy it now: it is never shown again.",
        "For the next 24 hours messages are signed with the old secret too.",
    ]
    client.get(LIST)
    page = client.get(change_path(webhook)).content.decode()
    assert "renewed; the one before signs too until" in page
    assert (webhook.secret in page, old in page) == (False, False)


def test_pause_switch_off_and_resume_move_the_state(client: Client, stream: Stream) -> None:
    webhook = make_webhook(stream)
    for button, state, words in (
        ("pause", "paused", ["It is paused; what falls due waits."]),
        ("pause", "paused", []),
        ("resume", "active", ["It is active again."]),
        ("disable", "disabled", ["It is switched off; what was due is given up."]),
        ("resume", "active", ["It is active again."]),
    ):
        assert press(client, webhook, button) == words
        webhook.refresh_from_db()
        assert webhook.state == state
    page = client.get(change_path(webhook)).content.decode()
    assert f"{LIST}{webhook.id}/pause/" in page
    assert f"{LIST}{webhook.id}/resume/" not in page


def test_buttons_are_for_staff_who_may_change_it(stream: Stream, receiver: Receiver) -> None:
    webhook = make_webhook(stream, receiver.url)
    stranger = log_in(make_staff("olga", make_bare_stream("other"), *RIGHTS))
    reader = log_in(make_staff("ron", stream, "view_webhook"))
    nobody = log_in(make_staff("eve", stream, "view_jobrun"))
    owner = log_in(make_staff("ann", stream, *RIGHTS))
    for button in BUTTONS:
        path = f"{LIST}{webhook.id}/{button}/"
        assert stranger.post(path).status_code == 404
        assert reader.post(path).status_code == 403
        assert nobody.post(path).status_code == 403
        assert Client().post(path).status_code == 302
        assert owner.get(path).status_code == 405
    webhook.refresh_from_db()
    assert (webhook.state, webhook.previous_secret, receiver.requests) == ("active", "", [])
    assert "/ping/" not in reader.get(change_path(webhook)).content.decode()
    assert receiver.url not in stranger.get(LIST).content.decode()
    assert receiver.url in reader.get(LIST).content.decode()
    assert nobody.get(LIST).status_code == 403
    for button in BUTTONS:
        assert owner.post(f"{LIST}{webhook.id}/{button}/").status_code == 302


def test_webhook_that_was_sent_something_stays(
    client: Client, stream: Stream, receiver: Receiver
) -> None:
    unused, used = make_webhook(stream, events=["drift.alarm"]), make_webhook(stream, receiver.url)
    announce_items(stream, 1)
    assert client.post(f"{LIST}{used.id}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{LIST}{unused.id}/delete/", {"post": "yes"}).status_code == 302
    assert list(Webhook.objects.all()) == [used]


def test_list_costs_the_same_at_one_and_three_rows(
    client: Client, stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_webhook(stream)
    client.get(LIST)
    with django_assert_num_queries(6):
        client.get(LIST)
    make_webhook(stream)
    make_webhook(stream)
    with django_assert_num_queries(6):
        client.get(LIST)


def test_page_leads_to_what_was_sent_for_who_may_read_that(client: Client, stream: Stream) -> None:
    webhook = make_webhook(stream)
    link = f"/admin/reviewqueue/delivery/?webhook={webhook.id}"
    assert link in client.get(change_path(webhook)).content.decode()
    keeper = log_in(make_staff("kim", stream, *RIGHTS))
    assert link not in keeper.get(change_path(webhook)).content.decode()


def test_first_page_names_the_webhooks_that_paused_by_themselves(
    stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    reason = "nothing was received for 5 days, at last: it answered 500"
    make_webhook(stream, "https://told.invalid/")
    make_webhook(stream, "https://paused.invalid/", state="paused")
    stopped = make_webhook(
        stream, "https://stopped.invalid/", state="paused", stopped_reason=reason
    )
    other = make_bare_stream("other")
    make_webhook(other, "https://other.invalid/", state="paused", stopped_reason=reason)
    owner = log_in(make_staff("ann", stream, *RIGHTS))
    page = owner.get("/admin/").content.decode()
    assert reason in page
    assert change_path(stopped) in page
    found = re.findall(r"https://(\w+)\.invalid/</a>", page)
    assert found == ["stopped"]
    assert reason in owner.get(change_path(stopped)).content.decode()
    assert (
        "invalid"
        not in log_in(make_staff("eve", stream, "view_jobrun")).get("/admin/").content.decode()
    )
    root = log_in(make_superuser())
    for cost in (4, 4):
        root.get("/admin/")
        with django_assert_num_queries(cost):
            root.get("/admin/")
        make_webhook(stream, "https://third.invalid/", state="paused", stopped_reason=reason)
