"""What may be shown of an item: nothing of what is judged blind, no answer to who is asked yet."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from calibration.models import AuditDraw
from reviewqueue.claims import claim_next, skip_task
from reviewqueue.disclosure import Disclosure, disclose
from reviewqueue.known_answers import mark_known
from reviewqueue.models import ReviewTask
from reviewqueue.verdicts import Answer, record_verdict, undo_verdict
from routing.models import Stream
from tests import scenes

VPN = Answer("category", ("vpn_issue",))
HIDDEN = (False, False)
MACHINE_ONLY = (True, False)
ALL = (True, True)


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream(undo_seconds=0)


@pytest.fixture
def reviewer(stream: Stream) -> User:
    return scenes.make_person("rita", stream, "reviewer")


@pytest.fixture
def analyst(stream: Stream) -> User:
    return scenes.make_person("ana", stream, "analyst")


def see(task: ReviewTask, viewer: User) -> Disclosure:
    return disclose(viewer=viewer, stream=task.stream, item=task.item)


def shown(task: ReviewTask, viewer: User) -> tuple[bool, bool]:
    """Whether the machine's and people's answers are."""
    may_see = see(task, viewer)
    return may_see.machine, may_see.people


def judge(user: User, stream: Stream, queue: str = "hold") -> ReviewTask:
    task = claim_next(user=user, stream=stream, queue=queue)
    assert task is not None
    assert task.lease_token is not None
    record_verdict(task_id=task.id, lease_token=task.lease_token, reviewer=user, answer=VPN)
    return task


def test_item_that_waits_shows_the_machine_and_no_person(
    stream: Stream, reviewer: User, analyst: User
) -> None:
    task = scenes.post(stream, "a")
    assert (shown(task, reviewer), shown(task, analyst)) == (MACHINE_ONLY, ALL)
    held = claim_next(user=reviewer, stream=stream, queue="hold")
    assert (held, shown(task, reviewer)) == (task, MACHINE_ONLY)
    other = scenes.make_person("otto", stream, "reviewer")
    assert shown(task, other) == MACHINE_ONLY


def test_settled_item_shows_all(stream: Stream, reviewer: User, analyst: User) -> None:
    task = scenes.post(stream, "a")
    judge(reviewer, stream)
    assert (shown(task, reviewer), shown(task, analyst)) == (ALL, ALL)


def test_answer_that_can_be_taken_back_hides_the_others(stream: Stream, reviewer: User) -> None:
    task = scenes.post(stream, "a")
    Stream.objects.update(undo_seconds=3600)
    stream.refresh_from_db()
    judge(reviewer, stream)
    other = scenes.make_person("otto", stream, "reviewer")
    assert (shown(task, reviewer), shown(task, other)) == (MACHINE_ONLY, ALL)


def test_second_seat_hides_the_first_answer_from_who_may_be_given_it(
    stream: Stream, reviewer: User
) -> None:
    task = scenes.post(stream, "a")
    judge(reviewer, stream)
    ReviewTask.objects.create(
        stream=stream,
        item=task.item,
        decision=task.decision,
        queue="hold",
        seat=2,
        due_at=task.due_at,
    )
    other = scenes.make_person("otto", stream, "reviewer")
    adjudicator = scenes.make_person("ada", stream, "adjudicator")
    assert [shown(task, one) for one in (reviewer, other, adjudicator)] == [ALL, MACHINE_ONLY, ALL]
    ReviewTask.objects.filter(seat=2).update(queue="adjudication")
    assert shown(task, adjudicator) == ALL


@pytest.mark.parametrize("role", ["reviewer", "adjudicator", "expert", "analyst", "stream_admin"])
def test_blind_item_shows_nothing_to_anybody(stream: Stream, role: str) -> None:
    somebody = scenes.make_person("somebody", stream, role)
    assert shown(scenes.post_blind(stream, "a"), somebody) == HIDDEN


@pytest.mark.parametrize("role", ["reviewer", "analyst"])
def test_drawn_item_shows_nothing_before_its_seat_opens(stream: Stream, role: str) -> None:
    somebody = scenes.make_person("somebody", stream, role)
    task = scenes.post(stream, "a")
    draw = AuditDraw.objects.create(stream=stream, item=task.item, decision=task.decision, pi=0.05)
    task.delete()
    assert shown(task, somebody) == HIDDEN
    draw.opened_at = timezone.now()
    draw.save()
    assert shown(task, somebody) == ALL


def test_blind_verdict_shows_all_when_it_cannot_be_undone(
    stream: Stream, reviewer: User, analyst: User
) -> None:
    Stream.objects.update(undo_seconds=3600)
    stream.refresh_from_db()
    task = scenes.post_blind(stream, "a")
    judge(reviewer, stream, "audit")
    assert (shown(task, reviewer), shown(task, analyst)) == (HIDDEN, HIDDEN)
    undo_verdict(verdict_id=reviewer.verdicts.get().id, reviewer=reviewer)
    Stream.objects.update(undo_seconds=0)
    stream.refresh_from_db()
    judge(reviewer, stream, "audit")
    assert (shown(task, reviewer), shown(task, analyst)) == (ALL, ALL)


def make_known(stream: Stream) -> ReviewTask:
    """A settled item whose answer is known, and other work to slip it into."""
    task = scenes.post(stream, "k")
    judge(scenes.make_person("erik", stream, "expert"), stream)
    mark_known(stream=stream, external_id="k", answer=VPN)
    Stream.objects.update(known_rate=1.0)
    stream.refresh_from_db()
    scenes.post(stream, "a")
    return task


def test_known_item_shows_nothing_to_who_may_be_given_it(
    stream: Stream, reviewer: User, analyst: User
) -> None:
    task = make_known(stream)
    assert (shown(task, reviewer), shown(task, analyst)) == (HIDDEN, ALL)
    assert shown(task, User.objects.get(username="erik")) == ALL


def test_known_seat_shows_what_an_ordinary_one_does(stream: Stream, reviewer: User) -> None:
    task = make_known(stream)
    held = claim_next(user=reviewer, stream=stream, queue="hold")
    assert held is not None
    assert held.known_id is not None
    assert shown(task, reviewer) == MACHINE_ONLY
    judge(reviewer, stream)
    assert shown(task, reviewer) == ALL
    assert see(task, reviewer).own_only is True


@pytest.mark.parametrize(("is_blind", "expected"), [(False, MACHINE_ONLY), (True, HIDDEN)])
def test_known_seat_that_was_skipped_looks_as_if_it_were_open_again(
    stream: Stream, reviewer: User, is_blind: bool, expected: tuple[bool, bool]
) -> None:
    task = make_known(stream)
    Stream.objects.update(blind_rate=float(is_blind))
    stream.refresh_from_db()
    held = claim_next(user=reviewer, stream=stream, queue="hold")
    assert held is not None
    assert held.lease_token is not None
    assert skip_task(task_id=held.id, user=reviewer, lease_token=held.lease_token) is True
    assert shown(task, reviewer) == expected


def test_names_are_for_those_who_settle_disputes(stream: Stream) -> None:
    task = scenes.post(stream, "a")
    roles = ["reviewer", "analyst", "adjudicator", "expert", "stream_admin"]
    people = [scenes.make_person(role, stream, role) for role in roles]
    people.append(scenes.make_person("root", is_superuser=True))
    assert [see(task, one).names for one in people] == [False, False, True, True, True, True]
