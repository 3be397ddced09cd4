"""The health page: shares against what is healthy, what waits, what was done, who is swayed."""

import csv
import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.insight.figures import MeasureFigures
from reviewqueue.models import ReviewTask
from reviewqueue.views.insight.health import word_bias
from routing.models import Stream
from tests import scenes
from tests.calibration.cohorts import post_items
from tests.reviewqueue.test_claims import claim
from tests.reviewqueue.test_verdicts import judge
from tests.reviewqueue.views.insight.conftest import make_sheets
from tests.reviewqueue.views.insight.test_reliability import text_of

PAGE = "/streams/helpdesk/insight/health/"


@pytest.fixture
def stream(db: None) -> Stream:
    """160 items of today: 85% auto, 10% flagged, 5% held."""
    made = scenes.make_stream()
    for size, confidence in ((136, 0.95), (16, 0.75), (8, 0.55)):
        post_items(made, size, confidence=confidence, at=timezone.now())
    return made


def ready_page(client: Client, page: str = PAGE) -> str:
    client.get(page)
    make_sheets()
    response = client.get(page)
    assert response.status_code == 200
    return response.content.decode()


def test_shares_stand_against_what_is_healthy(plain: Client) -> None:
    text = text_of(ready_page(plain))
    assert "Every share is where a healthy taxonomy has it." in text
    assert "160 items in seven days" in text
    assert "Auto 85.0% 136 items – 80–90% healthy" in text
    assert "Flagged 10.0% 16 items – 8–15% healthy" in text
    assert "Hold Reject 5.0% 8 items – the small rest healthy" in text


def test_unhealthy_share_is_named(stream: Stream, plain: Client) -> None:
    post_items(stream, 100, confidence=0.55, at=timezone.now())
    text = text_of(ready_page(plain))
    assert "52.3% auto in the last seven days; 80–90% is healthy." in text
    assert "Auto 52.3% 136 items – 80–90% less than healthy" in text
    assert "Hold Reject 41.5% 108 items – the small rest more than healthy" in text


def test_few_items_are_not_judged(db: None) -> None:
    other = scenes.make_stream("other")
    post_items(other, 9, confidence=0.55, at=timezone.now())
    client = Client()
    client.force_login(scenes.make_person("olga", other, "analyst"))
    text = text_of(ready_page(client, "/streams/other/insight/health/"))
    assert "Too few items in the last seven days to tell." in text
    assert "the small rest under 100 items" in text


def test_what_waits_is_as_it_is_now(stream: Stream, plain: Client) -> None:
    ready_page(plain)
    now = timezone.now()
    held = ReviewTask.objects.filter(queue="hold")
    held.update(opened_at=now - timedelta(hours=3), due_at=now + timedelta(hours=2))
    late = held[0]
    late.opened_at, late.due_at = now - timedelta(days=4), now - timedelta(hours=1)
    late.save(update_fields=["opened_at", "due_at"])
    text = text_of(plain.get(PAGE).content.decode())
    assert "Hold 8 4 days 3 h 1 overdue 7 within a day" in text
    assert "Nothing waits in Escalated, Adjudication, Audit." in text


def test_work_is_told_with_its_hours(stream: Stream, reviewer: User, plain: Client) -> None:
    for _ in range(2):
        task = claim(stream, reviewer)
        ReviewTask.objects.filter(id=task.id).update(
            claimed_at=timezone.now() - timedelta(minutes=12)
        )
        judge(task, reviewer)
    page = ready_page(plain)
    text = text_of(page)
    assert "2 verdicts in seven days" in text
    rows = list(csv.DictReader(io.StringIO(plain.get(f"{PAGE}periods.csv").content.decode())))
    assert len(rows) == 12
    last = rows[-1]
    assert (last["items"], last["auto"], last["flagged"], last["hold"]) == ("160", "136", "16", "8")
    assert (last["answers"], last["batch_rows"], last["hours"]) == ("2", "0", "0.400")


def test_days_are_another_view_of_the_same_sheet(plain: Client) -> None:
    ready_page(plain)
    page = plain.get(f"{PAGE}?by=days").content.decode()
    assert '<a href="?by=days" aria-current="true">Days</a>' in page
    assert "Queue shares by day" in page
    rows = list(
        csv.DictReader(io.StringIO(plain.get(f"{PAGE}periods.csv?by=days").content.decode()))
    )
    assert (len(rows), rows[-1]["items"]) == (28, "160")
    assert plain.get("/streams/helpdesk/insight/health/shares-days.svg").status_code == 200


def test_bias_needs_both_groups(stream: Stream, plain: Client) -> None:
    text = text_of(ready_page(plain))
    assert "Not known: no share of the held items is judged blind." in text
    Stream.objects.update(blind_rate=0.1)
    assert "Not known yet: held items have to be judged both" in text_of(
        plain.get(PAGE).content.decode()
    )


def measure(value: float, low: float, high: float) -> MeasureFigures:
    return {"name": "bias", "value": value, "low": low, "high": high}


def test_bias_is_worded_by_its_interval_and_its_size() -> None:
    sway = "people let answers stand that they would not have given"
    assert word_bias(measure(0.2, 0.1, 0.3), 50) == f"+20.0 points (+10.0 to +30.0): {sway}"
    assert word_bias(measure(0.1, -0.1, 0.3), 50).endswith("no sign that the answer sways people")
    assert word_bias(measure(-0.2, -0.3, -0.1), 50).endswith("where they see the answer")
    assert word_bias(measure(0.2, 0.1, 0.3), 29).endswith("too few answers to tell")
    none: MeasureFigures = {"name": "bias", "value": None, "low": None, "high": None}
    assert word_bias(none, 0) == ""


def test_stream_without_a_policy_says_so(db: None) -> None:
    bare = scenes.make_bare_stream("bare")
    client = Client()
    client.force_login(scenes.make_person("olga", bare, "analyst"))
    page = client.get("/streams/bare/insight/health/").content.decode()
    assert "No policy is published yet" in page


def test_empty_stream_says_so(db: None) -> None:
    other = scenes.make_stream("other")
    client = Client()
    client.force_login(scenes.make_person("olga", other, "analyst"))
    text = text_of(ready_page(client, "/streams/other/insight/health/"))
    assert "Nothing was routed in twelve weeks." in text
    assert "Nothing waits in any queue." in text
    assert "Nobody gave a verdict in this time." in text


def test_htmx_gets_the_part(htmx: Client) -> None:
    part = htmx.get(PAGE).content.decode()
    assert (part.lstrip().startswith('<div id="figures"'), "<html" in part) == (True, False)


@pytest.mark.parametrize("rows", [1, 3])
def test_page_costs_the_same_whatever_it_shows(
    stream: Stream, plain: Client, django_assert_num_queries: DjangoAssertNumQueries, rows: int
) -> None:
    for queue in ("escalated", "audit")[: rows - 1]:
        task = scenes.post(stream, f"HD-{queue}")
        ReviewTask.objects.filter(id=task.id).update(queue=queue)
    ready_page(plain)
    with django_assert_num_queries(8):
        plain.get(PAGE)
