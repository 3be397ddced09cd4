"""What no page has to think of."""

from pathlib import Path

import pytest
from csp.utils import build_policy
from django.conf import settings as configured
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from reviewqueue.views import home
from tests.every_address import list_addresses
from tests.scenes import make_person

POLICY = "Content-Security-Policy"


def test_nul_in_the_query_is_refused(db: None) -> None:
    client = Client()
    client.force_login(make_person("root", is_superuser=True, is_staff=True))

    assert client.get("/admin/routing/item/?state__exact=%00").status_code == 400
    assert client.get("/admin/routing/item/?state__exact=settled").status_code == 200


def test_every_answer_has_the_whole_policy(db: None) -> None:
    policies = [
        Client().get(path).headers["Content-Security-Policy"].split("; ")
        for path in ("/accounts/login/", "/nowhere", "/api/v1/nothing")
    ]
    assert [sorted(policy) for policy in policies] == 3 * [sorted(build_policy().split("; "))]


def strictness(policy: str) -> list[str]:
    """What is wrong with a policy: nothing unsafe, nothing from everywhere, nothing in frames."""
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    wanted = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
    }
    wrong = [name for name, value in wanted.items() if directives.get(name) != value]
    loose = [word for word in ("unsafe", "*", "http:", "nonce-") if word in policy]
    return wrong + loose


@pytest.mark.parametrize("who", ["nobody", "somebody", "superuser"])
def test_every_address_has_a_strict_policy(db: None, who: str) -> None:
    client = Client(raise_request_exception=False)
    if who != "nobody":
        root = who == "superuser"
        client.force_login(make_person(who, is_superuser=root, is_staff=root))
    addresses = list_addresses()
    loose = {}
    for address in addresses:
        response = client.get(address)
        if found := strictness(response.headers.get(POLICY, "none x")):
            loose[address] = found
        assert response.status_code < 500, address
        if "/logout" in address:
            client.post(address)
    assert loose == {}
    assert len(addresses) > 150


def test_what_middleware_answers_by_itself_has_the_policy(
    db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = Client(raise_request_exception=False)
    answers = {
        "wrong host": quiet.get("/", headers={"host": "evil.example"}),
        "no csrf token": Client(enforce_csrf_checks=True).post("/accounts/login/", {}),
        "too large": quiet.post("/accounts/login/", {"login": "x" * 3_000_000}),
        "nul": quiet.get("/?a=%00"),
        "static": quiet.get(f"/static/{static_file()}"),
    }
    monkeypatch.setattr(home, "workable_seats", None)
    quiet.force_login(make_person("rita"))
    answers["fault"] = quiet.get("/")
    settings.SECURE_SSL_REDIRECT = True
    answers["to https"] = Client().get("/accounts/login/")

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "wrong host": 400,
        "no csrf token": 403,
        "too large": 413,
        "nul": 400,
        "static": 200,
        "fault": 500,
        "to https": 301,
    }
    answers["static"].close()
    assert {name: strictness(answer.headers[POLICY]) for name, answer in answers.items()} == {
        name: [] for name in answers
    }


def static_file() -> str:
    """The favicon, a drawing that could carry a script, by its hashed name."""
    [found] = Path(configured.STATIC_ROOT).glob("favicon.*.svg")
    return found.name


def test_form_that_is_too_large_is_not_read(db: None) -> None:
    User.objects.create_user("rita", password="a passphrase")
    body = {"login": "rita", "password": "a passphrase", "more": "x" * 2 * 1024 * 1024}
    assert Client().post("/accounts/login/", body).status_code == 413
    assert Client().post("/admin/routing/item/", body).status_code == 413
    root = Client()
    root.force_login(make_person("root", is_superuser=True, is_staff=True))
    assert root.post("/admin/routing/item/", body).status_code == 200
    assert Client().post("/api/v1/streams/helpdesk/items", body).status_code == 401
    body["more"] = "x" * 1024 * 1024
    assert Client().post("/accounts/login/", body).status_code == 302


def test_pages_are_in_the_one_language_that_they_say_they_are_in(db: None) -> None:
    """Whatever the browser asks for: Django's own texts would come in it, and ours would not."""
    page = Client(headers={"Accept-Language": "de,fr;q=0.8"}).post("/accounts/login/", {})

    text = page.content.decode()
    assert '<html lang="en-gb">' in text
    assert "This field is required." in text
