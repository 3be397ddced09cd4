"""Items in the admin: erased by who may, on their own streams, after being asked."""

import pytest
from django.test import Client

from routing.models import Event, Item, Stream
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_stream, post

LIST = "/admin/routing/item/"


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream()


def erase(client: Client, *items: Item, **fields: str) -> tuple[int, str]:
    chosen = [str(item.id) for item in items]
    answered = client.post(LIST, {"action": "erase", "_selected_action": chosen} | fields)
    return answered.status_code, answered.content.decode()


def test_erasing_is_asked_for_twice(stream: Stream) -> None:
    item, kept = post(stream, "case-one").item, post(stream, "case-two").item
    root = make_superuser()
    status, page = erase(log_in(root), item)
    assert (
        status,
        "This cannot be taken back." in page,
        "case-one" in page,
        "case-two" in page,
        'value="Erase what this item holds, for good"' in page,
    ) == (200, True, True, False, True)
    assert Item.objects.filter(erased_at=None).count() == 2

    status, _ = erase(log_in(root), item, confirmed="yes")
    assert status == 302
    assert set(Item.objects.exclude(erased_at=None)) == {item}
    assert kept.payload == Item.objects.get(id=kept.id).payload
    assert Event.objects.get(kind="item.erased").actor == root


def test_erased_items_are_not_asked_about_again(stream: Stream) -> None:
    item = post(stream, "t1").item
    client = log_in(make_superuser())
    erase(client, item, confirmed="yes")
    erase(client, item, confirmed="yes")
    page = client.get(LIST).content.decode()
    assert "Nothing to erase: these were erased before." in page
    assert Event.objects.filter(kind="item.erased").count() == 1


def test_items_are_erased_by_staff_with_the_permission_on_their_streams(stream: Stream) -> None:
    item = post(stream, "t1").item
    other = make_stream("other")
    for name, where, permission in (
        ("viewer", stream, "view_item"),
        ("stranger", other, "erase_item"),
    ):
        erase(log_in(make_staff(name, where, "view_item", permission)), item, confirmed="yes")
        assert Item.objects.get().erased_at is None
    erase(log_in(make_staff("sue", stream, "view_item", "erase_item")), item, confirmed="yes")
    assert Item.objects.get().erased_at is not None


def test_confirmation_is_for_those_logged_in(stream: Stream) -> None:
    item = post(stream, "t1").item
    status, _ = erase(Client(), item, confirmed="yes")
    assert (status, Item.objects.get().erased_at) == (302, None)
