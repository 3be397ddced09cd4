"""Opening the audit seats of what the keyed hash has drawn."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from calibration.models import AuditDraw, GroundTruth, JobRun
from reviewqueue.claims import claim_next
from reviewqueue.models import ReviewTask
from reviewqueue.seats import open_audit_seats
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Category, Decision, Event, Item, Stream
from tests.calibration.cohorts import NOON, make_audited_stream, post_items
from tests.scenes import KEYS, make_person

pytestmark = pytest.mark.django_db

WEEK = timedelta(days=7)


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


def audit_tasks(stream: Stream) -> list[ReviewTask]:
    return list(ReviewTask.objects.filter(stream=stream, queue="audit").order_by("item__id"))


def test_drawn_items_get_a_blind_seat_due_in_a_week(stream: Stream) -> None:
    Category.objects.filter(stream=stream, key=KEYS[1]).update(audit_rate=0.999)
    acted = post_items(stream, 2, confidence=0.95)
    acted += post_items(stream, 1, confidence=0.95, predicted=KEYS[1])
    done = open_audit_seats(stream=stream, at=NOON)
    assert done is not None
    assert (done.job, done.period) == ("weekly_audit", "2026-W47")
    assert done.result == {"drawn": 3, "opened": 3, "settled": 0, "seated": 0}
    tasks = audit_tasks(stream)
    assert [task.decision_id for task in tasks] == [decision.id for decision in acted]
    assert [task.pi for task in tasks] == [1.0, 1.0, 0.999]
    for task in tasks:
        assert (task.blind, task.state, task.seat) == (True, "open", 1)
        assert (task.opened_at, task.due_at) == (NOON, NOON + WEEK)
    assert list(AuditDraw.objects.values_list("opened_at", flat=True)) == [NOON] * 3
    event = Event.objects.get(kind="audit.opened")
    assert (event.stream_id, event.data["counts"]) == (stream.id, done.result)


def test_week_is_opened_once_and_the_next_opens_what_came_later(stream: Stream) -> None:
    post_items(stream, 2, confidence=0.95)
    assert open_audit_seats(stream=stream, at=NOON) is not None
    later = NOON + timedelta(hours=1)
    post_items(stream, 3, confidence=0.95, at=later)
    assert open_audit_seats(stream=stream, at=later) is None
    assert len(audit_tasks(stream)) == 2
    done = open_audit_seats(stream=stream, at=NOON + WEEK)
    assert done is not None
    assert (done.period, done.result["opened"]) == ("2026-W48", 3)
    assert len(audit_tasks(stream)) == 5


def test_week_with_nothing_drawn_stays_open(stream: Stream) -> None:
    post_items(stream, 2, confidence=0.55)  # held: seats of their own, no draw
    assert open_audit_seats(stream=stream, at=NOON) is None
    assert not JobRun.objects.exists()
    post_items(stream, 1, confidence=0.95)
    done = open_audit_seats(stream=stream, at=NOON)
    assert done is not None
    assert done.result["opened"] == 1


def test_draws_of_the_future_wait(stream: Stream) -> None:
    post_items(stream, 2, confidence=0.95, at=NOON + timedelta(minutes=1))
    assert open_audit_seats(stream=stream, at=NOON) is None


def test_refused_items_are_audited_too(stream: Stream) -> None:
    (refused,) = post_items(stream, 1, confidence=0.45)
    assert refused.action == Decision.Action.REFUSE
    open_audit_seats(stream=stream, at=NOON)
    assert [task.decision_id for task in audit_tasks(stream)] == [refused.id]


def test_settled_and_seated_items_are_ticked_off_without_a_seat(stream: Stream) -> None:
    settled, seated, free = post_items(stream, 3, confidence=0.95)
    Item.objects.filter(id=settled.item_id).update(state="settled", settled_at=NOON)
    ReviewTask.objects.create(
        stream=stream, item_id=seated.item_id, decision=seated, queue="hold", pi=1.0, due_at=NOON
    )
    done = open_audit_seats(stream=stream, at=NOON)
    assert done is not None
    assert done.result == {"drawn": 3, "opened": 1, "settled": 1, "seated": 1}
    assert [task.item_id for task in audit_tasks(stream)] == [free.item_id]
    assert not AuditDraw.objects.filter(opened_at=None).exists()


def test_other_streams_are_left_alone(stream: Stream) -> None:
    other = make_audited_stream("other")
    post_items(other, 2, confidence=0.95)
    post_items(stream, 1, confidence=0.95)
    open_audit_seats(stream=stream, at=NOON)
    assert (len(audit_tasks(stream)), len(audit_tasks(other))) == (1, 0)
    assert open_audit_seats(stream=other, at=NOON) is not None


def test_statement_count_does_not_grow_with_the_sample(stream: Stream) -> None:
    def count_queries(week: int) -> int:
        with CaptureQueriesContext(connection) as context:
            assert open_audit_seats(stream=stream, at=NOON + week * WEEK) is not None
        return len(context)

    post_items(stream, 1, confidence=0.95)
    one = count_queries(0)
    post_items(stream, 300, confidence=0.95)
    assert count_queries(1) == one
    assert len(audit_tasks(stream)) == 301


def test_audit_answer_becomes_a_label_with_the_chance_of_its_draw(stream: Stream) -> None:
    Category.objects.filter(stream=stream, key=KEYS[0]).update(audit_rate=0.5)
    decisions = post_items(stream, 40, confidence=0.95)
    drawn = set(AuditDraw.objects.values_list("decision_id", flat=True))
    assert 0 < len(drawn) < 40
    open_audit_seats(stream=stream, at=NOON)
    assert {task.decision_id for task in audit_tasks(stream)} == drawn
    rita = make_person("rita", stream, "reviewer")
    task = claim_next(user=rita, stream=stream, queue="audit")
    assert task is not None
    assert task.lease_token is not None
    record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=rita,
        answer=Answer("category", [KEYS[1]]),
    )
    truth = GroundTruth.objects.get()
    assert (truth.pi, truth.blind, truth.source) == (0.5, True, "audit")
    assert truth.categories == [KEYS[1]]
    assert truth.decision_id in {decision.id for decision in decisions}
