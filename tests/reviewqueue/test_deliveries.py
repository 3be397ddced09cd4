"""Deliveries: each arrives, tried again as long as it takes, under one id and with one body."""

import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

import pgtrigger
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from reviewqueue import deliveries, posting, tasks
from reviewqueue.deliveries import (
    MOST_TRIES,
    PAUSES,
    delete_old_deliveries,
    pause_after,
    replay_deliveries,
    send_due,
)
from reviewqueue.sequencer import sequence_due
from reviewqueue.webhook_models import Delivery, Webhook
from reviewqueue.webhooks import (
    pause_webhook,
    ping_webhook,
    resume_webhook,
    rotate_secret,
)
from routing.models import Announcement, Event, Item, Stream
from tests.reviewqueue.receiver import (
    Handler,
    Receiver,
    answers,
    resets,
    run_receiver,
    stalls,
    verify,
)
from tests.reviewqueue.test_sequencer import announce, make_items
from tests.scenes import make_person


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.ALLOW_PRIVATE_ADDRESSES = True
    with run_receiver() as server:
        yield server


def make_webhook(stream: Stream, receiver: Receiver, **fields: object) -> Webhook:
    return Webhook.objects.create(stream=stream, url=receiver.url, **fields)


def announce_items(stream: Stream, count: int) -> None:
    """So many announcements, handed to the webhooks; nothing else is due."""
    with pgtrigger.ignore():
        Announcement.objects.filter(item=None, position=None).delete()
    for item in make_items(stream, count):
        announce(item)
    sequence_due(stream.id)


def come_due() -> None:
    Delivery.objects.filter(state="due").update(due_at=timezone.now())


def states() -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for state in Delivery.objects.values_list("state", flat=True):
        found[state] += 1
    return dict(found)


def waits() -> timedelta:
    return Delivery.objects.get().due_at - timezone.now()


def test_delivery_is_sent_once_and_logged(stream: Stream, receiver: Receiver) -> None:
    webhook = make_webhook(stream, receiver)
    announce_items(stream, 1)
    assert send_due() == 1
    row = Announcement.objects.get(item__isnull=False)
    [got] = receiver.accepted
    assert (got.id, verify(webhook.secret, got)) == (str(row.id), True)
    document = json.loads(got.body)
    assert document == {
        "id": str(row.id),
        "type": "item.settled",
        "timestamp": row.due_at.isoformat(),
        "data": {"external_id": "i0", "item": str(row.item_id), "sequence": 1},
    }
    made = Delivery.objects.get()
    assert (made.state, made.tries, made.status, made.error) == ("delivered", 1, 200, "")
    assert made.duration_ms is not None
    assert made.closed_at is not None
    assert send_due() == 0


def test_failure_is_tried_again_after_a_growing_pause(stream: Stream, receiver: Receiver) -> None:
    make_webhook(stream, receiver)
    announce_items(stream, 1)
    receiver.behave = answers(500)
    for tries in range(1, MOST_TRIES):
        assert send_due() == 1
        made = Delivery.objects.get()
        assert (made.state, made.tries, made.status) == ("due", tries, 500)
        assert made.error == "it answered 500"
        pause = PAUSES[tries - 1]
        assert pause - timedelta(seconds=3) < waits() < pause * 1.2
        assert send_due() == 0
        come_due()
    assert send_due() == 1
    made = Delivery.objects.get()
    assert (made.state, made.tries, made.due_at < timezone.now() + timedelta(minutes=2)) == (
        "dead",
        MOST_TRIES,
        True,
    )
    assert len({(got.id, got.body) for got in receiver.requests}) == 1


def results() -> list[tuple[int, int | None, str]]:
    """Number, status and error of each try that the only delivery knows of."""
    noted = Delivery.objects.get().results
    return [(one["number"], one["status"], one["error"]) for one in noted]


def test_each_try_is_kept_with_what_it_came_to(
    stream: Stream, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "DEADLINE", 0.3)
    make_webhook(stream, receiver)
    announce_items(stream, 1)
    began = timezone.now()
    for behave in (answers(503), stalls, resets, answers(204)):
        receiver.behave = behave
        come_due()
        send_due()
    receiver.behave = answers(200)
    replay_deliveries(Delivery.objects.all())
    send_due()
    assert results() == [
        (1, 503, "it answered 503"),
        (2, None, "it did not answer within 0.3 s"),
        (3, None, "it could not be reached (ConnectionError)"),
        (4, 204, ""),
        (1, 200, ""),
    ]
    kept = Delivery.objects.get().results
    assert all(one["ms"] >= 0 for one in kept)
    times = [datetime.fromisoformat(one["at"]) for one in kept]
    assert times == sorted(times)
    assert began - timedelta(seconds=1) <= times[0] <= times[-1] <= timezone.now()


def test_no_more_tries_are_kept_than_three_rounds(
    stream: Stream, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "RESULTS_KEPT", 3)
    make_webhook(stream, receiver)
    announce_items(stream, 1)
    receiver.behave = answers(500)
    for _try in range(5):
        come_due()
        send_due()
    assert [number for number, _status, _error in results()] == [3, 4, 5]


def test_settling_a_try_costs_no_statement_for_keeping_it(
    stream: Stream, receiver: Receiver, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_webhook(stream, receiver)
    announce_items(stream, 1)
    made = Delivery.objects.get()
    one = deliveries.Try(made.id, made.webhook_id, made.token, 1)
    with django_assert_num_queries(4):  # a savepoint and its end, the webhook, the delivery
        deliveries.settle_try(one, posting.Posted(status=200, duration_ms=7))
    assert results() == [(1, 200, "")]


def test_pauses_last_three_days_and_are_spread() -> None:
    assert timedelta(days=3) < sum(PAUSES, timedelta()) < timedelta(days=3, hours=4)
    drawn = {pause_after(2) for _ in range(50)}
    assert len(drawn) > 40
    assert PAUSES[1] <= min(drawn) < max(drawn) <= PAUSES[1] * 1.2
    assert pause_after(1, timedelta(hours=1)) == timedelta(hours=1)


@pytest.mark.parametrize("status", [429, 503])
def test_receiver_that_asks_for_time_gets_it(
    stream: Stream, receiver: Receiver, status: int
) -> None:
    make_webhook(stream, receiver)
    announce_items(stream, 1)
    receiver.behave = answers(status, Retry_After="3600")
    send_due()
    assert timedelta(minutes=59) < waits() <= timedelta(hours=1)


def test_receiver_that_is_gone_is_told_no_more(stream: Stream, receiver: Receiver) -> None:
    webhook = make_webhook(stream, receiver)
    other = Webhook.objects.create(stream=stream, url=receiver.url + "/other")
    announce_items(stream, 1)
    receiver.behave = lambda handler: handler.reply(410 if handler.path == "/hook" else 500)
    send_due()
    webhook.refresh_from_db()
    other.refresh_from_db()
    assert (webhook.state, webhook.stopped_reason) == ("disabled", "it answered 410")
    assert other.state == "active"
    assert states() == {"dead": 1, "due": 1}
    [event] = Event.objects.filter(kind="webhook.disabled")
    assert (event.subject_id, event.data) == (webhook.id, {"reason": "it answered 410"})
    announce(Item.objects.get(), "item.overturned")
    sequence_due(stream.id)
    assert Delivery.objects.filter(webhook=webhook).count() == 1
    assert Delivery.objects.filter(webhook=other).count() == 2


def test_what_is_due_while_a_webhook_is_paused_waits(stream: Stream, receiver: Receiver) -> None:
    webhook = make_webhook(stream, receiver)
    root = make_person("ann", stream, "stream_admin")
    assert pause_webhook(webhook_id=webhook.id, by=root)
    assert not pause_webhook(webhook_id=webhook.id, by=root)
    announce_items(stream, 2)
    assert (send_due(), states()) == (0, {"due": 2})
    assert resume_webhook(webhook_id=webhook.id, by=root)
    assert (send_due(), states()) == (2, {"delivered": 2})
    kinds = (
        Event.objects.filter(subject_id=webhook.id).order_by("id").values_list("kind", flat=True)
    )
    assert list(kinds) == ["webhook.paused", "webhook.resumed"]


def fail_for(receiver: Receiver, webhook: Webhook, days: float, tries: int) -> None:
    """Its only delivery fails at its try of this number, after so many days of failures."""
    receiver.behave = answers(500)
    long_ago = timezone.now() - timedelta(days=days)
    Webhook.objects.filter(id=webhook.id).update(failing_since=long_ago)
    Delivery.objects.filter(webhook=webhook).update(tries=tries - 1)
    come_due()
    send_due()
    webhook.refresh_from_db()


def test_webhook_that_fails_for_days_pauses_and_loses_nothing(
    stream: Stream, receiver: Receiver
) -> None:
    webhook = make_webhook(stream, receiver)
    announce_items(stream, 1)
    fail_for(receiver, webhook, days=4.9, tries=9)
    assert webhook.state == "active"
    fail_for(receiver, webhook, days=5.1, tries=3)
    assert webhook.state == "active"
    fail_for(receiver, webhook, days=5.1, tries=4)
    reason = "nothing was received for 5 days, at last: it answered 500"
    assert (webhook.state, webhook.stopped_reason) == ("paused", reason)
    [event] = Event.objects.filter(kind="webhook.paused")
    assert (event.subject_id, event.actor_id, event.data) == (webhook.id, None, {"reason": reason})
    announce(Item.objects.get(), "item.overturned")
    sequence_due(stream.id)
    come_due()
    assert (send_due(), states()) == (0, {"due": 2})
    receiver.behave = answers(200)
    assert resume_webhook(webhook_id=webhook.id, by=make_person("ann", stream, "stream_admin"))
    webhook.refresh_from_db()
    assert (webhook.stopped_reason, webhook.failing_since) == ("", None)
    assert (send_due(), states()) == (2, {"delivered": 2})


def test_webhook_is_failing_from_its_first_failure_to_its_next_receipt(
    stream: Stream, receiver: Receiver
) -> None:
    webhook = make_webhook(stream, receiver)
    announce_items(stream, 1)
    receiver.behave = answers(500)
    send_due()
    webhook.refresh_from_db()
    since = webhook.failing_since
    assert since is not None
    assert timezone.now() - since < timedelta(minutes=1)
    come_due()
    send_due()
    webhook.refresh_from_db()
    assert webhook.failing_since == since
    receiver.behave = answers(200)
    come_due()
    send_due()
    assert Webhook.objects.filter(failing_since=None).count() == 1
    assert states() == {"delivered": 1}


def test_secret_that_cannot_be_read_stops_its_own_webhook_only(
    stream: Stream, receiver: Receiver, settings: Settings
) -> None:
    settings.WEBHOOK_KEYS = ["lost"]
    broken = make_webhook(stream, receiver)
    settings.WEBHOOK_KEYS = ["kept"]
    webhook = make_webhook(stream, receiver)
    announce_items(stream, 1)
    assert send_due() == 2
    delivered = Delivery.objects.get(webhook=webhook)
    failed = Delivery.objects.get(webhook=broken)
    assert (delivered.state, failed.state) == ("delivered", "due")
    assert failed.error.startswith("its secret cannot be read: None of WEBHOOK_KEYS opens")


def test_rotation_signs_with_both_secrets_for_a_day(stream: Stream, receiver: Receiver) -> None:
    webhook = make_webhook(stream, receiver)
    old = webhook.secret
    new = rotate_secret(webhook_id=webhook.id, by=make_person("ann", stream, "stream_admin"))
    webhook.refresh_from_db()
    assert ping_webhook(webhook).is_received
    assert [verify(secret, receiver.accepted[0]) for secret in (old, new)] == [True, True]
    assert receiver.accepted[0].signature.count("v1,") == 2
    Webhook.objects.update(previous_until=timezone.now())
    webhook.refresh_from_db()
    ping_webhook(webhook)
    assert [verify(secret, receiver.accepted[1]) for secret in (old, new)] == [False, True]
    assert old not in str(list(Event.objects.values_list("data", flat=True)))
    assert new not in str(list(Event.objects.values_list("data", flat=True)))


def test_replay_sends_the_same_message_from_the_first_try_on(
    stream: Stream, receiver: Receiver
) -> None:
    make_webhook(stream, receiver)
    announce_items(stream, 2)
    send_due()
    Delivery.objects.filter(announcement__item__external_id="i0").update(state="dead", tries=10)
    assert replay_deliveries(Delivery.objects.all()) == 2
    assert replay_deliveries(Delivery.objects.all()) == 0
    assert (send_due(), states()) == (2, {"delivered": 2})
    assert set(Delivery.objects.values_list("tries", flat=True)) == {1}
    assert len(receiver.accepted) == 4
    assert len({(got.id, got.body) for got in receiver.accepted}) == 2


def test_slow_receiver_holds_nobody_else_up(
    stream: Stream, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "DEADLINE", 2.0)
    with run_receiver() as slow:
        slow.behave = stalls
        Webhook.objects.create(stream=stream, url=slow.url)
        make_webhook(stream, receiver)
        announce_items(stream, 40)
        send_due(patience=0.1)
        # What was begun within the patience is done; the slow one had its few senders.
        assert len(slow.requests) <= deliveries.AT_ONCE_EACH
        # One after the other, the slow one's would take twenty seconds.
        enough = time.monotonic() + 15
        while len(receiver.accepted) < 40 and time.monotonic() < enough:
            send_due(patience=1.5)
        assert len(receiver.accepted) == 40
        assert len(slow.requests) <= 3 * deliveries.AT_ONCE_EACH


def test_outrun_sender_settles_nothing(stream: Stream, receiver: Receiver) -> None:
    make_webhook(stream, receiver)
    announce_items(stream, 1)

    receiver.behave = answers(500)
    send_due()
    made = Delivery.objects.get()
    one = deliveries.Try(made.id, made.webhook_id, made.token, 1)
    Delivery.objects.update(token="00000000-0000-7000-8000-000000000000")
    assert deliveries.settle_try(one, posting.Posted(status=200)) is None
    assert (Delivery.objects.get().state, len(results())) == ("due", 1)


def test_tasks_announce_send_and_tidy(stream: Stream, receiver: Receiver) -> None:
    make_webhook(stream, receiver)
    with pgtrigger.ignore():
        Announcement.objects.all().delete()
    announce(make_items(stream, 1)[0])
    tasks.send_deliveries()
    assert receiver.requests == []
    tasks.sequence_announcements()
    tasks.send_deliveries()
    assert len(receiver.accepted) == 1
    tasks.delete_old_deliveries()
    assert states() == {"delivered": 1}
    Delivery.objects.update(closed_at=timezone.now() - timedelta(days=31))
    tasks.delete_old_deliveries()
    assert states() == {}


def test_two_who_hear_that_it_is_gone_note_it_once(stream: Stream, receiver: Receiver) -> None:
    webhook = make_webhook(stream, receiver)
    announce_items(stream, 3)
    receiver.behave = answers(410)
    send_due()
    webhook.refresh_from_db()
    assert webhook.state == "disabled"
    assert states() == {"dead": 3}
    assert Event.objects.filter(kind="webhook.disabled").count() == 1
    root = make_person("ann", stream, "stream_admin")
    assert resume_webhook(webhook_id=webhook.id, by=root)
    receiver.behave = answers(200)
    assert replay_deliveries(Delivery.objects.all()) == 3
    assert (send_due(), states()) == (3, {"delivered": 3})
    webhook.refresh_from_db()
    assert webhook.stopped_reason == ""


def test_old_log_goes_and_the_announcements_stay(
    stream: Stream, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "DELETED_AT_ONCE", 2)
    make_webhook(stream, receiver)
    announce_items(stream, 7)
    send_due()
    old = list(Delivery.objects.values_list("id", flat=True)[:5])
    Delivery.objects.filter(id__in=old).update(closed_at=timezone.now() - timedelta(days=31))
    assert delete_old_deliveries() == 5
    assert (Delivery.objects.count(), Announcement.objects.filter(item=None).count()) == (2, 0)
    assert Announcement.objects.count() == 7


def test_claiming_costs_the_same_whatever_waits(stream: Stream, receiver: Receiver) -> None:
    paused = make_webhook(stream, receiver, state="paused")
    make_webhook(stream, receiver)
    announce_items(stream, 30)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE reviewqueue_delivery")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + deliveries.CLAIM_DUE, [60.0, [], 16])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "delivery_due" in plan
    assert Delivery.objects.filter(webhook=paused).count() == 30


def misbehave(seed: int) -> tuple[random.Random, threading.Lock]:
    return random.Random(seed), threading.Lock()


def check_all_arrived(receiver: Receiver, secret: str) -> None:
    """Every announcement was accepted; always the same body, always well signed."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for got in receiver.requests:
        bodies[got.id].add(got.body)
        assert verify(secret, got)
    expected = set(Announcement.objects.filter(item__isnull=False).values_list("id", flat=True))
    assert {str(one) for one in expected} == {got.id for got in receiver.accepted}
    assert {len(found) for found in bodies.values()} == {1}
    for got in receiver.accepted:
        assert json.loads(got.body)["id"] == got.id


def test_every_announcement_reaches_a_receiver_that_does_as_it_likes(
    stream: Stream, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "DEADLINE", 0.3)
    draws, lock = misbehave(seed=20261122)
    webhook = make_webhook(stream, receiver)

    def behave(handler: Handler) -> None:
        with lock:
            draw = draws.random()
        if draw < 0.4:
            handler.reply(draws.choice([200, 201, 204]))
        elif draw < 0.5:
            handler.reply(500)
        elif draw < 0.6:
            handler.reply(302, Location=handler.server.url)
        elif draw < 0.7:
            handler.reply(429, Retry_After="7200")
        elif draw < 0.75:
            stalls(handler)
        else:
            resets(handler)

    receiver.behave = behave
    announce_items(stream, 60)
    for _round in range(40):
        send_due()
        Delivery.objects.filter(state="due").update(tries=0)  # three days would not be enough
        come_due()
        if states() == {"delivered": 60}:
            break
    assert states() == {"delivered": 60}
    assert receiver.followed == 0
    assert len(receiver.requests) > 100
    check_all_arrived(receiver, webhook.secret)


def test_received_of_a_try_equals_that_of_the_next(stream: Stream, receiver: Receiver) -> None:
    make_webhook(stream, receiver)
    announce_items(stream, 1)
    receiver.behave = answers(500)
    send_due()
    Stream.objects.update(key="renamed", name="Renamed")
    come_due()
    send_due()
    first, second = receiver.requests

    assert (first.id, first.body) == (second.id, second.body)
