"""Programs read problem documents, whoever answers."""

import json

import pgtrigger
import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from reviewqueue.api.edge import answer_programs
from routing.models import Policy
from tests.conftest import Answered, Upstream, make_body

STREAM = "/api/v1/streams/helpdesk"


def told(response: Answered) -> tuple[int, str, str]:
    problem = json.loads(response.content)
    assert response["Content-Type"] == "application/problem+json"
    assert problem["status"] == response.status_code
    assert response["Content-Length"] == str(len(response.content))
    return response.status_code, problem["type"].rpartition(":")[2], problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/v1/streams", "GET, HEAD"),
        ("POST", f"{STREAM}/policy", "GET, HEAD"),
        ("DELETE", f"{STREAM}/items/t1", "GET, HEAD"),
        ("GET", f"{STREAM}/decide", "POST"),
        ("HEAD", f"{STREAM}/decide", "POST"),
        ("PATCH", f"{STREAM}/items/batch", "GET, HEAD, POST"),
        ("OPTIONS", f"{STREAM}/items", "POST"),
    ],
)
def test_wrong_method(upstream: Upstream, method: str, path: str, allow: str) -> None:
    response = upstream.client.generic(
        method, path, headers={"authorization": f"Bearer {upstream.key}"}
    )

    assert (response.status_code, response["Allow"]) == (405, allow)
    if method != "HEAD":
        assert told(response) == (
            405,
            "method_not_allowed",
            f"{method} is not taken; use {allow}.",
        )


@pytest.mark.parametrize("path", ["streams", "streams/helpdesk/policy", "docs", "openapi.json"])
def test_head_is_a_get_without_its_body(upstream: Upstream, path: str) -> None:
    headers = {"authorization": f"Bearer {upstream.key}"}
    got = upstream.client.get(f"/api/v1/{path}", headers=headers)
    head = upstream.client.head(f"/api/v1/{path}", headers=headers)

    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Type"] == got["Content-Type"]
    assert head["Content-Length"] == str(len(got.content))


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/streams", f"{STREAM}/items/"]
)
def test_address_that_leads_nowhere(db: None, path: str) -> None:
    status, code, detail = told(Client().get(path))

    assert (status, code) == (404, "not_found")
    assert detail.endswith("the slash at its end?") is (path == f"{STREAM}/items/")


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/"])
def test_post_to_the_root(db: None, path: str) -> None:
    client = Client(enforce_csrf_checks=True)

    assert told(client.post(path, {}))[:2] == (404, "not_found")


@pytest.mark.parametrize("page", ["docs", "openapi.json"])
def test_post_to_what_can_only_be_read(db: None, page: str) -> None:
    response = Client(enforce_csrf_checks=True).post(f"/api/v1/{page}", {})

    assert response["Allow"] == "GET, HEAD"
    assert told(response)[:2] == (405, "method_not_allowed")


def test_nul_in_the_query(upstream: Upstream) -> None:
    assert told(upstream.get("items/t1?a=%00"))[:2] == (400, "malformed")


def test_foreign_host(db: None) -> None:
    response = Client().get("/api/v1/streams", headers={"host": "evil.example"})

    assert told(response)[:2] == (400, "malformed")


def test_fault_in_here(upstream: Upstream) -> None:
    with pgtrigger.ignore():
        Policy.objects.update(maps={"": {"kind": "broken"}}, model_versions=["m1"])
    client = Client(raise_request_exception=False)
    response = Upstream(client, upstream.key, "helpdesk").post("items", make_body())

    assert told(response) == (
        500,
        "internal",
        "Nothing was stored; the fault is in the service's log.",
    )


def test_database_in_trouble_before_the_api_is_asked() -> None:
    failing = answer_programs(lambda _: HttpResponse("<h1>", status=503))
    assert callable(failing)

    assert told(failing(RequestFactory().get(STREAM))) == (
        503,
        "unavailable",
        "Send the request again: what was stored of it all the same counts once.",
    )


@pytest.mark.parametrize("call", ["policy", "items/t1"])
def test_unknown_query_parameter(upstream: Upstream, call: str) -> None:
    upstream.post("items", make_body())
    problem = json.loads(upstream.get(f"{call}?verbose=1").content)

    assert (problem["status"], problem["field"]) == (422, "verbose")
    assert upstream.get(call).status_code == 200


def test_unknown_query_parameter_of_a_post_stores_nothing(upstream: Upstream) -> None:
    assert upstream.post("items?dry_run=true", make_body()).status_code == 422
    assert upstream.get("items/t1").status_code == 404
