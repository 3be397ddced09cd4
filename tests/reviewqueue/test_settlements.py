"""Items judged twice: what settles them, who decides where two differ, what an undo takes back."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.claims import claim_next, escalate_task, skip_task
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.settlements import published_verdict
from reviewqueue.verdicts import Answer, LateVerdictError, UndoWindowPassedError, undo_verdict
from routing.models import Item, Stream
from tests.reviewqueue.test_claims import claim, post_held, token
from tests.reviewqueue.test_verdicts import judge, truths
from tests.scenes import make_bare_stream, make_person, publish_worked_policy

VPN = Answer("category", ("vpn_issue",))
UNLOCK = Answer("category", ("account_unlock",))
BOTH = Answer("ambiguous", ("vpn_issue", "account_unlock"))
BOTH_TURNED = Answer("ambiguous", ("account_unlock", "vpn_issue"))
NONE = Answer("no_category_fits", (), "Printer")
NONE_NAMED = Answer("no_category_fits", (), "Scanner")
CANNOT = Answer("cannot_judge")

Seat = tuple[int, str, str]


def make_double_stream() -> Stream:
    made = make_bare_stream(double_rate=1.0)
    publish_worked_policy(made)
    return made


@pytest.fixture
def stream(db: None) -> Stream:
    return make_double_stream()


@pytest.fixture
def adjudicator(stream: Stream) -> User:
    return make_person("ada", stream, "adjudicator")


def seats() -> list[Seat]:
    rows = ReviewTask.objects.order_by("seat").values_list("seat", "queue", "state")
    return list(rows)


def judge_both(
    stream: Stream, first: tuple[User, Answer], second: tuple[User, Answer]
) -> tuple[Verdict, Verdict]:
    """Two people, each with an answer, to the next item of the hold queue."""
    one, other = claim(stream, first[0]), claim(stream, second[0])
    assert one.item_id == other.item_id
    return judge(one, *first), judge(other, *second)


def test_two_seats_alike_in_all_but_their_number(stream: Stream) -> None:
    Stream.objects.update(blind_rate=1.0)
    stream.refresh_from_db()
    post_held(stream, "a", priority=3)
    first, second = ReviewTask.objects.order_by("seat")

    def conditions(seat: ReviewTask) -> tuple[object, ...]:
        return (seat.queue, seat.blind, seat.pi, seat.priority, seat.due_at, seat.decision_id)

    assert (first.seat, second.seat) == (1, 2)
    assert conditions(first) == conditions(second)
    assert conditions(first)[:4] == ("hold", True, 1.0, 3)


def test_nobody_gets_both_seats(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    claim(stream, reviewer)
    assert claim(stream, reviewer).seat == 1  # the one in hand
    judge(claim(stream, reviewer), reviewer)
    assert claim_next(user=reviewer, stream=stream, queue="hold") is None


@pytest.mark.parametrize("pass_on", [skip_task, escalate_task])
def test_who_passes_an_item_on_is_not_offered_its_other_seat_next(
    stream: Stream, reviewer: User, pass_on: Callable[..., bool]
) -> None:
    post_held(stream, "a", "b")
    first = claim(stream, reviewer)
    assert pass_on(task_id=first.id, user=reviewer, lease_token=token(first))
    assert claim(stream, reviewer).item_id != first.item_id


def test_half_judged_item_waits_and_upstream_is_told_nothing(
    stream: Stream, reviewer: User
) -> None:
    Stream.objects.update(undo_seconds=0)
    stream.refresh_from_db()
    post_held(stream, "a")
    judge(claim(stream, reviewer), reviewer)
    item = Item.objects.get()
    assert (item.state, truths(), published_verdict(item)) == ("waiting", [], None)
    assert seats() == [(1, "hold", "answered"), (2, "hold", "open")]


@pytest.mark.parametrize(
    ("answers", "truth"),
    [
        ((VPN, VPN), ("category", ["vpn_issue"])),
        ((BOTH, BOTH_TURNED), ("ambiguous", ["account_unlock", "vpn_issue"])),
        ((NONE, NONE_NAMED), ("no_category_fits", [])),
    ],
)
def test_two_that_agree_settle_the_item(
    stream: Stream,
    reviewer: User,
    second_reviewer: User,
    answers: tuple[Answer, Answer],
    truth: tuple[str, list[str]],
) -> None:
    post_held(stream, "a")
    judge_both(stream, (reviewer, answers[0]), (second_reviewer, answers[1]))
    assert truths() == [(*truth, 1.0, False, "hold")]
    assert Item.objects.get().state == "settled"
    assert seats() == [(1, "hold", "answered"), (2, "hold", "answered")]


@pytest.mark.parametrize("second", [UNLOCK, BOTH, NONE])
def test_two_that_differ_go_to_an_adjudicator(
    stream: Stream,
    reviewer: User,
    second_reviewer: User,
    adjudicator: User,
    second: Answer,
) -> None:
    post_held(stream, "a")
    judge_both(stream, (reviewer, VPN), (second_reviewer, second))
    assert (truths(), Item.objects.get().state) == ([], "waiting")
    assert seats()[2:] == [(3, "adjudication", "open")]

    judge(claim(stream, adjudicator, "adjudication"), adjudicator, UNLOCK)
    assert truths() == [("category", ["account_unlock"], 1.0, False, "adjudication")]
    assert Item.objects.get().state == "settled"


def test_seat_of_the_adjudicator_has_the_conditions_of_the_others(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a", priority=3)
    ReviewTask.objects.update(blind=True, pi=0.25, due_at=timezone.now() - timedelta(days=1))
    _, last = judge_both(stream, (reviewer, VPN), (second_reviewer, UNLOCK))
    seat = ReviewTask.objects.get(seat=3)
    assert (seat.blind, seat.pi, seat.priority) == (True, 0.25, 3)
    assert (seat.due_at, seat.opened_at) == (last.answered_at, last.answered_at)


def test_who_had_a_seat_does_not_adjudicate(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    reviewer.memberships.create(stream=stream, role="adjudicator")
    post_held(stream, "a")
    judge_both(stream, (reviewer, VPN), (second_reviewer, UNLOCK))
    assert claim_next(user=reviewer, stream=stream, queue="adjudication") is None


def test_settling_verdict_is_the_one_that_is_published(
    stream: Stream, reviewer: User, second_reviewer: User, adjudicator: User
) -> None:
    Stream.objects.update(undo_seconds=0)
    stream.refresh_from_db()
    post_held(stream, "a")
    judge_both(stream, (reviewer, VPN), (second_reviewer, UNLOCK))
    item = Item.objects.get()
    assert published_verdict(item) is None
    last = judge(claim(stream, adjudicator, "adjudication"), adjudicator, UNLOCK)
    assert published_verdict(item) == last


def test_one_who_cannot_judge_leaves_it_to_an_expert(
    stream: Stream, reviewer: User, second_reviewer: User, expert: User
) -> None:
    post_held(stream, "a")
    judge_both(stream, (reviewer, CANNOT), (second_reviewer, VPN))
    assert truths() == []
    assert seats()[2:] == [(3, "escalated", "open")]
    judge(claim(stream, expert, "escalated"), expert, UNLOCK)
    assert truths() == [("category", ["account_unlock"], 1.0, False, "escalated")]


def test_two_who_cannot_judge_open_one_expert_seat(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a")
    judge_both(stream, (reviewer, CANNOT), (second_reviewer, CANNOT))
    assert truths() == []
    assert seats()[2:] == [(3, "escalated", "open")]


def test_adjudicator_who_cannot_judge_leaves_it_to_an_expert(
    stream: Stream, reviewer: User, second_reviewer: User, adjudicator: User, expert: User
) -> None:
    post_held(stream, "a")
    judge_both(stream, (reviewer, VPN), (second_reviewer, UNLOCK))
    judge(claim(stream, adjudicator, "adjudication"), adjudicator, CANNOT)
    assert seats()[2:] == [(3, "adjudication", "answered"), (4, "escalated", "open")]
    judge(claim(stream, expert, "escalated"), expert, CANNOT)
    assert truths() == [("uncertain", [], 1.0, False, "escalated")]


def test_expert_settles_alone_and_the_other_seat_is_cancelled(
    stream: Stream, reviewer: User, second_reviewer: User, expert: User
) -> None:
    post_held(stream, "a")
    mine, other = claim(stream, reviewer), claim(stream, second_reviewer)
    assert escalate_task(task_id=mine.id, user=reviewer, lease_token=token(mine))
    judge(claim(stream, expert, "escalated"), expert)
    assert truths() == [("category", ["vpn_issue"], 1.0, False, "escalated")]
    assert seats() == [(1, "escalated", "answered"), (2, "hold", "cancelled")]
    with pytest.raises(LateVerdictError):
        judge(other, second_reviewer)
    assert Verdict.objects.count() == 1
    assert claim_next(user=second_reviewer, stream=stream, queue="hold") is None


def test_escalated_seat_keeps_the_last_word(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a")
    mine = claim(stream, reviewer)
    escalate_task(task_id=mine.id, user=reviewer, lease_token=token(mine))
    judge(claim(stream, second_reviewer), second_reviewer)
    assert (truths(), len(seats())) == ([], 2)


def test_undo_of_either_takes_back_what_both_settled(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a")
    first, _ = judge_both(stream, (reviewer, VPN), (second_reviewer, VPN))
    again = undo_verdict(verdict_id=first.id, reviewer=reviewer)
    assert (truths(), Item.objects.get().state) == ([], "waiting")
    judge(again, reviewer, UNLOCK)
    assert seats()[2:] == [(3, "adjudication", "open")]


def test_undo_removes_the_adjudication_until_somebody_begins(
    stream: Stream, reviewer: User, second_reviewer: User, adjudicator: User
) -> None:
    post_held(stream, "a")
    first, last = judge_both(stream, (reviewer, VPN), (second_reviewer, UNLOCK))
    again = undo_verdict(verdict_id=last.id, reviewer=second_reviewer)
    assert len(seats()) == 2
    judge(again, second_reviewer, BOTH)
    claim(stream, adjudicator, "adjudication")
    with pytest.raises(UndoWindowPassedError):
        undo_verdict(verdict_id=first.id, reviewer=reviewer)
    assert seats()[2:] == [(3, "adjudication", "claimed")]


def test_undo_after_the_adjudicator_is_too_late_but_the_adjudicator_may(
    stream: Stream, reviewer: User, second_reviewer: User, adjudicator: User
) -> None:
    post_held(stream, "a")
    first, _ = judge_both(stream, (reviewer, VPN), (second_reviewer, UNLOCK))
    last = judge(claim(stream, adjudicator, "adjudication"), adjudicator)
    with pytest.raises(UndoWindowPassedError):
        undo_verdict(verdict_id=first.id, reviewer=reviewer)
    assert len(truths()) == 1
    again = undo_verdict(verdict_id=last.id, reviewer=adjudicator)
    assert (truths(), Item.objects.get().state, len(seats())) == ([], "waiting", 3)
    judge(again, adjudicator, UNLOCK)
    assert truths() == [("category", ["account_unlock"], 1.0, False, "adjudication")]


def test_undo_of_cannot_judge_leaves_the_expert_to_the_other_who_cannot(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a")
    first, second = judge_both(stream, (reviewer, CANNOT), (second_reviewer, CANNOT))
    undo_verdict(verdict_id=first.id, reviewer=reviewer)
    assert seats()[2:] == [(3, "escalated", "open")]
    undo_verdict(verdict_id=second.id, reviewer=second_reviewer)
    assert seats() == [(1, "hold", "claimed"), (2, "hold", "claimed")]


def test_undo_of_cannot_judge_leaves_the_seat_that_another_escalated(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a")
    mine, other = claim(stream, reviewer), claim(stream, second_reviewer)
    escalate_task(task_id=other.id, user=second_reviewer, lease_token=token(other))
    verdict = judge(mine, reviewer, CANNOT)
    assert len(seats()) == 2
    undo_verdict(verdict_id=verdict.id, reviewer=reviewer)
    assert seats() == [(1, "hold", "claimed"), (2, "escalated", "open")]


def test_undo_of_the_expert_gives_cancelled_seats_nothing_back(
    stream: Stream, reviewer: User, expert: User
) -> None:
    post_held(stream, "a")
    mine = claim(stream, reviewer)
    escalate_task(task_id=mine.id, user=reviewer, lease_token=token(mine))
    verdict = judge(claim(stream, expert, "escalated"), expert)
    undo_verdict(verdict_id=verdict.id, reviewer=expert)
    assert truths() == []
    assert seats() == [(1, "escalated", "claimed"), (2, "hold", "cancelled")]


def test_statements_of_a_verdict_that_settles_and_of_one_that_passes_on(
    stream: Stream,
    reviewer: User,
    second_reviewer: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    post_held(stream, "a", "b")
    for answer, count in ((VPN, 11), (UNLOCK, 9)):
        judge(claim(stream, reviewer), reviewer, VPN)
        task = claim(stream, second_reviewer)
        with django_assert_num_queries(count):
            judge(task, second_reviewer, answer)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("second", [VPN, UNLOCK])
def test_two_answers_at_the_same_moment_are_both_seen(second: Answer) -> None:
    stream = make_double_stream()
    rita, sam = (make_person(name, stream, "reviewer") for name in ("rita", "sam"))
    rounds = 12
    for number in range(rounds):
        post_held(stream, f"item-{number}")
        tasks = claim(stream, rita), claim(stream, sam)
        gate = threading.Barrier(2)

        def answer(task: ReviewTask, person: User, given: Answer, gate: threading.Barrier) -> None:
            try:
                gate.wait(timeout=30)
                judge(task, person, given)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as threads:
            done = [
                threads.submit(answer, tasks[0], rita, VPN, gate),
                threads.submit(answer, tasks[1], sam, second, gate),
            ]
            for each in done:
                each.result()
    adjudications = ReviewTask.objects.filter(queue="adjudication").count()
    agreed = second == VPN
    assert (len(truths()), adjudications) == ((rounds, 0) if agreed else (0, rounds))
