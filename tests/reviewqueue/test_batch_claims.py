"""Claims of a table: which rows, in which order, and that nobody else has them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.batch_claims import (
    claim_again,
    claim_batch,
    count_singles,
    find_batch,
    release_batch,
    renew_batch,
)
from reviewqueue.claims import CLAIM_NEXT, claim_next
from reviewqueue.intake import Taken, take_in
from reviewqueue.models import ReviewTask, TaskSkip
from routing.items import Post
from routing.models import Stream
from tests import scenes

LIKELY = {"vpn_issue": 0.80, "account_unlock": 0.15, "security_incident": 0.05}
UNLOCK = {"account_unlock": 0.80, "vpn_issue": 0.15, "security_incident": 0.05}
YESTERDAY = timedelta(days=1, minutes=1)


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream()


def post_flagged(
    stream: Stream,
    *names: str,
    scores: dict[str, float] = LIKELY,
    before: timedelta = YESTERDAY,
    payload: Mapping[str, object] | None = None,
    **fields: object,
) -> None:
    """Flagged items of yesterday, or of that long ago."""
    posts = [
        Post(name, payload or {"subject": name, "body": "Hm."}, scores, **fields)  # type: ignore[arg-type]
        for name in names
    ]
    taken = take_in(stream=stream, posts=posts, received_at=timezone.now() - before)
    assert all(isinstance(one, Taken) for one in taken), taken


def draw(stream: Stream, name: str) -> None:
    """Make the item one of the drawn share, which is judged singly."""
    seats = ReviewTask.objects.filter(stream=stream, item__external_id=name)
    assert seats.update(pi=0.1, blind=True) == 1


def names(tasks: list[ReviewTask]) -> list[str]:
    return [task.item.external_id for task in tasks]


def test_one_lease_over_the_rows_by_priority_due_time_and_age(
    stream: Stream, reviewer: User
) -> None:
    now = timezone.now()
    post_flagged(stream, "late", due_at=now + timedelta(days=2))
    post_flagged(stream, "soon", "soon, but younger", due_at=now)
    post_flagged(stream, "urgent", priority=1, due_at=now + timedelta(days=3))
    rows = claim_batch(user=reviewer, stream=stream)
    assert names(rows) == ["urgent", "soon", "soon, but younger", "late"]
    assert len({row.lease_token for row in rows}) == 1
    assert {row.state for row in rows} == {"claimed"}
    assert names(claim_batch(user=reviewer, stream=stream)) == names(rows)
    assert find_batch(user=reviewer, stream=stream) == rows


def test_size_bounds_the_table_and_two_people_get_disjoint_ones(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_flagged(stream, "a", "b", "c")
    assert names(claim_batch(user=reviewer, stream=stream, size=2)) == ["a", "b"]
    assert names(claim_batch(user=second_reviewer, stream=stream, size=2)) == ["c"]


def test_todays_rows_wait_for_tomorrow_unless_asked_for(stream: Stream, reviewer: User) -> None:
    post_flagged(stream, "old")
    post_flagged(stream, "new", before=timedelta(0))
    assert names(claim_batch(user=reviewer, stream=stream)) == ["old"]
    token = find_batch(user=reviewer, stream=stream)[0].lease_token
    assert token is not None
    release_batch(user=reviewer, stream=stream, lease_token=token)
    rows = claim_batch(user=reviewer, stream=stream, with_today=True)
    assert names(rows) == ["old", "new"]


def test_midnight_is_that_of_the_streams_zone(stream: Stream, reviewer: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::int")
        hour = cursor.fetchone()[0]
    # A zone in which it is one hour past midnight now, so that two hours ago was yesterday.
    ahead = (1 - hour) % 24
    zone = f"Etc/GMT{-ahead:+d}" if ahead <= 14 else f"Etc/GMT{24 - ahead:+d}"
    Stream.objects.filter(id=stream.id).update(time_zone=zone)
    stream.refresh_from_db()
    post_flagged(stream, "two hours ago", before=timedelta(hours=2))
    post_flagged(stream, "now", before=timedelta(0))
    assert names(claim_batch(user=reviewer, stream=stream)) == ["two hours ago"]


def test_category_narrows_the_table(stream: Stream, reviewer: User) -> None:
    post_flagged(stream, "a", "b")
    post_flagged(stream, "c", scores=UNLOCK)
    assert names(claim_batch(user=reviewer, stream=stream, category="account_unlock")) == ["c"]


def test_single_seats_and_rows_are_kept_apart(stream: Stream, reviewer: User) -> None:
    post_flagged(stream, "row", "single")
    draw(stream, "single")
    assert count_singles(user=reviewer, stream=stream, bound=9) == 1
    assert names(claim_batch(user=reviewer, stream=stream)) == ["row"]
    task = claim_next(user=reviewer, stream=stream, queue="flagged")
    assert task is not None
    assert task.item.external_id == "single"
    assert count_singles(user=reviewer, stream=stream, bound=9) == 0


def test_rows_are_never_the_next_single_task(stream: Stream, reviewer: User) -> None:
    post_flagged(stream, "row")
    assert claim_next(user=reviewer, stream=stream, queue="flagged") is None
    assert names(claim_batch(user=reviewer, stream=stream)) == ["row"]
    assert claim_next(user=reviewer, stream=stream, queue="flagged") is None


def test_nobody_gets_a_row_of_an_item_they_hold_or_left(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_flagged(stream, "seated", "left", "free")
    seated, left, _free = ReviewTask.objects.order_by("id")
    ReviewTask.objects.create(
        stream=stream,
        item=seated.item,
        decision=seated.decision,
        queue="audit",
        seat=2,
        due_at=timezone.now(),
        pi=1.0,
    )
    assert claim_next(user=reviewer, stream=stream, queue="audit") is not None
    TaskSkip.objects.create(stream=stream, task=left, user=reviewer)
    assert names(claim_batch(user=reviewer, stream=stream)) == ["free"]
    assert names(claim_batch(user=second_reviewer, stream=stream)) == ["seated", "left"]


def test_heartbeat_keeps_every_row_and_a_lost_lease_none(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_flagged(stream, "a", "b")
    token = claim_batch(user=reviewer, stream=stream)[0].lease_token
    assert token is not None
    soon = timezone.now() + timedelta(minutes=1)
    ReviewTask.objects.update(lease_expires_at=soon)
    ends = renew_batch(user=reviewer, stream=stream, lease_token=token)
    assert ends is not None
    assert set(ReviewTask.objects.values_list("lease_expires_at", flat=True)) == {ends}
    assert ends > soon
    assert renew_batch(user=reviewer, stream=stream, lease_token=uuid4()) is None
    ReviewTask.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    assert renew_batch(user=reviewer, stream=stream, lease_token=token) is None
    assert names(claim_batch(user=second_reviewer, stream=stream)) == ["a", "b"]


def test_release_gives_back_only_what_is_held_under_the_lease(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_flagged(stream, "a", "b")
    mine = claim_batch(user=reviewer, stream=stream, size=1)[0]
    claim_batch(user=second_reviewer, stream=stream)
    assert mine.lease_token is not None
    assert release_batch(user=second_reviewer, stream=stream, lease_token=mine.lease_token) == 0
    assert release_batch(user=reviewer, stream=stream, lease_token=mine.lease_token) == 1
    assert ReviewTask.objects.open().get().id == mine.id


def test_claimed_again_is_what_nobody_took_meanwhile(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_flagged(stream, "a", "b", "c")
    rows = claim_batch(user=reviewer, stream=stream, size=2)
    ReviewTask.objects.filter(holder=reviewer).update(
        lease_expires_at=timezone.now() - timedelta(minutes=1)
    )
    claim_batch(user=second_reviewer, stream=stream, size=1)  # takes c
    claim_again(user=second_reviewer, stream=stream, task_ids=[rows[0].id])
    again = claim_again(user=reviewer, stream=stream, task_ids=[row.id for row in rows])
    assert names(again) == ["b"]
    assert again[0].lease_token != rows[1].lease_token


@pytest.mark.parametrize("rows", [1, 3])
def test_claim_takes_three_statements(
    stream: Stream,
    reviewer: User,
    rows: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    post_flagged(stream, *(f"HD-{number}" for number in range(rows)))
    with django_assert_num_queries(3):
        assert len(claim_batch(user=reviewer, stream=stream)) == rows


@pytest.mark.django_db(transaction=True)
def test_concurrent_claims_are_disjoint(transactional_db: None) -> None:
    stream = scenes.make_stream()
    post_flagged(stream, *(f"HD-{number:02d}" for number in range(20)))
    people = [scenes.make_person(f"p{number}", stream, "reviewer") for number in range(4)]

    def claim(person: User) -> list[str]:
        try:
            return names(claim_batch(user=person, stream=stream, size=5))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        claimed = [name for found in pool.map(claim, people) for name in found]
    assert sorted(claimed) == [f"HD-{number:02d}" for number in range(20)]


@pytest.mark.parametrize("queue", ["flagged", "hold"])
def test_next_task_is_found_by_its_index_whatever_waits_in_the_batch(
    stream: Stream, reviewer: User, queue: str
) -> None:
    post_flagged(stream, *(f"HD-{number}" for number in range(40)))
    wanted: dict[str, str | int | UUID] = {
        "user": reviewer.pk,
        "token": uuid4(),
        "after": 0,
        "lease_minutes": 10,
        "stream": stream.id,
        "queue": queue,
        "rest_seconds": 900,
    }
    with connection.cursor() as cursor:
        # Of a few rows any way is cheap; of many, none that has to sort them.
        for way in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {CLAIM_NEXT}", wanted)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Scan using task_next on reviewqueue_reviewtask task" in plan
