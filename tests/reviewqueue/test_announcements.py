"""What is announced in the transaction of a verdict, and what an undo withdraws."""

import json

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from calibration.models import GroundTruth
from reviewqueue.batch_claims import claim_batch
from reviewqueue.batches import undo_batch
from reviewqueue.intake import decide_only, take_in
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.overturns import overturn_verdict, undo_overturn
from reviewqueue.seats import open_audit_seats
from reviewqueue.sequencer import sequence_due
from reviewqueue.verdicts import Answer, UndoWindowPassedError, undo_verdict
from reviewqueue.webhook_models import Webhook, default_events
from routing.items import Post
from routing.models import Announcement, Decision, Item, Stream
from tests import scenes
from tests.calibration.cohorts import NOON, make_audited_stream, post_items
from tests.reviewqueue.test_batch_claims import post_flagged
from tests.reviewqueue.test_batches import confirm
from tests.reviewqueue.test_claims import claim, post_held
from tests.reviewqueue.test_overturns import INCIDENT, make_settled, set_window
from tests.reviewqueue.test_verdicts import VPN, judge
from tests.scenes import HELD, make_bare_stream, make_person, publish

UNLOCK = Answer("category", ("account_unlock",))


def of_items() -> list[Announcement]:
    return list(Announcement.objects.filter(item__isnull=False).order_by("id"))


def kinds() -> list[str]:
    return [row.kind for row in of_items()]


def fall_due() -> None:
    """As if the undo windows of what is announced were over for the sequencer alone."""
    Announcement.objects.filter(position=None).update(due_at=timezone.now())


def test_verdict_that_settles_is_announced_when_it_is_published(
    stream: Stream, reviewer: User
) -> None:
    """label-studio#4831, no event when a task is complete."""
    post_held(stream, "a")
    verdict = judge(claim(stream, reviewer), reviewer)
    [row] = of_items()
    decision = Decision.objects.get()
    assert (row.kind, row.stream, row.item_id) == ("item.settled", stream, verdict.item_id)
    assert (row.subject_id, row.due_at) == (verdict.id, verdict.published_at)
    assert (row.position, row.sequence, row.withdrawn_at) == (None, None, None)
    assert row.data == {
        "stream": "helpdesk",
        "verdict": {
            "id": str(verdict.id),
            "kind": "category",
            "categories": ["vpn_issue"],
            "answered_at": verdict.answered_at.isoformat(),
        },
        "decision": {
            "id": str(decision.id),
            "queue": "hold",
            "action": "wait",
            "category": None,
            "predicted": "account_unlock",
        },
        "agrees": False,
        "seat": "hold",
        "published_at": verdict.published_at.isoformat(),
    }


def test_undo_withdraws_and_the_next_answer_is_announced(stream: Stream, reviewer: User) -> None:
    post_held(stream, "a")
    first = judge(claim(stream, reviewer), reviewer)
    task = undo_verdict(verdict_id=first.id, reviewer=reviewer)
    assert [row.withdrawn_at is None for row in of_items()] == [False]
    second = judge(task, reviewer, UNLOCK)
    assert [row.subject_id for row in of_items()] == [first.id, second.id]
    fall_due()
    assert sequence_due(stream.id) == 2  # with the policy that was published
    assert [(row.sequence, row.withdrawn_at is None) for row in of_items()] == [
        (None, False),
        (1, True),
    ]


def test_undo_of_what_was_told_is_too_late_and_changes_nothing(
    stream: Stream, reviewer: User
) -> None:
    post_held(stream, "a")
    verdict = judge(claim(stream, reviewer), reviewer)
    fall_due()
    sequence_due(stream.id)
    with pytest.raises(UndoWindowPassedError):
        undo_verdict(verdict_id=verdict.id, reviewer=reviewer)
    assert GroundTruth.objects.current().get().verdict_id == verdict.id
    assert (Item.objects.get().state, ReviewTask.objects.get().state) == ("settled", "answered")
    assert [row.withdrawn_at for row in of_items()] == [None]


def test_cannot_judge_tells_nothing_until_an_expert_has_judged(
    stream: Stream, reviewer: User, expert: User
) -> None:
    post_held(stream, "a")
    judge(claim(stream, reviewer), reviewer, Answer("cannot_judge"))
    assert kinds() == []
    judge(claim(stream, expert, "escalated"), expert, Answer("cannot_judge"))
    [row] = of_items()
    assert (row.kind, row.data["verdict"]["kind"], row.data["seat"]) == (
        "item.settled",
        "cannot_judge",
        "escalated",
    )


def test_second_of_two_seats_is_what_is_announced_and_the_first_s_undo_withdraws_it(
    db: None,
) -> None:
    stream = make_bare_stream(double_rate=1.0)
    publish(stream, auto=0.99, flagged=0.99, hold=0.0)
    rita, sam = (make_person(name, stream, "reviewer") for name in ("rita", "sam"))
    post_held(stream, "a")
    one, other = claim(stream, rita), claim(stream, sam)
    first = judge(one, rita)
    assert kinds() == []
    second = judge(other, sam)
    assert [(row.kind, row.subject_id) for row in of_items()] == [("item.settled", second.id)]
    undo_verdict(verdict_id=first.id, reviewer=rita)
    assert [row.withdrawn_at is None for row in of_items()] == [False]


def test_overturn_is_announced_with_what_stood_before(stream: Stream, reviewer: User) -> None:
    first = make_settled(stream, reviewer)
    sequence_due(stream.id)
    made = overturn_verdict(verdict_id=first.id, by=reviewer, answer=INCIDENT)
    settled, overturned = of_items()
    assert (settled.kind, overturned.kind) == ("item.settled", "item.overturned")
    assert (overturned.subject_id, overturned.due_at) == (made.id, made.published_at)
    assert overturned.data["verdict"]["categories"] == ["security_incident"]
    assert overturned.data["overturned"] == {
        "id": str(first.id),
        "kind": "category",
        "categories": ["vpn_issue"],
        "answered_at": first.answered_at.isoformat(),
    }
    fall_due()
    sequence_due(stream.id)
    assert [row.sequence for row in of_items()] == [1, 2]


def test_undone_overturn_tells_nothing_more(stream: Stream, reviewer: User) -> None:
    first = make_settled(stream, reviewer)
    made = overturn_verdict(verdict_id=first.id, by=reviewer, answer=INCIDENT)
    undo_overturn(verdict_id=made.id, by=reviewer)
    assert [(row.kind, row.withdrawn_at is None) for row in of_items()] == [
        ("item.settled", True),
        ("item.overturned", False),
    ]
    again = overturn_verdict(
        verdict_id=Verdict.objects.live().get().id, by=reviewer, answer=INCIDENT
    )
    fall_due()
    sequence_due(stream.id)
    with pytest.raises(UndoWindowPassedError):
        undo_overturn(verdict_id=again.id, by=reviewer)
    assert list(Verdict.objects.live()) == [again]


def test_table_announces_each_row_and_its_undo_withdraws_all_or_none(db: None) -> None:
    stream = scenes.make_stream(undo_seconds=3600)
    reviewer = make_person("rita", stream, "reviewer")
    post_flagged(stream, "a", "b", "c")
    tasks = claim_batch(user=reviewer, stream=stream)
    done = confirm(tasks, reviewer, corrections={tasks[1].id: UNLOCK})
    assert kinds() == ["item.settled"] * 3
    agrees = {row.item_id: row.data["agrees"] for row in of_items()}
    assert [agrees[task.item_id] for task in tasks] == [True, False, True]
    assert of_items()[0].data["decision"]["action"] == "act_and_review"
    undo_batch(batch=done.batch, user=reviewer)
    assert [row.withdrawn_at is None for row in of_items()] == [False] * 3

    held = list(ReviewTask.objects.filter(state="claimed").select_related("stream"))
    again = confirm(held, reviewer)
    Announcement.objects.filter(id=of_items()[-1].id).update(due_at=timezone.now())
    sequence_due(stream.id)
    with pytest.raises(UndoWindowPassedError):
        undo_batch(batch=again.batch, user=reviewer)
    assert [row.withdrawn_at is None for row in of_items()[3:]] == [True] * 3
    assert Item.objects.filter(state="settled").count() == 3


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer("category", ("account_unlock",)), ["item.settled"]),
        (Answer("ambiguous", ("vpn_issue", "account_unlock")), ["item.settled"]),
        (VPN, ["item.settled", "audit.overturned"]),
        (Answer("no_category_fits"), ["item.settled", "audit.overturned"]),
    ],
)
def test_audit_that_contradicts_an_automatic_action_says_so(
    db: None, answer: Answer, told: list[str]
) -> None:
    stream = make_audited_stream()
    reviewer = make_person("rita", stream, "reviewer")
    post_items(stream, 1, confidence=0.95)
    open_audit_seats(stream=stream, at=NOON)
    judge(claim(stream, reviewer, "audit"), reviewer, answer)
    assert kinds() == told
    assert of_items()[0].data == of_items()[-1].data


def test_overturn_of_an_audit_that_had_agreed_says_so_too(db: None) -> None:
    stream = make_audited_stream()
    reviewer = make_person("rita", stream, "reviewer")
    post_items(stream, 1, confidence=0.95)
    open_audit_seats(stream=stream, at=NOON)
    set_window(stream, 0)
    verdict = judge(claim(stream, reviewer, "audit"), reviewer, UNLOCK)
    set_window(stream, 3600)
    made = overturn_verdict(verdict_id=verdict.id, by=reviewer, answer=INCIDENT)
    assert kinds() == ["item.settled", "item.overturned", "audit.overturned"]
    undo_overturn(verdict_id=made.id, by=reviewer)
    assert [row.withdrawn_at is None for row in of_items()] == [True, False, False]


def test_routing_is_announced_to_who_asks_for_it(stream: Stream) -> None:
    post_held(stream, "a")
    assert kinds() == []
    webhook = Webhook.objects.create(
        stream=stream, url="https://example.com/", events=[*default_events(), "item.routed"]
    )
    post_held(stream, "b")
    post_held(stream, "b")  # the same again: known, and told of once
    [row] = of_items()
    decision = Decision.objects.get(item__external_id="b")
    assert (row.kind, row.item_id, row.subject_id) == (
        "item.routed",
        decision.item_id,
        decision.id,
    )
    assert row.data == {
        "stream": "helpdesk",
        "decision": {
            "id": str(decision.id),
            "queue": "hold",
            "action": "wait",
            "category": None,
            "predicted": "account_unlock",
        },
        "confidence": decision.confidence,
        "policy_version": 1,
    }
    decide_only(stream=stream, posts=[Post("c", {"body": "c"}, HELD)])
    take_in(stream=stream, posts=[Post("d", {"body": "d"}, HELD)], labelled=True)
    Webhook.objects.filter(id=webhook.id).update(state="disabled")
    post_held(stream, "e")
    assert len(of_items()) == 1


def test_publication_is_announced(stream: Stream) -> None:
    policy = publish(stream, auto=0.95)
    first, second = Announcement.objects.order_by("id")
    assert (first.kind, first.data["version"]) == ("policy.published", 1)
    assert (second.subject_id, second.item_id, second.data) == (
        policy.id,
        None,
        {
            "stream": "helpdesk",
            "policy": str(policy.id),
            "version": 2,
            "categories": ["account_unlock", "vpn_issue", "security_incident"],
        },
    )


def test_outbox_holds_no_word_of_the_payload_or_of_people(stream: Stream, reviewer: User) -> None:
    Webhook.objects.create(
        stream=stream, url="https://example.com/", events=[*default_events(), "item.routed"]
    )
    scores = {"account_unlock": 0.576, "vpn_issue": 0.386, "security_incident": 0.038}
    scenes.post(stream, "HD-1", scores=scores, payload={"canary-key": "canary-payload"})
    answer = Answer("no_category_fits", (), "canary-name", "canary-comment")
    set_window(stream, 0)
    verdict = judge(claim(stream, reviewer), reviewer, answer)
    again = Answer("category", ("vpn_issue",), comment="canary-reason")
    overturn_verdict(verdict_id=verdict.id, by=reviewer, answer=again)
    sequence_due(stream.id)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(string_agg(row_to_json(a)::text, ' '), '') FROM routing_announcement a"
        )
        told = cursor.fetchone()[0]
        cursor.execute("SELECT json_agg(row_to_json(d)) FROM reviewqueue_delivery d")
        told += json.dumps(cursor.fetchone()[0])
    assert kinds() == ["item.routed", "item.settled", "item.overturned"]
    assert "canary" not in told
