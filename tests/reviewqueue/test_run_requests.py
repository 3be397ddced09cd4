"""Recalibrations on demand: one at a time per stream, each done once, whoever dies on the way."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from calibration.models import CalibrationRun, RunRequest
from reviewqueue.run_requests import (
    LEASE,
    MOST_TRIES,
    RunUnderWayError,
    find_under_way,
    request_run,
    work_next,
)
from reviewqueue.schedule import SWEEPS
from reviewqueue.tasks import work_run_requests
from routing.models import Event, Policy, Stream
from routing.policies import NoPolicyError
from tests.calibration.cohorts import label_items, make_audited_stream, post_items
from tests.scenes import make_bare_stream, make_person

Execute = Callable[[str, Any, bool, dict[str, Any]], object]


def ask(stream: Stream, reason: str = "a rollout") -> RunRequest:
    return request_run(stream=stream, reason=reason, requested_by_id=None)


def make_labelled_stream() -> Stream:
    stream = make_audited_stream()
    label_items(post_items(stream, 200, confidence=0.95, at=timezone.now()), right=150)
    return stream


def test_request_is_worked_on_to_its_end(db: None) -> None:
    stream = make_labelled_stream()
    person = make_person("ada")
    asked = request_run(stream=stream, reason=" a rollout ", requested_by_id=person.pk)
    assert (asked.state, asked.reason, asked.share) == ("queued", "a rollout", 0.0)
    assert find_under_way(stream) == asked
    done = work_next()
    run = CalibrationRun.objects.get()
    assert done == asked
    assert done is not None
    assert (done.state, done.run, done.share, done.tries) == ("done", run, 1.0, 1)
    assert done.started_at is not None
    assert done.ended_at is not None
    assert (run.kind, run.reason, run.labels) == ("refit", "a rollout", 200)
    assert run.draft_id == Policy.objects.get(version=None).id
    told = Event.objects.filter(kind__startswith="calibration.").order_by("id")
    assert [(one.kind, one.subject_id, one.actor_id) for one in told] == [
        ("calibration.requested", asked.id, person.pk),
        ("calibration.proposed", run.id, person.pk),
    ]
    assert find_under_way(stream) is None
    assert work_next() is None


def test_steps_are_told_as_they_begin(db: None) -> None:
    ask(make_labelled_stream())
    told: list[tuple[str, float]] = []

    def look_on(
        execute: Execute, sql: str, params: Sequence[Any], many: bool, context: dict[str, Any]
    ) -> object:
        if sql.startswith('UPDATE "calibration_runrequest" SET "step"'):
            told.append((params[0], params[1]))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look_on):
        work_next()
    assert told == [
        ("reading the labels", 0.0),
        ("judging the maps in force by 200 labels", 0.45),
        ("fitting maps on 200 labels", 0.55),
        ("routing the newest items again", 0.75),
    ]


def test_second_request_waits_for_the_end_of_the_first(db: None) -> None:
    stream = make_labelled_stream()
    first = ask(stream)
    with pytest.raises(RunUnderWayError, match="is under way"):
        ask(stream)
    other = make_audited_stream("other")
    assert ask(other).state == "queued"
    assert work_next() == first
    assert ask(stream, "once more").state == "queued"
    assert RunRequest.objects.unfinished().count() == 2


def test_request_needs_a_policy(db: None) -> None:
    with pytest.raises(NoPolicyError):
        ask(make_bare_stream())
    assert not RunRequest.objects.exists()


def test_request_of_a_dead_worker_is_taken_again_after_its_lease(db: None) -> None:
    asked = ask(make_labelled_stream())
    held = RunRequest.objects.filter(id=asked.id)
    held.update(state="running", token=uuid4(), leased_until=Now() + LEASE, tries=1)
    assert work_next() is None
    held.update(leased_until=Now())
    done = work_next()
    assert done is not None
    assert (done.state, done.tries) == ("done", 2)
    assert CalibrationRun.objects.count() == 1


def test_request_on_which_worker_after_worker_ended_fails(db: None) -> None:
    asked = ask(make_labelled_stream())
    RunRequest.objects.filter(id=asked.id).update(
        state="running", token=uuid4(), leased_until=Now(), tries=MOST_TRIES
    )
    failed = work_next()
    assert failed is not None
    assert (failed.state, failed.run) == ("failed", None)
    assert failed.error == "3 workers ended while they worked on it, perhaps for want of memory."
    assert not CalibrationRun.objects.exists()


def test_slow_worker_writes_nothing_once_another_has_taken_over(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    stream = make_labelled_stream()
    asked = ask(stream)
    taken = uuid4()

    def take_over(
        execute: Execute, sql: str, params: Sequence[Any], many: bool, context: dict[str, Any]
    ) -> object:
        if sql.startswith('INSERT INTO "calibration_calibrationrun"'):
            with connection.cursor() as cursor:
                cursor.execute("UPDATE calibration_runrequest SET token = %s", [taken])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(take_over):
        work_next()
    assert caplog.messages == ["helpdesk: another worker took over the recalibration"]
    assert RunRequest.objects.get(id=asked.id).state == "running"
    assert not CalibrationRun.objects.exists()
    assert not Policy.objects.filter(version=None).exists()


def test_unexpected_error_is_told_in_words_and_asking_again_helps(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    stream = make_labelled_stream()
    ask(stream)

    def fail(
        execute: Execute, sql: str, params: Sequence[Any], many: bool, context: dict[str, Any]
    ) -> object:
        if sql.startswith('INSERT INTO "calibration_calibrationrun"'):
            raise MemoryError("no room")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        failed = work_next()
    assert failed is not None
    assert (failed.state, failed.error) == (
        "failed",
        "It ended with an error that it did not expect: MemoryError: no room. "
        "The worker's log has all.",
    )
    assert caplog.messages[-1] == "helpdesk: the recalibration failed"
    assert not Policy.objects.filter(version=None).exists()
    ask(stream, "again")
    again = work_next()
    assert again is not None
    assert again.state == "done"


def test_ring_that_was_lost_is_made_up_by_a_sweep(stream: Stream) -> None:
    asked = ask(stream)
    [sweep] = [one for one in SWEEPS if one.task == work_run_requests.name]
    assert sweep.seconds == 15
    work_run_requests()
    asked.refresh_from_db()
    assert asked.state == "done"


@pytest.fixture
def two_threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_one_does_it(two_threads: ThreadPoolExecutor) -> None:
    asked = ask(make_labelled_stream())
    start = Barrier(2)

    def work() -> RunRequest | None:
        try:
            start.wait()
            return work_next()
        finally:
            connection.close()

    found = [future.result() for future in [two_threads.submit(work) for _ in range(2)]]
    assert sorted(one is None for one in found) == [False, True]
    asked.refresh_from_db()
    assert (asked.state, asked.tries) == ("done", 1)
    assert CalibrationRun.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_ask_at_once_one_is_told_to_wait(two_threads: ThreadPoolExecutor) -> None:
    stream = make_labelled_stream()
    start = Barrier(2)

    def try_to_ask() -> bool:
        try:
            start.wait()
            ask(stream)
        except RunUnderWayError:
            return False
        finally:
            connection.close()
        return True

    found = [future.result() for future in [two_threads.submit(try_to_ask) for _ in range(2)]]
    assert sorted(found) == [False, True]
    assert RunRequest.objects.count() == 1
