"""Taking a skip back: in time, while nobody else has the task, and once."""

from datetime import timedelta

import pgtrigger
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from reviewqueue.claims import claim_next, escalate_task, skip_task
from reviewqueue.models import ReviewTask, TaskSkip
from reviewqueue.skips import find_skip, take_back_skip
from routing.models import Event, Stream
from tests import scenes
from tests.reviewqueue.test_claims import token
from tests.reviewqueue.test_known_answers import make_known, set_rate


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream(undo_seconds=60)


@pytest.fixture
def reviewer(stream: Stream) -> User:
    return scenes.make_person("rita", stream, "reviewer")


@pytest.fixture
def second_reviewer(stream: Stream) -> User:
    return scenes.make_person("sam", stream, "reviewer")


def claim(stream: Stream, user: User) -> ReviewTask:
    task = claim_next(user=user, stream=stream, queue="hold")
    assert task is not None
    return task


def skip_one(stream: Stream, user: User) -> ReviewTask:
    task = claim(stream, user)
    assert skip_task(task_id=task.id, user=user, lease_token=token(task))
    task.refresh_from_db()
    return task


def kinds(task: ReviewTask) -> list[str]:
    events = Event.objects.filter(subject_id=task.id).order_by("id")
    return list(events.values_list("kind", flat=True))


def test_skipped_task_is_in_hand_again_and_rests_no_longer(stream: Stream, reviewer: User) -> None:
    scenes.post(stream, "HD-1")
    scenes.post(stream, "HD-2")
    task = skip_one(stream, reviewer)
    assert take_back_skip(task=task, user=reviewer)
    task.refresh_from_db()
    assert (task.state, task.holder, task.queue) == ("claimed", reviewer, "hold")
    assert task.claimed_at is not None
    assert task.lease_expires_at == task.claimed_at + stream.lease
    assert not TaskSkip.objects.exists()
    assert kinds(task)[-2:] == ["task.skipped", "task.skip_undone"]
    assert claim(stream, reviewer).id == task.id


def test_skip_is_undone_once(stream: Stream, reviewer: User) -> None:
    scenes.post(stream, "HD-1")
    task = skip_one(stream, reviewer)
    assert [take_back_skip(task=task, user=reviewer) for _ in range(2)] == [True, False]
    assert kinds(task).count("task.skip_undone") == 1


def test_skip_undone_can_be_skipped_and_undone_again(stream: Stream, reviewer: User) -> None:
    scenes.post(stream, "HD-1")
    for _turn in range(2):
        task = skip_one(stream, reviewer)
        assert claim_next(user=reviewer, stream=stream, queue="hold") is None
        assert take_back_skip(task=task, user=reviewer)


def test_skip_of_two_seats_gives_both_back(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    first = scenes.post(stream, "HD-1")
    second = ReviewTask.objects.create(
        stream=stream,
        item=first.item,
        decision=first.decision,
        queue="hold",
        seat=2,
        due_at=first.due_at,
    )
    task = skip_one(stream, reviewer)
    assert TaskSkip.objects.count() == 2
    assert take_back_skip(task=task, user=reviewer)
    assert not TaskSkip.objects.exists()
    assert claim(stream, second_reviewer).id in {first.id, second.id} - {task.id}


def test_rest_of_somebody_else_stays(stream: Stream, reviewer: User, second_reviewer: User) -> None:
    scenes.post(stream, "HD-1")
    skip_one(stream, second_reviewer)
    task = skip_one(stream, reviewer)
    assert take_back_skip(task=task, user=reviewer)
    assert [skip.user for skip in TaskSkip.objects.all()] == [second_reviewer]


def test_task_that_somebody_else_has_stays_theirs(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    scenes.post(stream, "HD-1")
    task = skip_one(stream, reviewer)
    assert claim(stream, second_reviewer).id == task.id
    assert not take_back_skip(task=task, user=reviewer)
    task.refresh_from_db()
    assert (task.holder, TaskSkip.objects.count()) == (second_reviewer, 1)
    assert "task.skip_undone" not in kinds(task)


def test_task_that_went_to_the_experts_stays_there(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    scenes.post(stream, "HD-1")
    task = skip_one(stream, reviewer)
    theirs = claim(stream, second_reviewer)
    assert escalate_task(task_id=task.id, user=second_reviewer, lease_token=token(theirs))
    assert not take_back_skip(task=task, user=reviewer)


def test_skip_stays_after_the_window(stream: Stream, reviewer: User) -> None:
    scenes.post(stream, "HD-1")
    task = skip_one(stream, reviewer)
    with pgtrigger.ignore():
        long_ago = timezone.now() - timedelta(hours=2)
        Event.objects.filter(kind="task.skipped").update(happened_at=long_ago)
    assert not take_back_skip(task=task, user=reviewer)
    task.refresh_from_db()
    assert task.state == "open"


def test_skip_is_nobody_elses_to_undo(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    scenes.post(stream, "HD-1")
    task = skip_one(stream, reviewer)
    assert find_skip(task, second_reviewer) is None
    assert not take_back_skip(task=task, user=second_reviewer)


def test_known_item_is_taken_back_like_any_other(stream: Stream, reviewer: User) -> None:
    """Nobody can tell them apart."""
    make_known(stream, "k")
    scenes.post(stream, "HD-1")
    set_rate(stream, 1.0)
    task = skip_one(stream, reviewer)
    assert (task.state, task.known_id is None) == ("cancelled", False)
    assert take_back_skip(task=task, user=reviewer)
    assert claim(stream, reviewer).id == task.id
