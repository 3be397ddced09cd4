"""The log of deliveries in the admin: each try, found by webhook and by item, and sent again."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from reviewqueue.deliveries import send_due
from reviewqueue.sequencer import sequence_due
from reviewqueue.webhook_models import Delivery
from routing.models import Announcement, Item, Stream
from tests.reviewqueue.receiver import Receiver, answers, run_receiver
from tests.reviewqueue.test_claims import post_held
from tests.reviewqueue.test_deliveries import announce_items, come_due, make_webhook
from tests.reviewqueue.test_sequencer import announce
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_bare_stream, post_blind

LOG = "/admin/reviewqueue/delivery/"
TOLD = "/admin/routing/announcement/"


@pytest.fixture
def client(db: None) -> Client:
    return log_in(make_superuser())


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.ALLOW_PRIVATE_ADDRESSES = True
    with run_receiver() as server:
        yield server


def page_of(client: Client, delivery: Delivery) -> str:
    return client.get(f"{LOG}{delivery.id}/change/").content.decode()


def ask(client: Client, **query: str | UUID) -> Any:
    """The list that Django makes."""
    response = client.get(LOG, {name: str(value) for name, value in query.items()})
    return response.context["cl"]


def found(client: Client, **query: str | UUID) -> list[Delivery]:
    """What the list shows, the oldest first."""
    return sorted(ask(client, **query).result_list, key=lambda row: str(row.id))


def test_log_is_read_and_sent_again_by_who_may(stream: Stream, receiver: Receiver) -> None:
    make_webhook(stream, receiver)
    announce_items(stream, 2)
    first, second = Delivery.objects.order_by("id")
    Delivery.objects.update(
        state="dead", tries=10, closed_at=timezone.now(), error="it answered 500"
    )
    chosen = {"action": "replay", "_selected_action": [str(first.id)]}
    reader = log_in(make_staff("ron", stream, "view_delivery"))
    assert "it answered 500" in reader.get(LOG).content.decode()
    assert reader.get(f"{LOG}{first.id}/change/").status_code == 200
    reader.post(LOG, chosen)
    stranger = log_in(
        make_staff("olga", make_bare_stream("other"), "view_delivery", "change_delivery")
    )
    assert "it answered 500" not in stranger.get(LOG).content.decode()
    stranger.post(LOG, chosen)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"dead"}
    owner = log_in(make_staff("ann", stream, "view_delivery", "change_delivery"))
    response = owner.post(LOG, chosen)
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        "1 delivery is due again."
    ]
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, first.tries, second.state) == ("due", 0, "dead")
    assert owner.get(f"{LOG}add/").status_code == 403
    assert Client().get(LOG).status_code == 302
    found = owner.get(LOG, {"q": str(second.announcement_id)}).content.decode()
    assert (str(second.id) in found, str(first.id) in found) == (True, False)


def test_announcements_are_read_with_their_position(client: Client, stream: Stream) -> None:
    announce_items(stream, 1)
    row = Announcement.objects.get(item__isnull=False)
    assert "item.settled" in client.get(TOLD, {"q": "i0"}).content.decode()
    page = client.get(f"{TOLD}{row.id}/change/")
    assert page.status_code == 200
    assert client.post(f"{TOLD}{row.id}/change/", {}).status_code == 403
    stranger = log_in(make_staff("olga", make_bare_stream("other"), "view_announcement"))
    assert f"{TOLD}{row.id}/" in client.get(TOLD).content.decode()
    assert f"{TOLD}{row.id}/" not in stranger.get(TOLD).content.decode()


def test_page_tells_each_try(client: Client, stream: Stream, receiver: Receiver) -> None:
    make_webhook(stream, receiver)
    announce_items(stream, 1)
    receiver.behave = answers(503)
    send_due()
    receiver.behave = answers(204)
    come_due()
    send_due()
    delivery = Delivery.objects.get()
    response = client.get(f"{LOG}{delivery.id}/change/")
    results = response.context["results"]
    told = [(one["number"], one["status"], one["error"]) for one in results]
    assert told == [(1, 503, "it answered 503"), (2, 204, "")]
    page = response.content.decode()
    assert f"{results[0]['at']:%H:%M:%S}</span>" in page
    assert f"{delivery.closed_at:%H:%M}</div>" in page
    assert '<td class="number">503</td>' in page
    assert "under way" not in page


def test_page_tells_of_a_try_that_nothing_is_known_of(
    client: Client, stream: Stream, receiver: Receiver
) -> None:
    make_webhook(stream, receiver)
    announce_items(stream, 1)
    words = "under way, or was cut off before anything was known of it."
    assert words not in page_of(client, Delivery.objects.get())
    Delivery.objects.update(tries=1)
    assert f"Try 1 is {words}" in page_of(client, Delivery.objects.get())
    Delivery.objects.update(status=500, error="it answered 500")  # as an earlier version noted it
    assert words not in page_of(client, Delivery.objects.get())
    receiver.behave = answers(500)
    send_due()
    Delivery.objects.update(tries=3)
    assert f"Try 3 is {words}" in page_of(client, Delivery.objects.get())


def test_log_is_filtered_by_the_webhooks_that_one_administers(
    client: Client, stream: Stream, receiver: Receiver
) -> None:
    desk = make_webhook(stream, receiver, description="desk")
    make_webhook(stream, receiver, description="archive")
    other = make_webhook(make_bare_stream("other"), receiver, description="elsewhere")
    announce_items(stream, 2)
    assert [row.webhook_id for row in found(client, webhook=desk.id)] == [desk.id, desk.id]
    assert found(client, webhook=other.id) == []

    def offered(by: Client, **query: UUID) -> list[str]:
        [shown] = [one for one in ask(by, **query).filter_specs if one.title == "webhook"]
        return [name for _key, name in shown.lookup_choices]

    assert offered(client) == ["archive", "desk", "elsewhere"]
    assert offered(client, stream=stream.id) == ["archive", "desk"]
    owner = log_in(make_staff("ann", stream, "view_delivery"))
    assert offered(owner) == ["archive", "desk"]
    assert len(found(owner, webhook=other.id)) == 4  # as without a filter
    stranger = log_in(make_staff("olga", other.stream, "view_delivery"))
    assert found(stranger, webhook=desk.id) == []


def test_log_is_searched_by_the_external_id_of_an_item(
    client: Client, stream: Stream, receiver: Receiver
) -> None:
    make_webhook(stream, receiver)
    announce_items(stream, 2)
    item = Item.objects.get(external_id="i0")
    announce(item, "item.overturned")
    sequence_due(stream.id)
    kinds = [row.announcement.kind for row in found(client, q=" i0 ")]
    assert kinds == ["item.settled", "item.overturned"]
    assert found(client, q="i") == []
    message = Announcement.objects.get(item__external_id="i1")
    Item.objects.filter(id=item.id).update(external_id=str(message.id))
    assert len(found(client, q=message.id)) == 3
    stranger = log_in(make_staff("olga", make_bare_stream("other"), "view_delivery"))
    assert (found(stranger, q=message.id), found(stranger, q="i1")) == ([], [])


def test_delivery_leads_to_its_item_and_its_announcement_to_it(
    client: Client, stream: Stream, receiver: Receiver
) -> None:
    make_webhook(stream, receiver, events=["item.settled", "policy.published"])
    announce_items(stream, 1)
    delivery = Delivery.objects.get()
    item = Item.objects.get()
    page = page_of(client, delivery)
    assert "/admin/routing/item/0" in page
    assert f'<a href="/admin/routing/item/{item.id}/change/">i0</a>' in page
    assert f"{TOLD}{delivery.announcement_id}/change/" in page
    link = f"{LOG}?q={delivery.announcement_id}"
    announcement = f"{TOLD}{delivery.announcement_id}/change/"
    assert link in client.get(announcement).content.decode()
    reader = log_in(make_staff("ron", stream, "view_announcement"))
    assert link not in reader.get(announcement).content.decode()
    of_policy = Announcement.objects.create(
        stream=stream, kind="policy.published", subject_id=stream.id
    )
    Delivery.objects.filter(id=delivery.id).update(announcement=of_policy)
    assert "/admin/routing/item/0" not in page_of(client, delivery)


def test_item_that_is_still_to_be_judged_blind_is_not_named(
    client: Client, stream: Stream, receiver: Receiver
) -> None:
    make_webhook(stream, receiver, events=["item.routed"])
    item = post_blind(stream, "HD-B").item
    row = announce(item, "item.routed")
    sequence_due(stream.id)
    delivery = Delivery.objects.get(announcement=row)
    for page in (client.get(LOG).content.decode(), page_of(client, delivery)):
        assert "hidden: still to be judged blind" in page
        assert "HD-B" not in page
        assert str(item.id) not in page
    assert found(client, q="HD-B") == []
    assert found(client, q=row.id) == [delivery]


def test_lists_and_pages_cost_the_same_at_one_and_three_rows(
    client: Client,
    stream: Stream,
    receiver: Receiver,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_webhook(stream, receiver)
    announce_items(stream, 1)
    costs = {LOG: 6, f"{LOG}?q=i0": 13, f"{LOG}{Delivery.objects.get().id}/change/": 3, TOLD: 9}
    for path, cost in costs.items():
        client.get(path)
        with django_assert_num_queries(cost):
            client.get(path)
    make_webhook(stream, receiver)
    make_webhook(stream, receiver)
    post_held(stream, "b", "c")
    for item in Item.objects.all():
        announce(item, "item.overturned")
    sequence_due(stream.id)
    receiver.behave = answers(500)
    send_due()
    for path, cost in costs.items():
        with django_assert_num_queries(cost):
            client.get(path)
