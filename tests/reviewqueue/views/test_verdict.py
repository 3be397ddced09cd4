"""Answering: one request records the verdict and shows the next item."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pgtrigger
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from calibration.models import AuditDraw
from reviewqueue.claims import claim_next
from reviewqueue.models import ReviewTask, Verdict
from routing.models import Category, Stream
from tests import scenes

HOLD = "/streams/helpdesk/hold/"


def take(client: Client, task: ReviewTask, queue: str = "hold") -> dict[str, str]:
    """Open the queue and return what the form sends along."""
    assert client.get(f"/streams/helpdesk/{queue}/").status_code == 200
    task.refresh_from_db()
    return {"lease_token": str(task.lease_token), "active_ms": "0"}


def headings(response: object) -> list[str]:
    content: bytes = getattr(response, "content", b"")
    return re.findall(r"<h1[^>]*>([^<]+)", content.decode())


def test_verdict_is_recorded_and_the_next_item_comes_along(
    stream: Stream, reviewer: User, htmx: Client
) -> None:
    first = scenes.post(stream, "HD-1", payload={"subject": "First"})
    scenes.post(stream, "HD-2", payload={"subject": "Second"})
    form = take(htmx, first)
    response = htmx.post(
        f"/tasks/{first.id}/verdict",
        form | {"kind": "category", "categories": "vpn_issue", "comment": "clear"},
    )
    assert response.status_code == 200
    assert headings(response) == ["Second"]
    assert response.headers["HX-Replace-Url"] == HOLD
    verdict = Verdict.objects.get()
    assert (verdict.kind, verdict.categories, verdict.comment) == (
        "category",
        ["vpn_issue"],
        "clear",
    )
    assert (verdict.reviewer, verdict.confirms, verdict.task_id) == (reviewer, True, first.id)


def test_plain_browser_is_sent_to_the_queue(stream: Stream, plain: Client) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(plain, task)
    response = plain.post(
        f"/tasks/{task.id}/verdict", form | {"kind": "category", "categories": "vpn_issue"}
    )
    assert (response.status_code, response.headers["Location"]) == (303, HOLD)
    assert Verdict.objects.count() == 1


@pytest.mark.parametrize(
    ("answer", "stored"),
    [
        (
            {"kind": "no_category_fits", "proposed_name": "Printing", "categories": "vpn_issue"},
            ("no_category_fits", [], "Printing"),
        ),
        (
            {"kind": "ambiguous", "categories": ["vpn_issue", "account_unlock"]},
            ("ambiguous", ["vpn_issue", "account_unlock"], ""),
        ),
        ({"kind": "cannot_judge", "categories": "vpn_issue"}, ("cannot_judge", [], "")),
        (
            {"kind": "category", "categories": "account_unlock", "proposed_name": "left over"},
            ("category", ["account_unlock"], ""),
        ),
    ],
)
def test_each_kind_of_answer_is_stored(
    stream: Stream,
    htmx: Client,
    answer: dict[str, object],
    stored: tuple[str, list[str], str],
) -> None:
    task = scenes.post(stream, "HD-1")
    response = htmx.post(f"/tasks/{task.id}/verdict", take(htmx, task) | answer)
    assert response.status_code == 200
    verdict = Verdict.objects.get()
    assert (verdict.kind, verdict.categories, verdict.proposed_name) == stored


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"kind": "category"}, "Choose a category, or say that none fits."),
        (
            {"kind": "category", "categories": ["vpn_issue", "account_unlock"]},
            "Choose one category only.",
        ),
        (
            {"kind": "ambiguous", "categories": ["vpn_issue"]},
            "Tick at least two categories that would do.",
        ),
        (
            {"kind": "category", "categories": "pizza"},
            "“pizza” is no category of this stream; choose one",
        ),
        (
            {"kind": "no_category_fits", "proposed_name": "x" * 121},
            "Ensure this value has at most 120 characters (it has 121).",
        ),
    ],
)
def test_incomplete_answer_is_422_with_the_input_kept(
    stream: Stream, htmx: Client, answer: dict[str, object], words: str
) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(htmx, task) | answer | {"comment": "half a thought"}
    response = htmx.post(f"/tasks/{task.id}/verdict", form)
    page = response.content.decode()
    assert response.status_code == 422
    assert words in page
    assert ">half a thought</textarea>" in page
    assert not Verdict.objects.exists()


@pytest.mark.parametrize("kind", ["htmx", "plain"])
def test_confirming_a_category_that_was_retired_meanwhile_is_422_and_says_so(
    stream: Stream, request: pytest.FixtureRequest, kind: str
) -> None:
    client: Client = request.getfixturevalue(kind)
    task = scenes.post(stream, "HD-1")
    form = take(client, task)
    Category.objects.create(stream=stream, key="vpn_client", label="VPN client", position=9)
    retired_at = datetime(2026, 5, 3, 12, tzinfo=UTC)
    stream.categories.filter(key="vpn_issue").update(retired_at=retired_at)
    path = f"/tasks/{task.id}/verdict"
    answer = {"kind": "category", "categories": "vpn_issue", "comment": "half a thought"}
    response = client.post(path, form | answer)
    page = response.content.decode()
    assert response.status_code == 422
    assert "VPN issue was retired on 3 May 2026; choose another category." in page
    assert ">half a thought</textarea>" in page
    assert not Verdict.objects.exists()
    response = client.post(path, form | {"kind": "category", "categories": "vpn_client"})
    assert response.status_code in {200, 303}
    verdict = Verdict.objects.get()
    assert (verdict.categories, verdict.confirms) == (["vpn_client"], False)
    assert client.get(f"/verdicts/{verdict.id}/").status_code == 200


def test_ambiguous_without_a_script_gets_boxes_to_tick(stream: Stream, plain: Client) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(plain, task) | {"kind": "ambiguous", "categories": "vpn_issue"}
    page = plain.post(f"/tasks/{task.id}/verdict", form).content.decode()
    assert page.count('type="checkbox" name="categories"') == 3
    assert '<html lang="en' in page


def expire(task: ReviewTask) -> None:
    past = timezone.now() - timedelta(hours=1)
    ReviewTask.objects.filter(id=task.id).update(lease_expires_at=past)


def test_late_verdict_is_409_and_keeps_what_was_entered(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(htmx, task)
    expire(task)
    response = htmx.post(
        f"/tasks/{task.id}/verdict",
        form
        | {"kind": "ambiguous", "categories": ["vpn_issue", "account_unlock"], "comment": "hm"},
    )
    page = response.content.decode()
    assert response.status_code == 409
    assert "Not recorded." in page
    assert ">hm</textarea>" in page
    assert re.findall(r'value="(\w+)"[^>]* checked', page) == ["vpn_issue", "account_unlock"]
    assert not Verdict.objects.exists()


@pytest.mark.parametrize("kind", ["htmx", "plain"])
def test_answer_that_arrives_twice_is_recorded_once(
    stream: Stream, request: pytest.FixtureRequest, kind: str
) -> None:
    client: Client = request.getfixturevalue(kind)
    task = scenes.post(stream, "HD-1")
    form = take(client, task) | {"kind": "category", "categories": "vpn_issue", "comment": " hm "}
    statuses = [client.post(f"/tasks/{task.id}/verdict", form).status_code for _ in range(2)]
    assert statuses == [200, 200] if kind == "htmx" else [303, 303]
    assert Verdict.objects.get().categories == ["vpn_issue"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            {"kind": "category", "categories": "vpn_issue", "comment": "the first"},
            {"kind": "category", "categories": "vpn_issue", "comment": "the second"},
        ),
        (
            {"kind": "no_category_fits", "proposed_name": "Printer"},
            {"kind": "no_category_fits", "proposed_name": "Scanner"},
        ),
    ],
)
def test_other_words_for_an_answered_item_are_not_dropped_in_silence(
    stream: Stream, htmx: Client, first: dict[str, str], second: dict[str, str]
) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(htmx, task)
    htmx.post(f"/tasks/{task.id}/verdict", form | first)
    response = htmx.post(f"/tasks/{task.id}/verdict", form | second)
    assert response.status_code == 409
    assert list(second.values())[-1] in response.content.decode()
    verdict = Verdict.objects.get()
    assert (verdict.comment or verdict.proposed_name) == list(first.values())[-1]


def test_another_answer_to_an_answered_item_is_409_and_says_which_stands(
    stream: Stream, htmx: Client
) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(htmx, task) | {"kind": "category"}
    htmx.post(f"/tasks/{task.id}/verdict", form | {"categories": "vpn_issue"})
    response = htmx.post(
        f"/tasks/{task.id}/verdict", form | {"categories": "account_unlock", "comment": "hm"}
    )
    page = response.content.decode()
    assert response.status_code == 409
    assert "You have answered this item already, and that answer stands." in page
    assert ">hm</textarea>" in page
    assert Verdict.objects.get().categories == ["vpn_issue"]


@pytest.mark.parametrize("token", ["", "not a token", "0192f3a0-7c3e-7d51-9d6a-5d0c2b6f4a11"])
def test_foreign_lease_records_nothing(stream: Stream, htmx: Client, token: str) -> None:
    task = scenes.post(stream, "HD-1")
    take(htmx, task)
    answer = {"lease_token": token, "kind": "category", "categories": "vpn_issue"}
    assert htmx.post(f"/tasks/{task.id}/verdict", answer).status_code == 409
    assert not Verdict.objects.exists()


def test_stranger_finds_no_task(stream: Stream, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(htmx, task)
    client = Client()
    client.force_login(scenes.make_person("stranger"))
    for action in ("verdict", "skip", "escalate", "release", "heartbeat"):
        assert client.post(f"/tasks/{task.id}/{action}", form).status_code == 404
    assert ReviewTask.objects.get().state == "claimed"


def test_expired_session_leads_to_the_log_in_and_back(stream: Stream) -> None:
    task = scenes.post(stream, "HD-1")
    client = Client(headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{HOLD}"})
    response = client.post(f"/tasks/{task.id}/verdict", {"kind": "category"})
    assert response.status_code == 200
    assert response.headers["HX-Redirect"] == f"/accounts/login/?next={HOLD}&ended=1"


def test_session_of_another_site_does_not_choose_the_way_back(stream: Stream) -> None:
    task = scenes.post(stream, "HD-1")
    client = Client(headers={"HX-Request": "true", "HX-Current-URL": "http://foreign.example/x"})
    response = client.post(f"/tasks/{task.id}/skip")
    assert response.headers["HX-Redirect"] == "/accounts/login/?next=/&ended=1"


def test_asking_a_verdict_with_get_is_refused(stream: Stream, plain: Client) -> None:
    task = scenes.post(stream, "HD-1")
    for action in ("verdict", "skip", "escalate", "release", "heartbeat"):
        assert plain.get(f"/tasks/{task.id}/{action}").status_code == 405


def test_blind_verdict_stays_blind_while_it_can_be_undone(stream: Stream, htmx: Client) -> None:
    task = scenes.post_blind(stream, "HD-1")
    form = take(htmx, task, "audit") | {"kind": "category", "categories": "account_unlock"}
    page = htmx.post(f"/tasks/{task.id}/verdict", form).content.decode()
    verdict = Verdict.objects.get()
    assert verdict.blind
    assert "on “VPN drops after a minute”" in page
    assert "machine said" not in page
    assert "VPN issue" not in page + htmx.get(f"/verdicts/{verdict.id}/").content.decode()


def test_blind_verdict_stays_blind_while_another_judges_the_item_so(
    stream: Stream, htmx: Client
) -> None:
    """The first of two could tell the second."""
    task = scenes.post_blind(stream, "HD-1")
    other = ReviewTask.objects.get(id=task.id)
    other.id, other.seat, other._state.adding = uuid4(), 2, True
    other.save()
    form = take(htmx, task, "audit") | {"kind": "category", "categories": "account_unlock"}
    htmx.post(f"/tasks/{task.id}/verdict", form)
    with pgtrigger.ignore():
        Verdict.objects.update(published_at=timezone.now())  # its window is over by now
    address = f"/verdicts/{Verdict.objects.get().id}/"
    assert "VPN issue" not in htmx.get(address).content.decode()
    ReviewTask.objects.filter(id=other.id).delete()
    assert "VPN issue" in htmx.get(address).content.decode()


def test_blind_verdict_that_was_undone_stays_blind(stream: Stream, htmx: Client) -> None:
    task = scenes.post_blind(stream, "HD-1")
    form = take(htmx, task, "audit") | {"kind": "category", "categories": "account_unlock"}
    htmx.post(f"/tasks/{task.id}/verdict", form)
    htmx.post(f"/verdicts/{Verdict.objects.get().id}/undo")
    assert ReviewTask.objects.get().state == "claimed"
    Stream.objects.update(undo_seconds=0)
    with pgtrigger.ignore():
        Verdict.objects.update(published_at=timezone.now())  # its window is over by now
    for verdict in Verdict.objects.all():
        page = htmx.get(f"/verdicts/{verdict.id}/").content.decode()
        assert "VPN drops after a minute" in page
        assert "VPN issue" not in page
        assert "Machine" not in page


def test_lease_of_somebody_else_is_not_told(stream: Stream, reviewer: User, htmx: Client) -> None:
    task = scenes.post(stream, "HD-1")
    form = take(htmx, task)
    other = scenes.make_person("sam")
    scenes.join(other, stream)
    client = Client(headers={"HX-Request": "true"})
    client.force_login(other)
    for action in ("verdict", "escalate", "heartbeat"):
        answer = {"lease_token": str(uuid4()), "kind": "category", "categories": "vpn_issue"}
        response = client.post(f"/tasks/{task.id}/{action}", answer)
        assert response.status_code == 409
        assert form["lease_token"] not in response.content.decode()
    response = client.post(f"/tasks/{task.id}/verdict", {"lease_token": str(uuid4())})
    assert response.status_code == 409
    assert form["lease_token"] not in response.content.decode()


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        ({"kind": "category", "categories": "vpn_issue"}, "verdict"),
        ({"kind": "nonsense"}, "verdict"),
        ({}, "escalate"),
    ],
)
def test_somebody_elses_task_shows_nothing_that_is_held_back(
    stream: Stream,
    htmx: Client,
    second_reviewer: User,
    answer: dict[str, str],
    action: str,
) -> None:
    """The item is drawn for a blind audit: its own page hides the machine's answer too."""
    task = scenes.post(stream, "HD-1")
    claimed = claim_next(user=second_reviewer, stream=stream, queue="hold")
    assert claimed is not None
    shown = []
    for drawn in (False, True):
        if drawn:
            AuditDraw.objects.create(stream=stream, item=task.item, decision=task.decision, pi=0.05)
        form = {"lease_token": str(uuid4()), "comment": "kept"} | answer
        response = htmx.post(f"/tasks/{task.id}/{action}", form)
        page = response.content.decode()
        assert response.status_code == 409
        assert ">kept</textarea>" in page
        assert str(claimed.lease_token) not in page
        shown.append("Machine's answer" in page)
    assert shown == [True, False]
