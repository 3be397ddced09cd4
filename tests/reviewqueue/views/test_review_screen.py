"""The review screen: what it shows, to whom, and what it must not show."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from reviewqueue.models import ReviewTask
from routing.models import Category, Stream
from tests import scenes

HOLD = "/streams/helpdesk/hold/"


def text_of(response: object) -> str:
    content: bytes = getattr(response, "content", b"")
    return content.decode()


def test_shows_the_item_and_the_machines_answer(stream: Stream, plain: Client) -> None:
    scenes.post(stream, "HD-1")
    page = text_of(plain.get(HOLD))
    assert page.count("<h1") == 1
    assert "VPN drops after a minute" in page
    assert re.findall(r'class="choice__name"[^>]*>([^<]+)<', page) == [
        "VPN issue",
        "Account unlock",
        "Security incident",
    ]
    assert re.search(r'class="headline__figure">52<small>%', page)
    assert "Confidence <b>52%</b> under 90%" in page
    assert "Margin <b>0.21</b> under 0.30" in page
    assert "Confirm VPN issue" in page


def test_htmx_gets_only_the_work(stream: Stream, htmx: Client) -> None:
    scenes.post(stream, "HD-1")
    response = htmx.get(HOLD)
    page = text_of(response)
    assert page.lstrip().startswith('<div class="work" id="work"')
    assert "<html" not in page
    assert response.headers["HX-Replace-Url"] == HOLD


def test_the_item_in_hand_stays_after_a_reload(stream: Stream, plain: Client) -> None:
    for number in range(3):
        scenes.post(stream, f"HD-{number}", payload={"subject": f"Ticket {number}"})
    first = re.findall(r"<h1[^>]*>([^<]+)", text_of(plain.get(HOLD)))
    again = re.findall(r"<h1[^>]*>([^<]+)", text_of(plain.get(HOLD)))
    assert first == again == ["Ticket 0"]
    assert ReviewTask.objects.filter(state="claimed").count() == 1


def test_blind_screen_holds_nothing_of_the_machine(stream: Stream, plain: Client) -> None:
    scores = {"security_incident": 0.613, "vpn_issue": 0.251, "account_unlock": 0.136}
    task = scenes.post_blind(stream, "HD-1", scores=scores)
    page = text_of(plain.get("/streams/helpdesk/audit/"))
    assert re.findall(r'class="choice__name"[^>]*>([^<]+)<', page) == [
        "Account unlock",
        "VPN issue",
        "Security incident",
    ]
    work = page.split('id="work"', 1)[1].split("<dialog", 1)[0]
    for leak in ("0.61", "0.25", "0.14", ">61<", "Confirm S", "headline", " checked", "policy 1"):
        assert leak not in work, leak
    assert str(task.decision_id) not in page
    assert 'data-predicted=""' in page


def change_taxonomy(stream: Stream) -> None:
    """A category is added in front, one renamed, and the machine's answer retired."""
    Category.objects.create(stream=stream, key="vpn_client", label="VPN client", position=0)
    stream.categories.filter(key="account_unlock").update(label="Locked out", position=1)
    retired_at = datetime(2026, 5, 3, 12, tzinfo=UTC)
    stream.categories.filter(key="vpn_issue").update(retired_at=retired_at)


def test_categories_are_those_of_now_and_a_retired_prediction_is_marked(
    stream: Stream, plain: Client
) -> None:
    scenes.post(stream, "HD-1")
    change_taxonomy(stream)
    page = text_of(plain.get(HOLD))
    assert re.findall(r'class="choice__name"[^>]*>([^<]+)<', page) == [
        "Locked out",
        "Security incident",
        "VPN client",
    ]
    assert 'VPN issue <span class="headline__mark">retired</span>' in page
    assert "Retired on 3 May 2026: nobody can choose it any more." in page
    assert "Machine&#x27;s answer: VPN issue, retired, 52 per cent." in page
    assert "Choose a category" in page
    assert " checked" not in page.split('id="categories"', 1)[1].split("</fieldset>", 1)[0]


def test_blind_screen_after_a_change_follows_the_taxonomy_of_now(
    stream: Stream, plain: Client
) -> None:
    scenes.post_blind(stream, "HD-1")
    change_taxonomy(stream)
    page = text_of(plain.get("/streams/helpdesk/audit/"))
    assert re.findall(r'class="choice__name"[^>]*>([^<]+)<', page) == [
        "VPN client",
        "Locked out",
        "Security incident",
    ]
    work = page.split('id="work"', 1)[1].split("<dialog", 1)[0]
    for leak in ("VPN issue", "vpn_issue", "etired", " checked"):
        assert leak not in work, leak


def test_score_outside_the_policy_is_told_by_the_label(stream: Stream, plain: Client) -> None:
    Category.objects.create(stream=stream, key="vpn_client", label="VPN client", position=9)
    scores = {"vpn_issue": 0.3, "account_unlock": 0.02, "vpn_client": 0.62}
    stream.categories.filter(key="vpn_client").update(retired_at=timezone.now())
    scenes.publish(stream, hold=0.0)
    scenes.post(stream, "HD-1", scores=scores)
    page = text_of(plain.get(HOLD))
    assert "VPN client <b>0.62</b> is not in the policy, whose best has 0.30" in page


def test_two_people_get_two_items(stream: Stream, plain: Client) -> None:
    other = scenes.make_person("omar")
    scenes.join(other, stream)
    second = Client()
    second.force_login(other)
    for number in range(2):
        scenes.post(stream, f"HD-{number}", payload={"subject": f"Ticket {number}"})
    assert "Ticket 0" in text_of(plain.get(HOLD))
    page = text_of(second.get(HOLD))
    assert "Ticket 1" in page
    assert "Ticket 0" not in page


def test_empty_queue_offers_the_next_with_work(stream: Stream, plain: Client) -> None:
    scenes.post(stream, "HD-1", scores=scenes.LIKELY)
    page = text_of(plain.get(HOLD))
    assert "Nothing waits for you in Hold" in page
    assert 'href="/streams/helpdesk/flagged/"' in page
    assert "Go on with Flagged (1)" in page


def test_empty_stream_leads_to_what_home_puts_first(
    stream: Stream, reviewer: User, plain: Client, htmx: Client
) -> None:
    task = scenes.post(stream, "HD-1")
    soon, late = scenes.make_stream("soon"), scenes.make_stream("late")
    foreign = scenes.make_stream("foreign")
    scenes.join(reviewer, soon)
    scenes.join(reviewer, late)
    for other, days in ((late, 2), (soon, 1), (foreign, -1)):
        scenes.post(other, "O-1", due_at=timezone.now() + timedelta(days=days))
    plain.get(HOLD)
    task.refresh_from_db()
    answer = {"lease_token": str(task.lease_token), "kind": "category", "categories": "vpn_issue"}
    replied = htmx.post(f"/tasks/{task.id}/verdict", answer).content.decode()
    for page in (replied, plain.get(HOLD).content.decode()):
        assert "Nothing waits for you in Hold" in page
        assert 'href="/streams/soon/hold/" data-key="Enter"' in page
        assert "Start with Hold, Soon <kbd" in page
        assert 'href="/">Home</a>' in page
    ReviewTask.objects.filter(stream=soon).delete()
    assert "Start with Hold, Late <kbd" in plain.get(HOLD).content.decode()


@pytest.mark.parametrize("count", [1, 3])
def test_queries_of_an_empty_queue_do_not_grow_with_streams(
    stream: Stream, reviewer: User, plain: Client, count: int
) -> None:
    for number in range(count):
        other = scenes.make_stream(f"other-{number}")
        scenes.join(reviewer, other)
        scenes.post(other, "O-1")
    plain.get(HOLD)
    with CaptureQueriesContext(connection) as queries:
        plain.get(HOLD)
    assert len(queries) == 14


def test_empty_stream_leads_home(stream: Stream, plain: Client) -> None:
    page = text_of(plain.get(HOLD))
    assert "Nothing waits for you in Hold" in page
    assert "Go on with" not in page


@pytest.mark.parametrize(
    ("role", "queue", "status"),
    [
        ("reviewer", "hold", 200),
        ("reviewer", "escalated", 403),
        ("expert", "escalated", 200),
        ("adjudicator", "hold", 403),
        ("analyst", "hold", 403),
        ("stranger", "hold", 404),
        ("reviewer", "nowhere", 404),
    ],
)
def test_each_role_reaches_its_queues(stream: Stream, role: str, queue: str, status: int) -> None:
    person = scenes.make_person("pat")
    if role != "stranger":
        scenes.join(person, stream, role)
    client = Client()
    client.force_login(person)
    assert client.get(f"/streams/helpdesk/{queue}/").status_code == status


def test_anonymous_goes_to_the_log_in_and_comes_back(stream: Stream) -> None:
    response = Client().get(HOLD)
    assert response.status_code == 302
    assert response.headers["Location"] == f"/accounts/login/?next={HOLD}"


def test_post_is_no_way_to_ask(stream: Stream, plain: Client) -> None:
    assert plain.post(HOLD).status_code == 405


def test_hostile_payload_is_text(stream: Stream, plain: Client) -> None:
    scenes.post(stream, "HD-1", payload={"subject": "<script>go()</script>", "body": "<img src=x>"})
    page = text_of(plain.get(HOLD))
    assert "<script>go()" not in page
    assert "<img src=x>" not in page
    assert "&lt;script&gt;go()&lt;/script&gt;" in page


@pytest.mark.parametrize("waiting", [1, 3])
def test_queries_do_not_grow_with_the_queue(stream: Stream, plain: Client, waiting: int) -> None:
    for number in range(waiting):
        scenes.post(stream, f"HD-{number}")
    plain.get(HOLD)
    with CaptureQueriesContext(connection) as queries:
        plain.get(HOLD)
    assert len(queries) == 7


def test_times_are_those_of_the_stream(reviewer: User, stream: Stream, plain: Client) -> None:
    Stream.objects.filter(id=stream.id).update(time_zone="Asia/Kathmandu")
    task = scenes.post(stream, "HD-1")
    due = timezone.now() + timedelta(days=30)
    ReviewTask.objects.filter(id=task.id).update(due_at=due)
    assert "+05:45" in text_of(plain.get(HOLD))


def test_overdue_item_stands_out_by_more_than_its_colour(stream: Stream, plain: Client) -> None:
    task = scenes.post(stream, "HD-1")
    shown = []
    for hours in (2, -2):
        due = timezone.now() + timedelta(hours=hours)
        ReviewTask.objects.filter(id=task.id).update(due_at=due)
        head = plain.get(HOLD).content.decode().split('class="item__line"')[1].split("</time>")[0]
        shown.append(('<span class="stale"><svg' in head, "overdue by" in head))
    assert shown == [(False, False), (True, True)]
