"""Who may see insight pages: analysts, stream admins and superusers; others by role and stream."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from routing.models import Stream
from tests import scenes
from tests.reviewqueue.views.insight.conftest import make_sheets

ROOT = "/streams/helpdesk/insight/"
CELL = f"{ROOT}reliability/items/?maps=raw&lower=0.9&upper=1.0"
PAGES = (
    f"{ROOT}reliability/",
    f"{ROOT}reliability/table.csv",
    CELL,
    f"{ROOT}what-if/",
    f"{ROOT}what-if/curve.csv",
    f"{ROOT}health/",
    f"{ROOT}health/periods.csv",
    f"{ROOT}ambiguity/",
    f"{ROOT}ambiguity/pairs.csv",
    f"{ROOT}drift/",
    f"{ROOT}drift/evidence.csv",
    f"{ROOT}drift/weeks.csv",
    f"{ROOT}runs/",
    f"{ROOT}reliability-30/raw.svg",
)
# Open to whoever may see the stream; what is in it is their own.
OWN = (f"{ROOT}reviewers/", f"{ROOT}reviewers/table.csv")
DRAFT = f"{ROOT}what-if/draft"
FORWARD = f"{ROOT}ambiguity/forward"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ready(plain: Client) -> None:
    """Every page was looked at once, and its sheet made."""
    for page in PAGES:
        plain.get(page)
    make_sheets()


def statuses(client: Client) -> set[int]:
    return {client.get(page).status_code for page in PAGES}


def test_roles_that_may_see_every_page(stream: Stream, ready: None) -> None:
    for role in ("analyst", "stream_admin"):
        assert statuses(client_of(scenes.make_person(f"a {role}", stream, role))) == {200}


def test_superuser_sees_every_page(stream: Stream, ready: None) -> None:
    assert statuses(client_of(scenes.make_person("root", is_superuser=True))) == {200}


def test_lower_roles_are_refused(stream: Stream, ready: None) -> None:
    for role in ("reviewer", "adjudicator", "expert"):
        client = client_of(scenes.make_person(f"a {role}", stream, role))
        posted = {client.post(address).status_code for address in (DRAFT, FORWARD)}
        assert (statuses(client), posted) == ({403}, {403})


def test_lower_roles_see_their_own_figures(stream: Stream, ready: None) -> None:
    client = client_of(scenes.make_person("rita", stream, "reviewer"))
    assert {client.get(page).status_code for page in OWN} == {200}


def test_stranger_finds_nothing(stream: Stream, ready: None) -> None:
    other = scenes.make_stream("other")
    client = client_of(scenes.make_person("sam", other, "analyst"))
    posted = {client.post(address).status_code for address in (DRAFT, FORWARD)}
    assert (statuses(client), posted) == ({404}, {404})
    assert {client.get(page).status_code for page in OWN} == {404}


def test_anonymous_goes_to_the_log_in(stream: Stream) -> None:
    for page in (*PAGES, *OWN):
        response = Client().get(page)
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/?next=")


def test_pages_are_only_read(plain: Client) -> None:
    assert {plain.post(page).status_code for page in (*PAGES, *OWN, ROOT)} == {405}


def test_what_changes_something_is_only_posted(plain: Client) -> None:
    assert {plain.get(address).status_code for address in (DRAFT, FORWARD)} == {405}


def test_root_leads_to_the_first_page(plain: Client) -> None:
    response = plain.get(ROOT)
    assert (response.status_code, response["Location"]) == (302, f"{ROOT}reliability/")


def test_home_leads_those_who_may_to_insight(stream: Stream, plain: Client) -> None:
    link = f'href="{ROOT}"'
    assert plain.get("/").content.decode().count(link) == 1
    reviewer = client_of(scenes.make_person("rita", stream, "reviewer"))
    assert reviewer.get("/").content.decode().count(link) == 0
