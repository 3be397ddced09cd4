"""What waits in a stream's queues, for how long, and how much of it is late."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.backlogs import Backlog, read_backlogs
from reviewqueue.claims import claim_next
from reviewqueue.models import ReviewTask
from routing.models import Stream
from tests import scenes


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream()


def wait_for(stream: Stream, queue: str, *, bound: int = 10) -> Backlog:
    [found] = [each for each in read_backlogs(stream=stream, bound=bound) if each.queue == queue]
    return found


def post_aged(stream: Stream, external_id: str, *, hours: int, due_in: int) -> ReviewTask:
    task = scenes.post(stream, external_id)
    now = timezone.now()
    task.opened_at = now - timedelta(hours=hours)
    task.due_at = now + timedelta(hours=due_in)
    task.save(update_fields=["opened_at", "due_at"])
    return task


def test_ages_and_what_is_late_are_of_the_queue(
    stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    oldest = post_aged(stream, "HD-1", hours=50, due_in=-2)
    middle = post_aged(stream, "HD-2", hours=20, due_in=5)
    post_aged(stream, "HD-3", hours=1, due_in=60)
    with django_assert_num_queries(1):
        found = read_backlogs(stream=stream, bound=10)
    assert [each.queue for each in found] == list(ReviewTask.Queue.values)
    assert [each for each in found if each.waiting] == [
        Backlog(
            queue="hold",
            waiting=3,
            held=0,
            overdue=1,
            soon=1,
            oldest=oldest.opened_at,
            median=middle.opened_at,
            is_more=False,
        )
    ]


def test_what_is_in_hand_waits_too(stream: Stream, reviewer: User) -> None:
    scenes.post(stream, "HD-1")
    scenes.post(stream, "HD-2")
    claim_next(user=reviewer, stream=stream, queue="hold")
    found = wait_for(stream, "hold")
    assert (found.waiting, found.held) == (2, 1)


def test_other_streams_are_not_counted(stream: Stream) -> None:
    scenes.post(scenes.make_stream("other"), "X-1")
    assert [each.waiting for each in read_backlogs(stream=stream, bound=10)] == [0] * 5


def test_reading_stops_at_the_bound(stream: Stream) -> None:
    for number in range(3):
        scenes.post(stream, f"HD-{number}")
    assert (wait_for(stream, "hold", bound=2).is_more, wait_for(stream, "hold").is_more) == (
        True,
        False,
    )
    assert wait_for(stream, "hold", bound=3).is_more is False


def test_both_lines_of_the_flagged_queue_are_read(db: None) -> None:
    flagged = scenes.make_stream(bulk_label_rate=0.0)
    scenes.post(flagged, "F-1", scores=scenes.LIKELY)
    task = scenes.post(flagged, "F-2", scores=scenes.LIKELY)
    ReviewTask.objects.filter(id=task.id).update(pi=0.1, blind=True)
    assert wait_for(flagged, "flagged").waiting == 2
