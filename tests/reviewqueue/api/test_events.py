"""What webhooks are told is what the OpenAPI document says: messages that the product makes."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from openapi_schema_validator import OAS31Validator
from pytest_django import Settings

from calibration.monitoring import watch_audits
from reviewqueue.api import examples
from reviewqueue.api.events import EVENTS
from reviewqueue.messages import Message, read_message
from reviewqueue.overturns import overturn_verdict
from reviewqueue.retries import request_retry
from reviewqueue.seats import open_audit_seats
from reviewqueue.sequencer import sequence_due
from reviewqueue.verdicts import Answer
from reviewqueue.webhook_models import Webhook
from reviewqueue.webhooks import PING, ping_webhook
from routing.models import Announcement, Item, Stream
from tests.calibration.cohorts import NOON, label_items, make_audited_stream, post_items
from tests.conftest import Upstream
from tests.grounded_scenes import REFUSED, make_grounded_stream, post_sentence
from tests.reviewqueue.api.test_examples import steady
from tests.reviewqueue.receiver import run_receiver
from tests.reviewqueue.test_claims import claim
from tests.reviewqueue.test_overturns import INCIDENT, set_window
from tests.reviewqueue.test_verdicts import VPN, judge
from tests.scenes import make_person

UNLOCK = Answer("category", ("account_unlock",))


@pytest.fixture
def document(db: None) -> dict[str, Any]:
    found = json.loads(Client().get("/api/v1/openapi.json").content)
    assert isinstance(found, dict)
    return found


def read(stream: Stream, kind: str) -> list[Message]:
    """What the stream's webhooks are told of this kind."""
    sequence_due(stream.id)
    rows = Announcement.objects.filter(stream=stream, kind=kind).select_related("item")
    return [read_message(row) for row in rows.order_by("id")]


def check(document: Mapping[str, Any], message: Mapping[str, Any]) -> None:
    """The message is of the schema of its type, and has no field that the schema has not."""
    kind = message["type"]
    content = document["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]
    whole = {**content["schema"], "components": document["components"]}
    found = [error.message for error in OAS31Validator(whole).iter_errors(message)]
    assert found == []
    EVENTS[kind][0].model_validate(message, extra="forbid")


def check_with_example(document: Mapping[str, Any], message: Mapping[str, Any]) -> None:
    check(document, message)
    example = EVENTS[message["type"]][2]
    check(document, example)
    assert steady(message) == steady(example)


def test_every_kind_is_described(document: dict[str, Any]) -> None:
    assert list(document["webhooks"]) == list(EVENTS)
    assert set(EVENTS) == {*Announcement.Kind.values, PING}


def test_verdicts(document: dict[str, Any], upstream: Upstream, stream: Stream) -> None:
    set_window(stream, 0)
    upstream.post("items", examples.TICKET)
    rita = make_person("rita", stream, "reviewer")
    verdict = judge(claim(stream, rita), rita, UNLOCK)
    overturn_verdict(verdict_id=verdict.id, by=rita, answer=INCIDENT)
    [settled], [overturned] = read(stream, "item.settled"), read(stream, "item.overturned")
    check_with_example(document, settled)
    check_with_example(document, overturned)


def test_audit_that_contradicts(
    document: dict[str, Any], upstream: Upstream, stream: Stream
) -> None:
    Stream.objects.update(audit_rate=1.0)
    set_window(stream, 0)
    upstream.post("items", examples.SURE)
    open_audit_seats(stream=stream, at=timezone.now())
    rita = make_person("rita", stream, "reviewer")
    judge(claim(stream, rita, "audit"), rita, VPN)
    [message] = read(stream, "audit.overturned")
    check_with_example(document, message)


def test_verdict_on_a_sentence(document: dict[str, Any], db: None) -> None:
    stream = make_grounded_stream(bulk_label_rate=1.0, undo_seconds=0)
    post_sentence(stream, "s-1")
    rita = make_person("rita", stream, "reviewer")
    judge(
        claim(stream, rita, "flagged"),
        rita,
        Answer("category", ("supported",), block="files#limits"),
    )
    [message] = read(stream, "item.settled")
    check(document, message)
    verdict = message["data"]["verdict"]
    assert isinstance(verdict, dict)
    assert verdict["block"] == "files#limits"


def test_routing(document: dict[str, Any], upstream: Upstream, stream: Stream) -> None:
    Webhook.objects.create(stream=stream, url="https://example.com/", events=["item.routed"])
    upstream.post("items", examples.TICKET)
    [message] = read(stream, "item.routed")
    check_with_example(document, message)


def test_retry(document: dict[str, Any], db: None) -> None:
    stream = make_grounded_stream()
    post_sentence(stream, "letter-7-3", signals=REFUSED, draft="letter-7", position=3)
    request_retry(item_id=Item.objects.get().id, person=None, how="widen", note="Look.")
    [message] = read(stream, "item.retry_requested")
    check_with_example(document, message)


def test_retry_of_a_sentence_of_no_draft(document: dict[str, Any], db: None) -> None:
    stream = make_grounded_stream()
    post_sentence(stream, "s-1", signals=REFUSED)
    request_retry(item_id=Item.objects.get().id, person=None, how="rewrite")
    [message] = read(stream, "item.retry_requested")
    check(document, message)
    assert (message["data"]["draft"], message["data"]["position"]) == ("", None)


def test_publication(document: dict[str, Any], stream: Stream) -> None:
    [message] = read(stream, "policy.published")
    check_with_example(document, message)


def test_alarm(document: dict[str, Any], db: None) -> None:
    stream = make_audited_stream()
    label_items(post_items(stream, 60, confidence=0.95), right=30)
    watch_audits(stream=stream, at=NOON + timedelta(hours=6))
    whole, category = sorted(
        read(stream, "drift.alarm"), key=lambda message: str(message["data"]["category"] or "")
    )
    check(document, category)
    assert whole["data"]["promised_errors"] == pytest.approx(3.0)
    whole["data"]["promised_errors"] = 3.0
    check_with_example(document, whole)


def test_test_of_a_webhook(document: dict[str, Any], stream: Stream, settings: Settings) -> None:
    settings.ALLOW_PRIVATE_ADDRESSES = True
    with run_receiver() as receiver:
        ping_webhook(Webhook.objects.create(stream=stream, url=receiver.url))
        [got] = receiver.accepted
    check_with_example(document, json.loads(got.body))
