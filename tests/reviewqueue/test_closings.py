"""Closing a task: who may, and what comes back with it."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calibration.models import GroundTruth
from reviewqueue.closings import Closing, close_task
from reviewqueue.models import ReviewTask
from reviewqueue.verdicts import undo_verdict
from routing.models import Stream
from tests.reviewqueue.test_claims import claim, post_held, token
from tests.reviewqueue.test_verdicts import judge


def close(task: ReviewTask, user: User) -> Closing | None:
    return close_task(task_id=task.id, user=user, lease_token=token(task), now=timezone.now())


def test_closed_task_comes_with_stream_decision_and_categories(
    stream: Stream, reviewer: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    close_task(task_id=task.id, user=reviewer, lease_token=uuid4(), now=timezone.now())
    with django_assert_num_queries(3):  # its lock, itself, categories that nobody asked for yet
        closed = close(task, reviewer)
    assert closed is not None
    assert (closed.last, closed.alone) == (None, True)
    assert (closed.task.id, closed.task.state) == (task.id, "answered")
    assert (closed.task.claimed_at, closed.task.holder_id) == (task.claimed_at, reviewer.pk)
    assert closed.task.stream == stream
    assert closed.task.decision.predicted == task.decision.predicted
    assert list(closed.taxonomy) == list(
        stream.categories.order_by("position", "key").values_list("key", flat=True)
    )


def test_task_is_closed_once_and_by_its_holder_alone(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    assert close(task, second_reviewer) is None
    assert close(task, reviewer) is not None
    assert close(task, reviewer) is None


def test_lapsed_lease_closes_nothing(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    ReviewTask.objects.update(lease_expires_at=timezone.now())
    assert close(task, reviewer) is None
    assert ReviewTask.objects.get().state == "claimed"


def test_withdrawn_verdict_is_the_last(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    verdict = judge(claim(stream, reviewer), reviewer)
    again = undo_verdict(verdict_id=verdict.id, reviewer=reviewer)
    closed = close(again, reviewer)
    assert closed is not None
    assert closed.last == verdict.superseded_by.id
    assert closed.alone is True


@pytest.mark.parametrize("other", ["seat", "label"])
def test_item_with_another_seat_or_a_label_is_not_alone(
    stream: Stream, reviewer: User, other: str
) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    if other == "seat":
        fields = {"stream": stream, "item": task.item, "decision": task.decision, "seat": 2}
        ReviewTask.objects.create(**fields, queue="hold", due_at=task.due_at)
    else:
        fields = {"stream": stream, "item": task.item, "decision": task.decision}
        GroundTruth.objects.create(**fields, kind="no_category_fits", blind=False, source="import")
    with transaction.atomic():
        closed = close(task, reviewer)
    assert closed is not None
    assert closed.alone is False
