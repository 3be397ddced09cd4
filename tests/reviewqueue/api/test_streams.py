"""What a key reaches, and the published policy."""

import json
from typing import Any

from django.test import Client
from pytest_django import DjangoAssertNumQueries

from reviewqueue.access import issue_api_key
from routing.models import Stream
from tests.conftest import Answered, Upstream
from tests.scenes import make_bare_stream, publish

PLATT = {"kind": "platt", "parameters": [0.8, -0.1], "knots": []}


def body_of(response: Answered) -> dict[str, Any]:
    found = json.loads(response.content)
    assert isinstance(found, dict)
    return found


def ask(upstream: Upstream, path: str, **headers: str) -> Answered:
    return upstream.client.get(
        f"/api/v1/{path}", headers={"authorization": f"Bearer {upstream.key}", **headers}
    )


def test_streams_are_those_of_the_key(upstream: Upstream) -> None:
    make_bare_stream("other")

    assert [one["key"] for one in body_of(ask(upstream, "streams"))["streams"]] == ["helpdesk"]


def test_streams_say_what_the_key_may_send(stream: Stream) -> None:
    limits = {"requests_per_minute": 0, "item_max_bytes": 500, "batch_max_items": 2}
    _, text = issue_api_key(name="small", streams=[stream], limits=limits)
    response = ask(Upstream(Client(), text, stream.key), "streams")

    assert body_of(response)["limits"] == {
        "requests_per_minute": None,
        "item_bytes": 500,
        "batch_bytes": 64 * 1024 * 1024,
        "batch_items": 2,
    }
    assert "RateLimit-Limit" not in response.headers  # type: ignore[attr-defined]


def test_streams_ask_the_same_for_one_and_for_three(
    stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    key, text = issue_api_key(name="k", streams=[stream])
    upstream = Upstream(Client(), text, stream.key)
    with django_assert_num_queries(2):
        ask(upstream, "streams")
    key.streams.add(make_bare_stream("b"), make_bare_stream("c"))
    with django_assert_num_queries(2):
        response = ask(upstream, "streams")

    assert [one["policy_version"] for one in body_of(response)["streams"]] == [None, None, 1]


def test_policy_of_a_foreign_stream(upstream: Upstream) -> None:
    make_bare_stream("other")

    assert ask(upstream, "streams/other/policy").status_code == 404


def test_policy_that_is_not_published_yet(db: None) -> None:
    stream = make_bare_stream()
    _, text = issue_api_key(name="k", streams=[stream])
    response = Upstream(Client(), text, stream.key).get("policy")

    assert response.status_code == 409
    assert body_of(response)["type"] == "urn:reviewqueue:problem:no_policy"


def test_policy_without_a_key(stream: Stream) -> None:
    assert Client().get(f"/api/v1/streams/{stream.key}/policy").status_code == 401


def test_policy_says_rules_maps_and_distrusted_cells(upstream: Upstream, stream: Stream) -> None:
    publish(
        stream,
        {"vpn_issue": {"mandatory_review": True, "mandatory_reason": "legal", "auto": 0.95}},
        maps={"": PLATT, "vpn_issue": {"kind": "identity"}},
        model_versions=["m1"],
        distrusted=[["vpn_issue", 0], ["account_unlock", 5]],
        fallback_steps=["secondary", "person"],
        on_other_model="hold",
    )
    got = body_of(upstream.get("policy"))

    assert (got["version"], got["fallback"]) == (2, ["secondary", "person"])
    assert got["calibration"] == {
        "map": "platt",
        "model_versions": ["m1"],
        "on_other_model": "hold",
        "uncalibrated": "warn",
        "distrusted": [
            {"category": "account_unlock", "from": 0.9, "to": 1.0},
            {"category": "vpn_issue", "from": 0.0, "to": 0.5},
        ],
    }
    assert [
        (one["key"], one["map"], one["mandatory_reason"], one["cut_offs"]["auto"])
        for one in got["categories"]
    ] == [
        ("account_unlock", "platt", "", 0.9),
        ("vpn_issue", "identity", "legal", 0.95),
        ("security_incident", "platt", "", 0.9),
    ]


def test_policy_is_answered_once_until_it_changes(upstream: Upstream, stream: Stream) -> None:
    path = f"streams/{stream.key}/policy"
    etag = ask(upstream, path)["ETag"]
    same = ask(upstream, path, **{"if-none-match": etag})
    weak = ask(upstream, path, **{"if-none-match": f'"x", W/{etag}'})
    publish(stream)
    changed = ask(upstream, path, **{"if-none-match": etag})
    stream.categories.filter(key="vpn_issue").update(label="VPN")
    renamed = ask(upstream, path, **{"if-none-match": changed["ETag"]})

    assert [(r.status_code, r["ETag"] == etag) for r in (same, weak, changed)] == [
        (304, True),
        (304, True),
        (200, False),
    ]
    assert same.content == b""
    assert body_of(changed)["version"] == 2
    assert body_of(renamed)["categories"][1]["label"] == "VPN"


def test_policy_asks_the_same_for_one_category_and_for_three(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for categories in (["a"], ["a", "b", "c"]):
        stream = make_bare_stream(f"s{len(categories)}", categories=categories)
        publish(stream)
        _, text = issue_api_key(name=stream.key, streams=[stream])
        upstream = Upstream(Client(), text, stream.key)
        upstream.get("policy")
        with django_assert_num_queries(3):
            upstream.get("policy")
