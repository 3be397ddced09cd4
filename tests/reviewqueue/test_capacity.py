"""The bound on open hold seats: kept under concurrency, and never against anything but hold."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from reviewqueue.access import issue_api_key
from reviewqueue.claims import claim_next
from reviewqueue.deciding import count_free_seats
from reviewqueue.intake import Taken, decide_only, take_in
from reviewqueue.models import ReviewTask
from reviewqueue.verdicts import Answer, record_verdict
from routing.items import Post
from routing.models import Decision, Item, Stream
from routing.replays import Replay, replay_decisions
from tests.conftest import Upstream
from tests.scenes import HELD, LIKELY, SURE, make_bare_stream, make_person, publish

CAPACITY = 3
REFUSED = {"account_unlock": 0.4, "vpn_issue": 0.3, "security_incident": 0.3}
FULL = "no seat in hold is free, so it is answered uncertain at once"


def make_full_stream(capacity: int | None = CAPACITY, **fields: Any) -> Stream:
    stream = make_bare_stream(hold_capacity=capacity)
    publish(stream, min_margin=0.3, **fields)
    return stream


@pytest.fixture
def stream(db: None) -> Stream:
    return make_full_stream()


def make_post(external_id: str, scores: Mapping[str, float] = HELD) -> Post:
    return Post(external_id, {"body": "x"}, scores)


def take(stream: Stream, posts: Sequence[Post]) -> list[Taken]:
    taken = take_in(stream=stream, posts=posts)
    assert all(isinstance(one, Taken) for one in taken), taken
    return [one for one in taken if isinstance(one, Taken)]


def actions(taken: Sequence[Taken]) -> list[str]:
    return [str(one.made.action) for one in taken]


def held(stream: Stream) -> int:
    return ReviewTask.objects.filter(stream=stream, queue="hold").unanswered().count()


def test_a_hold_beyond_the_capacity_is_answered_uncertain(stream: Stream) -> None:
    for number in range(CAPACITY):
        assert actions(take(stream, [make_post(f"t{number}")])) == ["wait"]
    (last,) = take(stream, [make_post("beyond")])
    made = Decision.objects.get(item__external_id="beyond")
    assert (made.queue, made.action, made.at_capacity, made.category) == (
        "reject",
        "refuse",
        True,
        "",
    )
    assert made.reasons[-1] == {"code": "capacity", "message": FULL, "numbers": {}}
    assert (made.id, made.item.state) == (last.decision_id, "routed")
    assert held(stream) == CAPACITY


def test_upstream_is_told_why_with_candidates(stream: Stream) -> None:
    take(stream, [make_post(f"t{number}") for number in range(CAPACITY)])
    _, key = issue_api_key(name="tickets", streams=[stream])
    upstream = Upstream(Client(), key, stream.key)
    body = {"external_id": "beyond", "payload": {"body": "x"}, "scores": HELD}
    answer: dict[str, Any] = json.loads(upstream.post("items", body).content)
    assert (answer["queue"], answer["action"], answer["category"]) == ("reject", "refuse", None)
    assert answer["reasons"][-1] == {"code": "capacity", "message": FULL}
    assert [each["category"] for each in answer["uncertain"]["candidates"]] == [
        "vpn_issue",
        "account_unlock",
        "security_incident",
    ]
    assert json.loads(upstream.post("items", body).content) == answer


def test_a_batch_takes_the_seats_in_its_order(stream: Stream) -> None:
    taken = take(
        stream,
        [
            make_post("a"),
            make_post("b", SURE),
            make_post("c"),
            make_post("d", LIKELY),
            make_post("e"),
            make_post("f"),
            make_post("g", REFUSED),
            make_post("h"),
        ],
    )
    assert actions(taken) == [
        "wait",
        "act",
        "wait",
        "act_and_review",
        "wait",
        "refuse",
        "refuse",
        "refuse",
    ]
    full = Decision.objects.filter(at_capacity=True).values_list("item__external_id", flat=True)
    assert sorted(full) == ["f", "h"]
    assert replay_decisions(stream=stream) == Replay(8, 0)


def test_a_duplicate_takes_no_seat(stream: Stream) -> None:
    take(stream, [make_post("a"), make_post("b")])
    taken = take(stream, [make_post("a"), make_post("c"), make_post("c"), make_post("b")])
    assert actions(taken) == ["wait"] * 4
    assert [one.created for one in taken] == [False, True, False, False]
    assert held(stream) == CAPACITY
    again = take(stream, [make_post("a"), make_post("d"), make_post("d"), make_post("c")])
    assert actions(again) == ["wait", "refuse", "refuse", "wait"]


def test_a_retry_of_what_was_turned_away_gets_the_stored_answer(stream: Stream) -> None:
    take(stream, [make_post(f"t{number}") for number in range(CAPACITY)])
    (first,) = take(stream, [make_post("beyond")])
    stream.hold_capacity = None
    stream.save()
    (again,) = take(stream, [make_post("beyond")])
    assert (again.decision_id, again.made.action) == (first.decision_id, "refuse")


def test_an_answered_seat_is_free_again(stream: Stream) -> None:
    rita = make_person("rita", stream, "reviewer")
    take(stream, [make_post(f"t{number}") for number in range(CAPACITY)])
    task = claim_next(user=rita, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    assert actions(take(stream, [make_post("claimed is taken")])) == ["refuse"]
    record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=rita,
        answer=Answer("category", ["vpn_issue"]),
        active_ms=1,
    )
    assert actions(take(stream, [make_post("u"), make_post("v")])) == ["wait", "refuse"]


@pytest.mark.parametrize(
    ("fields", "scores", "action", "queue"),
    [
        ({}, LIKELY, "act_and_review", "flagged"),
        ({}, SURE, "act", None),
        ({"escalate_entropy": 0.9}, HELD, "escalate", "escalated"),
        ({"reject_action": "escalate"}, REFUSED, "escalate", "escalated"),
    ],
)
def test_what_does_not_wait_in_hold_is_never_turned_away(
    db: None,
    fields: Mapping[str, Any],
    scores: Mapping[str, float],
    action: str,
    queue: str | None,
) -> None:
    stream = make_full_stream(0, **fields)
    taken = take(stream, [make_post(f"t{number}", scores) for number in range(5)])
    assert actions(taken) == [action] * 5
    assert ReviewTask.objects.filter(queue=queue).count() == (5 if queue else 0)
    assert not Decision.objects.filter(at_capacity=True).exists()


def test_escalated_and_flagged_seats_take_no_place_in_hold(db: None) -> None:
    stream = make_full_stream(1, escalate_entropy=0.95)
    posts = [make_post("a", LIKELY), make_post("b", REFUSED), make_post("c", HELD)]
    assert actions(take(stream, posts)) == ["act_and_review", "escalate", "wait"]


def test_a_capacity_of_none_turns_all_away_and_no_capacity_nothing(db: None) -> None:
    assert actions(take(make_full_stream(0), [make_post("a")])) == ["refuse"]
    free = make_bare_stream("free")
    publish(free, min_margin=0.3)
    assert set(actions(take(free, [make_post(f"t{n}") for n in range(20)]))) == {"wait"}


def test_a_mandatory_review_beyond_the_capacity_is_not_promised_either(db: None) -> None:
    stream = make_bare_stream(hold_capacity=0)
    rule = {"mandatory_review": True, "mandatory_reason": "law"}
    publish(stream, {"vpn_issue": rule})
    take(stream, [make_post("a", SURE)])
    codes = [reason["code"] for reason in Decision.objects.get().reasons]
    assert codes == ["mandatory_review", "capacity"]


def test_seats_of_another_stream_do_not_count(stream: Stream) -> None:
    other = make_bare_stream("other")
    publish(other)
    take(other, [make_post(f"t{number}") for number in range(5)])
    assert count_free_seats(stream) == CAPACITY


def test_a_try_takes_no_seat_and_sees_none(stream: Stream) -> None:
    take(stream, [make_post(f"t{number}") for number in range(CAPACITY)])
    (tried,) = decide_only(stream=stream, posts=[make_post("")])
    assert isinstance(tried, Taken)
    assert tried.made.action == "wait"


def test_an_import_with_labels_takes_no_seat(stream: Stream) -> None:
    taken = take_in(
        stream=stream, posts=[make_post(f"t{number}") for number in range(5)], labelled=True
    )
    assert {one.made.queue for one in taken if isinstance(one, Taken)} == {"hold"}
    assert count_free_seats(stream) == CAPACITY


def test_free_seats_of_an_unbounded_stream_cannot_be_counted(db: None) -> None:
    with pytest.raises(ValueError, match="helpdesk has no hold_capacity"):
        count_free_seats(make_full_stream(None))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [1, 4])
def test_posts_at_once_never_exceed_the_capacity(size: int) -> None:
    workers, rounds, capacity = 8, 5, 17
    stream = make_full_stream(capacity)
    start = Barrier(workers)

    def post_all(worker: int) -> list[str]:
        try:
            start.wait()
            found = []
            for turn in range(rounds):
                names = [f"{worker}-{turn}-{number}" for number in range(size)]
                # Two workers share each id: whoever is second takes no seat.
                names = [f"{int(name[0]) // 2}{name[1:]}" for name in names]
                found += actions(take(stream, [make_post(name) for name in names]))
            return found
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as threads:
        answered = [action for found in threads.map(post_all, range(workers)) for action in found]
    items = workers // 2 * rounds * size
    assert len(answered) == 2 * items
    assert set(answered) == {"wait", "refuse"}
    assert Item.objects.count() == Decision.objects.count() == items
    assert held(stream) == capacity
    assert Decision.objects.filter(at_capacity=True).count() == items - capacity
    assert replay_decisions(stream=stream) == Replay(items, 0)
