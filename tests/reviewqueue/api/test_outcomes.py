"""The feed of outcomes: pages, cursors, and what it says of each."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from reviewqueue import sequencer
from reviewqueue.access import issue_api_key
from reviewqueue.messages import read_message
from reviewqueue.overturns import overturn_verdict
from reviewqueue.verdicts import Answer
from routing.models import Announcement, Decision, Item, Stream
from tests.conftest import Upstream
from tests.reviewqueue.test_claims import claim, post_held
from tests.reviewqueue.test_overturns import INCIDENT, make_settled, set_window
from tests.reviewqueue.test_sequencer import announce, make_items
from tests.reviewqueue.test_verdicts import judge
from tests.scenes import make_bare_stream, publish


def ask(upstream: Upstream, query: str = "") -> dict[str, Any]:
    response = upstream.get(f"outcomes{query}")
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = json.loads(response.content)
    return answer


def test_feed_tells_what_was_settled_and_overturned(
    stream: Stream, upstream: Upstream, reviewer: User
) -> None:
    assert ask(upstream) == {"outcomes": [], "next": "o0", "more": False}
    first = make_settled(stream, reviewer, Answer("category", ("vpn_issue",), "", "words"))
    answer = ask(upstream)
    [told] = answer["outcomes"]
    decision, row = Decision.objects.get(), Announcement.objects.get(kind="item.settled")
    assert (answer["next"], answer["more"]) == (f"o{row.position}", False)
    assert told == {
        "id": str(row.id),
        "type": "item.settled",
        "timestamp": first.published_at.isoformat(),
        "data": {
            "item": str(first.item_id),
            "external_id": "a",
            "sequence": 1,
            "stream": "helpdesk",
            "verdict": {
                "id": str(first.id),
                "kind": "category",
                "categories": ["vpn_issue"],
                "answered_at": first.answered_at.isoformat(),
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
            "published_at": first.published_at.isoformat(),
        },
    }
    made = overturn_verdict(verdict_id=first.id, by=reviewer, answer=INCIDENT)
    assert ask(upstream, f"?after={answer['next']}")["outcomes"] == []
    Announcement.objects.filter(subject_id=made.id).update(due_at=made.answered_at)
    [overturned] = ask(upstream, f"?after={answer['next']}")["outcomes"]
    assert (overturned["type"], overturned["data"]["sequence"]) == ("item.overturned", 2)
    assert overturned["data"]["verdict"]["categories"] == ["security_incident"]
    assert overturned["data"]["overturned"] == told["data"]["verdict"]


def test_what_can_still_be_undone_is_not_told(
    stream: Stream, upstream: Upstream, reviewer: User
) -> None:
    post_held(stream, "a")
    judge(claim(stream, reviewer), reviewer)
    assert ask(upstream)["outcomes"] == []
    set_window(stream, 0)
    post_held(stream, "b")
    judge(claim(stream, reviewer), reviewer)
    assert [one["data"]["external_id"] for one in ask(upstream)["outcomes"]] == ["b"]


def test_pages_follow_each_other(stream: Stream, upstream: Upstream) -> None:
    for item in make_items(stream, 5):
        announce(item)
        announce(item, "audit.overturned")  # for webhooks alone
    pages, after, more = [], "", True
    while more:
        page = ask(upstream, f"?limit=2&after={after}")
        pages.append([one["data"]["external_id"] for one in page["outcomes"]])
        after, more = page["next"], page["more"]
    assert pages == [["i0", "i1"], ["i2", "i3"], ["i4"]]
    assert ask(upstream, f"?after={after}") == {"outcomes": [], "next": after, "more": False}


def test_there_is_more_while_outcomes_are_due(
    stream: Stream, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(upstream)  # the policy's own announcement
    monkeypatch.setattr(sequencer, "AT_ONCE", 2)
    items = make_items(stream, 3)
    for seconds, kind in ((-9, "item.routed"), (-3, "item.settled"), (-2, "audit.overturned")):
        for item in items:
            announce(item, kind, seconds=seconds)
    announce(items[0], "item.overturned", seconds=60)
    pages, after, more = [], "", True
    while more:
        page = ask(upstream, f"?limit=9&after={after}")
        pages.append([one["data"]["external_id"] for one in page["outcomes"]])
        after, more = page["next"], page["more"]
    assert pages == [[], ["i0"], ["i1", "i2"]]


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("?after=7", "after", "7"),
        ("?after=o-1", "after", "o-1"),
        ("?after=o01", "after", "o01"),
        (f"?after=o{'9' * 19}", "after", f"o{'9' * 19}"),
        ("?after=o%EF%BC%91", "after", "o１"),
        ("?limit=0", "limit", "0"),
        ("?limit=1001", "limit", "1001"),
        ("?limit=ten", "limit", "ten"),
        ("?limit=-1", "limit", "-1"),
    ],
)
def test_bad_cursor_or_limit_is_named(
    stream: Stream, upstream: Upstream, query: str, field: str, value: str
) -> None:
    response = upstream.get(f"outcomes{query}")
    problem = json.loads(response.content)
    assert (response.status_code, problem["field"], problem["value"]) == (422, field, value)


def test_feed_is_a_stream_s_own(stream: Stream, upstream: Upstream) -> None:
    other = make_bare_stream("other")
    publish(other)
    announce(make_items(other, 1)[0])
    assert ask(upstream)["outcomes"] == []
    client = Client()
    path = "/api/v1/streams/other/outcomes"
    foreign = client.get(path, headers={"authorization": f"Bearer {upstream.key}"})
    assert foreign.status_code == 404
    assert client.get(path).status_code == 401
    assert client.post(path).status_code == 405
    _, key = issue_api_key(name="other", streams=[other])
    own = client.get(path, headers={"authorization": f"Bearer {key}"})
    assert len(json.loads(own.content)["outcomes"]) == 1


def test_page_costs_the_same_at_one_and_three_rows(
    stream: Stream, upstream: Upstream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    items = make_items(stream, 3)
    announce(items[0])
    ask(upstream)
    with django_assert_num_queries(7):
        assert len(ask(upstream)["outcomes"]) == 1
    for item in items[1:]:
        announce(item)
    ask(upstream)
    with django_assert_num_queries(7):
        assert len(ask(upstream)["outcomes"]) == 3


def test_page_is_read_from_its_index(stream: Stream, upstream: Upstream) -> None:
    found = Announcement.objects.filter(
        stream=stream, kind__in=["item.settled", "item.overturned"], position__gt=5
    ).order_by("position")[:100]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "announcement_outcomes" in found.explain()


def test_message_has_the_item_s_id_and_nothing_of_its_payload(stream: Stream) -> None:
    [item] = make_items(stream, 1)
    row = announce(item)
    assert read_message(row)["data"] == {
        "item": str(item.id),
        "external_id": "i0",
        "sequence": None,
    }
    assert Item.objects.get().payload == {"body": "i0"}
