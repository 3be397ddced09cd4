"""Known answers: who is given one and how often, that it settles nothing, and what it measures."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from calibration.models import AuditDraw, GroundTruth
from reviewqueue.claims import (
    claim_next,
    escalate_task,
    expire_leases,
    release_task,
    skip_task,
)
from reviewqueue.deciding import count_free_seats
from reviewqueue.known_answers import (
    FIRST_SEAT,
    KnownAnswerError,
    draws_known,
    mark_known,
    measure_reviewer,
    measure_reviewers,
    retire_known,
    with_counts,
)
from reviewqueue.models import KnownAnswer, ReviewTask, Verdict
from reviewqueue.overturns import may_be_overturned, overturn_verdict, undo_overturn
from reviewqueue.pace import seconds_per_review
from reviewqueue.seats import open_audit_seats
from reviewqueue.settlements import published_verdict
from reviewqueue.verdicts import Answer, record_verdict, undo_verdict
from routing.ids import uuid7
from routing.models import Decision, Event, Item, Stream
from tests.reviewqueue.test_claims import claim, post_held, run_out, token
from tests.reviewqueue.test_verdicts import judge
from tests.scenes import make_bare_stream, make_person

VPN = Answer("category", ("vpn_issue",))
UNLOCK = Answer("category", ("account_unlock",))


@pytest.fixture(autouse=True)
def _one_secret(settings: Settings) -> None:
    settings.AUDIT_SECRET = b"the same draws in every run"


def set_rate(stream: Stream, rate: float, **fields: object) -> None:
    Stream.objects.filter(id=stream.id).update(known_rate=rate, **fields)
    stream.refresh_from_db()


def make_known(stream: Stream, *names: str, answer: Answer = VPN) -> list[KnownAnswer]:
    """Items that an expert settled and that are known from then on."""
    expert = User.objects.filter(username="erik").first()
    expert = expert or make_person("erik", stream, "expert")
    post_held(stream, *names)
    for _name in names:
        task = claim_next(user=expert, stream=stream, queue="hold")
        assert task is not None
        judge(task, expert, answer)
    return [mark_known(stream=stream, external_id=name, answer=answer) for name in names]


def test_known_item_is_given_in_the_place_of_another(stream: Stream, reviewer: User) -> None:
    """coop#208, known-answer items missing: slipped in, and not to be told apart."""
    [known] = make_known(stream, "k")
    post_held(stream, "a")
    ordinary = ReviewTask.objects.get(state="open")
    set_rate(stream, 1.0)
    task = claim(stream, reviewer)

    assert (task.known, task.item_id, task.decision_id) == (known, known.item_id, known.decision_id)
    assert (task.state, task.holder, task.queue, task.seat) == (
        "claimed",
        reviewer,
        "hold",
        FIRST_SEAT,
    )
    assert (task.pi, task.blind, task.due_at) == (None, False, ordinary.due_at)
    assert task.claimed_at is not None
    assert task.lease_expires_at == task.claimed_at + stream.lease
    assert claim(stream, reviewer) == task
    assert ReviewTask.objects.get(state="open") == ordinary


def test_nobody_is_given_the_same_known_item_twice(stream: Stream, reviewer: User) -> None:
    make_known(stream, "k", "l")
    post_held(stream, "a", "b")
    set_rate(stream, 1.0)
    seen = []
    for _turn in range(4):
        task = claim(stream, reviewer)
        seen.append(task.item.external_id)
        judge(task, reviewer)
    assert sorted(seen[:2]) == ["k", "l"]
    assert seen[2:] == ["a", "b"]
    assert claim_next(user=reviewer, stream=stream, queue="hold") is None


def test_two_people_have_seats_of_their_own(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    make_known(stream, "k")
    post_held(stream, "a")
    set_rate(stream, 1.0)
    tasks = [claim(stream, user) for user in (reviewer, second_reviewer)]
    assert [task.seat for task in tasks] == [FIRST_SEAT, FIRST_SEAT + 1]


def test_share_of_draws_is_the_streams_rate(stream: Stream, reviewer: User) -> None:
    stream.known_rate = 0.2
    drawn = [
        draws_known(user=reviewer, stream=stream, after=UUID(int=number))
        for number in range(10_000)
    ]
    assert abs(sum(drawn) / len(drawn) - 0.2) < 4 * (0.2 * 0.8 / len(drawn)) ** 0.5


def test_share_of_what_a_reviewer_is_given_is_the_streams_rate(
    stream: Stream, reviewer: User
) -> None:
    make_known(stream, *(f"k{number}" for number in range(60)))
    post_held(stream, *(f"a{number}" for number in range(100)))
    set_rate(stream, 0.3)
    given = []
    for _turn in range(120):
        task = claim(stream, reviewer)
        given.append(task.known_id is not None)
        judge(task, reviewer)
    assert abs(sum(given) / len(given) - 0.3) < 3 * (0.3 * 0.7 / len(given)) ** 0.5


def test_reload_and_skip_change_nothing(stream: Stream, reviewer: User) -> None:
    make_known(stream, "k", "l")
    post_held(stream, "a", "b")
    set_rate(stream, 1.0)
    task = claim(stream, reviewer)
    assert skip_task(task_id=task.id, user=reviewer, lease_token=token(task)) is True
    after = claim(stream, reviewer)
    assert (task.known_id is None, after.known_id is None) == (False, True)
    assert skip_task(task_id=after.id, user=reviewer, lease_token=token(after)) is True
    assert claim(stream, reviewer).known_id is None


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("queue", ["escalated", "adjudication"])
def test_experts_and_adjudicators_are_given_none(
    stream: Stream, reviewer: User, queue: str, rate: float
) -> None:
    make_known(stream, "k")
    post_held(stream, "a")
    ReviewTask.objects.filter(state="open").update(queue=queue)
    set_rate(stream, rate)
    assert claim(stream, reviewer, queue).known_id is None


def test_empty_queue_stays_empty(stream: Stream, reviewer: User) -> None:
    make_known(stream, "k")
    set_rate(stream, 1.0)
    assert claim_next(user=reviewer, stream=stream, queue="hold") is None
    assert ReviewTask.objects.filter(known__isnull=False).count() == 0


@pytest.mark.parametrize("queue", ["audit", "flagged"])
def test_blind_queues_get_blind_seats(stream: Stream, reviewer: User, queue: str) -> None:
    make_known(stream, "k")
    post_held(stream, "a")
    ReviewTask.objects.filter(state="open").update(queue=queue, blind=True)
    set_rate(stream, 1.0)
    task = claim(stream, reviewer, queue)
    assert (task.known_id is not None, task.blind, task.queue) == (True, True, queue)


def test_batch_of_flagged_items_is_no_work_to_slip_into(stream: Stream, reviewer: User) -> None:
    make_known(stream, "k")
    post_held(stream, "a")
    ReviewTask.objects.filter(state="open").update(queue="flagged", pi=None)
    set_rate(stream, 1.0)
    claim_next(user=reviewer, stream=stream, queue="flagged")
    assert ReviewTask.objects.filter(known__isnull=False).count() == 0


def test_item_that_was_not_held_is_given_blind_only(stream: Stream, reviewer: User) -> None:
    post_held(stream, "sure", "a")
    sure = ReviewTask.objects.get(item__external_id="sure")
    decision = Decision.objects.get(id=sure.decision_id)
    sure.delete()
    KnownAnswer.objects.create(
        stream=stream,
        item_id=decision.item_id,
        decision=act_on(decision),
        kind="category",
        categories=["vpn_issue"],
    )
    set_rate(stream, 1.0)
    assert claim(stream, reviewer).known_id is None
    set_rate(stream, 1.0, blind_rate=1.0)
    other = make_person("otto", stream, "reviewer")
    post_held(stream, "b")
    task = claim(stream, other)
    assert (task.known_id is not None, task.blind) == (True, True)


def act_on(decision: Decision) -> Decision:
    """The same item, decided again and acted on."""
    decision.id, decision.queue, decision.action = uuid7(), "auto", "act"
    decision.save(force_insert=True)
    return decision


def test_retired_answer_and_retired_category_are_slipped_in_no_more(
    stream: Stream, reviewer: User
) -> None:
    [first] = make_known(stream, "k")
    [second] = make_known(stream, "l", answer=UNLOCK)
    post_held(stream, "a")
    set_rate(stream, 1.0)
    assert retire_known(known_id=first.id, by=reviewer) is True
    assert retire_known(known_id=first.id, by=reviewer) is False
    stream.categories.filter(key="account_unlock").update(retired_at=timezone.now())
    assert claim(stream, reviewer).known_id is None
    assert second.retired_at is None
    assert Event.objects.filter(kind="knownanswer.retired").count() == 1


def claim_known(stream: Stream, reviewer: User, name: str = "k") -> ReviewTask:
    make_known(stream, name)
    post_held(stream, f"{name} ordinary")
    set_rate(stream, 1.0)
    task = claim(stream, reviewer)
    assert task.known_id is not None
    return task


def test_verdict_settles_nothing_and_is_not_told(stream: Stream, reviewer: User) -> None:
    set_rate(stream, 0.0, undo_seconds=0)
    task = claim_known(stream, reviewer)
    label = GroundTruth.objects.current().get()
    told = published_verdict(task.item)
    settled_at = Item.objects.get(id=task.item_id).settled_at
    verdict = judge(task, reviewer, UNLOCK)

    assert GroundTruth.objects.get() == label
    item = Item.objects.get(id=task.item_id)
    assert (item.state, item.settled_at) == ("settled", settled_at)
    assert published_verdict(item) == told
    assert told != verdict
    assert list(Verdict.objects.live().filter(reviewer=reviewer)) == [verdict]


def test_cannot_judge_opens_no_seat(stream: Stream, reviewer: User) -> None:
    task = claim_known(stream, reviewer)
    judge(task, reviewer, Answer("cannot_judge"))
    assert ReviewTask.objects.filter(queue="escalated").count() == 0


@pytest.mark.parametrize("answer", [UNLOCK, Answer("cannot_judge")])
def test_undo_gives_the_seat_back_and_leaves_the_item(
    stream: Stream, reviewer: User, answer: Answer
) -> None:
    task = claim_known(stream, reviewer)
    label = GroundTruth.objects.get()
    verdict = judge(task, reviewer, answer)
    again = undo_verdict(verdict_id=verdict.id, reviewer=reviewer)
    assert (again, again.state) == (task, "claimed")
    assert GroundTruth.objects.get() == label
    assert Item.objects.get(id=task.item_id).state == "settled"
    assert judge(again, reviewer).kind == "category"


def test_overturn_and_its_undo_look_like_any_other(stream: Stream, reviewer: User) -> None:
    set_rate(stream, 0.0, undo_seconds=0)
    task = claim_known(stream, reviewer)
    label = GroundTruth.objects.get()
    verdict = judge(task, reviewer, UNLOCK)
    assert may_be_overturned(verdict) is True
    set_rate(stream, 1.0, undo_seconds=3600)
    why = Answer("category", ("vpn_issue",), comment="Read again.")
    made = overturn_verdict(verdict_id=verdict.id, by=reviewer, answer=why)
    assert undo_overturn(verdict_id=made.id, by=reviewer).categories == ["account_unlock"]
    assert GroundTruth.objects.get() == label


@pytest.mark.parametrize("way", ["skip", "release", "escalate", "lapse"])
def test_seat_is_cancelled_where_another_would_open(
    stream: Stream, reviewer: User, second_reviewer: User, way: str
) -> None:
    task = claim_known(stream, reviewer)
    if way == "skip":
        assert skip_task(task_id=task.id, user=reviewer, lease_token=token(task))
    elif way == "release":
        assert release_task(task_id=task.id, user=reviewer, lease_token=token(task))
    elif way == "escalate":
        assert escalate_task(task_id=task.id, user=reviewer, lease_token=token(task))
    else:
        run_out(task)
        assert expire_leases() == 1
    task.refresh_from_db()
    assert (task.state, task.holder, task.lease_token) == ("cancelled", reviewer, None)
    assert task.closed_at is not None
    assert claim(stream, reviewer).known_id is None
    post_held(stream, "another")
    assert claim(stream, second_reviewer).known_id == task.known_id


def test_one_person_in_two_windows_has_one_seat(stream: Stream, reviewer: User) -> None:
    task = claim_known(stream, reviewer)
    ReviewTask.objects.filter(id=task.id).update(
        state="cancelled", closed_at=timezone.now(), lease_expires_at=None
    )
    task.id = UUID(int=1)
    task.seat, task.state = FIRST_SEAT + 1, "claimed"
    with pytest.raises(IntegrityError, match="task_one_seat_per_person"):
        task.save(force_insert=True)


def test_known_seat_takes_no_capacity(stream: Stream, reviewer: User) -> None:
    claim_known(stream, reviewer)
    set_rate(stream, 1.0, hold_capacity=10)
    assert count_free_seats(stream) == 9


def test_drawn_audit_gets_its_seat_beside_a_known_one(stream: Stream, reviewer: User) -> None:
    post_held(stream, "drawn", "a")
    seat = ReviewTask.objects.get(item__external_id="drawn")
    seat.delete()
    Item.objects.filter(id=seat.item_id).update(state="routed")
    mark_known(stream=stream, external_id="drawn", answer=VPN)
    set_rate(stream, 1.0)
    assert claim(stream, reviewer).item_id == seat.item_id
    AuditDraw.objects.create(
        stream=stream, item_id=seat.item_id, decision_id=seat.decision_id, pi=0.05
    )
    done = open_audit_seats(stream=stream, at=timezone.now() + timedelta(seconds=1))
    assert done is not None
    assert done.result == {"drawn": 1, "opened": 1, "settled": 0, "seated": 0}
    assert ReviewTask.objects.get(queue="audit").item_id == seat.item_id


def test_measured_are_standing_answers_of_the_period(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    start = timezone.now()
    make_known(stream, "k", "l")
    make_known(stream, "m", answer=Answer("ambiguous", ("vpn_issue", "security_incident")))
    make_known(stream, "n", answer=Answer("no_category_fits"))
    post_held(stream, "a")
    set_rate(stream, 1.0)
    answers = {
        "k": VPN,
        "l": Answer("ambiguous", ("vpn_issue", "account_unlock")),
        "m": Answer("category", ("security_incident",)),
        "n": Answer("no_category_fits", (), "Printing"),
    }
    for _turn in answers:
        task = claim(stream, reviewer)
        judge(task, reviewer, answers[task.item.external_id])
    task = claim(stream, second_reviewer)
    judge(task, second_reviewer, Answer("cannot_judge"))
    end = timezone.now()
    rate = measure_reviewer(stream=stream, user=reviewer, start=start, end=end)
    assert (rate.successes, rate.n, rate.value) == (3, 4, 0.75)
    assert (round(rate.low or 0, 3), round(rate.high or 0, 3)) == (0.194, 0.994)
    nothing = measure_reviewer(stream=stream, user=second_reviewer, start=start, end=end)
    assert (nothing.value, nothing.n) == (None, 0)
    assert measure_reviewer(stream=stream, user=reviewer, start=end, end=end).n == 0
    [measured] = measure_reviewers(Stream.objects.all())
    assert (measured.stream, measured.reviewer, measured.rate) == ("Helpdesk", "rita", rate)
    listed = with_counts(KnownAnswer.objects.all())
    rows = listed.values_list("item__external_id", "judged_count", "right_count")
    counts = {name: (judged, right) for name, judged, right in rows}
    assert counts == {"k": (1, 1), "l": (1, 0), "m": (1, 1), "n": (1, 1)}


def test_undone_answer_is_not_measured(stream: Stream, reviewer: User) -> None:
    start = timezone.now()
    task = claim_known(stream, reviewer)
    undo_verdict(verdict_id=judge(task, reviewer, UNLOCK).id, reviewer=reviewer)
    end = timezone.now()
    assert measure_reviewer(stream=stream, user=reviewer, start=start, end=end).n == 0


def test_pace_counts_it(stream: Stream, reviewer: User) -> None:
    task = claim_known(stream, reviewer)
    start = timezone.now()
    ReviewTask.objects.filter(id=task.id).update(claimed_at=start - timedelta(seconds=9))
    record_verdict(
        task_id=task.id, lease_token=token(task), reviewer=reviewer, answer=VPN, active_ms=5000
    )
    paces = seconds_per_review(
        stream=stream, start=start, end=timezone.now() + timedelta(seconds=1)
    )
    assert paces == {"hold": 5.0}


def test_claim_costs_nothing_where_nothing_is_slipped_in(
    stream: Stream, reviewer: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    post_held(stream, "a")
    with django_assert_num_queries(2):
        claim(stream, reviewer)


def test_claim_that_is_not_drawn_costs_two_look_ups_under_the_lock(
    stream: Stream, reviewer: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    post_held(stream, "a")
    set_rate(stream, 1e-12)
    # Savepoint and its release, lock, what is in hand, the last verdict; then an ordinary claim.
    with django_assert_num_queries(5 + 2):
        claim(stream, reviewer)


@pytest.mark.parametrize(
    ("external_id", "answer", "refusal"),
    [
        ("none", VPN, ("external_id", "No item “none” was posted to Helpdesk; check the id.")),
        ("none\0", VPN, ("external_id", "No item")),
        ("open", VPN, ("external_id", "“open” still waits for a person")),
        ("k", VPN, ("external_id", "“k” has a known answer already.")),
        ("done", Answer("category", ("printer",)), ("categories", "no category of this stream")),
        ("done", Answer("ambiguous", ("vpn_issue",)), ("categories", "at least two")),
        ("done", Answer("cannot_judge"), ("kind", "cannot_judge is no answer that can be known")),
    ],
)
def test_marks_that_are_refused(
    stream: Stream, reviewer: User, external_id: str, answer: Answer, refusal: tuple[str, str]
) -> None:
    make_known(stream, "k")
    post_held(stream, "done")
    judge(claim(stream, reviewer), reviewer)
    post_held(stream, "open")
    field, words = refusal
    with pytest.raises(KnownAnswerError, match=words) as refused:
        mark_known(stream=stream, external_id=external_id, answer=answer)
    assert refused.value.field == field
    assert KnownAnswer.objects.count() == 1


def test_mark_is_noted(stream: Stream, reviewer: User) -> None:
    [known] = make_known(stream, "k")
    assert (known.kind, known.categories, known.created_by) == ("category", ["vpn_issue"], None)
    [event] = Event.objects.filter(kind="knownanswer.created")
    assert event.data == {"item": str(known.item_id)}
    other = make_bare_stream("other")
    with pytest.raises(KnownAnswerError, match="No item “k” was posted to Other"):
        mark_known(stream=other, external_id="k", answer=VPN, by=reviewer)


@pytest.mark.parametrize("who", ["stream admin", "superuser"])
def test_who_can_look_the_answers_up_is_given_none(stream: Stream, who: str) -> None:
    make_known(stream, "k")
    post_held(stream, "a")
    set_rate(stream, 1.0)
    if who == "superuser":
        ada = make_person("ada", is_superuser=True)
    else:
        ada = make_person("ada", stream, "reviewer", "stream_admin")
    assert claim(stream, ada).item.external_id == "a"
    assert not ReviewTask.objects.filter(known__isnull=False).exists()
