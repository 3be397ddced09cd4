"""Claims: the order, the lease, and that two people never hold the same seat."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.claims import (
    claim_next,
    escalate_task,
    expire_leases,
    release_task,
    renew_lease,
    skip_task,
)
from reviewqueue.intake import Taken, take_in
from reviewqueue.models import ReviewTask, TaskSkip
from reviewqueue.verdicts import Answer, LateVerdictError, record_verdict
from routing.items import Post
from routing.models import Event, Stream
from tests.scenes import KEYS, make_bare_stream, make_person, publish_worked_policy

HELD = (0.576, 0.386, 0.038)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def post_held(stream: Stream, *external_ids: str, **fields: object) -> None:
    """Items that all go to hold."""
    posts = [
        Post(name, {"body": name}, dict(zip(KEYS, HELD, strict=True)), **fields)  # type: ignore[arg-type]
        for name in external_ids
    ]
    assert all(isinstance(taken, Taken) for taken in take_in(stream=stream, posts=posts))


def claim(stream: Stream, user: User, queue: str = "hold") -> ReviewTask:
    task = claim_next(user=user, stream=stream, queue=queue)
    assert task is not None
    return task


def token(task: ReviewTask) -> UUID:
    assert task.lease_token is not None
    return task.lease_token


def run_out(task: ReviewTask) -> None:
    ReviewTask.objects.filter(id=task.id).update(
        lease_expires_at=timezone.now() - timedelta(hours=1)
    )


def test_lease_begins_with_the_claim_however_old_the_transaction(
    stream: Stream, reviewer: User
) -> None:
    post_held(stream, "one")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.05)")
        task = claim(stream, reviewer)
        cursor.execute("SELECT now()")
        (began,) = cursor.fetchone()
    assert task.claimed_at is not None
    assert task.lease_expires_at is not None
    assert task.claimed_at >= began + timedelta(seconds=0.05)
    assert task.lease_expires_at == task.claimed_at + stream.lease


def test_claims_by_priority_then_due_time_then_age(stream: Stream) -> None:
    post_held(stream, "late", due_at=NEW_YEAR + timedelta(days=2))
    post_held(stream, "soon", due_at=NEW_YEAR)
    post_held(stream, "soon, but younger", due_at=NEW_YEAR)
    post_held(stream, "urgent", priority=1, due_at=NEW_YEAR + timedelta(days=3))
    order = [claim(stream, make_person(f"p{n}", stream)).item.external_id for n in range(4)]

    assert order == ["urgent", "soon", "soon, but younger", "late"]


def test_claims_the_one_in_hand_again(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a", "b")
    first, again = claim(stream, reviewer), claim(stream, reviewer)

    assert (again.id, again.lease_token) == (first.id, first.lease_token)
    assert ReviewTask.objects.filter(state="claimed").count() == 1


def test_two_people_get_two_tasks_and_a_third_none(
    stream: Stream, reviewer: User, second_reviewer: User, expert: User
) -> None:
    post_held(stream, "a", "b")
    got = {
        claim(stream, reviewer).item.external_id,
        claim(stream, second_reviewer).item.external_id,
    }

    assert got == {"a", "b"}
    assert claim_next(user=expert, stream=stream, queue="hold") is None


def test_queue_and_stream_are_kept_apart(stream: Stream, reviewer: User) -> None:
    other = make_bare_stream("other")
    publish_worked_policy(other)
    post_held(stream, "a")

    assert claim_next(user=reviewer, stream=stream, queue="escalated") is None
    assert claim_next(user=reviewer, stream=other, queue="hold") is None


def test_nobody_gets_a_second_seat_of_an_item(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a")
    first = claim(stream, reviewer)
    ReviewTask.objects.create(
        stream=stream,
        item=first.item,
        decision=first.decision,
        queue="audit",
        seat=2,
        due_at=timezone.now(),
    )

    assert claim_next(user=reviewer, stream=stream, queue="audit") is None
    assert claim(stream, second_reviewer, "audit").item.external_id == "a"


def test_lease_that_ran_out_goes_to_the_next(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a")
    lost = claim(stream, reviewer)
    run_out(lost)
    assert claim(stream, second_reviewer).id == lost.id

    with pytest.raises(LateVerdictError):
        record_verdict(
            task_id=lost.id,
            lease_token=token(lost),
            reviewer=reviewer,
            answer=Answer("category", ("vpn_issue",)),
        )


def test_expire_leases_opens_only_those_that_ran_out(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a", "b")
    lost, kept = claim(stream, reviewer), claim(stream, second_reviewer)
    run_out(lost)

    assert expire_leases() == 1
    assert expire_leases() == 0
    assert dict(ReviewTask.objects.values_list("id", "state")) == {
        lost.id: "open",
        kept.id: "claimed",
    }


def test_renew_lease(stream: Stream, reviewer: User, second_reviewer: User) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    renewed = renew_lease(task_id=task.id, user=reviewer, lease_token=token(task))

    assert renewed is not None
    assert task.lease_expires_at is not None
    assert renewed >= task.lease_expires_at
    assert renew_lease(task_id=task.id, user=reviewer, lease_token=uuid4()) is None
    assert renew_lease(task_id=task.id, user=second_reviewer, lease_token=token(task)) is None
    run_out(task)
    assert renew_lease(task_id=task.id, user=reviewer, lease_token=token(task)) is None


def test_release_task(stream: Stream, reviewer: User, second_reviewer: User) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)

    assert not release_task(task_id=task.id, user=second_reviewer, lease_token=token(task))
    assert release_task(task_id=task.id, user=reviewer, lease_token=token(task))
    assert not release_task(task_id=task.id, user=reviewer, lease_token=token(task))
    assert claim(stream, second_reviewer).id == task.id


def test_skip_task_rests_for_the_skipper_alone(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a", "b")
    skipped = claim(stream, reviewer)
    assert skip_task(task_id=skipped.id, user=reviewer, lease_token=token(skipped))
    assert not skip_task(task_id=skipped.id, user=reviewer, lease_token=token(skipped))

    assert claim(stream, reviewer).item.external_id == "b"
    assert claim(stream, second_reviewer).id == skipped.id
    assert Event.objects.filter(kind="task.skipped", actor=reviewer).count() == 1


def test_skipped_task_comes_back_after_its_rest(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    skip_task(task_id=task.id, user=reviewer, lease_token=token(task))
    assert claim_next(user=reviewer, stream=stream, queue="hold") is None

    TaskSkip.objects.update(skipped_at=timezone.now() - timedelta(minutes=16))
    assert claim(stream, reviewer).id == task.id


def test_escalate_task_moves_it_to_the_experts(
    stream: Stream, reviewer: User, expert: User
) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    assert escalate_task(task_id=task.id, user=reviewer, lease_token=token(task))
    assert not escalate_task(task_id=task.id, user=reviewer, lease_token=token(task))

    assert claim_next(user=reviewer, stream=stream, queue="hold") is None
    assert claim(stream, expert, "escalated").id == task.id


def test_claim_is_one_statement_behind_its_lock(
    stream: Stream, reviewer: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    post_held(stream, *(f"t{n}" for n in range(20)))
    with django_assert_num_queries(2):
        task = claim(stream, reviewer)
    with django_assert_num_queries(0):
        assert task.item.external_id == "t0"
        assert task.item.scores == dict(zip(KEYS, HELD, strict=True))
        assert task.decision.predicted == "account_unlock"
        assert task.stream == stream


def test_of_two_in_hand_the_one_claimed_first_is_shown(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a", "b")
    first = claim(stream, reviewer)
    ahead = ReviewTask.objects.get(item__external_id="b")
    ReviewTask.objects.filter(id=ahead.id).update(
        state="claimed",
        holder=reviewer,
        claimed_at=timezone.now() + timedelta(seconds=1),
        lease_token=uuid4(),
        lease_expires_at=timezone.now() + timedelta(minutes=1),
    )

    assert claim(stream, reviewer).id == first.id
    assert release_task(task_id=first.id, user=reviewer, lease_token=token(first))
    assert claim(stream, reviewer).id == ahead.id


def test_row_of_a_batch_is_not_claimed_singly(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    ReviewTask.objects.update(queue="flagged", pi=None)
    assert claim_next(user=reviewer, stream=stream, queue="flagged") is None

    ReviewTask.objects.update(pi=0.1)
    assert claim(stream, reviewer, "flagged").item.external_id == "a"


def test_claim_reads_the_index_from_its_start(stream: Stream, reviewer: User) -> None:
    post_held(stream, *(f"t{n:04}" for n in range(1000)))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE reviewqueue_reviewtask")
        cursor.execute(
            "EXPLAIN SELECT id FROM reviewqueue_reviewtask AS task WHERE stream_id = %s "
            "AND queue = 'hold' AND state = 'open' "
            "ORDER BY priority DESC, due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED",
            [stream.id],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "task_next" in plan
    assert "Sort" not in plan


@pytest.mark.django_db(transaction=True)
def test_racing_claims_never_share_a_task() -> None:
    stream = make_bare_stream()
    publish_worked_policy(stream)
    post_held(stream, *(f"t{n}" for n in range(60)))
    people = [make_person(f"p{n}", stream, "reviewer") for n in range(8)]

    def work(user: User) -> list[UUID]:
        claimed = []
        while (task := claim_next(user=user, stream=stream, queue="hold")) is not None:
            claimed.append(task.id)
            record_verdict(
                task_id=task.id,
                lease_token=token(task),
                reviewer=user,
                answer=Answer("category", ("vpn_issue",)),
            )
        connections.close_all()
        return claimed

    with ThreadPoolExecutor(8) as threads:
        everything = [task for claimed in threads.map(work, people) for task in claimed]

    assert len(everything) == len(set(everything)) == 60


@pytest.mark.django_db(transaction=True)
def test_racing_claims_of_one_person_get_one_task() -> None:
    stream = make_bare_stream()
    publish_worked_policy(stream)
    post_held(stream, *(f"t{n}" for n in range(60)))
    user = make_person("rita", stream, "reviewer")

    def ask(_: int) -> UUID:
        try:
            return claim(stream, user).id
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(40)))) == 1
    assert ReviewTask.objects.filter(state="claimed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_racing_verdicts_on_one_lease_leave_one() -> None:
    stream = make_bare_stream()
    publish_worked_policy(stream)
    post_held(stream, "a")
    user = make_person("rita", stream, "reviewer")
    task = claim(stream, user)

    def answer(_: int) -> bool:
        try:
            record_verdict(
                task_id=task.id,
                lease_token=token(task),
                reviewer=user,
                answer=Answer("category", ("vpn_issue",)),
            )
        except LateVerdictError:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(answer, range(8))) == 1
    assert task.verdicts.count() == 1
