"""The drift page: evidence with its alarm line, shifts by week, and numbered events."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calibration.models import AuditDraw
from calibration.monitoring import watch_audits
from routing.models import Stream
from tests import scenes
from tests.calibration.cohorts import label_items, make_audited_stream, post_items
from tests.reviewqueue.views.insight.conftest import make_sheets
from tests.reviewqueue.views.insight.test_reliability import text_of
from tests.scenes import KEYS, publish

PAGE = "/streams/helpdesk/insight/drift/"


@pytest.fixture
def stream(db: None) -> Stream:
    """60 audits of today of which 30 are wrong, and a watch that saw them."""
    made = make_audited_stream()
    _watch_audits(made, 60, right=30)
    return made


def _watch_audits(stream: Stream, size: int, *, right: int, predicted: str = KEYS[0]) -> None:
    at = timezone.now()
    label_items(post_items(stream, size, confidence=0.95, predicted=predicted, at=at), right=right)
    watch_audits(stream=stream, at=at + timedelta(days=1, hours=2))


def ready_page(client: Client) -> str:
    client.get(PAGE)
    make_sheets()
    response = client.get(PAGE)
    assert response.status_code == 200
    return response.content.decode()


def test_alarm_stands_with_its_evidence_and_number(plain: Client) -> None:
    page = ready_page(plain)
    text = text_of(page)
    assert "alarm: more errors than promised · 1 category alarmed" in text
    assert re.search(r"All categories 60 30 3\.0 \S+ 0\.\d 40 alarm: more errors", text)
    [words] = re.findall(r'<desc id="description-evidence">([^<]+)</desc>', page)
    assert words.startswith("60 audits: alarm: more errors than promised. Evidence")
    assert "Drift alarm, all categories: more errors than promised" in text
    assert "1 Version 1 published" in text


def test_evidence_is_a_file_that_ends_where_the_watch_does(stream: Stream, plain: Client) -> None:
    ready_page(plain)
    response = plain.get(f"{PAGE}evidence.csv")
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert len(rows) == 60
    last = AuditDraw.objects.filter(watched_at__isnull=False).count()
    assert last == 60
    assert float(rows[-1]["more_errors"]) > 40.0
    assert float(rows[-1]["fewer_errors"]) < 1.0


def test_weeks_are_compared_once_there_is_one(plain: Client) -> None:
    response = plain.get(f"{PAGE}weeks.csv")
    assert response.content.decode().splitlines() == [
        "first,items,scores,scores_verdict,queues,queues_verdict"
    ]
    assert "Compared from a week after new maps are published" in text_of(ready_page(plain))


def test_stream_without_audits_says_so(db: None) -> None:
    other = scenes.make_stream("other")
    client = Client()
    client.force_login(scenes.make_person("olga", other, "analyst"))
    page = "/streams/other/insight/drift/"
    client.get(page)
    make_sheets()
    text = text_of(client.get(page).content.decode())
    assert "No audited item has been settled under these maps yet." in text


def test_stream_without_a_policy_says_so(db: None) -> None:
    bare = scenes.make_bare_stream("bare")
    client = Client()
    client.force_login(scenes.make_person("olga", bare, "analyst"))
    page = client.get("/streams/bare/insight/drift/").content.decode()
    assert "No policy is published yet" in page


def test_retired_category_and_new_version_are_events(stream: Stream, plain: Client) -> None:
    stream.categories.filter(key=KEYS[2]).update(retired_at=timezone.now())
    publish(stream, title="Without incidents")
    text = text_of(ready_page(plain))
    assert "Category Security incident retired" in text
    assert "Version 2 published: Without incidents" in text


@pytest.mark.parametrize("rows", [1, 3])
def test_page_costs_the_same_whatever_it_shows(
    stream: Stream, plain: Client, django_assert_num_queries: DjangoAssertNumQueries, rows: int
) -> None:
    for number in range(1, rows):
        _watch_audits(stream, 10, right=9, predicted=KEYS[number])
    ready_page(plain)
    with django_assert_num_queries(8):
        plain.get(PAGE)
