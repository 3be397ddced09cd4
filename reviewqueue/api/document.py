"""What the OpenAPI document says beyond what routes and schemas tell by themselves."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from reviewqueue.api.events import describe_events, event_schemas
from reviewqueue.api.examples import PROBLEMS
from reviewqueue.api.problems import CONTENT_TYPE, TITLES

NDJSON: Final = "application/x-ndjson"
JSON: Final = "application/json"

# An example by its short name: a summary and the body.
Examples = Mapping[str, tuple[str, object]]

ADVICE: Final = {
    "malformed": "The body is no JSON, or ended early. Mend the sender.",
    "unauthorised": "Send `Authorization: Bearer rq_…` with a key that is not revoked.",
    "not_found": "The address, the stream or the item is unknown to this key.",
    "method_not_allowed": "Use a method that the `Allow` header lists.",
    "no_policy": "An admin publishes a policy for the stream; then send it again.",
    "too_large": "Send less at once: `limit` has the most that is taken.",
    "invalid": "`field` has the place and `detail` says what to change.",
    "conflict": "The id belongs to an item with another body, whose fingerprint is "
    "`stored_fingerprint`. Use another id.",
    "too_many_requests": "Wait for `Retry-After` seconds, then send it again.",
    "internal": "A fault in the service. Sending it again is safe.",
    "unavailable": "Wait for `Retry-After` seconds, then send it again: that is always safe.",
}


def _describe() -> str:
    rows = "\n".join(
        f"| `{code}` | {status} | {title} | {ADVICE[code]} |"
        for code, (status, title) in TITLES.items()
    )
    return f"""Post predictions, be told what to do with them, and what people found.

**Safe to repeat.** An item is known by its stream and `external_id` for as long as it exists. The
same body again, key order aside, answers 200 with the same decision and stores nothing; another
body under a known id is a `conflict`. So whenever an answer is lost, send the request again.

**Limits.** Each key may ask so often in a minute, and a minute's worth at once: answers say
`RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds until all of it is there
again). A batch is one request. Posts also say `Item-Limit` (bytes), batches `Batch-Limit` (items)
and `Body-Limit` (bytes). `GET /api/v1/streams` lists them all.

**Problems** are documents (`{CONTENT_TYPE}`, RFC 9457). Their `type` is
`urn:reviewqueue:problem:` and one of these:

| … | status | title | what to do |
| --- | --- | --- | --- |
{rows}
"""


DESCRIPTION: Final = _describe()
KEY: Final = (
    "A key from the admin, under *API keys*. It reaches the streams that were chosen for it."
)
RATE_HEADERS: Final = {
    "RateLimit-Limit": "Requests that the key may send in a minute.",
    "RateLimit-Remaining": "Requests that may be sent at once now.",
    "RateLimit-Reset": "Seconds until the whole budget is there again.",
}
SIZE_HEADERS: Final = {
    "Item-Limit": "Most bytes of an item.",
    "Body-Limit": "Most bytes of a batch.",
    "Batch-Limit": "Most items of a batch.",
}
OWN_HEADERS: Final = {
    304: {"ETag": "As it was sent."},
    401: {"WWW-Authenticate": "How to send a key."},
    405: {"Allow": "The methods that the address takes."},
    429: {"Retry-After": "Seconds to wait."},
    503: {"Retry-After": "Seconds to wait."},
}
TEXTS: Final = {"Allow", "ETag", "WWW-Authenticate"}
# Refused before the key is known, and before the limits are.
WITHOUT_RATE: Final = {401, 405}
WITHOUT_SIZE: Final = {401, 404, 405, 429, 500, 503}


def takes(
    forms: Sequence[type[BaseModel]], examples: Examples, *, most: int = 0
) -> dict[str, object]:
    """The part of an operation about its body, which is read raw: one item, or `most` of them.

    In one of the forms, as the kind of the stream has it.
    """
    schema = {"anyOf": [_describe_form(form) for form in forms]}
    content: dict[str, object] = {JSON: {"schema": schema, "examples": _shown(examples)}}
    if most:
        many = {"type": "array", "minItems": 1, "maxItems": most, "items": schema}
        content[JSON] = {"schema": many, "examples": _shown(examples)}
        content[NDJSON] = {
            "schema": {"type": "string", "description": "One item a line."},
            "examples": {"lines": {"summary": "A line for each", "value": _lines(examples)}},
        }
    return {"requestBody": {"required": True, "content": content}}


def _describe_form(form: type[BaseModel]) -> Any:
    """The form's schema without references, which would lead to the head of the document."""
    schema = form.model_json_schema()
    parts = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(each) for each in node]
        if not isinstance(node, dict):
            return node
        found = node
        if "$ref" in node:
            own = {key: value for key, value in node.items() if key != "$ref"}
            found = parts[node["$ref"].rpartition("/")[2]] | own
        return {key: resolve(value) for key, value in found.items()}

    return resolve(schema)


def answers_like(examples: Mapping[int, Examples], *, etag: bool = False) -> dict[str, object]:
    """The part of an operation about its good answers, by status."""
    headers = {"ETag": _header("ETag", "Changes with the answer.")} if etag else {}
    return {
        "responses": {
            status: {"content": {JSON: {"examples": _shown(shown)}}, "headers": dict(headers)}
            for status, shown in examples.items()
        }
    }


def complete_document(document: dict[str, Any]) -> None:
    """Add media types, headers and examples of refusals, how to send a key, and webhooks."""
    for operations in document["paths"].values():
        for operation in operations.values():
            posts = "requestBody" in operation
            for status, answer in operation["responses"].items():
                _complete_answer(int(status), answer, posts=posts)
    scheme = document["components"]["securitySchemes"]["BearerKey"]
    scheme |= {"description": KEY, "bearerFormat": "rq_…"}
    document["webhooks"] = describe_events()
    schemas = document["components"]["schemas"]
    document["components"]["schemas"] = event_schemas() | schemas


def _complete_answer(status: int, answer: dict[str, Any], *, posts: bool) -> None:
    headers = dict(OWN_HEADERS.get(status, {}))
    if status not in WITHOUT_RATE:
        headers |= RATE_HEADERS
    if posts and status not in WITHOUT_SIZE:
        headers |= SIZE_HEADERS
    own = {name: _header(name, text) for name, text in headers.items()}
    answer["headers"] = own | answer.get("headers", {})
    if status >= 400:
        schema = answer.pop("content")[JSON]["schema"]
        found = {code: one for code, one in PROBLEMS.items() if TITLES[code][0] == status}
        answer["content"] = {
            CONTENT_TYPE: {
                "schema": schema,
                "examples": {
                    code: {"summary": TITLES[code][1], "value": one} for code, one in found.items()
                },
            }
        }


def _header(name: str, text: str) -> dict[str, object]:
    kind = "string" if name in TEXTS else "integer"
    return {"description": text, "schema": {"type": kind}}


def _shown(examples: Examples) -> dict[str, object]:
    return {name: {"summary": summary, "value": body} for name, (summary, body) in examples.items()}


def _lines(examples: Examples) -> str:
    """The items of the first example, a line each."""
    _summary, items = next(iter(examples.values()))
    if not isinstance(items, list):
        raise TypeError("the example of a batch is a list of items")
    return "".join(f"{json.dumps(item)}\n" for item in items)
