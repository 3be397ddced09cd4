"""What people read when the database is in trouble: 503, and nothing half-done is kept."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.test import Client

from reviewqueue.models import Verdict
from routing.models import Event, Stream
from tests import scenes
from tests.conftest import Answered
from tests.reviewqueue.views.test_verdict import take
from tests.trouble import DISK_FULL, SHUT_DOWN, end_who_waits_for_a_lock, trouble_at

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 60.0
TROUBLE = b"<h1>The database is in trouble</h1>"


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream()


@pytest.fixture
def tab(reviewer: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(reviewer)
    return client


def told(response: Answered) -> tuple[int, str, int]:
    return response.status_code, response["Retry-After"], response.content.count(TROUBLE)


@pytest.mark.parametrize("what", [DISK_FULL, SHUT_DOWN])
@pytest.mark.parametrize("script", [{}, {"HX-Request": "true"}], ids=["plain", "htmx"])
@pytest.mark.parametrize("table", ["reviewqueue_verdict", "routing_event"])
def test_answer_that_cannot_be_stored_is_sent_again(
    tab: Client, stream: Stream, table: str, script: dict[str, str], what: str
) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(tab, task) | {"kind": "category", "categories": "vpn_issue"}
    events = Event.objects.count()
    with trouble_at(table, what):
        response = tab.post(f"/tasks/{task.id}/verdict", form, headers=script)

    assert told(response) == (503, "5", 1)
    task.refresh_from_db()
    assert (task.state, Verdict.objects.count(), Event.objects.count()) == ("claimed", 0, events)
    again = tab.post(f"/tasks/{task.id}/verdict", form, headers=script)
    assert again.status_code == (200 if script else 303)
    assert Verdict.objects.get().task_id == task.id


def test_page_whose_connection_ends_while_it_waits(tab: Client) -> None:
    def answer() -> Answered:
        try:
            return tab.get("/")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE auth_user, routing_stream IN ACCESS EXCLUSIVE MODE")
        asked = threads.submit(answer)
        end_who_waits_for_a_lock()

    assert told(asked.result(PATIENCE)) == (503, "5", 1)
