"""The log-in, the account's pages and the error pages, in the product's look."""

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from tests import scenes


def test_log_in_leads_home(db: None) -> None:
    scenes.make_person("rita")
    client = Client()
    response = client.post("/accounts/login/", {"login": "rita", "password": scenes.PASSWORD})
    assert (response.status_code, response.headers["Location"]) == (302, "/")


def test_wrong_password_is_told_at_the_form(db: None) -> None:
    scenes.make_person("rita")
    page = Client().post("/accounts/login/", {"login": "rita", "password": "no"}).content.decode()
    assert 'role="alert"' in page
    assert 'value="rita"' in page


def test_session_that_ended_is_told_at_the_log_in(db: None) -> None:
    client = Client()
    client.force_login(scenes.make_person("rita"))
    Session.objects.all().delete()

    page = client.get("/", follow=True)

    assert page.redirect_chain == [("/accounts/login/?next=/&ended=1", 302)]
    assert "Your session has ended." in page.content.decode()


def test_first_visit_is_told_of_no_session(db: None) -> None:
    page = Client().get("/", follow=True)

    assert page.redirect_chain == [("/accounts/login/?next=/", 302)]
    assert "session" not in page.content.decode()


def test_nobody_signs_up(db: None) -> None:
    page = Client().get("/accounts/signup/")
    assert b"<form" not in page.content


@pytest.mark.parametrize(
    "address", ["/accounts/logout/", "/accounts/password/change/", "/accounts/2fa/"]
)
def test_account_pages_wear_the_products_look(db: None, address: str) -> None:
    client = Client()
    client.force_login(scenes.make_person("rita"))
    page = client.get(address).content.decode()
    assert page.count("<h1") == 1
    assert 'class="topbar"' in page
    assert "style=" not in page


@pytest.mark.parametrize("signed_in", [True, False])
def test_missing_page_offers_the_way_home(db: None, signed_in: bool) -> None:
    client = Client()
    if signed_in:
        client.force_login(scenes.make_person("rita"))
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "Nothing is here" in response.content.decode()
    assert 'href="/"' in response.content.decode()


def test_stale_form_says_what_to_do(db: None) -> None:
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "rita"})
    assert response.status_code == 403
    assert "This page was open too long" in response.content.decode()


def test_pages_send_a_policy_without_exceptions(db: None) -> None:
    policy = Client().get("/accounts/login/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
