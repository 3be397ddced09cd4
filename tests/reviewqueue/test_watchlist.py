"""Watch lists: which decisions are on them, which are left out, and what a page costs."""

from collections.abc import Mapping

import pytest
from django.contrib.auth.models import User
from django.db import connection

from calibration.models import AuditDraw
from reviewqueue import watchlist
from reviewqueue.claims import claim_next
from reviewqueue.intake import Taken, take_in
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.verdicts import Answer, record_verdict
from reviewqueue.watchlist import find_watched, read_watched
from routing.ids import uuid7
from routing.items import Post
from routing.models import Decision, Stream
from tests import scenes

# Held by its margin, flagged by its level, refused; the incident is not predicted in any.
HELD = {"vpn_issue": 0.52, "account_unlock": 0.10, "security_incident": 0.38}
LIKELY = {"vpn_issue": 0.72, "account_unlock": 0.02, "security_incident": 0.26}
VAGUE = {"vpn_issue": 0.40, "account_unlock": 0.34, "security_incident": 0.26}
UNWATCHED = {"vpn_issue": 0.52, "account_unlock": 0.31, "security_incident": 0.17}


@pytest.fixture
def stream(db: None) -> Stream:
    return make_watching_stream()


@pytest.fixture
def reviewer(stream: Stream) -> User:
    return scenes.make_person("rita", stream, "reviewer")


def rita() -> User:
    """The reviewer, or somebody without a role where there is none."""
    return User.objects.get_or_create(username="rita")[0]


def make_watching_stream(**fields: object) -> Stream:
    """Security incidents are watched from 0.25, and nothing is drawn for an audit."""
    return scenes.make_stream(
        watch={"security_incident": 0.25},
        **{"audit_rate": 0.0, "bulk_label_rate": 0.0} | fields,  # type: ignore[arg-type]
    )


def post(stream: Stream, name: str, scores: Mapping[str, float] = HELD) -> Decision:
    made = Post(name, {"subject": f"Ticket {name}", "body": "It drops."}, scores)
    taken = take_in(stream=stream, posts=[made])[0]
    assert isinstance(taken, Taken), taken
    return Decision.objects.get(item=taken.item_id)


def judge(stream: Stream, user: User) -> Verdict:
    """The user calls the next held item an incident."""
    task = claim_next(user=user, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    return record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=user,
        answer=Answer("category", ["security_incident"]),
    )


def blind(decision: Decision) -> None:
    """Let the item's seats be judged blind."""
    ReviewTask.objects.filter(item=decision.item_id).update(blind=True)


def listed_names(stream: Stream) -> list[str]:
    page = read_watched(viewer=rita(), stream=stream)
    assert page.older is None
    return [entry.decision.item.external_id for entry in page.entries]


def test_item_drawn_for_an_audit_is_left_out_before_its_seat_opens(db: None) -> None:
    stream = make_watching_stream(audit_rate=1.0)
    decision = post(stream, "refused", VAGUE)
    assert AuditDraw.objects.filter(decision=decision, opened_at=None).count() == 1
    assert listed_names(stream) == []
    assert find_watched(viewer=rita(), stream=stream, decision_id=decision.id) is None


def test_flagged_item_drawn_for_the_blind_sample_is_left_out(db: None) -> None:
    stream = make_watching_stream(bulk_label_rate=1.0)
    post(stream, "drawn", LIKELY)
    assert listed_names(stream) == []


def test_verdict_is_left_out_while_another_seat_is_open(stream: Stream, reviewer: User) -> None:
    Stream.objects.update(undo_seconds=0)
    stream.refresh_from_db()
    decision = post(stream, "twice")
    verdict = judge(stream, reviewer)
    [entry] = read_watched(viewer=rita(), stream=stream).entries
    assert (entry.verdict, entry.seat_queue) == (verdict, "")
    first = ReviewTask.objects.get(item=decision.item_id)
    ReviewTask.objects.create(
        stream=stream,
        item_id=decision.item_id,
        decision=decision,
        queue="escalated",
        seat=2,
        due_at=first.due_at,
    )
    [entry] = read_watched(viewer=rita(), stream=stream).entries
    assert (entry.verdict, entry.seat_queue) == (None, "escalated")


def test_item_decided_again_is_listed_once_by_its_latest_decision(stream: Stream) -> None:
    first = post(stream, "again")
    again = Decision.objects.get(id=first.id)
    again.id = uuid7()
    again.save(force_insert=True)
    assert [entry.decision.id for entry in read_watched(viewer=rita(), stream=stream).entries] == [
        again.id
    ]
    assert find_watched(viewer=rita(), stream=stream, decision_id=first.id) is None


def test_item_whose_latest_decision_is_off_the_list_is_off_it(stream: Stream) -> None:
    again = Decision.objects.get(id=post(stream, "again").id)
    again.id, again.watch = uuid7(), []
    again.save(force_insert=True)
    assert listed_names(stream) == []


def test_filter_that_few_pass_looks_no_further_than_its_bound(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchlist, "LOOKED_AT", 3)
    flagged = post(stream, "flagged", LIKELY)
    held = [post(stream, str(number)) for number in range(4)]
    page = read_watched(viewer=rita(), stream=stream, stage="acted")
    assert (page.entries, page.older) == ((), held[1].id)
    page = read_watched(viewer=rita(), stream=stream, stage="acted", before=page.older)
    assert [entry.decision.id for entry in page.entries] == [flagged.id]
    assert page.older is None


def test_page_reads_the_index_of_the_watch_list(stream: Stream) -> None:
    post(stream, "a")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    page = watchlist._watched(stream).order_by("-id")[: watchlist.PAGE]
    assert "Index Scan using decision_watched" in page.explain()
