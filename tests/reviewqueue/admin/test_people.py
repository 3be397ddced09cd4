"""People in the admin: roles are given and taken with a trace, and nobody promotes themselves."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from reviewqueue.models import Membership
from reviewqueue.sessions import end_other_sessions
from routing.models import Event, Stream
from tests import codes
from tests.forms import send_form
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import PASSWORD, make_bare_stream, make_person

MEMBERSHIPS = "/admin/reviewqueue/membership/"


@pytest.fixture
def client(db: None) -> Client:
    return log_in(make_superuser())


@pytest.fixture
def rita(db: None) -> User:
    return User.objects.create_user("rita")


def events(kind: str) -> list[object]:
    return [event.data for event in Event.objects.filter(kind=kind)]


def test_role_is_given_on_the_stream_page(client: Client, stream: Stream, rita: User) -> None:
    path = f"/admin/routing/stream/{stream.id}/change/"
    rows = {
        "memberships-TOTAL_FORMS": "1",
        "memberships-0-user": str(rita.pk),
        "memberships-0-role": "expert",
        "memberships-0-stream": str(stream.id),
    }
    assert send_form(client, path, "stream_form", **rows).status_code == 302
    membership = Membership.objects.get(user=rita)
    assert (membership.stream, membership.role) == (stream, "expert")
    assert events("membership.created") == [
        {"changes": {"user": [None, str(rita.pk)], "role": [None, "expert"]}}
    ]


def test_role_is_taken_on_the_persons_page(client: Client, stream: Stream, rita: User) -> None:
    membership = Membership.objects.create(user=rita, stream=stream, role="reviewer")
    path = f"/admin/auth/user/{rita.pk}/change/"
    response = send_form(client, path, "user_form", **{"memberships-0-DELETE": "on"})
    assert response.status_code == 302
    assert not Membership.objects.filter(id=membership.id).exists()
    [event] = Event.objects.filter(kind="membership.deleted")
    assert event.subject_id == membership.id
    assert event.data == {"was": "rita: reviewer of Helpdesk"}


def test_roles_are_logged_in_the_list_of_memberships(
    client: Client, stream: Stream, rita: User
) -> None:
    fields = {"user": str(rita.pk), "stream": str(stream.id), "role": "reviewer"}
    send_form(client, f"{MEMBERSHIPS}add/", "membership_form", **fields)
    membership = Membership.objects.get(user=rita)
    send_form(client, f"{MEMBERSHIPS}{membership.id}/change/", "membership_form", role="expert")
    assert events("membership.changed") == [{"changes": {"role": ["reviewer", "expert"]}}]
    client.post(
        MEMBERSHIPS,
        {"action": "delete_selected", "_selected_action": [str(membership.id)], "post": "yes"},
    )
    assert not Membership.objects.filter(user=rita).exists()
    assert len(events("membership.deleted")) == 1


def test_stream_admin_gives_roles_on_own_streams_only(stream: Stream, rita: User) -> None:
    other = make_bare_stream("other")
    Membership.objects.create(user=rita, stream=other, role="reviewer")
    permissions = ("add_membership", "change_membership", "view_user")
    client = log_in(make_staff("sue", stream, *permissions))
    listed = client.get(MEMBERSHIPS).context["cl"].result_list
    assert {membership.stream_id for membership in listed} == {stream.id}
    fields = {"user": str(rita.pk), "role": "reviewer"}
    refused = send_form(
        client, f"{MEMBERSHIPS}add/", "membership_form", stream=str(other.id), **fields
    )
    assert list(refused.context["adminform"].form.errors) == ["stream"]
    given = send_form(
        client, f"{MEMBERSHIPS}add/", "membership_form", stream=str(stream.id), **fields
    )
    assert given.status_code == 302


def test_staff_cannot_promote_themselves_or_change_a_superuser(stream: Stream) -> None:
    root = make_superuser()
    sue = make_staff("sue", stream, "change_user", "view_user")
    client = log_in(sue)
    response = send_form(
        client,
        f"/admin/auth/user/{sue.pk}/change/",
        "user_form",
        first_name="Sue",
        is_superuser="on",
        user_permissions=["1"],
    )
    assert response.status_code == 302
    sue.refresh_from_db()
    assert (sue.first_name, sue.is_superuser, sue.is_staff) == ("Sue", False, True)
    assert sue.user_permissions.count() == 2
    assert client.post(f"/admin/auth/user/{root.pk}/change/", {}).status_code == 403


NEW = {
    "usable_password": "true",
    "password1": "blue-mountain-9",
    "password2": "blue-mountain-9",
}


@pytest.fixture
def root(db: None) -> tuple[User, Client]:
    """A superuser and the browser in which they logged in just now."""
    person = make_person("root", is_staff=True, is_superuser=True)
    client = Client()
    assert codes.sign_in(client, "root", PASSWORD) == "/"
    return person, client


@pytest.mark.parametrize("prefix", ["", "0", "%20"])
def test_own_password_is_changed_where_the_old_one_is_asked_for(
    root: tuple[User, Client], prefix: str
) -> None:
    person, client = root
    path = f"/admin/auth/user/{prefix}{person.pk}/password/"
    for response in (client.get(path), client.post(path, NEW)):
        assert response.headers["Location"] == "/accounts/password/change/"
    person.refresh_from_db()
    assert person.check_password(PASSWORD)


def test_password_of_another_is_set_after_a_fresh_log_in_only(
    root: tuple[User, Client], rita: User, settings: Settings
) -> None:
    _person, client = root
    path = f"/admin/auth/user/{rita.pk}/password/"
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    for response in (client.get(path), client.post(path, NEW)):
        assert response.headers["Location"] == (
            f"/accounts/reauthenticate/?next=%2Fadmin%2Fauth%2Fuser%2F{rita.pk}%2Fpassword%2F"
        )
    rita.refresh_from_db()
    assert not rita.has_usable_password()
    assert "blue-mountain" not in str(dict(client.session))
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
    assert client.get(path).status_code == 200
    assert client.get("/admin/auth/user/123456/password/").status_code == 404
    assert client.post(path, NEW).headers["Location"] == f"/admin/auth/user/{rita.pk}/change/"
    rita.refresh_from_db()
    assert rita.check_password("blue-mountain-9")


def test_administrator_without_a_password_signs_in_again_before_setting_one(
    client: Client, rita: User
) -> None:
    path = f"/admin/auth/user/{rita.pk}/password/"
    response = client.get(path)
    assert response.headers["Location"].startswith("/accounts/login/?next=%2Fadmin%2F")
    assert client.get("/admin/").status_code == 302


def test_password_of_a_superuser_is_not_for_staff(stream: Stream) -> None:
    superuser = make_superuser()
    staff = log_in(make_staff("sue", stream, "change_user", "view_user"))
    assert staff.post(f"/admin/auth/user/{superuser.pk}/password/", NEW).status_code == 403


def test_session_whose_key_the_admin_changed_ends_with_the_others(
    root: tuple[User, Client], rita: User
) -> None:
    person, client = root
    client.post(f"/admin/auth/user/{rita.pk}/password/", NEW)
    assert client.get("/admin/").status_code == 200
    here = Client()
    codes.sign_in(here, "root", PASSWORD)
    assert end_other_sessions(user=person, session_key=here.session.session_key) == 1
    assert (client.get("/admin/").status_code, here.get("/admin/").status_code) == (302, 200)


def test_admin_is_entered_through_the_log_in_that_knows_the_second_factor(db: None) -> None:
    response = Client().get("/admin/", follow=True)
    assert [path for path, _status in response.redirect_chain] == [
        "/admin/login/?next=/admin/",
        "/accounts/login/?next=%2Fadmin%2F",
    ]
    assert response.status_code == 200


def test_admin_is_closed_to_those_who_are_no_staff(rita: User) -> None:
    client = log_in(rita)
    assert client.get("/admin/", follow=True).status_code == 403


def test_admin_carries_the_products_name(client: Client) -> None:
    page = client.get("/admin/")
    assert page.context["site_header"] == "Review Queue"
    assert page.context["site_title"] == "Review Queue"
