"""Home and my verdicts."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calibration.models import DriftAlarm, DriftWatch
from reviewqueue.claims import claim_ahead, claim_next
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.verdicts import Answer, record_verdict
from reviewqueue.views.waiting import Waiting, count_in_words, count_left, count_waiting
from routing.models import Stream
from tests import scenes
from tests.routing.test_alarms import make_mapped_stream
from tests.routing.test_alarms import post as post_versions


def rows_of(page: str) -> list[str]:
    """The text of each row of the table."""
    rows = re.findall(r"(?s)<tr[^>]*>(.*?)</tr>", page.split("<tbody>", 1)[1])
    return [" ".join(re.sub(r"(?s)<[^>]+>", " ", row).split()) for row in rows]


def test_home_shows_what_waits(stream: Stream, plain: Client) -> None:
    for number in range(3):
        scenes.post(stream, f"HD-{number}")
    scenes.post(stream, "HD-F", scores=scenes.LIKELY)
    late = timezone.now() - timedelta(hours=1)
    overdue = ReviewTask.objects.filter(queue="hold").first()
    assert overdue is not None
    ReviewTask.objects.filter(id=overdue.id).update(due_at=late, opened_at=late)
    page = plain.get("/").content.decode()
    rows = rows_of(page)
    assert rows[0] == "Helpdesk 3 categories · policy 1 Watch list , Helpdesk"
    assert rows[1].startswith("Hold 3 waiting 1 h 1 overdue Start")
    assert rows[2].startswith("Flagged 1 waiting")
    assert rows[3] == "Nothing waits in Audit."
    assert "4 items wait for you in one stream." in page
    assert "Start with Hold, Helpdesk" in page


def test_home_counts_what_is_in_hand(stream: Stream, reviewer: User, plain: Client) -> None:
    scenes.post(stream, "HD-1")
    claim_next(user=reviewer, stream=stream, queue="hold")
    assert "1 item waits for you in one stream." in plain.get("/").content.decode()
    other = scenes.make_person("omar")
    assert count_waiting(user=other, queues=[(stream.id, "hold")]) == {
        (stream.id, "hold"): Waiting(0, None, None, 0)
    }


def test_item_in_hand_is_given_back_from_home(
    stream: Stream, reviewer: User, plain: Client
) -> None:
    """Leaving the screen keeps it, and nobody else gets it until the lease is over."""
    for number in range(2):
        scenes.post(stream, f"HD-{number}")
    assert "Give it back" not in plain.get("/").content.decode()
    task = claim_next(user=reviewer, stream=stream, queue="hold")
    assert task is not None
    ahead = claim_ahead(user=reviewer, stream=stream, queue="hold", in_hand=task.id)
    assert ahead is not None
    page = plain.get("/").content.decode()
    assert rows_of(page)[2] == "In your hand: HD-0 Give it back (Hold, Helpdesk)"
    assert page.count("Give it back") == 1
    form = {"lease_token": re.findall(r'name="lease_token" value="([^"]+)"', page)[0]}
    address = re.findall(r'action="(/tasks/[^"]+/release)"', page)[0]
    response = plain.post(address, form, follow=True)
    assert response.redirect_chain == [("/", 303)]
    page = response.content.decode()
    assert "HD-0 is out of your hand and waits again." in page
    assert "Give it back" not in page
    assert list(ReviewTask.objects.values_list("state", flat=True)) == ["open", "open"]
    assert claim_next(user=scenes.make_person("sam"), stream=stream, queue="hold") == task


def test_nothing_is_in_hand_after_the_lease_or_of_somebody_else(
    stream: Stream, reviewer: User, plain: Client
) -> None:
    scenes.post(stream, "HD-1")
    claim_next(user=scenes.make_person("sam", stream, "reviewer"), stream=stream, queue="hold")
    assert "In your hand" not in plain.get("/").content.decode()
    ReviewTask.objects.update(holder=reviewer)
    assert "In your hand" in plain.get("/").content.decode()
    ReviewTask.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert "In your hand" not in plain.get("/").content.decode()


def test_counting_stops_at_a_bound(
    stream: Stream, reviewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reviewqueue.views.waiting.COUNTED_UP_TO", 2)
    for number in range(5):
        scenes.post(stream, f"HD-{number}")
    counted = count_waiting(user=reviewer, queues=[(stream.id, "hold")])[stream.id, "hold"]
    assert (counted.count, counted.words) == (3, "2+")
    assert count_in_words(count_left(stream_id=stream.id, queue="hold")) == "2+"


def test_queue_longer_than_what_is_counted_is_counted_again_later(
    stream: Stream,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    monkeypatch.setattr("reviewqueue.views.waiting.COUNTED_UP_TO", 2)
    for number in range(3):
        scenes.post(stream, f"HD-{number}")
    assert count_left(stream_id=stream.id, queue="hold") == 3
    with django_assert_num_queries(0):
        assert count_left(stream_id=stream.id, queue="hold") == 3

    monkeypatch.setattr("reviewqueue.views.waiting._LONG", {})
    stream.tasks.all()[0].delete()
    with django_assert_num_queries(2):
        assert count_left(stream_id=stream.id, queue="hold") == 2
        assert count_left(stream_id=stream.id, queue="hold") == 2


def test_person_without_a_stream_is_told(db: None) -> None:
    client = Client()
    client.force_login(scenes.make_person("new"))
    page = client.get("/").content.decode()
    assert "No stream is open to you yet" in page
    assert "Nothing waits for you." in page


def test_analyst_sees_the_stream_but_no_queue(stream: Stream) -> None:
    analyst = scenes.make_person("ana")
    scenes.join(analyst, stream, "analyst")
    client = Client()
    client.force_login(analyst)
    assert rows_of(client.get("/").content.decode()) == [
        "Helpdesk 3 categories · policy 1 Insight , Helpdesk Health , Helpdesk "
        "Watch list , Helpdesk Export , Helpdesk",
        "You read this stream, its items and its figures, and judge none of it.",
    ]


def test_home_of_who_only_reads_has_no_day(stream: Stream, plain: Client) -> None:
    client = Client()
    client.force_login(scenes.make_person("ana", stream, "analyst"))
    page = client.get("/").content.decode()
    assert ("Your streams" in page, "One stream is open to you to read." in page) == (True, True)
    assert "My day" not in page
    assert "My day" in plain.get("/").content.decode()


def test_home_leads_a_stream_admin_to_the_log(stream: Stream) -> None:
    client = Client()
    client.force_login(scenes.make_person("ada", stream, "stream_admin"))
    assert rows_of(client.get("/").content.decode())[0] == (
        "Helpdesk 3 categories · policy 1 Insight , Helpdesk Health , Helpdesk "
        "Watch list , Helpdesk Export , Helpdesk Log , Helpdesk"
    )


def test_home_needs_a_session_and_get(plain: Client) -> None:
    assert Client().get("/").headers["Location"] == "/accounts/login/?next=/"
    assert plain.post("/").status_code == 405


@pytest.mark.parametrize("streams", [1, 3])
def test_queries_do_not_grow_with_streams(reviewer: User, plain: Client, streams: int) -> None:
    for number in range(streams - 1):
        further = scenes.make_stream(f"further-{number}")
        scenes.join(reviewer, further)
        scenes.post(further, "X-1")
    with CaptureQueriesContext(connection) as queries:
        plain.get("/")
    assert len(queries) == 11


def judge(stream: Stream, reviewer: User, count: int) -> list[Verdict]:
    verdicts = []
    for number in range(count):
        scenes.post(stream, f"HD-{number}", payload={"subject": f"Ticket {number}"})
        task = claim_next(user=reviewer, stream=stream, queue="hold")
        assert task is not None
        assert task.lease_token is not None
        ReviewTask.objects.filter(id=task.id).update(
            claimed_at=timezone.now() - timedelta(seconds=20)
        )
        verdicts.append(
            record_verdict(
                task_id=task.id,
                lease_token=task.lease_token,
                reviewer=reviewer,
                answer=Answer("category", ["vpn_issue" if number else "account_unlock"]),
                active_ms=4_000 + 1_000 * number,
            )
        )
    return verdicts


def test_day_counts_my_verdicts(stream: Stream, reviewer: User, plain: Client) -> None:
    judge(stream, reviewer, 3)
    page = plain.get("/").content.decode()
    values = re.findall(r'(?s)stat__value">(.*?)</span>', page)
    assert [re.sub(r"<[^>]+>", "", value) for value in values] == ["3", "5 s", "2 of 3", "0"]


@pytest.mark.parametrize("count", [1, 3])
def test_mine_lists_my_verdicts(stream: Stream, reviewer: User, plain: Client, count: int) -> None:
    judge(stream, reviewer, count)
    with CaptureQueriesContext(connection) as queries:
        page = plain.get("/streams/helpdesk/mine/").content.decode()
    assert re.findall(r">(Ticket \d)<", page) == [
        f"Ticket {number}" for number in reversed(range(count))
    ]
    assert {1: "The last one.", 3: "The last 3, newest first."}[count] in page
    assert len(queries) == 5


def test_mine_of_a_foreign_stream_is_404(stream: Stream) -> None:
    client = Client()
    client.force_login(scenes.make_person("stranger"))
    assert client.get("/streams/helpdesk/mine/").status_code == 404


@pytest.mark.parametrize(
    ("asked", "address", "words"),
    [
        ("?queue=hold", "/streams/helpdesk/hold/", "Back to Hold"),
        ("?queue=flagged", "/streams/helpdesk/flagged/", "Back to Flagged"),
        ("?queue=escalated", "/", "Home"),  # no queue of a reviewer's
        ("?queue=//elsewhere.example/", "/", "Home"),
        ("", "/", "Home"),
    ],
)
def test_my_verdicts_lead_back_by_a_key(
    plain: Client, asked: str, address: str, words: str
) -> None:
    page = plain.get(f"/streams/helpdesk/mine/{asked}").content.decode()
    assert f'href="{address}" data-key="ArrowRight"' in page
    assert f"data-primary>{words} <kbd" in page


def test_verdict_leads_to_its_neighbours(stream: Stream, reviewer: User, plain: Client) -> None:
    first, second, third = judge(stream, reviewer, 3)
    page = plain.get(f"/verdicts/{second.id}/").content.decode()
    assert f'href="/verdicts/{first.id}/" data-key="ArrowLeft"' in page
    assert f'href="/verdicts/{third.id}/" data-key="ArrowRight"' in page
    newest = plain.get(f"/verdicts/{third.id}/").content.decode()
    assert 'href="/streams/helpdesk/hold/" data-key="ArrowRight"' in newest
    assert 'aria-disabled="true"' in plain.get(f"/verdicts/{first.id}/").content.decode()


def test_verdict_of_somebody_else_is_404(stream: Stream, reviewer: User) -> None:
    verdict = judge(stream, reviewer, 1)[0]
    other = scenes.make_person("omar")
    scenes.join(other, stream, "expert")
    client = Client()
    client.force_login(other)
    assert client.get(f"/verdicts/{verdict.id}/").status_code == 404


@pytest.mark.parametrize(
    ("role", "is_staff", "expected"),
    [("reviewer", True, (0, 0)), ("stream_admin", False, (1, 1)), ("stream_admin", True, (1, 1))],
)
def test_alarm_is_shown_to_the_streams_admin(
    db: None, role: str, is_staff: bool, expected: tuple[int, int]
) -> None:
    mapped = make_mapped_stream()
    post_versions(mapped, "m2")
    client = Client()
    client.force_login(scenes.make_person("adam", mapped, role, is_staff=is_staff))
    page = client.get("/").content.decode()
    address = f"/admin/routing/policy/{mapped.policies.get().id}/change/"
    assert (page.count("Model version m2 has come since"), page.count(address)) == expected


def test_alarm_of_another_stream_is_not_shown(db: None) -> None:
    post_versions(make_mapped_stream(), "m2")
    client = Client()
    client.force_login(scenes.make_person("adam", scenes.make_bare_stream("own"), "stream_admin"))
    assert "Model version m2" not in client.get("/").content.decode()


def test_more_alarms_than_are_shown_are_no_one_streams(db: None) -> None:
    mapped = make_mapped_stream()
    post_versions(mapped, *(f"m{number}" for number in range(2, 9)))
    client = Client()
    client.force_login(scenes.make_person("adam", mapped, "stream_admin", is_staff=True))
    page = client.get("/").content.decode()
    assert page.count("<b>Helpdesk</b>: Model version m") == 5
    assert "<p>More model versions than these have come.</p>" in page
    assert page.count("Open the policy") == 5


def raise_drift_alarm(stream: Stream, category: str = "") -> None:
    policy = stream.policies.order_by("-version")[0]
    watch, _made = DriftWatch.objects.get_or_create(stream=stream, policy=policy)
    DriftAlarm.objects.create(
        stream=stream,
        watch=watch,
        category=category,
        side="more",
        audits=60,
        errors=30,
        promised_errors=3.0,
        evidence=50.0,
        threshold=40.0,
    )


def notices_of(page: str) -> list[str]:
    whole = re.findall(r'(?s)<div class="notice notice--warn notice--page"[^>]*>(.*?)</a>', page)
    return [" ".join(re.sub(r"(?s)<[^>]+>", " ", each).split()) for each in whole]


def test_drift_alarm_stands_on_the_home_of_who_may_look(stream: Stream, plain: Client) -> None:
    for category in ("", "vpn_issue", "account_unlock"):
        raise_drift_alarm(stream, category)
    analyst = Client()
    analyst.force_login(scenes.make_person("ana", stream, "analyst"))
    page = analyst.get("/").content.decode()
    day = timezone.now().strftime("%-d %b")
    assert notices_of(page) == [
        f"Helpdesk : Drift alarm of {day}: audits break the promise of all categories together. "
        "A recalibration proposes new maps; they hold once somebody publishes them. See the drift"
    ]
    assert 'href="/streams/helpdesk/insight/drift/"' in page
    assert "Drift alarm" not in plain.get("/").content.decode()


def test_drift_alarm_of_single_categories_says_how_many(stream: Stream) -> None:
    for category in ("vpn_issue", "account_unlock"):
        raise_drift_alarm(stream, category)
    admin = Client()
    admin.force_login(scenes.make_person("ada", stream, "stream_admin"))
    [notice] = notices_of(admin.get("/").content.decode())
    assert "audits break the promise of 2 categories." in notice


def test_publishing_a_version_answers_the_drift_alarm(stream: Stream) -> None:
    raise_drift_alarm(stream)
    admin = Client()
    admin.force_login(scenes.make_person("ada", stream, "stream_admin"))
    scenes.publish(stream, auto=0.95)
    assert notices_of(admin.get("/").content.decode()) == []


def test_reviewer_finds_their_own_figures(stream: Stream, plain: Client) -> None:
    link = 'href="/streams/helpdesk/insight/reviewers/"'
    assert plain.get("/").content.decode().count(link) == 1
    analyst = Client()
    analyst.force_login(scenes.make_person("ana", stream, "analyst"))
    assert analyst.get("/").content.decode().count(link) == 0
