"""Items over HTTP: taking in, asking again, the dry run."""

import json
import math
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calibration.models import AuditDraw, FrameDelta
from reviewqueue.access import issue_api_key
from reviewqueue.claims import claim_next
from reviewqueue.models import ReviewTask
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Decision, Item, Stream
from tests.conftest import Answered, ItemBody, Upstream, make_body
from tests.scenes import make_bare_stream, make_person, publish

Body = Callable[..., ItemBody]

WORKED = [
    ((0.576, 0.386, 0.039), 0.190, 0.74, "hold", "wait", None, []),
    ((0.576, 0.044, 0.380), 0.196, 0.75, "hold", "wait", None, ["security_incident"]),
    ((0.450, 0.210, 0.340), 0.110, 0.96, "reject", "escalate", None, ["security_incident"]),
    ((0.900, 0.060, 0.040), 0.840, 0.36, "auto", "act", "account_unlock", []),
    ((0.500, 0.120, 0.380), 0.120, 0.88, "reject", "escalate", None, ["security_incident"]),
    ((0.100, 0.250, 0.650), 0.400, 0.78, "hold", "wait", None, ["security_incident"]),
]


def answer(response: Answered) -> dict[str, object]:
    return dict(json.loads(response.content))


@pytest.mark.parametrize(
    ("scores", "margin", "entropy", "queue", "action", "category", "watch"), WORKED
)
def test_worked_rows(  # noqa: PLR0917 - one row of the table
    upstream: Upstream,
    scores: tuple[float, ...],
    margin: float,
    entropy: float,
    queue: str,
    action: str,
    category: str | None,
    watch: list[str],
) -> None:
    for call in ("decide", "items"):
        got = answer(upstream.post(call, make_body("t1", scores)))
        assert round(float(str(got["margin"])), 3) == pytest.approx(margin, abs=5e-4)
        assert round(float(str(got["entropy"])), 2) == entropy
        assert (got["queue"], got["action"], got["category"], got["watch"]) == (
            queue,
            action,
            category,
            watch,
        )


def test_post_answers_the_whole_decision(upstream: Upstream) -> None:
    response = upstream.post("items", make_body("t1", (0.1, 0.25, 0.65)))
    got = answer(response)
    stored = Decision.objects.get()

    assert response.status_code == 201
    assert got == {
        "id": str(stored.id),
        "external_id": "t1",
        "queue": "hold",
        "action": "wait",
        "category": None,
        "predicted": "security_incident",
        "confidence": 0.65,
        "raw_confidence": 0.65,
        "margin": 0.4,
        "entropy": 0.779930285,
        "alternatives": [
            {"category": "security_incident", "probability": 0.65},
            {"category": "vpn_issue", "probability": 0.25},
            {"category": "account_unlock", "probability": 0.1},
        ],
        "watch": ["security_incident"],
        "uncertain": None,
        "reasons": got["reasons"],
        "policy_version": 1,
    }
    assert [(r["code"], r["message"]) for r in got["reasons"]] == [  # type: ignore[attr-defined]
        ("entropy", "entropy 0.78 over 0.45"),
        ("watch", "security_incident 0.65 reaches 0.34"),
    ]


def test_post_again_answers_the_stored_decision(upstream: Upstream) -> None:
    first = upstream.post("items", make_body(metadata={"a": 1, "b": 2.0}))
    again = upstream.post("items", make_body(metadata={"b": 2.0, "a": 1}))

    assert (first.status_code, again.status_code) == (201, 200)
    assert answer(again) == answer(first)
    assert (Item.objects.count(), Decision.objects.count()) == (1, 1)
    assert ReviewTask.objects.count() == 1


def test_post_again_with_another_body_is_refused(upstream: Upstream) -> None:
    upstream.post("items", make_body())
    response = upstream.post("items", make_body(payload={"body": "Something else."}))

    assert response.status_code == 422
    assert answer(response) == {
        "type": "urn:reviewqueue:problem:conflict",
        "title": "The external id is taken",
        "status": 422,
        "detail": "external_id 't1' is taken by an item with another body; "
        "post this one under another id.",
        "field": "external_id",
        "value": "t1",
        "stored_fingerprint": bytes(Item.objects.get().fingerprint).hex(),
        "posted_fingerprint": answer(response)["posted_fingerprint"],
    }


def test_post_stores_what_was_posted(upstream: Upstream) -> None:
    payload = {"body": "Grüße 🎈 \\u0000", "n": [1, 2.5, None, True, {"k": ""}]}
    body = make_body(
        payload=payload,
        metadata={"ticket": 7},
        model_version="m1",
        priority=3,
        due_at="2026-12-01T09:00:00+01:00",
    )
    upstream.post("items", body)
    item = Item.objects.get()

    assert item.payload == payload
    assert item.scores == body["scores"]
    assert (item.metadata, item.model_version, item.priority) == ({"ticket": 7}, "m1", 3)
    assert item.due_at is not None
    assert item.due_at.isoformat() == "2026-12-01T08:00:00+00:00"
    assert item.state == "waiting"
    assert ReviewTask.objects.get().due_at == item.due_at


def test_refusal_answers_uncertain(db: None) -> None:
    stream = make_bare_stream()
    publish(stream)
    _, key = issue_api_key(name="k", streams=[stream])
    got = answer(Upstream(Client(), key, stream.key).post("items", make_body(scores=(0.4, 0.3))))

    assert (got["queue"], got["action"], got["category"]) == ("reject", "refuse", None)
    assert got["uncertain"] == {
        "message": "No answer is certain enough to act on; treat this item as unanswered.",
        "candidates": [
            {"category": "account_unlock", "probability": 0.4},
            {"category": "vpn_issue", "probability": 0.3},
        ],
    }
    assert ReviewTask.objects.count() == 0


def test_decide_needs_no_more_than_scores(upstream: Upstream) -> None:
    got = answer(upstream.post("decide", {"scores": {"account_unlock": 0.9}}))

    assert (got["external_id"], got["queue"], got["margin"]) == ("", "auto", 0.8)


def test_decide_stores_nothing(upstream: Upstream) -> None:
    got = answer(upstream.post("decide", make_body()))

    assert (got["id"], got["queue"]) == (None, "hold")
    assert Item.objects.count() == 0


def test_get_tells_the_verdict_once_its_undo_window_is_over(
    upstream: Upstream, stream: Stream
) -> None:
    upstream.post("items", make_body())
    rita = make_person("rita", stream, "reviewer")
    for undo_seconds, state in ((3600, "waiting"), (0, "settled")):
        Stream.objects.update(undo_seconds=undo_seconds)
        task = claim_next(user=rita, stream=stream, queue="hold")
        if task is not None and task.lease_token is not None:
            task.stream.refresh_from_db()
            record_verdict(
                task_id=task.id,
                lease_token=task.lease_token,
                reviewer=rita,
                answer=Answer("category", ("vpn_issue",)),
            )
        if undo_seconds:
            got = answer(upstream.get("items/t1"))
            assert (got["state"], got["verdict"]) == (state, None)
            upstream.post("items", make_body("t2"))
    got = answer(upstream.get("items/t2"))
    verdict = got["verdict"]

    assert got["state"] == "settled"
    assert isinstance(verdict, dict)
    assert (verdict["kind"], verdict["categories"]) == ("category", ["vpn_issue"])


def test_get_takes_ids_with_slashes(upstream: Upstream) -> None:
    upstream.post("items", make_body("2026/11/22 no. 1"))

    assert answer(upstream.get("items/2026/11/22%20no.%201"))["queue"] == "hold"


@pytest.mark.parametrize("external_id", ["nobody", "a%00b"])
def test_get_unknown_item(upstream: Upstream, external_id: str) -> None:
    response = upstream.get(f"items/{external_id}")

    assert response.status_code == 404
    assert answer(response)["field"] == "external_id"


ROWS = (Item, Decision, ReviewTask, AuditDraw, FrameDelta)


@pytest.mark.parametrize(
    ("scores", "seats", "draws"),
    [((0.93, 0.05, 0.02), 0, 1), ((0.576, 0.386, 0.039), 2, 0), ((0.3, 0.36, 0.34), 1, 0)],
)
def test_item_posted_alone_brings_what_it_brings_in_a_batch(
    upstream: Upstream, stream: Stream, scores: tuple[float, ...], seats: int, draws: int
) -> None:
    """Alone all of it is one statement; a known id, with the same body or another, adds nothing."""
    Stream.objects.filter(id=stream.id).update(audit_rate=1.0, double_rate=1.0)

    def count_rows() -> list[int]:
        return [model.objects.count() for model in ROWS]

    upstream.post("items", make_body("alone", scores=scores))
    alone = count_rows()
    for again in (scores, scores[::-1]):
        upstream.post("items", make_body("alone", scores=again))
        assert count_rows() == alone
    upstream.post("items/batch", [make_body(f"t{n}", scores=scores) for n in range(20)])

    assert alone == [1, 1, seats, draws, 1]
    # Frame notes of one cell are summed.
    assert count_rows() == [count * 21 for count in alone[:4]] + [2]


def test_single_post_query_count(
    upstream: Upstream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    upstream.post("items", make_body("warm"))
    with django_assert_num_queries(3):
        upstream.post("items", make_body("t1"))


@pytest.mark.parametrize(("count", "queries"), [(1, 3), (30, 11), (90, 11)])
def test_batch_query_count(
    upstream: Upstream,
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
    queries: int,
) -> None:
    upstream.post("items", make_body("warm"))
    batch = [make_body(f"t{n}") for n in range(count)]
    with django_assert_num_queries(queries):
        response = upstream.post("items/batch", batch)

    assert answer(response)["taken"] == count


def test_batch_refuses_bad_items_one_by_one(upstream: Upstream) -> None:
    upstream.post("items", make_body("old"))
    lines = [
        json.dumps(make_body("good")),
        json.dumps(make_body("old")),
        json.dumps(make_body("unknown", scores=())).replace("{}", '{"vpn_isue": 1}'),
        json.dumps(make_body("nan")).replace("0.576", "NaN"),
        json.dumps(make_body("twice"))[:-1] + ', "priority": 1, "priority": 2}',
        json.dumps(make_body("nul", payload={"body": "a\0b"})),
        "[]",
        json.dumps(make_body("good")),
        json.dumps(make_body("good", payload={})),
    ]
    got = answer(upstream.post("items/batch", f"[{','.join(lines)}]".encode()))
    results = got["results"]

    assert isinstance(results, list)
    assert (got["taken"], got["known"], got["refused"]) == (1, 2, 6)
    assert [(r["index"], r["status"]) for r in results] == list(
        enumerate([201, 200, 422, 422, 422, 422, 422, 200, 422])
    )
    assert [r["problem"]["field"] for r in results if "problem" in r] == [
        "scores.vpn_isue",
        "scores.account_unlock",
        "body",
        "payload.body",
        "body",
        "external_id",
    ]
    assert sorted(Item.objects.values_list("external_id", flat=True)) == ["good", "old"]


def test_batch_takes_ndjson_and_names_the_broken_line(upstream: Upstream) -> None:
    raw = b"\n".join([json.dumps(make_body("a")).encode(), b"{oops", b"", b'{"external_id": 1}'])
    got = answer(upstream.post("items/batch", raw, content_type="application/x-ndjson"))
    results = got["results"]

    assert isinstance(results, list)
    assert [r["status"] for r in results] == [201, 400, 422]
    assert results[1]["index"] == 1


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"[]", "1 to 10,000"),
        (b"{}", "JSON array"),
        (b"[1,2", "line 1"),
        (b"[" * 100_000, "nested deeper"),
    ],
)
def test_batch_refuses_what_is_no_batch(upstream: Upstream, raw: bytes, words: str) -> None:
    response = upstream.post("items/batch", raw)

    assert response.status_code in (400, 422)
    assert words in str(answer(response)["detail"])


def test_audit_draw_is_recorded_with_its_probability(upstream: Upstream, stream: Stream) -> None:
    Stream.objects.update(audit_rate=0.5)
    batch = [make_body(f"t{n}", (0.9, 0.06, 0.04)) for n in range(400)]
    upstream.post("items/batch", batch)
    drawn = AuditDraw.objects.count()

    assert set(Decision.objects.values_list("queue", "label_pi")) == {("auto", 0.5)}
    assert set(AuditDraw.objects.values_list("pi", flat=True)) == {0.5}
    assert abs(drawn - 200) < 4 * math.sqrt(400 * 0.25)
    assert sum(FrameDelta.objects.values_list("count", flat=True)) == 400
    assert ReviewTask.objects.count() == 0


def test_category_rate_overrides_the_streams(upstream: Upstream, stream: Stream) -> None:
    stream.categories.filter(key="account_unlock").update(audit_rate=1.0)
    upstream.post("items", make_body(scores=(0.9, 0.06, 0.04)))

    assert AuditDraw.objects.get().pi == 1.0


def test_flagged_items_are_labels_only_when_drawn(db: None) -> None:
    stream = make_bare_stream()
    Stream.objects.update(bulk_label_rate=0.5)
    publish(stream, auto=0.95, flagged=0.5, hold=0.5)
    _, key = issue_api_key(name="k", streams=[stream])
    upstream = Upstream(Client(), key, stream.key)
    upstream.post("items/batch", [make_body(f"t{n}", (0.8, 0.1, 0.1)) for n in range(100)])
    seats = set(ReviewTask.objects.values_list("queue", "blind", "pi"))

    assert seats == {("flagged", True, 0.5), ("flagged", False, None)}


def test_category_that_no_policy_has_yet_is_taken_and_never_acted_on(
    upstream: Upstream, stream: Stream
) -> None:
    scores = {"account_unlock": 0.3, "late": 0.62}
    refused = upstream.post("items", make_body() | {"scores": scores})
    assert refused.status_code == 422
    assert answer(refused)["detail"] == (
        "late is no category of this stream; leave it out or add it to the stream"
    )
    stream.categories.create(key="late", label="Late", position=9)
    response = upstream.post("items", make_body() | {"scores": scores})
    got = answer(response)
    assert response.status_code == 201
    assert (got["action"], got["category"], got["predicted"]) == (
        "escalate",
        None,
        "account_unlock",
    )
    assert got["alternatives"] == [{"category": "account_unlock", "probability": 0.3}]
    assert {
        "code": "outside_policy",
        "message": "0.62 on late, which this policy does not have; its own best has 0.30",
        "category": "late",
        "more": 0,
        "outside": 0.62,
        "top": 0.3,
    } in got["reasons"]  # type: ignore[operator]
    assert Item.objects.get().scores == scores
    again = upstream.post("items", make_body() | {"scores": scores})
    assert (again.status_code, answer(again)) == (200, got)
    publish(stream)
    response = upstream.post("items", make_body("t2") | {"scores": scores})
    assert (answer(response)["policy_version"], answer(response)["predicted"]) == (2, "late")


def test_item_with_nothing_but_a_retired_category_gets_a_decision(
    upstream: Upstream, stream: Stream
) -> None:
    stream.categories.filter(key="vpn_issue").update(retired_at=timezone.now())
    publish(stream)
    for call in ("decide", "items"):
        response = upstream.post(call, make_body() | {"scores": {"vpn_issue": 1.0}})
        got = answer(response)
        assert response.status_code in {200, 201}
        assert (got["queue"], got["action"], got["alternatives"]) == ("reject", "refuse", [])
        assert got["uncertain"]["candidates"] == []  # type: ignore[index]
    assert answer(upstream.get("items/t1"))["predicted"] == "account_unlock"


def test_batch_asks_once_for_the_categories_outside_its_policy(
    upstream: Upstream, stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    stream.categories.create(key="late", label="Late", position=9)
    plain = [make_body(f"p{n}") for n in range(3)]
    strange = [make_body(f"s{n}") | {"scores": {"late": 0.9}} for n in range(3)]
    unknown = [make_body("u") | {"scores": {"never": 0.9}}]
    upstream.post("items", make_body("warm"))
    with CaptureQueriesContext(connection) as usual:
        upstream.post("items/batch", plain)
    with django_assert_num_queries(len(usual) + 1):
        response = upstream.post("items/batch", strange + unknown)
    assert [line["status"] for line in answer(response)["results"]] == [201, 201, 201, 422]  # type: ignore[attr-defined]


def test_item_that_two_people_judge_waits_until_both_have(
    stream: Stream, upstream: Upstream, body: Body
) -> None:
    Stream.objects.update(undo_seconds=0, double_rate=1.0)
    assert upstream.post("items", body()).status_code == 201
    told = []
    for name in ("rita", "sam"):
        person = make_person(name, stream, "reviewer")
        task = claim_next(user=person, stream=stream, queue="hold")
        assert task is not None
        assert task.lease_token is not None
        record_verdict(
            task_id=task.id,
            lease_token=task.lease_token,
            reviewer=person,
            answer=Answer("category", ("vpn_issue",), comment=name),
        )
        got = answer(upstream.get("items/t1"))
        verdict = got["verdict"]
        told.append((got["state"], verdict["comment"] if isinstance(verdict, dict) else verdict))
    assert told == [("waiting", None), ("settled", "sam")]
