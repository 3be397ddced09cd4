"""Who asks: sessions and accounts hold, and end, from one request to the next."""

import logging
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.sessions import (
    SessionStore,
    drop_ended_sessions,
    end_all_sessions,
    end_other_sessions,
    sessions_of,
)
from reviewqueue.tasks import drop_ended_sessions as drop_task
from tests import codes
from tests.scenes import PASSWORD, make_person


@pytest.fixture
def person(db: None) -> User:
    return make_person("rita")


@pytest.fixture
def client(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_signed_in_person_is_known(client: Client, person: User) -> None:
    assert client.get("/").context["user"] == person


def test_ended_session_leads_to_the_log_in(client: Client) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert client.get("/").status_code == 302


def test_removed_session_leads_to_the_log_in(client: Client) -> None:
    Session.objects.all().delete()
    assert client.get("/").status_code == 302


def test_locked_account_leads_to_the_log_in(client: Client, person: User) -> None:
    User.objects.filter(id=person.pk).update(is_active=False)
    assert client.get("/").status_code == 302


def test_account_comes_along_with_the_session(
    client: Client, person: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    session = SessionStore(client.session.session_key)
    UserSession.objects.create(
        user=person, session_key=session.session_key, ip="127.0.0.1", user_agent=""
    )
    with django_assert_num_queries(1):
        assert session[SESSION_KEY] == str(person.pk)
        assert session.person == person


def test_whose_a_session_is_stands_in_the_session(client: Client, person: User) -> None:
    """A note beside it that names another decides nothing."""
    other = make_person("otto")
    UserSession.objects.update_or_create(
        session_key=client.session.session_key,
        defaults={"user": other, "ip": "127.0.0.1", "user_agent": ""},
    )
    assert client.get("/").context["user"] == person


def test_session_without_a_note_is_known(client: Client, person: User) -> None:
    UserSession.objects.all().delete()
    assert client.get("/").context["user"] == person


def test_other_password_ends_the_session(client: Client, person: User) -> None:
    person.set_password("another-long-one")
    person.save()
    assert client.get("/").status_code == 302


def test_removed_account_leads_to_the_log_in(client: Client, person: User) -> None:
    person.delete()
    assert client.get("/").status_code == 302


def test_changed_password_ends_other_sessions(client: Client, person: User) -> None:
    person.set_password("another passphrase")
    person.save()
    assert client.get("/").status_code == 302


def test_sign_out_ends_the_session(client: Client) -> None:
    key = client.session.session_key
    client.logout()
    assert not Session.objects.filter(session_key=key).exists()


def test_log_in_gets_a_session_of_another_name(person: User) -> None:
    """One that somebody slipped into the browser beforehand is worth nothing."""
    client = Client()
    session = client.session
    session["slipped"] = "in"
    session.save()
    before = session.session_key
    assert codes.sign_in(client, "rita", PASSWORD) == "/"
    assert client.session.session_key != before
    assert not Session.objects.filter(session_key=before).exists()


@pytest.mark.parametrize(("remember", "max_age"), [("on", 14 * 24 * 60 * 60), ("", "")])
def test_cookie_lasts_as_long_as_was_asked_for(
    person: User, remember: str, max_age: object
) -> None:
    client = Client()
    codes.sign_in(client, "rita", PASSWORD, **({"remember": remember} if remember else {}))
    cookie = client.cookies["sessionid"]
    assert (cookie["max-age"], cookie["httponly"], cookie["samesite"]) == (max_age, True, "Lax")
    assert cookie["path"] == "/"
    assert cookie["domain"] == ""


def test_sign_out_by_the_form_ends_the_session(person: User) -> None:
    client = Client()
    codes.sign_in(client, "rita", PASSWORD)
    key = client.session.session_key
    assert client.get("/accounts/logout/").status_code == 200
    assert Session.objects.filter(session_key=key).exists()
    assert client.post("/accounts/logout/").status_code == 302
    assert not Session.objects.filter(session_key=key).exists()


def test_other_sessions_end_and_this_one_goes_on(person: User) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        codes.sign_in(client, "rita", PASSWORD)
    key = here.session.session_key
    assert {one.session_key for one in sessions_of(person)} == {key, there.session.session_key}
    assert end_other_sessions(user=person, session_key=key) == 1
    assert [one.session_key for one in sessions_of(person)] == [key]
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 302


def test_session_that_no_row_tells_of_ends_too(person: User) -> None:
    here, there, stranger = Client(), Client(), Client()
    for client in (here, there):
        codes.sign_in(client, "rita", PASSWORD)
    make_person("sam")
    codes.sign_in(stranger, "sam", PASSWORD)
    UserSession.objects.all().delete()
    assert end_other_sessions(user=person, session_key=here.session.session_key) == 1
    assert [client.get("/").status_code for client in (here, there, stranger)] == [200, 302, 200]
    assert end_all_sessions(people=[person]) == 1
    assert [client.get("/").status_code for client in (here, stranger)] == [302, 200]


def test_sessions_that_ran_out_are_dropped(person: User) -> None:
    gone, here = Client(), Client()
    for client in (gone, here):
        codes.sign_in(client, "rita", PASSWORD)
    Session.objects.filter(session_key=gone.session.session_key).update(
        expire_date=timezone.now() - timedelta(seconds=1)
    )
    assert drop_ended_sessions() == 1
    assert Session.objects.count() == UserSession.objects.count() == 1
    assert here.get("/").status_code == 200


def test_task_drops_sessions_and_counts(
    person: User, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "reviewqueue.tasks")
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    cache.set("tries", 1, 0)
    drop_task()
    drop_task()
    assert [record.getMessage() for record in caplog.records] == [
        "1 sessions and 1 counts that ran out were dropped"
    ]
