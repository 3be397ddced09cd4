"""Tables: what a confirmation settles, what is lost, left and taken back, and what it costs."""

from datetime import timedelta
from uuid import UUID, uuid4

import pgtrigger
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from calibration.labels import find_cohort, read_evidence
from calibration.models import GroundTruth
from reviewqueue.batch_claims import claim_batch
from reviewqueue.batches import BatchError, BatchResult, confirm_batch, undo_batch
from reviewqueue.models import ReviewTask, TaskSkip, Verdict
from reviewqueue.verdicts import (
    Answer,
    LateVerdictError,
    UndoWindowPassedError,
    record_verdict,
    undo_verdict,
)
from routing.models import Decision, Event, Item, Stream
from tests import scenes
from tests.reviewqueue.test_batch_claims import post_flagged

UNLOCK = Answer("category", ("account_unlock",))


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream(undo_seconds=3600)


def take(stream: Stream, user: User, *names: str) -> list[ReviewTask]:
    post_flagged(stream, *names)
    return claim_batch(user=user, stream=stream)


def token(tasks: list[ReviewTask]) -> UUID:
    assert tasks[0].lease_token is not None
    return tasks[0].lease_token


def confirm(
    tasks: list[ReviewTask],
    user: User,
    *,
    corrections: dict[UUID, Answer] | None = None,
    left: tuple[UUID, ...] = (),
) -> BatchResult:
    apart = {*(corrections or {}), *left}
    return confirm_batch(
        user=user,
        stream=tasks[0].stream,
        lease_token=token(tasks),
        confirmed=[task.id for task in tasks if task.id not in apart],
        corrections=corrections or {},
        left=left,
        active_ms=9_000,
    )


def states() -> dict[str, str]:
    rows = ReviewTask.objects.values_list("item__external_id", "state")
    return dict(rows.order_by("item__external_id"))


def test_confirmed_corrected_and_left(stream: Stream, reviewer: User) -> None:
    a, b, c, d = tasks = take(stream, reviewer, "a", "b", "c", "d")
    corrections = {b.id: UNLOCK, c.id: Answer("no_category_fits")}
    result = confirm(tasks, reviewer, corrections=corrections, left=(d.id,))
    assert (result.confirmed, result.corrected, result.left, result.lost) == (1, 2, 1, ())
    assert states() == {"a": "answered", "b": "answered", "c": "answered", "d": "open"}
    verdicts = Verdict.objects.order_by("item__external_id")
    assert [(one.kind, one.categories, one.confirms, one.batch) for one in verdicts] == [
        ("category", ["vpn_issue"], True, result.batch),
        ("category", ["account_unlock"], False, result.batch),
        ("no_category_fits", [], False, result.batch),
    ]
    truths = GroundTruth.objects.current().order_by("item__external_id")
    assert list(truths.values_list("kind", "categories", "pi", "blind", "source")) == [
        ("category", ["vpn_issue"], None, False, "flagged"),
        ("category", ["account_unlock"], None, False, "flagged"),
        ("no_category_fits", [], None, False, "flagged"),
    ]
    settled = Item.objects.filter(state="settled").order_by("external_id")
    assert [item.external_id for item in settled] == ["a", "b", "c"]
    events = Event.objects.filter(kind="verdict.recorded")
    assert {event.subject_id for event in events} == {a.item_id, b.item_id, c.item_id}
    assert {event.data["batch"] for event in events} == {str(result.batch)}
    assert list(TaskSkip.objects.values_list("task_id", "user_id")) == [(d.id, reviewer.pk)]
    assert claim_batch(user=reviewer, stream=stream) == []


def test_rows_that_were_not_named_are_given_back(stream: Stream, reviewer: User) -> None:
    tasks = take(stream, reviewer, "a", "b")
    confirm_batch(
        user=reviewer,
        stream=stream,
        lease_token=token(tasks),
        confirmed=[tasks[0].id],
        corrections={},
    )
    assert states() == {"a": "answered", "b": "open"}
    assert TaskSkip.objects.count() == 0


def test_bulk_rows_are_no_labels(stream: Stream, reviewer: User) -> None:
    tasks = take(stream, reviewer, "a", "b")
    confirm([tasks[0]], reviewer)
    cohort = find_cohort(stream=stream, at=timezone.now(), days=30)
    assert read_evidence(cohort).labels.raw.size == 0
    assert GroundTruth.objects.usable().count() == 0
    # The same item, had it been drawn, is one.
    with pgtrigger.ignore():
        GroundTruth.objects.update(pi=0.1)
    assert read_evidence(cohort).labels.raw.size == 1


def test_rows_lost_meanwhile_are_named_and_cost_nothing(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    tasks = take(stream, reviewer, "a", "b", "c")
    lost = ReviewTask.objects.filter(id=tasks[1].id)
    lost.update(holder=second_reviewer, lease_token=uuid4())
    result = confirm(tasks, reviewer)
    assert (result.confirmed, result.lost) == (2, ("b",))
    assert states() == {"a": "answered", "b": "claimed", "c": "answered"}


def test_lost_lease_records_nothing(stream: Stream, reviewer: User) -> None:
    tasks = take(stream, reviewer, "a", "b")
    ReviewTask.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(LateVerdictError):
        confirm(tasks, reviewer)
    assert (Verdict.objects.count(), GroundTruth.objects.count()) == (0, 0)


def test_names_of_other_streams_are_never_told(stream: Stream, reviewer: User) -> None:
    other = scenes.make_stream("other")
    post_flagged(other, "secret")
    tasks = take(stream, reviewer, "a")
    secret = ReviewTask.objects.get(stream=other)
    result = confirm_batch(
        user=reviewer,
        stream=stream,
        lease_token=token(tasks),
        confirmed=[tasks[0].id, secret.id],
        corrections={},
    )
    assert (result.confirmed, result.lost) == (1, ())
    assert ReviewTask.objects.get(stream=other).state == "open"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            Answer("category", ("nonsense",)),
            "“nonsense” is no category of this stream; choose one of the list.",
        ),
        (Answer("cannot_judge"), "Leave it out here and judge it by itself."),
    ],
)
def test_wrong_answer_is_said_at_its_row_and_nothing_recorded(
    stream: Stream, reviewer: User, answer: Answer, words: str
) -> None:
    tasks = take(stream, reviewer, "a", "b")
    with pytest.raises(BatchError) as caught:
        confirm(tasks, reviewer, corrections={tasks[1].id: answer})
    assert caught.value.rows == {tasks[1].id: words}
    assert states() == {"a": "claimed", "b": "claimed"}


def test_retired_category_is_not_confirmed(stream: Stream, reviewer: User) -> None:
    tasks = take(stream, reviewer, "a")
    stream.categories.filter(key="vpn_issue").update(retired_at=timezone.now())
    with pytest.raises(BatchError) as caught:
        confirm(tasks, reviewer)
    assert list(caught.value.rows) == [tasks[0].id]


def test_second_opinion_that_is_acted_on_is_what_is_confirmed(
    stream: Stream, reviewer: User
) -> None:
    tasks = take(stream, reviewer, "a")
    with pgtrigger.ignore():
        Decision.objects.update(category="account_unlock", source="secondary")
    confirm(tasks, reviewer)
    assert Verdict.objects.get().categories == ["account_unlock"]


def test_costs_the_same_for_one_row_and_for_fifty(stream: Stream, reviewer: User) -> None:
    counts = []
    for size in (1, 50):
        tasks = take(stream, reviewer, *(f"{size}-{number}" for number in range(size)))
        assert len(tasks) == size
        with CaptureQueriesContext(connection) as captured:
            result = confirm(tasks, reviewer)
        with CaptureQueriesContext(connection) as undone:
            undo_batch(batch=result.batch, user=reviewer)
        counts.append((len(captured), len(undone)))
        confirm(claim_batch(user=reviewer, stream=stream), reviewer)
    assert counts[0] == counts[1]
    assert counts[0] == (12, 13)


def test_undo_takes_the_whole_table_back(stream: Stream, reviewer: User) -> None:
    tasks = take(stream, reviewer, "a", "b")
    result = confirm(tasks, reviewer, corrections={tasks[1].id: UNLOCK})
    undone = undo_batch(batch=result.batch, user=reviewer)
    assert [verdict.categories for verdict in undone] == [["vpn_issue"], ["account_unlock"]]
    assert states() == {"a": "claimed", "b": "claimed"}
    assert set(Item.objects.values_list("state", "settled_at")) == {("routed", None)}
    assert GroundTruth.objects.current().count() == 0
    assert Event.objects.filter(kind="verdict.undone").count() == 2
    again = claim_batch(user=reviewer, stream=stream)
    assert len({task.lease_token for task in again}) == 1
    confirm(again, reviewer)
    assert [one.categories for one in Verdict.objects.live()] == [["vpn_issue"], ["vpn_issue"]]


def test_undo_gives_back_the_table_claimed_since(stream: Stream, reviewer: User) -> None:
    result = confirm(take(stream, reviewer, "a"), reviewer)
    take(stream, reviewer, "b")
    undo_batch(batch=result.batch, user=reviewer)
    assert states() == {"a": "claimed", "b": "open"}


def test_undo_leaves_out_what_was_undone_singly(stream: Stream, reviewer: User) -> None:
    tasks = take(stream, reviewer, "a", "b")
    result = confirm(tasks, reviewer)
    single = Verdict.objects.get(task=tasks[0])
    task = undo_verdict(verdict_id=single.id, reviewer=reviewer)
    assert task.lease_token is not None
    record_verdict(task_id=task.id, lease_token=task.lease_token, reviewer=reviewer, answer=UNLOCK)
    assert len(undo_batch(batch=result.batch, user=reviewer)) == 1
    assert states() == {"a": "answered", "b": "claimed"}


def test_undo_is_for_its_own_reviewer_within_the_window(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    result = confirm(take(stream, reviewer, "a"), reviewer)
    for batch, user in ((result.batch, second_reviewer), (uuid4(), reviewer)):
        with pytest.raises(UndoWindowPassedError):
            undo_batch(batch=batch, user=user)
    Stream.objects.update(undo_seconds=0)
    stream.refresh_from_db()
    late = confirm(take(stream, reviewer, "b"), reviewer)
    with pytest.raises(UndoWindowPassedError):
        undo_batch(batch=late.batch, user=reviewer)
    assert states() == {"a": "answered", "b": "answered"}
