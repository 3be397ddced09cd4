"""Overturns: what they settle anew, what their undo brings back, and what is refused."""

from concurrent.futures import ThreadPoolExecutor

import pgtrigger
import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.utils import timezone

from calibration.models import GroundTruth
from reviewqueue.access import verdicts_overturnable_by
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.overturns import (
    NotOverturnableError,
    may_be_overturned,
    overturn_verdict,
    undo_overturn,
)
from reviewqueue.settlements import published_verdict
from reviewqueue.verdicts import (
    Answer,
    UndoWindowPassedError,
    VerdictError,
    undo_verdict,
)
from routing.models import Event, Item, Stream
from tests.reviewqueue.test_claims import claim, post_held
from tests.reviewqueue.test_verdicts import (
    judge,
    truths,
    wait_until_somebody_waits_for_a_lock,
)
from tests.scenes import make_bare_stream, make_person, publish_worked_policy

INCIDENT = Answer("category", ("security_incident",), comment="They named a phishing mail.")


def make_settled(stream: Stream, reviewer: User, answer: Answer | None = None) -> Verdict:
    """A held item, answered and published; from now on the undo window is an hour."""
    set_window(stream, 0)
    post_held(stream, "a")
    answer = answer or Answer("category", ("vpn_issue",))
    verdict = judge(claim(stream, reviewer), reviewer, answer)
    set_window(stream, 3600)
    return verdict


def set_window(stream: Stream, seconds: int) -> None:
    Stream.objects.filter(id=stream.id).update(undo_seconds=seconds)
    stream.refresh_from_db()


def test_overturn_settles_the_item_anew_with_the_seats_own_chance(
    stream: Stream, reviewer: User, expert: User
) -> None:
    first = make_settled(stream, reviewer)
    with pgtrigger.ignore():
        GroundTruth.objects.update(pi=0.25, blind=True)
    made = overturn_verdict(verdict_id=first.id, by=expert, answer=INCIDENT, active_ms=2000)

    assert truths() == [("category", ["security_incident"], 0.25, True, "hold")]
    label = GroundTruth.objects.current().get()
    assert (label.verdict_id, label.settled_at) == (made.id, made.answered_at)
    assert GroundTruth.objects.exclude(superseded_at=None).get().superseded_at == made.answered_at
    item = Item.objects.get()
    assert (item.state, item.settled_at) == ("settled", made.answered_at)
    assert (made.supersedes, made.task_id, made.reviewer) == (first, first.task_id, expert)
    assert (made.blind, made.confirms, made.active_ms) == (False, False, 2000)
    assert made.published_at == made.answered_at + stream.undo_window
    assert ReviewTask.objects.get().state == "answered"
    [event] = Event.objects.filter(kind="verdict.overturned")
    assert (event.subject_id, event.actor) == (item.id, expert)
    assert event.data == {"verdict": str(made.id), "overturned": str(first.id), "queue": "hold"}


def test_upstream_knows_the_old_answer_until_the_window_is_over(
    stream: Stream, reviewer: User
) -> None:
    first = make_settled(stream, reviewer)
    item = Item.objects.get()
    overturn_verdict(verdict_id=first.id, by=reviewer, answer=INCIDENT)
    assert published_verdict(item) == first


def test_overturn_is_told_when_its_window_is_over(stream: Stream, reviewer: User) -> None:
    first = make_settled(stream, reviewer)
    set_window(stream, 0)
    made = overturn_verdict(verdict_id=first.id, by=reviewer, answer=INCIDENT)
    assert published_verdict(Item.objects.get()) == made
    again = Answer("no_category_fits", (), "Phishing", "It is none of these.")
    last = overturn_verdict(verdict_id=made.id, by=reviewer, answer=again)
    assert truths() == [("no_category_fits", [], 1.0, False, "hold")]
    assert (last.proposed_name, last.comment) == ("Phishing", "It is none of these.")


def test_undone_overturn_brings_the_earlier_answer_back(
    stream: Stream, reviewer: User, expert: User
) -> None:
    first = make_settled(stream, reviewer)
    made = overturn_verdict(verdict_id=first.id, by=expert, answer=INCIDENT)
    back = undo_overturn(verdict_id=made.id, by=expert)

    assert (back.supersedes, back.reviewer, back.categories) == (made, reviewer, ["vpn_issue"])
    assert (back.answered_at, back.published_at) == (first.answered_at, first.published_at)
    assert list(Verdict.objects.live()) == [back]
    assert truths() == [("category", ["vpn_issue"], 1.0, False, "hold")]
    item = Item.objects.get()
    assert (item.state, item.settled_at) == ("settled", first.answered_at)
    assert published_verdict(item) == back
    [event] = Event.objects.filter(kind="verdict.overturn_undone")
    assert (event.actor, event.data["verdict"]) == (expert, str(back.id))
    assert may_be_overturned(back) is True
    with pytest.raises(UndoWindowPassedError):
        undo_overturn(verdict_id=made.id, by=expert)


def test_undo_of_an_overturn_by_another_or_too_late(
    stream: Stream, reviewer: User, expert: User
) -> None:
    first = make_settled(stream, reviewer)
    made = overturn_verdict(verdict_id=first.id, by=expert, answer=INCIDENT)
    with pytest.raises(UndoWindowPassedError):
        undo_overturn(verdict_id=made.id, by=reviewer)
    set_window(stream, 0)
    late = Answer("category", ("account_unlock",), comment="After all.")
    second = overturn_of_published(made, expert, late)
    with pytest.raises(UndoWindowPassedError):
        undo_overturn(verdict_id=second.id, by=expert)


def overturn_of_published(verdict: Verdict, by: User, answer: Answer) -> Verdict:
    """Bring the overturn's answer back first: one that can be undone is not overturned."""
    back = undo_overturn(verdict_id=verdict.id, by=by)
    return overturn_verdict(verdict_id=back.id, by=by, answer=answer)


def test_overturn_gives_no_task_back(stream: Stream, reviewer: User) -> None:
    first = make_settled(stream, reviewer)
    made = overturn_verdict(verdict_id=first.id, by=reviewer, answer=INCIDENT)
    with pytest.raises(UndoWindowPassedError):
        undo_verdict(verdict_id=made.id, reviewer=reviewer)
    assert ReviewTask.objects.get().state == "answered"


def test_expert_who_could_not_judge_is_overturned(
    stream: Stream, reviewer: User, expert: User
) -> None:
    set_window(stream, 0)
    post_held(stream, "a")
    judge(claim(stream, reviewer), reviewer, Answer("cannot_judge"))
    last = judge(claim(stream, expert, "escalated"), expert, Answer("cannot_judge"))
    assert truths() == [("uncertain", [], 1.0, False, "escalated")]
    set_window(stream, 3600)
    made = overturn_verdict(verdict_id=last.id, by=expert, answer=INCIDENT)
    assert truths() == [("category", ["security_incident"], 1.0, False, "escalated")]
    undo_overturn(verdict_id=made.id, by=expert)
    assert truths() == [("uncertain", [], 1.0, False, "escalated")]


@pytest.mark.parametrize(
    ("answer", "field", "words"),
    [
        (Answer("category", ("security_incident",)), "comment", "Say why"),
        (Answer("category", ("security_incident",), comment="  "), "comment", "Say why"),
        (Answer("category", ("vpn_issue",), comment="Sure."), "categories", "answer already"),
        (Answer("cannot_judge", comment="Hm."), "categories", "says what the answer is"),
        (Answer("category", ("printer",), comment="New."), "categories", "no category of"),
    ],
)
def test_overturns_that_say_nothing(
    stream: Stream, reviewer: User, answer: Answer, field: str, words: str
) -> None:
    first = make_settled(stream, reviewer)
    with pytest.raises(VerdictError, match=words) as refused:
        overturn_verdict(verdict_id=first.id, by=reviewer, answer=answer)
    assert refused.value.field == field
    assert list(Verdict.objects.live()) == [first]


def test_same_categories_in_another_order_are_the_same_answer(
    stream: Stream, reviewer: User
) -> None:
    first = make_settled(stream, reviewer, Answer("ambiguous", ("vpn_issue", "account_unlock")))
    same = Answer("ambiguous", ("account_unlock", "vpn_issue"), comment="Again.")
    with pytest.raises(VerdictError, match="That is the answer already"):
        overturn_verdict(verdict_id=first.id, by=reviewer, answer=same)


def test_verdict_that_can_be_undone_is_not_overturned(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    verdict = judge(claim(stream, reviewer), reviewer)
    assert may_be_overturned(verdict) is False
    with pytest.raises(NotOverturnableError, match="can still be undone"):
        overturn_verdict(verdict_id=verdict.id, by=reviewer, answer=INCIDENT)


def test_verdict_that_did_not_settle_its_item_is_not_overturned(
    stream: Stream, reviewer: User
) -> None:
    set_window(stream, 0)
    post_held(stream, "a")
    passed_on = judge(claim(stream, reviewer), reviewer, Answer("cannot_judge"))
    assert may_be_overturned(passed_on) is False
    with pytest.raises(NotOverturnableError, match="not what the item was settled by"):
        overturn_verdict(verdict_id=passed_on.id, by=reviewer, answer=INCIDENT)


def test_overturned_verdict_is_not_overturned_again(stream: Stream, reviewer: User) -> None:
    first = make_settled(stream, reviewer)
    overturn_verdict(verdict_id=first.id, by=reviewer, answer=INCIDENT)
    assert may_be_overturned(first) is False
    with pytest.raises(NotOverturnableError, match="changed this verdict meanwhile"):
        overturn_verdict(verdict_id=first.id, by=reviewer, answer=INCIDENT)


def test_own_verdicts_by_anybody_and_all_by_role(stream: Stream, reviewer: User) -> None:
    first = make_settled(stream, reviewer)
    people = {
        role: make_person(role, stream, role)
        for role in ("reviewer", "analyst", "adjudicator", "expert", "stream_admin")
    }
    may = [role for role, one in people.items() if first in verdicts_overturnable_by(one)]
    assert may == ["adjudicator", "expert", "stream_admin"]
    assert list(verdicts_overturnable_by(reviewer)) == [first]
    assert list(verdicts_overturnable_by(make_person("root", is_superuser=True))) == [first]
    other = make_bare_stream("other")
    assert list(verdicts_overturnable_by(make_person("eve", other, "expert"))) == []
    reviewer.memberships.all().delete()
    assert list(verdicts_overturnable_by(reviewer)) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_overturns_at_once_one_stands() -> None:
    stream = make_bare_stream()
    publish_worked_policy(stream)
    reviewer = make_person("rita", stream, "reviewer")
    expert = make_person("erin", stream, "expert")
    first = make_settled(stream, reviewer)

    def overturn() -> str:
        try:
            overturn_verdict(verdict_id=first.id, by=expert, answer=INCIDENT)
        except NotOverturnableError as error:
            return str(error)
        finally:
            connections.close_all()
        return "stands"

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            made = overturn_verdict(verdict_id=first.id, by=reviewer, answer=INCIDENT)
            other = threads.submit(overturn)
            wait_until_somebody_waits_for_a_lock()
        assert "changed this verdict meanwhile" in other.result()
    assert list(Verdict.objects.live()) == [made]
    assert made.published_at > timezone.now()
