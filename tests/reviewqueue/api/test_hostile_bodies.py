"""Bodies and addresses that are well formed and meant to hurt, or merely unusual."""

import json
from io import BytesIO
from typing import Any

import pytest
from django.conf import settings

from reviewqueue.refusals import ProblemError
from reviewqueue.strict_json import find_flaw, parse_array
from routing.models import Item
from tests.conftest import Answered, Upstream, make_body


def problem_of(response: Answered) -> dict[str, object]:
    found = json.loads(response.content)
    assert isinstance(found, dict)
    return found


def results_of(response: Answered) -> list[dict[str, object]]:
    assert response.status_code == 200
    found = json.loads(response.content)["results"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    "due_at",
    [
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59Z",
        "1999-12-31T23:59:59Z",
        253402300799,
    ],
)
def test_due_time_that_no_screen_could_show_is_refused(upstream: Upstream, due_at: object) -> None:
    response = upstream.post("items", make_body(due_at=due_at))

    assert (response.status_code, problem_of(response)["field"]) == (422, "due_at")
    assert Item.objects.count() == 0


@pytest.mark.parametrize("due_at", ["2000-01-01T00:00:00Z", "2199-12-31T23:59:59+14:00"])
def test_due_time_in_bounds_is_read_back(upstream: Upstream, due_at: str) -> None:
    body = make_body(due_at=due_at)

    assert upstream.post("items", body).status_code == 201
    assert upstream.post("items", body).status_code == 200


@pytest.mark.parametrize("number", ["10000000000000000000", "-1" + "0" * 300, "1e300", "1e16"])
def test_large_number_that_is_a_double_is_read_back(upstream: Upstream, number: str) -> None:
    body = json.dumps(make_body(payload={"n": 0})).replace('"n": 0', f'"n": {number}').encode()

    assert upstream.post("items", body).status_code == 201
    assert float(Item.objects.get().payload["n"]) == float(number)
    assert upstream.post("items", body).status_code == 200


@pytest.mark.parametrize("number", ["1" * 19, "1" + "0" * 309, "9" * 400, "9" * 5000, "1e400"])
def test_number_that_would_not_be_read_back_is_refused(upstream: Upstream, number: str) -> None:
    body = json.dumps(make_body(payload={"n": 0})).replace('"n": 0', f'"n": {number}').encode()
    response = upstream.post("items", body)

    assert (response.status_code, problem_of(response)["field"]) == (422, "payload.n")


@pytest.mark.parametrize("method", ["get", "post"])
def test_stream_with_nul_in_its_address_is_unknown(upstream: Upstream, method: str) -> None:
    elsewhere = Upstream(upstream.client, upstream.key, "a%00b")
    response = elsewhere.get("items/x") if method == "get" else elsewhere.post("items", make_body())
    assert (response.status_code, problem_of(response)["field"]) == (404, "stream")


def test_item_called_batch_can_be_asked_for(upstream: Upstream) -> None:
    assert upstream.get("items/batch").status_code == 404
    upstream.post("items", make_body("batch"))

    assert json.loads(upstream.get("items/batch").content)["external_id"] == "batch"


@pytest.mark.parametrize("external_id", ["a\nb", "\t", "a\x7f"])
def test_id_that_no_address_could_hold_is_refused(upstream: Upstream, external_id: str) -> None:
    problem = problem_of(upstream.post("items", make_body(external_id)))

    assert (problem["status"], problem["field"]) == (422, "external_id")
    assert "line break" in str(problem["detail"])


def post_in_chunks(upstream: Upstream, body: bytes) -> Answered:
    """A body without its length, as a server hands on what came in chunks."""
    extra: dict[str, Any] = {"CONTENT_LENGTH": "", "wsgi.input": BytesIO(body)}
    return upstream.client.generic(
        "POST",
        f"/api/v1/streams/{upstream.stream_key}/items",
        headers={"authorization": f"Bearer {upstream.key}", "transfer-encoding": "chunked"},
        content_type="application/json",
        **extra,
    )


def test_body_in_chunks_is_read(upstream: Upstream) -> None:
    assert post_in_chunks(upstream, json.dumps(make_body("c1")).encode()).status_code == 201
    assert Item.objects.get().external_id == "c1"


def test_body_in_chunks_has_the_same_limit(upstream: Upstream) -> None:
    large = json.dumps(make_body(payload={"body": "x" * settings.ITEM_MAX_BYTES})).encode()

    assert post_in_chunks(upstream, large).status_code == 413
    assert Item.objects.count() == 0


@pytest.mark.parametrize("ndjson", [False, True])
def test_item_of_a_batch_has_the_limit_of_one_posted_alone(
    upstream: Upstream, ndjson: bool
) -> None:
    large = make_body("large", payload={"body": "x" * settings.ITEM_MAX_BYTES})
    parts = [json.dumps(body).encode() for body in (make_body("a"), large, make_body("b"))]
    raw = b"\n".join(parts) if ndjson else b"[" + b", ".join(parts) + b"]"
    content_type = "application/x-ndjson" if ndjson else "application/json"
    results = results_of(upstream.post("items/batch", raw, content_type=content_type))

    assert [result["status"] for result in results] == [201, 413, 201]
    assert sorted(Item.objects.values_list("external_id", flat=True)) == ["a", "b"]


@pytest.mark.parametrize("more", [0, 1])
def test_batch_is_read_no_further_than_its_limit(upstream: Upstream, more: int) -> None:
    # What follows the item too many is no JSON, and nobody looks at it.
    raw = b"[" + b"1," * (settings.BATCH_MAX_ITEMS + more) + b"broken"
    problem = problem_of(upstream.post("items/batch", raw))

    assert problem["status"] == (422 if more else 400)


def test_long_key_is_not_sent_back_whole(upstream: Upstream) -> None:
    raw = json.dumps(make_body(payload={"k" * 500_000: float("nan")})).encode()
    response = upstream.post("items", raw)

    assert response.status_code == 422
    assert str(problem_of(response)["field"]).startswith("payload.kkk")
    assert len(response.content) < 2_000


def read_array(text: str) -> list[tuple[object, int]]:
    return [(element.value, element.length) for element in parse_array(text.encode())]


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("[]", []),
        (" [ ] \n", []),
        ("[1]", [(1, 1)]),
        ('\ufeff[ "ä" ,\n{"a": [2]} ]', [("ä", 3), ({"a": [2]}, 10)]),
    ],
)
def test_array_is_read_element_by_element(text: str, elements: list[tuple[object, int]]) -> None:
    assert read_array(text) == elements


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "line 1, column 1"),
        ("[", "column 2"),
        ("[1", "column 3"),
        ("[1,", "column 4"),
        ("[1,]", "column 4"),
        ("[,1]", "column 2"),
        ("[1\n2]", "line 2, column 1"),
        ("[1}", "column 3"),
        ("[]x", "column 3"),
        ("[1]]", "column 4"),
        ("nul", "column 1"),
        ('{"a": 1}', "wrap the item"),
    ],
)
def test_what_is_no_array_is_refused_at_its_place(text: str, place: str) -> None:
    with pytest.raises(ProblemError, match=place):
        read_array(text)


DEEP = "[" * 33 + "]" * 33


@pytest.mark.parametrize(
    ("element", "is_sound"),
    [
        ('{"a": [1, 0.25, 1e-9, "caf\\u00e9", "\\\\n", null]}', True),
        ('"code 404, 1e99"', True),
        ('"nul \\u0000"', False),
        ('"half \\ud83d"', False),
        ('"half \\uDE00"', False),
        ('{"a": 1, "a": 2}', False),
        ("NaN", False),
        ("1e400", False),
        ("1E+400", False),
        ("9" * 120 + ".0e99", True),
        ("9" * 220 + ".0e99", False),
        ("9" * 19, False),
        (DEEP, False),
    ],
)
def test_searches_find_what_a_walk_would_find(element: str, is_sound: bool) -> None:
    [found] = parse_array(f"[{element}]".encode())

    assert found.is_sound == is_sound
    assert (find_flaw(found.value) is None) == is_sound
