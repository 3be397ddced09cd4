"""Whatever the OpenAPI document allows, and much that it does not, is answered as it says.

Schemathesis makes requests from the document, with a fixed seed and in this process: such as fit
it, such as break it in one place, and such as nobody can read. Two thirds go to a stream of scores
and to one of drafted sentences, each with items that wait, are settled and more; the others end at
the door. Some come without a key or with another method.
"""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from reviewqueue.access import issue_api_key
from reviewqueue.api.document import JSON, NDJSON
from reviewqueue.overturns import overturn_verdict
from reviewqueue.retries import request_retry
from reviewqueue.verdicts import Answer
from routing.models import Item
from tests.grounded_scenes import AMBER, REFUSED, make_grounded_stream, post_sentence
from tests.reviewqueue.test_claims import claim, post_held
from tests.reviewqueue.test_overturns import INCIDENT
from tests.reviewqueue.test_verdicts import judge
from tests.scenes import make_bare_stream, make_person, publish_worked_policy

SEED = 20261122
EXAMPLES = 40
SCORES = {"account_unlock": 0.576, "vpn_issue": 0.386, "security_incident": 0.038}
# Of each stream: an item that waits, a settled one, and one that was overturned or refused.
ITEMS = {"helpdesk": ("a", "b", "c"), "drafts": ("s-1", "s-2", "s-3")}
BATCH = "POST /api/v1/streams/{stream}/items/batch"
# What the requests have to reach at least, so that they are known to try something.
EXPECTED = {
    "GET /api/v1/streams": {200, 400, 401, 405, 422},
    "GET /api/v1/streams/{stream}/policy": {200, 400, 401, 404, 405, 422},
    "GET /api/v1/streams/{stream}/outcomes": {200, 400, 401, 404, 405, 422},
    "GET /api/v1/streams/{stream}/items/{external_id}": {200, 400, 401, 404, 405, 422},
    "POST /api/v1/streams/{stream}/items": {201, 400, 401, 404, 405, 422},
    "POST /api/v1/streams/{stream}/decide": {200, 400, 401, 404, 405, 422},
    BATCH: {200, 400, 401, 404, 405, 422},
}
POSTS = [label for label in EXPECTED if label.startswith("POST")]
# Statuses, and the streams that took something in the body's type.
Met = tuple[set[int], set[tuple[str, str]]]


@schemathesis.serializer(NDJSON)
def write_lines(_context: object, value: object) -> bytes:
    """The items of a batch, one a line; what is no list stands on a line alone."""
    items = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


@pytest.fixture
def document(db: None) -> dict[str, Any]:
    """The document; of lines it can only say that they are text, though each is an item."""
    found = json.loads(Client().get("/api/v1/openapi.json").content)
    assert isinstance(found, dict)
    content = found["paths"][BATCH.removeprefix("POST ")]["post"]["requestBody"]["content"]
    content[NDJSON] = {"schema": content[JSON]["schema"]}
    return found


@pytest.fixture
def key(transactional_db: None) -> str:
    """Of an upstream system with two streams in which much has happened."""
    scored = make_bare_stream(undo_seconds=0)
    publish_worked_policy(scored)
    drafts = make_grounded_stream(bulk_label_rate=1.0, undo_seconds=0)
    rita = make_person("rita", scored, "reviewer")
    sara = make_person("sara", drafts, "reviewer")
    post_held(scored, "b", "c")
    for _ in range(2):
        verdict = judge(claim(scored, rita), rita)
    overturn_verdict(verdict_id=verdict.id, by=rita, answer=INCIDENT)
    post_held(scored, "a")
    post_sentence(drafts, "s-2")
    judge(
        claim(drafts, sara, "flagged"),
        sara,
        Answer("category", ("supported",), block="files#limits"),
    )
    post_sentence(drafts, "s-1")
    post_sentence(drafts, "s-3", signals=REFUSED)
    request_retry(
        item_id=Item.objects.get(external_id="s-3").id, person=None, how="widen", note="Look."
    )
    return issue_api_key(name="upstream", streams=[scored, drafts])[1]


def find_operations(document: dict[str, Any]) -> Iterator[Any]:
    loaded = schemathesis.openapi.from_dict(document)
    loaded.app = get_wsgi_application()
    for found in loaded.get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def find_operation(document: dict[str, Any], label: str) -> Any:
    [operation] = [one for one in find_operations(document) if one.label == label]
    return operation


def test_document_is_valid(db: None) -> None:
    found = json.loads(Client().get("/api/v1/openapi.json").content)
    validate(found, cls=OpenAPIV31SpecValidator)


def test_every_operation_is_tried(document: dict[str, Any]) -> None:
    assert sorted(one.label for one in find_operations(document)) == sorted(EXPECTED)


def test_streams_have_what_the_requests_are_to_meet(key: str) -> None:
    def read(path: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {key}"}
        answer = Client().get(f"/api/v1/streams/{path}", headers=headers)
        found: dict[str, Any] = json.loads(answer.content)
        return found

    told = {
        stream: [one["type"] for one in read(f"{stream}/outcomes")["outcomes"]] for stream in ITEMS
    }
    assert told == {
        "helpdesk": ["item.settled", "item.settled", "item.overturned"],
        "drafts": ["item.settled"],
    }
    found = {one: read(f"{stream}/items/{one}") for stream, ids in ITEMS.items() for one in ids}
    assert {
        one: item["verdict"] and item["verdict"]["categories"] for one, item in found.items()
    } == {
        "a": None,
        "b": ["vpn_issue"],
        "c": ["security_incident"],
        "s-1": None,
        "s-2": ["supported"],
        "s-3": None,
    }
    assert found["s-3"]["retry"]["how"] == "widen"


@pytest.mark.parametrize("label", EXPECTED)
def test_operation_answers_as_documented(key: str, document: dict[str, Any], label: str) -> None:
    operation = find_operation(document, label)
    met: Met = (set(), set())
    for mode in schemathesis.GenerationMode:
        ask_often(operation.as_strategy(mode), key, met)
    ask_unreadable(operation, key, met)
    statuses, taken = met
    assert EXPECTED[label] <= statuses
    if label in POSTS:
        kinds = (JSON, NDJSON) if label == BATCH else (JSON,)
        assert {(stream, kind) for stream in ITEMS for kind in kinds} <= taken


def ask_often(strategy: Any, key: str, met: Met) -> None:
    """Send what the strategy makes; what was met is added."""
    numbers = count()

    @make_examples
    @given(case=strategy)
    def ask(case: Any) -> None:
        number = next(numbers)
        stream = lead_inside(case, number)
        answer = send(case, "" if number % 10 == 9 else key, number)
        note(answer, stream, case, met)

    ask()


def note(answer: Any, stream: str, case: Any, met: Met) -> None:
    statuses, taken = met
    statuses.add(answer.status_code)
    # A batch may be answered 200 with every item refused.
    if answer.status_code < 300 and answer.json().get("taken", 1):
        taken.add((stream, case.media_type or ""))


def ask_unreadable(operation: Any, key: str, met: Met) -> None:
    """Send bodies that are any bytes, and queries of any text where there is no body."""
    numbers = count()

    @make_examples
    @given(case=operation.as_strategy(), raw=st.binary(), text=st.text("a\0"))
    def ask(case: Any, raw: bytes, text: str) -> None:
        stream = lead_inside(case, next(numbers))
        sent = {"data": raw} if case.media_type else {"params": {text: text}}
        answer = send(case, key, 0, **sent)
        note(answer, stream, case, met)

    ask()


def make_examples(ask: Any) -> Any:
    return seed(SEED)(
        settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(ask)
    )


def send(case: Any, key: str, number: int, **sent: object) -> Any:
    if number % 10 == 8:
        case.method = "PATCH"
    # The document cannot say which categories a stream has, or that scores sum to 1.
    excluded = [positive_data_acceptance]
    # Items of a batch are refused one by one, in a 200; a header that is wrong gets the key.
    if case.operation.label == BATCH or is_broken(case, "header"):
        excluded.append(negative_data_rejection)
    answer = case.call_and_validate(
        headers={"Authorization": f"Bearer {key}"} if key else {}, excluded_checks=excluded, **sent
    )
    if case.operation.label == BATCH and answer.status_code == 200 and is_broken(case, "body"):
        assert answer.json()["refused"] > 0
    return answer


def lead_inside(case: Any, number: int) -> str:
    """Turn two of three requests to a stream that there is; which, or none."""
    stream = (*ITEMS, "")[number % 3]
    if not stream or "stream" not in case.path_parameters or is_broken(case, "path"):
        return ""
    case.path_parameters["stream"] = stream
    if "external_id" in case.path_parameters:
        case.path_parameters["external_id"] = ITEMS[stream][number // 3 % 3]
    if not is_broken(case, "body"):
        for body in case.body if isinstance(case.body, list) else [case.body]:
            if isinstance(body, dict):
                fill(body)
    return stream


def is_broken(case: Any, part: str) -> bool:
    return bool(case.meta.is_negative_at(ParameterLocation(part)))


def fill(body: dict[str, Any]) -> None:
    """What a stream has of its own, and the document cannot know."""
    if "blocks" in body:
        body["signals"] = dict(AMBER)
        body.pop("retry_of", None)
    elif "scores" in body:
        body["scores"] = dict(SCORES)
        body.pop("secondary", None)
