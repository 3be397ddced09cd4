"""The API describes itself, and its description page works under the strict policy."""

import json

import pytest
from django.test import Client


def test_document_lists_every_call(db: None) -> None:
    document = json.loads(Client().get("/api/v1/openapi.json").content)
    calls = {
        f"{method.upper()} {path}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }

    assert document["openapi"].startswith("3.1")
    assert sorted(calls) == [
        "GET /api/v1/streams",
        "GET /api/v1/streams/{stream}/items/{external_id}",
        "GET /api/v1/streams/{stream}/outcomes",
        "GET /api/v1/streams/{stream}/policy",
        "POST /api/v1/streams/{stream}/decide",
        "POST /api/v1/streams/{stream}/items",
        "POST /api/v1/streams/{stream}/items/batch",
    ]
    for operation in calls.values():
        assert {"401", "404", "405", "422", "500"} <= set(operation["responses"])
        assert operation["security"] == [{"BearerKey": []}]
    item = calls["POST /api/v1/streams/{stream}/items"]["requestBody"]["content"]
    schema = item["application/json"]["schema"]
    scored, drafted = schema["anyOf"]
    assert scored["required"] == ["external_id", "payload", "scores"]
    assert drafted["required"] == ["external_id", "payload", "blocks"]
    assert scored["additionalProperties"] is drafted["additionalProperties"] is False
    assert drafted["properties"]["blocks"]["items"]["title"] == "BlockPost"


def test_page_is_served_from_here_alone(db: None) -> None:
    page = Client().get("/api/v1/docs").content.decode()

    assert "/static/ninja/swagger-ui-bundle" in page
    assert "https://" not in page


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
@pytest.mark.parametrize("address", ["nowhere", "streams/helpdesk/item", "streams//items"])
def test_unknown_address_is_a_problem_document(db: None, method: str, address: str) -> None:
    response = getattr(Client(), method)(f"/api/v1/{address}")

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert json.loads(response.content)["type"] == "urn:reviewqueue:problem:not_found"
