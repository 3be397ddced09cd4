"""Whatever the OpenAPI document allows, and much that it does not, is answered as it says.

Schemathesis makes requests from the document, with a fixed seed and in this process. Half of them
go to a stream that there is, with scores on its categories, since all others end at the door.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, Phase, given, seed, settings
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.conftest import Upstream, make_body

SEED = 20261122
EXAMPLES = 60
SCORES = {"account_unlock": 0.576, "vpn_issue": 0.386, "security_incident": 0.038}
# What the requests have to reach at least, so that they are known to try something.
EXPECTED = {
    "GET /api/v1/streams": {200},
    "GET /api/v1/streams/{stream}/policy": {200, 404},
    "GET /api/v1/streams/{stream}/outcomes": {200, 404},
    "GET /api/v1/streams/{stream}/items/{external_id}": {200, 404},
    "POST /api/v1/streams/{stream}/items": {201, 404},
    "POST /api/v1/streams/{stream}/decide": {200, 404},
    "POST /api/v1/streams/{stream}/items/batch": {200, 404},
}


@pytest.fixture
def document(db: None) -> dict[str, Any]:
    found = json.loads(Client().get("/api/v1/openapi.json").content)
    assert isinstance(found, dict)
    return found


def find_operations(document: dict[str, Any]) -> Iterator[Any]:
    loaded = schemathesis.openapi.from_dict(document)
    loaded.app = get_wsgi_application()
    for found in loaded.get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def test_document_is_valid(document: dict[str, Any]) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)


def test_every_operation_is_tried(document: dict[str, Any]) -> None:
    assert sorted(one.label for one in find_operations(document)) == sorted(EXPECTED)


@pytest.mark.parametrize("label", EXPECTED)
def test_operation_answers_as_documented(
    transactional_db: None, upstream: Upstream, document: dict[str, Any], label: str
) -> None:
    upstream.post("items", make_body())
    [operation] = [one for one in find_operations(document) if one.label == label]
    statuses: list[int] = []

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        if len(statuses) % 2 == 0:
            lead_inside(case, upstream.stream_key)
        response = case.call_and_validate(
            headers={"Authorization": f"Bearer {upstream.key}"},
            # The document cannot say which categories a stream has, or that scores sum to 1.
            excluded_checks=[positive_data_acceptance],
        )
        statuses.append(response.status_code)

    ask()
    assert EXPECTED[label] <= set(statuses)


def lead_inside(case: Any, stream_key: str) -> None:
    """Turn a request to what exists."""
    if "stream" in case.path_parameters:
        case.path_parameters["stream"] = stream_key
    if "external_id" in case.path_parameters:
        case.path_parameters["external_id"] = "t1"
    for body in case.body if isinstance(case.body, list) else [case.body]:
        if isinstance(body, dict) and isinstance(body.get("scores"), dict):
            body["scores"] = dict(SCORES)
            body.pop("secondary", None)
