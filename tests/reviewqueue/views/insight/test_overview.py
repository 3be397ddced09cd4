"""The health of all streams on one page."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.insight_models import InsightSheet
from routing.models import Stream
from tests import scenes
from tests.calibration.cohorts import post_items
from tests.reviewqueue.views.insight.conftest import make_sheets
from tests.reviewqueue.views.insight.test_reliability import text_of

PAGE = "/insight/health/"


@pytest.fixture
def stream(db: None) -> Stream:
    """100 items of today: 85 auto, 15 held."""
    made = scenes.make_stream()
    post_items(made, 85, confidence=0.95, at=timezone.now())
    post_items(made, 15, confidence=0.55, at=timezone.now())
    return made


def lines_of(client: Client) -> list[str]:
    response = client.get(PAGE)
    assert response.status_code == 200
    rows = re.findall(r'(?s)<tr>\s*<th scope="row">(.*?)</tr>', response.content.decode())
    return [re.sub(r"\d\d:\d\d|\d+ s\b", "TIME", text_of(row)) for row in rows]


def test_line_has_shares_and_what_waits(plain: Client) -> None:
    assert lines_of(plain) == ["Helpdesk is being counted – – – – –"]
    make_sheets()
    assert lines_of(plain) == [
        "Helpdesk 100 items · counted TIME 85.0% healthy 15.0% 15 oldest TIME 0 too few to tell"
    ]


def test_stream_without_a_policy_waits_for_one(db: None) -> None:
    bare = scenes.make_bare_stream("bare")
    client = Client()
    client.force_login(scenes.make_person("olga", bare, "analyst"))
    assert lines_of(client) == ["Bare no policy is published yet – – – – –"]
    assert InsightSheet.objects.count() == 0


def test_what_was_counted_long_ago_is_counted_anew(plain: Client) -> None:
    plain.get(PAGE)
    make_sheets()
    plain.get(PAGE)
    assert InsightSheet.objects.get().asked_version == "first"
    InsightSheet.objects.update(made_at=timezone.now() - timedelta(hours=13))
    plain.get(PAGE)
    assert InsightSheet.objects.get().asked_version == "again"


def test_only_streams_that_one_may_analyse_are_listed(stream: Stream, plain: Client) -> None:
    other = scenes.make_stream("other")
    assert [line.split()[0] for line in lines_of(plain)] == ["Helpdesk"]
    root = Client()
    root.force_login(scenes.make_person("root", is_superuser=True))
    assert [line.split()[0] for line in lines_of(root)] == ["Helpdesk", "Other"]
    reviewer = Client()
    reviewer.force_login(scenes.make_person("rita", other, "reviewer"))
    assert reviewer.get(PAGE).status_code == 403


def test_page_needs_a_session_and_is_only_read(plain: Client) -> None:
    assert Client().get(PAGE)["Location"] == f"/accounts/login/?next={PAGE}"
    assert plain.post(PAGE).status_code == 405


@pytest.mark.parametrize("streams", [1, 3])
def test_page_costs_the_same_at_every_number_of_streams(
    stream: Stream, django_assert_num_queries: DjangoAssertNumQueries, streams: int
) -> None:
    root = Client()
    root.force_login(scenes.make_person("root", is_superuser=True))
    for number in range(streams - 1):
        post_items(scenes.make_stream(f"further-{number}"), 3, confidence=0.95)
    root.get(PAGE)
    make_sheets()
    with django_assert_num_queries(5):
        root.get(PAGE)
