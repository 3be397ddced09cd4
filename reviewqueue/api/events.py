"""What webhooks are told, as the `webhooks` of the OpenAPI document."""

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from reviewqueue.api import event_examples as examples
from reviewqueue.api.event_schemas import (
    DriftEvent,
    PingEvent,
    PolicyEvent,
    RetryEvent,
    RoutedEvent,
    ToldOutcome,
)

# By type: what the message is, when it is told, and an example.
EVENTS: Final[dict[str, tuple[type[BaseModel], str, examples.Body]]] = {
    "item.settled": (
        ToldOutcome,
        "A verdict is published. The feed of outcomes tells it too.",
        examples.SETTLED,
    ),
    "item.overturned": (
        ToldOutcome,
        "Another answer stands in the place of a published one. The feed tells it too.",
        examples.OVERTURNED,
    ),
    "audit.overturned": (
        ToldOutcome,
        "A person contradicts what the machine did alone; comes beside one of the above.",
        examples.CONTRADICTED,
    ),
    "item.routed": (
        RoutedEvent,
        "An item was decided, or decided again; only to webhooks that ask for it.",
        examples.ROUTED,
    ),
    "item.retry_requested": (
        RetryEvent,
        "A person asks for a refused sentence to be drafted again.",
        examples.RETRY,
    ),
    "policy.published": (PolicyEvent, "A version of the policy is in force.", examples.PUBLISHED),
    "drift.alarm": (
        DriftEvent,
        "Audits broke the promise of the published policy.",
        examples.ALARM,
    ),
    "webhook.test": (PingEvent, "An admin sends a test.", examples.PING),
}
HEADERS: Final = {
    "webhook-id": "The message's id, the same at every try.",
    "webhook-timestamp": "When this try was sent, in seconds since 1970.",
    "webhook-signature": "`v1,` and the signature, or two with a space between, by the Standard "
    "Webhooks specification.",
}
ANSWERS: Final = {
    "2XX": "Received. Anything else, or nothing within 15 seconds, is tried again for three days.",
    "410": "Nothing more is wanted at this address: the webhook is switched off.",
}
_REFERENCE: Final = "#/components/schemas/{model}"


def describe_events() -> dict[str, object]:
    """A path item for each type of event."""
    return {kind: {"post": _describe(kind)} for kind in EVENTS}


def event_schemas() -> dict[str, Any]:
    """The schemas that they refer to, by name."""
    forms = list(dict.fromkeys(form for form, _summary, _example in EVENTS.values()))
    _by_form, described = models_json_schema(
        [(form, "serialization") for form in forms], ref_template=_REFERENCE
    )
    found: dict[str, Any] = described["$defs"]
    return found


def _describe(kind: str) -> dict[str, object]:
    form, summary, example = EVENTS[kind]
    return {
        "operationId": kind.replace(".", "_"),
        "summary": summary,
        "tags": ["webhooks"],
        "security": [],
        "parameters": [
            {
                "in": "header",
                "name": name,
                "required": True,
                "schema": {"type": "string"},
                "description": text,
            }
            for name, text in HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": _REFERENCE.format(model=form.__name__)},
                    "examples": {"one": {"summary": summary, "value": example}},
                }
            },
        },
        "responses": {status: {"description": text} for status, text in ANSWERS.items()},
    }
