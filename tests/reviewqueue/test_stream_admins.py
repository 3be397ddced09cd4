"""The role of stream admin: it alone opens the admin, with its rights and on its streams."""

from urllib.parse import quote

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.test import Client
from pytest_django import Settings

from reviewqueue.models import Membership
from reviewqueue.stream_admins import GIVEN_BY_HAND, administers_any, opens_admin, rights_of_role
from routing.models import Stream
from tests.routing.admin.conftest import log_in
from tests.scenes import make_person, make_stream

ADMIN = "/admin/"
PEOPLE = "/admin/autocomplete/?app_label=reviewqueue&model_name=membership&field_name=user"


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream()


@pytest.fixture
def ada(stream: Stream) -> User:
    return make_person("ada", stream, "stream_admin")


def read_again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def give(user: User, *names: str) -> User:
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return read_again(user)


def may_open(client: Client, path: str) -> bool:
    return client.get(path).status_code == 200


def names_offered(client: Client, term: str = "") -> list[str]:
    found = client.get(f"{PEOPLE}&term={quote(term)}").json()["results"]
    return [str(each["text"]) for each in found]


def test_role_alone_opens_the_admin_of_the_own_streams(stream: Stream, ada: User) -> None:
    other = make_stream("other")
    client = log_in(ada)
    assert 'href="/admin/">Administration</a>' in client.get("/").content.decode()
    assert may_open(client, ADMIN)
    assert may_open(client, f"/admin/routing/stream/{stream.id}/change/")
    assert client.get(f"/admin/routing/stream/{other.id}/change/").status_code == 302
    assert client.get("/admin/routing/stream/add/").status_code == 403
    assert client.get("/admin/auth/user/").status_code == 403


def test_role_that_is_taken_opens_nothing_from_the_next_request_on(
    stream: Stream, ada: User
) -> None:
    client = log_in(ada)
    assert may_open(client, ADMIN)
    Membership.objects.filter(user=ada).update(role="analyst")
    assert client.get(ADMIN).status_code == 302
    assert "/admin/" not in client.get("/").content.decode()
    assert not read_again(ada).has_perm("routing.view_stream")


@pytest.mark.parametrize("role", ["reviewer", "adjudicator", "expert", "analyst"])
def test_other_roles_open_nothing(stream: Stream, role: str) -> None:
    client = log_in(make_person("rita", stream, role))
    assert client.get(ADMIN).status_code == 302
    assert "Administration" not in client.get("/").content.decode()


def test_rights_are_of_our_tables_and_leave_out_what_goes_beyond() -> None:
    rights = rights_of_role()
    assert {right.partition(".")[0] for right in rights} == {
        "routing",
        "calibration",
        "reviewqueue",
    }
    assert {"routing.publish_policy", "reviewqueue.add_membership"} <= rights
    assert rights.isdisjoint(GIVEN_BY_HAND)


def test_rights_given_by_hand_hold_the_role_to_less(ada: User) -> None:
    ada = give(ada, "view_stream")
    assert ada.get_all_permissions() == {"routing.view_stream"}


def test_what_goes_beyond_is_given_beside_the_role(ada: User) -> None:
    ada = give(ada, "erase_item", "view_user")
    assert ada.get_all_permissions() == rights_of_role() | {
        "routing.erase_item",
        "auth.view_user",
    }


def test_closed_account_opens_nothing(ada: User) -> None:
    ada.is_active = False
    ada.save()
    ada = read_again(ada)
    assert (opens_admin(ada), ada.get_all_permissions()) == (False, set())
    assert (administers_any(AnonymousUser()), opens_admin(AnonymousUser())) == (False, False)


def test_second_factor_of_staff_is_asked_of_stream_admins(ada: User, settings: Settings) -> None:
    settings.SECOND_FACTOR = "staff"
    answered = log_in(ada).get("/")
    assert answered.headers["Location"] == "/accounts/2fa/totp/activate/?required=1"


def test_who_gives_roles_chooses_among_names(stream: Stream, ada: User) -> None:
    make_person("rita")
    User.objects.filter(username="rita").update(email="rita@firm.example")
    User.objects.create_user("gone", is_active=False)
    client = log_in(ada)
    assert names_offered(client) == ["ada", "rita"]
    assert names_offered(client, "RIT") == ["rita"]
    assert names_offered(client, "firm.example") == []
    assert names_offered(log_in(give(ada, "view_user")), "firm.example") == ["rita"]
    viewer = make_person("vera", stream, "stream_admin")
    assert log_in(give(viewer, "view_membership")).get(PEOPLE).status_code == 403
