"""Verdicts: what each answer settles, and what an undo takes back."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.utils import timezone, translation
from django.utils.translation import trans_real
from pytest_django import DjangoAssertNumQueries

from calibration.models import GroundTruth
from reviewqueue.claims import claim_next
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.settlements import published_verdict
from reviewqueue.verdicts import (
    Answer,
    LateVerdictError,
    UndoWindowPassedError,
    VerdictError,
    check_answer,
    record_verdict,
    undo_verdict,
)
from routing.models import Event, Item, Stream
from tests.reviewqueue.test_claims import claim, post_held, token
from tests.scenes import make_bare_stream, make_person, publish_worked_policy

VPN = Answer("category", ("vpn_issue",))


def judge(task: ReviewTask, reviewer: User, answer: Answer = VPN) -> Verdict:
    return record_verdict(
        task_id=task.id,
        lease_token=token(task),
        reviewer=reviewer,
        answer=answer,
        active_ms=10**9,
    )


def truths() -> list[tuple[str, list[str], float | None, bool, str]]:
    return list(
        GroundTruth.objects.current().values_list("kind", "categories", "pi", "blind", "source")
    )


def test_category_settles_the_item(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    verdict = judge(task, reviewer)
    item = Item.objects.get()

    assert truths() == [("category", ["vpn_issue"], 1.0, False, "hold")]
    assert (item.state, item.settled_at) == ("settled", verdict.answered_at)
    assert (verdict.confirms, verdict.blind, verdict.supersedes) == (False, False, None)
    assert verdict.published_at - verdict.answered_at == timedelta(hours=1)
    assert verdict.opened_at == task.claimed_at
    held = verdict.answered_at - verdict.opened_at
    assert verdict.active_ms == int(held / timedelta(milliseconds=1))
    assert ReviewTask.objects.get().state == "answered"
    assert list(Event.objects.filter(kind="verdict.recorded").values_list("data", flat=True)) == [
        {"verdict": str(verdict.id)}
    ]


@pytest.mark.parametrize(
    ("answer", "confirms", "truth"),
    [
        (Answer("category", ("account_unlock",)), True, ("category", ["account_unlock"])),
        (
            Answer("ambiguous", ("vpn_issue", "account_unlock")),
            True,
            ("ambiguous", ["vpn_issue", "account_unlock"]),
        ),
        (Answer("no_category_fits", (), "Printer"), False, ("no_category_fits", [])),
    ],
)
def test_kinds_of_answers(
    stream: Stream,
    reviewer: User,
    answer: Answer,
    confirms: bool,
    truth: tuple[str, list[str]],
) -> None:
    post_held(stream, "a")
    verdict = judge(claim(stream, reviewer), reviewer, answer)

    assert verdict.confirms is confirms
    assert verdict.proposed_name == answer.proposed_name
    assert [row[:2] for row in truths()] == [truth]


def test_cannot_judge_goes_to_an_expert_whose_own_settles(
    stream: Stream, reviewer: User, expert: User
) -> None:
    post_held(stream, "a")
    judge(claim(stream, reviewer), reviewer, Answer("cannot_judge"))
    assert truths() == []
    assert Item.objects.get().state == "waiting"

    assert claim_next(user=reviewer, stream=stream, queue="escalated") is None
    judge(claim(stream, expert, "escalated"), expert, Answer("cannot_judge"))
    assert truths() == [("uncertain", [], 1.0, False, "escalated")]
    assert GroundTruth.objects.usable().count() == 0


@pytest.mark.parametrize(
    ("answer", "field", "words"),
    [
        (Answer("category", ("vpn_isue",)), "categories", "“vpn_isue” is no category"),
        (Answer("category", ("vpn_issue\0",)), "categories", "is no category"),
        (Answer("category", ("x" * 5000,)), "categories", "^“x{59}…” is no category"),
        (Answer("category"), "categories", "exactly one"),
        (Answer("category", ("vpn_issue", "account_unlock")), "categories", "exactly one"),
        (Answer("ambiguous", ("vpn_issue",)), "categories", "two"),
        (Answer("ambiguous", ("vpn_issue", "vpn_issue")), "categories", "twice"),
        (Answer("no_category_fits", ("vpn_issue",)), "categories", "no category"),
        (Answer("withdrawn"), "kind", "withdrawn"),
    ],
)
def test_answers_that_do_not_hold_together(
    stream: Stream, reviewer: User, answer: Answer, field: str, words: str
) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    with pytest.raises(VerdictError, match=words) as refused:
        judge(task, reviewer, answer)

    assert refused.value.field == field
    assert judge(task, reviewer).kind == "category"


def change_taxonomy(stream: Stream) -> None:
    """`printer` was added and `account_unlock`, the machine's answer to what is held, retired."""
    stream.categories.create(key="printer", label="Printer", position=9)
    retired_at = datetime(2026, 5, 3, 23, 30, tzinfo=UTC)
    stream.categories.filter(key="account_unlock").update(retired_at=retired_at)


def test_category_that_was_added_since_the_decision_can_be_chosen(
    stream: Stream, reviewer: User
) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    change_taxonomy(stream)
    judge(task, reviewer, Answer("ambiguous", ("printer", "vpn_issue")))
    assert truths() == [("ambiguous", ["printer", "vpn_issue"], 1.0, False, "hold")]


@pytest.mark.parametrize("kind", ["category", "ambiguous"])
def test_category_that_was_retired_since_the_decision_cannot_be_chosen(
    stream: Stream, reviewer: User, kind: str
) -> None:
    Stream.objects.update(time_zone="Europe/Berlin")
    post_held(stream, "a")
    task = claim(stream, reviewer)
    change_taxonomy(stream)
    keys = ("account_unlock",) if kind == "category" else ("vpn_issue", "account_unlock")
    with pytest.raises(VerdictError) as refused:
        judge(task, reviewer, Answer(kind, keys))
    assert refused.value.field == "categories"
    assert str(refused.value) == (
        "Account unlock was retired on 4 May 2026; choose another category."
    )
    assert judge(task, reviewer, Answer("no_category_fits")).kind == "no_category_fits"


def test_truth_on_a_category_stays_when_it_is_retired(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a", "b")
    first = judge(claim(stream, reviewer), reviewer, Answer("category", ("account_unlock",)))
    change_taxonomy(stream)
    assert truths() == [("category", ["account_unlock"], 1.0, False, "hold")]
    again = undo_verdict(verdict_id=first.id, reviewer=reviewer)
    judge(again, reviewer, Answer("category", ("printer",)))
    assert truths() == [("category", ["printer"], 1.0, False, "hold")]


def test_verdict_of_somebody_else_is_late(
    stream: Stream, reviewer: User, second_reviewer: User
) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    with pytest.raises(LateVerdictError):
        judge(task, second_reviewer)
    assert Verdict.objects.count() == 0


def test_verdict_query_count(
    stream: Stream, reviewer: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    post_held(stream, "a", "b")
    judge(claim(stream, reviewer), reviewer)
    task = claim(stream, reviewer)
    with django_assert_num_queries(6):
        judge(task, reviewer)


def test_undo_gives_the_task_back(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    task = claim(stream, reviewer)
    verdict = judge(task, reviewer)
    again = undo_verdict(verdict_id=verdict.id, reviewer=reviewer)

    assert (again.id, again.state) == (task.id, "claimed")
    assert again.lease_token not in (None, task.lease_token)
    assert truths() == []
    assert Item.objects.get().state == "waiting"
    assert Verdict.objects.live().count() == 0
    second = judge(again, reviewer, Answer("category", ("account_unlock",)))
    assert truths() == [("category", ["account_unlock"], 1.0, False, "hold")]
    assert [v.id for v in Verdict.objects.live()] == [second.id]
    assert second.supersedes is not None
    assert second.supersedes.supersedes_id == verdict.id
    assert GroundTruth.objects.count() == 2


def test_undo_after_the_window(stream: Stream, reviewer: User) -> None:
    Stream.objects.update(undo_seconds=0)
    stream.refresh_from_db()
    post_held(stream, "a")
    verdict = judge(claim(stream, reviewer), reviewer)
    with pytest.raises(UndoWindowPassedError):
        undo_verdict(verdict_id=verdict.id, reviewer=reviewer)
    assert published_verdict(Item.objects.get()) == verdict


def test_undo_twice_or_by_another(stream: Stream, reviewer: User, second_reviewer: User) -> None:
    post_held(stream, "a")
    verdict = judge(claim(stream, reviewer), reviewer)
    with pytest.raises(UndoWindowPassedError):
        undo_verdict(verdict_id=verdict.id, reviewer=second_reviewer)
    undo_verdict(verdict_id=verdict.id, reviewer=reviewer)
    with pytest.raises(UndoWindowPassedError):
        undo_verdict(verdict_id=verdict.id, reviewer=reviewer)


def test_undo_of_cannot_judge_until_the_expert_begins(
    stream: Stream, reviewer: User, expert: User
) -> None:
    post_held(stream, "a", "b")
    for begun in (False, True):
        verdict = judge(claim(stream, reviewer), reviewer, Answer("cannot_judge"))
        if begun:
            claim(stream, expert, "escalated")
            with pytest.raises(UndoWindowPassedError):
                undo_verdict(verdict_id=verdict.id, reviewer=reviewer)
        else:
            judge(undo_verdict(verdict_id=verdict.id, reviewer=reviewer), reviewer)
            assert ReviewTask.objects.filter(queue="escalated").count() == 0


def test_unpublished_verdict_is_not_told(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    verdict = judge(claim(stream, reviewer), reviewer)
    item = Item.objects.get()

    assert verdict.published_at > timezone.now()
    assert published_verdict(item) is None


def wait_until_somebody_waits_for_a_lock() -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waited for a lock within a minute")


@pytest.mark.django_db(transaction=True)
def test_undo_does_not_remove_the_seat_that_an_expert_claims_meanwhile() -> None:
    stream = make_bare_stream()
    publish_worked_policy(stream)
    reviewer = make_person("rita", stream, "reviewer")
    expert = make_person("erin", stream, "expert")
    post_held(stream, "a")
    verdict = judge(claim(stream, reviewer), reviewer, Answer("cannot_judge"))

    def undo() -> bool:
        try:
            undo_verdict(verdict_id=verdict.id, reviewer=reviewer)
        except UndoWindowPassedError:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            seat = claim(stream, expert, "escalated")
            undone = threads.submit(undo)
            wait_until_somebody_waits_for_a_lock()
        assert undone.result() is False
    assert judge(seat, expert).task_id == seat.id


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer("category"), "Choose exactly one category."),
        (Answer("ambiguous", ("vpn_issue",)), "Mark at least two categories that would do."),
        (Answer("cannot_judge", ("vpn_issue",)), "This answer names no category."),
        (
            Answer("ambiguous", ("vpn_issue", "vpn_issue")),
            "A category was named twice; name each once.",
        ),
        (Answer("nonsense"), "“%(kind)s” is no answer; choose one of the form."),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_in_the_readers_language(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, answer: Answer, words: str
) -> None:
    catalogue = trans_real.translation("de")._catalog  # type: ignore[attr-defined]
    monkeypatch.setitem(catalogue._catalogs[0], words, "Übersetzt.")
    with translation.override("de"), pytest.raises(VerdictError) as raised:
        check_answer(answer, stream)
    assert str(raised.value) == "Übersetzt."
