"""Who asks: sessions and accounts hold, and end, from one request to the next."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tests.scenes import make_person


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
