"""The reviewers page: one's own figures, everybody's for who runs the stream."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.insight import making
from reviewqueue.insight.reviewers import make_reviewers
from routing.models import Stream
from tests import scenes
from tests.reviewqueue.test_agreements import judge_pairs
from tests.reviewqueue.test_settlements import UNLOCK, VPN, make_double_stream
from tests.reviewqueue.views.insight.conftest import make_sheets
from tests.reviewqueue.views.insight.test_reliability import text_of

PAGE = "/streams/helpdesk/insight/reviewers/"


@pytest.fixture
def stream(db: None) -> Stream:
    return make_double_stream()


@pytest.fixture
def judged(
    stream: Stream, reviewer: User, second_reviewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four items judged twice, one of them differently; tomorrow they are counted."""
    people = (reviewer, second_reviewer)
    judge_pairs(stream, people, (VPN, VPN), (VPN, VPN), (UNLOCK, UNLOCK), (UNLOCK, VPN))
    tomorrow = timezone.now() + timedelta(days=1, hours=1)
    makers = {
        **making.MAKERS,
        making.Kind.REVIEWERS: lambda stream, _at: make_reviewers(stream, tomorrow),
    }
    monkeypatch.setattr(making, "MAKERS", makers)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def ready_page(client: Client) -> str:
    client.get(PAGE)
    make_sheets()
    response = client.get(PAGE)
    assert response.status_code == 200
    return response.content.decode()


def names_on(page: str) -> list[str]:
    return re.findall(r'<th scope="row">(\w+)', page)


def test_stream_admin_sees_everybody_by_name(stream: Stream, judged: None) -> None:
    page = ready_page(client_of(scenes.make_person("ada", stream, "stream_admin")))
    assert names_on(page) == ["rita", "sam"]
    text = text_of(page)
    assert text.count("75% 19.4–99.4% · 3 of 4 · too few to tell") == 2
    assert "Not enough yet: 4 of 30 items" in text


def test_reviewer_sees_their_own_figures_alone(reviewer: User, judged: None) -> None:
    client = client_of(reviewer)
    page = ready_page(client)
    assert names_on(page) == ["rita"]
    assert ("Your figures" in page, 'aria-label="Insight"><a' in page) == (True, False)
    rows = list(csv.DictReader(io.StringIO(client.get(f"{PAGE}table.csv").content.decode())))
    assert [(row["name"], row["agreed_successes"], row["agreed_n"]) for row in rows] == [
        ("rita", "3", "4")
    ]


def test_analyst_sees_nobody_else(stream: Stream, analyst: User, judged: None) -> None:
    text = text_of(ready_page(client_of(analyst)))
    assert ("rita" in text, "Nothing to show yet" in text) == (False, True)


def test_what_was_judged_today_is_not_counted(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    judge_pairs(stream, (reviewer, second_reviewer), (VPN, VPN))
    page = ready_page(client_of(reviewer))
    assert "Figures begin the day after the first verdict" in page


def test_htmx_gets_the_part(reviewer: User) -> None:
    client = Client(headers={"HX-Request": "true"})
    client.force_login(reviewer)
    part = client.get(PAGE).content.decode()
    assert (part.lstrip().startswith('<div id="figures"'), "<html" in part) == (True, False)


@pytest.mark.parametrize("people", [1, 3])
def test_page_costs_the_same_whatever_it_shows(
    stream: Stream,
    judged: None,
    reviewer: User,
    django_assert_num_queries: DjangoAssertNumQueries,
    people: int,
) -> None:
    names = [f"person {number}" for number in range(2 * people - 2)]
    extra = [scenes.make_person(name, stream, "reviewer") for name in names]
    for one, other in zip(extra[::2], extra[1::2], strict=True):
        judge_pairs(stream, (one, other), (VPN, VPN))
    client = client_of(scenes.make_person("ada", stream, "stream_admin"))
    page = ready_page(client)
    assert len(names_on(page)) == 2 * people
    with django_assert_num_queries(9):
        client.get(PAGE)


def test_stream_admin_may_take_the_picture_of_everybody_along(stream: Stream, judged: None) -> None:
    client = client_of(scenes.make_person("ada", stream, "stream_admin"))
    page = ready_page(client)
    [address] = re.findall(r'href="([^"]+people\.svg)"', page)
    picture = client.get(address)
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/svg+xml")
    assert ("rita" in picture.content.decode(), '<title id="title-people"' in page) == (True, True)


def test_picture_of_everybody_is_for_nobody_else(
    stream: Stream, reviewer: User, analyst: User, judged: None
) -> None:
    assert "people.svg" not in ready_page(client_of(analyst))
    address = "/streams/helpdesk/insight/reviewers/people.svg"
    statuses = [client_of(person).get(address).status_code for person in (reviewer, analyst)]
    assert statuses == [403, 403]
