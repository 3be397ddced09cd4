"""What people did, by day of the stream's time zone."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries

from reviewqueue.models import Verdict
from reviewqueue.workdays import Workday, read_workdays
from routing.models import Stream
from tests import scenes

EVENING = datetime(2026, 11, 18, 22, tzinfo=UTC)


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream(time_zone="Europe/Berlin")


def answer(
    stream: Stream,
    reviewer: User,
    *,
    at: datetime = EVENING,
    seconds: float = 9.0,
    **fields: object,
) -> Verdict:
    task = scenes.post(stream, f"HD-{uuid4()}")
    given = {"kind": "category", "categories": ["vpn_issue"], "confirms": True, **fields}
    return Verdict.objects.create(
        stream=stream,
        item=task.item,
        task=task,
        reviewer=reviewer,
        blind=False,
        opened_at=at - timedelta(hours=1),
        active_ms=int(1000 * seconds),
        answered_at=at,
        published_at=at,
        **given,
    )


def test_work_is_counted_by_local_day_in_one_query(
    stream: Stream, reviewer: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    answer(stream, reviewer, seconds=1_800)
    answer(stream, reviewer, at=EVENING + timedelta(hours=1), batch=uuid4(), seconds=0)
    answer(
        stream, reviewer, at=EVENING + timedelta(hours=2), kind="no_category_fits", categories=[]
    )
    answer(stream, reviewer, at=EVENING + timedelta(hours=2), kind="cannot_judge", categories=[])
    start = EVENING - timedelta(days=1)
    with django_assert_num_queries(1):
        found = read_workdays(stream=stream, start=start, end=EVENING + timedelta(days=1))
    today, tomorrow = EVENING.date(), EVENING.date() + timedelta(days=1)
    # Nobody is at an item for longer than the lease of 15 minutes; 23:00 in UTC is another day.
    assert found == {
        today: Workday(1, 0, 0.25, 0, 0, 0),
        tomorrow: Workday(2, 1, 18 / 3600, 1, 0, 1),
    }


def test_only_answers_of_the_stream_and_the_time_count(stream: Stream, reviewer: User) -> None:
    other = scenes.make_stream("other")
    answer(other, reviewer)
    first = answer(stream, reviewer, at=EVENING - timedelta(days=3))
    answer(stream, reviewer, at=EVENING + timedelta(days=1))
    Verdict.objects.create(
        stream=stream,
        item=first.item,
        task=first.task,
        reviewer=reviewer,
        kind="withdrawn",
        blind=False,
        confirms=False,
        supersedes=first,
        opened_at=EVENING,
        active_ms=0,
        answered_at=EVENING,
        published_at=EVENING,
    )
    start = EVENING - timedelta(days=1)
    assert read_workdays(stream=stream, start=start, end=EVENING + timedelta(hours=1)) == {}
