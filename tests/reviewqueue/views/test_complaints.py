"""Complaints about such products, by their public issues: who gets which item, at what cost.

What concerns keys and words on the screen stands in `tests/browser/test_complaints.py`.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from reviewqueue.claims import UNCLAIMED
from reviewqueue.intake import take_in
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.seats import open_audit_seats
from routing.items import Post
from routing.models import Stream
from tests import scenes
from tests.reviewqueue.views.test_verdict import HOLD, headings, take

EMPTY = "Nothing waits for you in Hold"


def client_of(name: str, stream: Stream, role: str = "reviewer") -> Client:
    client = Client()
    client.force_login(scenes.make_person(name, stream, role))
    return client


def post_tickets(stream: Stream, count: int, **fields: object) -> list[ReviewTask]:
    return [
        scenes.post(stream, f"HD-{number}", payload={"subject": f"Ticket {number}"}, **fields)  # type: ignore[arg-type]
        for number in range(count)
    ]


def multiply(task: ReviewTask, times: int) -> None:
    """Copies of an item with its seat, made by the database itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO routing_item
            SELECT (jsonb_populate_record(item, jsonb_build_object(
                'id', gen_random_uuid(), 'external_id', 'copy-' || %s || '-' || number))).*
            FROM routing_item AS item, generate_series(1, %s) AS number WHERE item.id = %s
            """,
            [times, times, task.item_id],
        )
        cursor.execute(
            """
            INSERT INTO reviewqueue_reviewtask
            SELECT (jsonb_populate_record(task, jsonb_build_object(
                'id', gen_random_uuid(), 'item_id', item.id))).*
            FROM reviewqueue_reviewtask AS task, routing_item AS item
            WHERE task.id = %s AND item.external_id LIKE %s
            """,
            [task.id, f"copy-{times}-%"],
        )


@pytest.mark.django_db(transaction=True)
def test_two_people_never_get_the_same_item() -> None:
    """label-studio#795 and #9270: eight people ask at the same instant, again and again."""
    stream = scenes.make_stream()
    post_tickets(stream, 16)
    clients = [client_of(f"p{number}", stream) for number in range(8)]
    start = Barrier(len(clients), timeout=30)  # one that fails does not hang the rest

    def ask_twice(client: Client) -> list[str]:
        try:
            found = []
            for _ in range(2):
                connection.close()  # as a server does after a request; nine would outgrow the pool
                start.wait()
                page = client.get(HOLD).content.decode()
                found += re.findall(r"<h1[^>]*>([^<]+)", page)
                form = {
                    "lease_token": re.findall(r'name="lease_token" value="([^"]+)"', page)[0],
                    "kind": "category",
                    "categories": "vpn_issue",
                }
                address = re.findall(r'id="answer" method="post" action="([^"]+)"', page)[0]
                assert client.post(address, form).status_code == 303
            return found
        finally:
            connection.close()

    with ThreadPoolExecutor(len(clients)) as threads:
        got = [title for found in threads.map(ask_twice, clients) for title in found]
    assert sorted(got) == sorted(f"Ticket {number}" for number in range(16))
    assert Verdict.objects.count() == 16


def test_queue_is_empty_only_when_nothing_is_left(stream: Stream, plain: Client) -> None:
    """label-studio#4190 and #4781, "no more tasks" with a backlog: what others left comes."""
    tasks = post_tickets(stream, 3)
    away = [client_of(f"away{number}", stream) for number in range(2)]
    for client, task in zip(away, tasks, strict=False):
        take(client, task)
    past = timezone.now() - timedelta(minutes=1)
    ReviewTask.objects.filter(state="claimed").update(lease_expires_at=past)
    seen = []
    for _ in range(3):
        page = plain.get(HOLD)
        seen += headings(page)
        task = ReviewTask.objects.get(state="claimed", holder__username="rita")
        form = take(plain, task) | {"kind": "category", "categories": "vpn_issue"}
        plain.post(f"/tasks/{task.id}/verdict", form)
    assert sorted(seen) == ["Ticket 0", "Ticket 1", "Ticket 2"]
    assert headings(plain.get(HOLD)) == [EMPTY]


def test_empty_page_says_why_while_others_read(stream: Stream, plain: Client) -> None:
    """label-studio#4781: what is in other hands is not given twice, and the page says so."""
    task = post_tickets(stream, 1)[0]
    take(client_of("omar", stream), task)
    page = plain.get(HOLD)
    assert headings(page) == [EMPTY]
    assert "or somebody is reading it now" in page.content.decode()


def test_item_of_somebody_who_left_is_free_without_any_worker(
    stream: Stream, plain: Client
) -> None:
    """opik#6421, locks stuck: the next to ask gets it, and no job has to run first."""
    task = post_tickets(stream, 1)[0]
    take(client_of("omar", stream), task)
    ReviewTask.objects.update(lease_expires_at=timezone.now())
    assert headings(plain.get(HOLD)) == ["Ticket 0"]


def test_admin_frees_an_item_in_two_clicks(stream: Stream, plain: Client) -> None:
    """opik#6421: nobody has to wait for a lease either."""
    task = post_tickets(stream, 1)[0]
    take(client_of("omar", stream), task)
    admin = Client()
    admin.force_login(User.objects.create_superuser("root"))
    chosen = {"action": "release", "_selected_action": str(task.id)}
    assert admin.post("/admin/reviewqueue/reviewtask/", chosen).status_code == 302
    assert headings(plain.get(HOLD)) == ["Ticket 0"]


@pytest.mark.parametrize(
    ("address", "queries"), [(HOLD, 7), ("/", 11), ("/streams/helpdesk/mine/", 4)]
)
def test_pages_cost_the_same_at_ten_thousand_items(
    stream: Stream, plain: Client, address: str, queries: int
) -> None:
    """langwatch#8059, the whole queue for one item, and label-studio#9637, slow lists."""
    task = post_tickets(stream, 1)[0]
    sizes = []
    for times in (2, 9_997):
        multiply(task, times)
        plain.get(address)
        with CaptureQueriesContext(connection) as captured:
            sizes.append(len(plain.get(address).content) // 1000)
        assert len(captured) == queries
    assert sizes[0] == sizes[1]


def test_confidence_is_large_and_its_kind_is_said(stream: Stream, plain: Client) -> None:
    """label-studio#5871 and argilla#230: which number is which, and that one is not calibrated."""
    post_tickets(stream, 1)
    page = plain.get(HOLD).content.decode()
    assert ">Not calibrated</span>" in page
    assert re.search(r'class="headline__figure">52<small>%</small>', page)
    assert '<span class="quiet">raw 0.52</span>' in page
    assert ">Model score</span>" in page
    ReviewTask.objects.update(priority=-1, **UNCLAIMED)
    halved = {"": {"kind": "platt", "parameters": [0.5, 0.0]}}
    scenes.publish(stream, maps=halved, model_versions=["m1"], min_margin=0.3)
    scenes.post(stream, "HD-M", model_version="m1")
    page = plain.get(HOLD).content.decode()
    assert ">Calibrated</span>" in page
    assert '<span class="quiet">raw 0.52</span>' in page
    assert re.search(r'class="headline__figure">51<small>%</small>', page)


def test_urgent_work_comes_first(stream: Stream, plain: Client) -> None:
    """coop#670, priorities: priority, then due time, then age; home starts with the escalated."""
    soon, late = (timezone.now() + timedelta(days=days) for days in (1, 9))
    for title, fields in {
        "Late": {"due_at": late},
        "Soon": {"due_at": soon},
        "Soon but younger": {"due_at": soon},
        "Urgent": {"due_at": late, "priority": 5},
    }.items():
        scenes.post(stream, title, payload={"subject": title}, **fields)  # type: ignore[arg-type]
    order = []
    for _ in range(4):
        order += headings(plain.get(HOLD))
        task = ReviewTask.objects.get(state="claimed")
        form = take(plain, task) | {"kind": "category", "categories": "vpn_issue"}
        plain.post(f"/tasks/{task.id}/verdict", form)
    assert order == ["Urgent", "Soon", "Soon but younger", "Late"]
    post = scenes.post(stream, "HD-H")
    expert = client_of("eva", stream, "expert")
    assert "Start with Hold, Helpdesk" in expert.get("/").content.decode()
    scenes.post(stream, "HD-E")
    ReviewTask.objects.filter(state="open").exclude(id=post.id).update(queue="escalated")
    assert "Start with Escalated, Helpdesk" in expert.get("/").content.decode()


def test_automatic_actions_are_audited_blind(db: None) -> None:
    """coop#329: what the machine did alone comes before people, who do not see what it said."""
    stream = scenes.make_stream("audited", audit_rate=1.0)
    post = Post(external_id="HD-1", payload=scenes.TICKET, scores=scenes.SURE)
    assert take_in(stream=stream, posts=[post])
    client = client_of("rita", stream)
    assert not ReviewTask.objects.exists()
    open_audit_seats(stream=stream, at=timezone.now() + timedelta(days=7))
    page = client.get("/streams/audited/audit/").content.decode()
    assert "VPN drops after a minute" in page
    assert "Blind: the machine's answer is hidden until yours is in." in page
    assert "headline" not in page
