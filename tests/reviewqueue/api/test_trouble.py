"""A database in trouble: 503, when to come again, and nothing half stored."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.test import Client

from calibration.models import FrameDelta
from reviewqueue.models import ReviewTask
from reviewqueue.webhook_models import Webhook
from routing.models import Announcement, Decision, Item, Stream
from tests.conftest import Answered, Upstream, make_body
from tests.trouble import DISK_FULL, SHUT_DOWN, end_who_waits_for_a_lock, trouble_at

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 60.0
COUNT = 20
Ask = Callable[[Upstream], Answered]
SINGLE: Ask = lambda upstream: upstream.post("items", make_body("t1"))  # noqa: E731
BATCH: Ask = lambda upstream: upstream.post(  # noqa: E731
    "items/batch", [make_body(f"t{number}") for number in range(COUNT)]
)
READ: Ask = lambda upstream: upstream.get("items/t1")  # noqa: E731


@pytest.fixture
def program(stream: Stream, upstream: Upstream) -> Upstream:
    """An upstream that reads whatever it is answered; a webhook hears where its items go."""
    Webhook.objects.create(stream=stream, url="https://example.com/", events=["item.routed"])
    return Upstream(Client(raise_request_exception=False), upstream.key, upstream.stream_key)


def told(response: Answered) -> tuple[int, str, str, int]:
    problem = json.loads(response.content)
    code = problem["type"].rpartition(":")[2]
    return response.status_code, code, response["Retry-After"], problem["retry_after"]


def count_rows() -> list[int]:
    routed = Announcement.objects.filter(kind="item.routed")
    models = (Item.objects, Decision.objects, ReviewTask.objects, FrameDelta.objects, routed)
    return [rows.count() for rows in models]


@pytest.mark.parametrize("what", [DISK_FULL, SHUT_DOWN])
@pytest.mark.parametrize(
    "table",
    ["routing_item", "routing_decision", "reviewqueue_reviewtask", "routing_announcement"],
)
@pytest.mark.parametrize("ask", [SINGLE, BATCH], ids=["single", "batch"])
def test_trouble_while_storing(program: Upstream, ask: Ask, table: str, what: str) -> None:
    with trouble_at(table, what):
        response = ask(program)

    assert told(response) == (503, "unavailable", "5", 5)
    assert count_rows() == [0, 0, 0, 0, 0]
    assert ask(program).status_code in {200, 201}
    items = 1 if ask is SINGLE else COUNT
    assert count_rows() == [items, items, items, 1, items]


@pytest.mark.parametrize(
    ("ask", "lock"),
    [(SINGLE, "SHARE"), (BATCH, "SHARE"), (READ, "ACCESS EXCLUSIVE")],
    ids=["single", "batch", "read"],
)
def test_connection_that_ends_while_it_waits(program: Upstream, ask: Ask, lock: str) -> None:
    def answer() -> Answered:
        try:
            return ask(program)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE routing_item IN {lock} MODE")
        asked = threads.submit(answer)
        end_who_waits_for_a_lock()
        response = asked.result(PATIENCE)

    assert told(response) == (503, "unavailable", "5", 5)
    assert count_rows() == [0, 0, 0, 0, 0]
