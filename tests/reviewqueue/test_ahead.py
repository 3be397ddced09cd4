"""The one task ahead: at most one, leased with the one in hand, given back if it is not used."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.claims import (
    claim_ahead,
    claim_next,
    release_ahead,
    release_others,
    renew_lease,
    take_up,
)
from reviewqueue.models import ReviewTask
from routing.models import Stream
from tests.reviewqueue.test_claims import claim, post_held, run_out, token
from tests.scenes import make_bare_stream, make_person, publish_worked_policy


def look_ahead(stream: Stream, user: User, in_hand: ReviewTask) -> ReviewTask:
    task = claim_ahead(user=user, stream=stream, queue="hold", in_hand=in_hand.id)
    assert task is not None
    return task


def held_by(user: User) -> list[str]:
    held = ReviewTask.objects.leased_to(user).order_by("claimed_at")
    return list(held.values_list("item__external_id", flat=True))


def test_claims_the_one_after_the_one_in_hand(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a", "b", "c")
    first = claim(stream, reviewer)
    ahead = look_ahead(stream, reviewer, first)

    assert ahead.item.external_id == "b"
    assert claim(stream, reviewer).id == first.id
    assert held_by(reviewer) == ["a", "b"]


def test_never_claims_a_second_one_ahead(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a", "b", "c")
    first = claim(stream, reviewer)
    once, again = look_ahead(stream, reviewer, first), look_ahead(stream, reviewer, first)

    assert again.id == once.id
    assert token(again) != token(once)
    assert held_by(reviewer) == ["a", "b"]
    assert not take_up(
        user=reviewer, stream=stream, queue="hold", task_id=once.id, lease_token=token(once)
    )
    assert not release_ahead(task_id=once.id, user=reviewer, lease_token=token(once))


def test_nothing_is_ahead_without_the_task_in_hand(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a", "b", "c", "d")
    first, other = claim(stream, reviewer), claim(stream, second_reviewer)
    ahead = look_ahead(stream, reviewer, first)
    for in_hand in (other.id, ahead.id, uuid4()):
        assert claim_ahead(user=reviewer, stream=stream, queue="hold", in_hand=in_hand) is None
    run_out(ahead)
    run_out(first)

    assert claim_ahead(user=reviewer, stream=stream, queue="hold", in_hand=first.id) is None
    assert held_by(reviewer) == []


def test_nothing_is_ahead_of_the_last(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    first = claim(stream, reviewer)

    assert claim_ahead(user=reviewer, stream=stream, queue="hold", in_hand=first.id) is None


def test_two_people_never_have_the_same_ahead(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a", "b", "c", "d")
    first, second = claim(stream, reviewer), claim(stream, second_reviewer)
    look_ahead(stream, reviewer, first)
    look_ahead(stream, second_reviewer, second)

    assert (held_by(reviewer), held_by(second_reviewer)) == (["a", "c"], ["b", "d"])


def test_each_queue_has_its_own_ahead(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a", "b", "c", "d")
    names = ["c", "d"]
    ReviewTask.objects.filter(item__external_id__in=names).update(queue="audit")
    look_ahead(stream, reviewer, claim(stream, reviewer))
    audit = claim(stream, reviewer, "audit")

    assert claim_ahead(user=reviewer, stream=stream, queue="audit", in_hand=audit.id) is not None
    assert held_by(reviewer) == ["a", "b", "c", "d"]


def test_take_up_begins_time_and_lease_anew(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a", "b")
    first = claim(stream, reviewer)
    ahead = look_ahead(stream, reviewer, first)
    long_ago = timezone.now() - timedelta(minutes=5)
    ReviewTask.objects.filter(id=ahead.id).update(claimed_at=long_ago)
    before = timezone.now()
    assert take_up(
        user=reviewer, stream=stream, queue="hold", task_id=ahead.id, lease_token=token(ahead)
    )
    ahead.refresh_from_db()

    assert ahead.claimed_at is not None
    assert ahead.claimed_at >= before
    assert ahead.lease_expires_at == ahead.claimed_at + stream.lease


@pytest.mark.parametrize(("taking_up", "begins_anew"), [(False, False), (True, True)])
def test_next_after_an_answer_is_in_hand_from_now(
    stream: Stream, reviewer: User, taking_up: bool, begins_anew: bool
) -> None:
    post_held(stream, "a", "b")
    first = claim(stream, reviewer)
    ahead = look_ahead(stream, reviewer, first)
    ReviewTask.objects.filter(id=first.id).update(
        state="open", holder=None, lease_token=None, lease_expires_at=None
    )
    task = claim_next(user=reviewer, stream=stream, queue="hold", taking_up=taking_up)

    assert task is not None
    assert task.id == ahead.id
    assert (task.claimed_at != ahead.claimed_at) is begins_anew


def test_task_that_was_lost_is_not_taken_up(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a", "b")
    ahead = look_ahead(stream, reviewer, claim(stream, reviewer))
    run_out(ahead)
    claim(stream, second_reviewer)

    assert not take_up(
        user=reviewer, stream=stream, queue="hold", task_id=ahead.id, lease_token=token(ahead)
    )


def test_renewing_the_one_in_hand_renews_the_one_ahead(
    stream: Stream, reviewer: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    post_held(stream, "a", "b")
    first = claim(stream, reviewer)
    ahead = look_ahead(stream, reviewer, first)
    soon = timezone.now() + timedelta(seconds=5)
    ReviewTask.objects.update(lease_expires_at=soon)
    with django_assert_num_queries(1):
        ends = renew_lease(task_id=first.id, user=reviewer, lease_token=token(first))
    ahead.refresh_from_db()

    assert ends is not None
    assert ends > soon
    assert ahead.lease_expires_at == ends


def test_release_ahead_spares_what_is_in_hand_by_now(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a", "b")
    first = claim(stream, reviewer)
    ahead = look_ahead(stream, reviewer, first)

    assert not release_ahead(task_id=first.id, user=reviewer, lease_token=token(first))
    assert release_ahead(task_id=ahead.id, user=reviewer, lease_token=token(ahead))
    assert held_by(reviewer) == ["a"]
    ahead = look_ahead(stream, reviewer, first)
    run_out(first)
    assert not release_ahead(task_id=ahead.id, user=reviewer, lease_token=token(ahead))


def test_release_others_may_keep_what_was_being_read(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a", "b", "c")
    first = claim(stream, reviewer)
    reading = look_ahead(stream, reviewer, first)
    third = claim_third(stream, reviewer)
    release_others(user=reviewer, kept=first, keep_ahead=True)
    assert held_by(reviewer) == ["a", "b"]
    third.refresh_from_db()
    assert third.state == "open"

    release_others(user=reviewer, kept=first)
    assert held_by(reviewer) == ["a"]
    reading.refresh_from_db()
    assert reading.state == "open"


def claim_third(stream: Stream, user: User) -> ReviewTask:
    """What only an undo brings about: the undone, the one in hand until then, the one ahead."""
    now = timezone.now()
    third = ReviewTask.objects.get(item__external_id="c")
    ReviewTask.objects.filter(id=third.id).update(
        state="claimed",
        holder=user,
        claimed_at=now,
        lease_token=uuid4(),
        lease_expires_at=now + stream.lease,
    )
    return third


@pytest.mark.django_db(transaction=True)
def test_racing_questions_leave_one_ahead() -> None:
    stream = make_bare_stream()
    publish_worked_policy(stream)
    post_held(stream, *(f"t{n:02}" for n in range(20)))
    user = make_person("rita", stream, "reviewer")
    first = claim(stream, user)

    def ask(_: int) -> UUID | None:
        try:
            task = claim_ahead(user=user, stream=stream, queue="hold", in_hand=first.id)
        finally:
            connections.close_all()
        return None if task is None else task.id

    with ThreadPoolExecutor(8) as threads:
        answers: Sequence[UUID | None] = list(threads.map(ask, range(24)))

    assert len(set(answers)) == 1
    assert held_by(user) == ["t00", "t01"]
