"""Overturning on the screen: where it is offered, the form, what is refused, and its undo."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.overturns import overturn_verdict
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Stream
from tests import scenes
from tests.reviewqueue.test_overturns import set_window

CHANGED = {"kind": "category", "categories": "account_unlock", "comment": "It is the lock."}


@pytest.fixture
def stream(db: None) -> Stream:
    return scenes.make_stream(undo_seconds=0)


@pytest.fixture
def verdict(stream: Stream, reviewer: User) -> Verdict:
    """Rita's, published; from now on the undo window is an hour."""
    return settle(stream, reviewer, "HD-1")


def settle(stream: Stream, reviewer: User, name: str) -> Verdict:
    task = scenes.post(stream, name)
    set_window(stream, 0)
    client = Client()
    client.force_login(reviewer)
    client.get("/streams/helpdesk/hold/")
    task.refresh_from_db()
    assert task.lease_token is not None
    made = record_verdict(
        task_id=task.id,
        lease_token=task.lease_token,
        reviewer=reviewer,
        answer=Answer("category", ("vpn_issue",)),
    )
    set_window(stream, 3600)
    return made


def address(verdict: Verdict) -> str:
    return f"/verdicts/{verdict.id}/overturn/"


def as_role(stream: Stream, role: str) -> Client:
    client = Client()
    client.force_login(scenes.make_person(role, stream, role))
    return client


def text_of(content: bytes) -> str:
    return " ".join(re.sub(r"(?s)<[^>]+>", " ", content.decode()).split())


def test_my_verdict_offers_undo_within_the_window_and_overturn_after_it(
    stream: Stream, plain: Client, verdict: Verdict
) -> None:
    page = plain.get(f"/verdicts/{verdict.id}/").content
    assert f'href="{address(verdict)}" data-key="o"'.encode() in page
    assert "Upstream may know it already, and is told the new answer." in text_of(page)
    assert "Undo this" not in text_of(page)
    set_window(stream, 3600)
    plain.post(address(verdict), CHANGED)
    made = Verdict.objects.live().get()
    page = plain.get(f"/verdicts/{made.id}/").content
    assert "Undo this overturn" in text_of(page)
    assert "Overturn this" not in text_of(page)
    old = text_of(plain.get(f"/verdicts/{verdict.id}/").content)
    assert "Overturned: the answer is Account unlock." in old
    assert "Overturn this" not in old


def test_form_shows_the_answer_so_far_and_the_machines(plain: Client, verdict: Verdict) -> None:
    response = plain.get(address(verdict))
    page = text_of(response.content)
    assert response.status_code == 200
    assert "Your answer so far VPN issue" in page
    assert "Machine's answer" in page
    assert "Upstream may know this answer already." in page
    assert b'value="cannot_judge"' not in response.content
    assert b'value="vpn_issue" data-key="1" aria-keyshortcuts="1">' in response.content


def test_overturn_is_recorded_and_its_page_shown(
    plain: Client, reviewer: User, verdict: Verdict
) -> None:
    response = plain.post(address(verdict), CHANGED | {"active_ms": "1500"})
    made = Verdict.objects.live().get()
    assert (response.status_code, response.headers["Location"]) == (303, f"/verdicts/{made.id}/")
    assert (made.reviewer, made.categories, made.comment) == (
        reviewer,
        ["account_unlock"],
        "It is the lock.",
    )
    assert (made.supersedes, made.active_ms) == (verdict, 1500)
    page = text_of(plain.get(f"/verdicts/{made.id}/").content)
    assert "You can undo it for 3600 seconds; after that upstream may know it." in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"comment": ""}, "Say why; the comment stays with the item."),
        ({"comment": "x" * 4001}, "at most 4000 characters"),
        ({"categories": "vpn_issue"}, "That is the answer already."),
        ({"categories": []}, "Choose a category, or say that none fits."),
        ({"kind": "ambiguous"}, "Tick at least two categories that would do."),
        ({"kind": "cannot_judge"}, "An overturn says what the answer is"),
    ],
)
def test_refused_overturn_keeps_what_was_entered(
    plain: Client, verdict: Verdict, change: dict[str, object], words: str
) -> None:
    form: dict[str, object] = CHANGED | change
    response = plain.post(address(verdict), form)
    assert (response.status_code, words in text_of(response.content)) == (422, True)
    assert Verdict.objects.live().get() == verdict
    if "comment" not in change:
        assert b">It is the lock.</textarea>" in response.content


def test_overturn_of_what_does_not_stand_any_more_is_told(
    stream: Stream, plain: Client, reviewer: User, verdict: Verdict
) -> None:
    answer = Answer("category", ("security_incident",), comment="Phishing.")
    overturn_verdict(verdict_id=verdict.id, by=reviewer, answer=answer)
    response = plain.post(address(verdict), CHANGED)
    page = text_of(response.content)
    assert (response.status_code, "Not overturned. Somebody else has changed" in page) == (
        409,
        True,
    )
    assert b">It is the lock.</textarea>" in response.content
    assert plain.get(address(verdict)).status_code == 409
    assert "Look at the item" in page


def test_undo_of_an_overturn_leads_to_the_item(
    stream: Stream, plain: Client, htmx: Client, verdict: Verdict
) -> None:
    item = f"/streams/helpdesk/items/{verdict.item_id}/"
    plain.post(address(verdict), CHANGED)
    made = Verdict.objects.live().get()
    response = plain.post(f"/verdicts/{made.id}/undo")
    assert (response.status_code, response.headers["Location"]) == (303, item)
    page = text_of(plain.get(item).content)
    assert "The overturn is undone; the earlier answer stands again." in page
    assert "You took the overturn back: VPN issue stands again" in page
    assert ReviewTask.objects.get().state == "answered"
    back = Verdict.objects.live().get()
    plain.post(address(back), CHANGED)
    again = Verdict.objects.live().get()
    assert htmx.post(f"/verdicts/{again.id}/undo").headers["HX-Redirect"] == item
    taken_back = text_of(plain.get(f"/verdicts/{again.id}/").content)
    assert "Taken back." in taken_back


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("reviewer", 403),
        ("analyst", 403),
        ("adjudicator", 200),
        ("expert", 200),
        ("stream_admin", 200),
    ],
)
def test_verdict_of_another_is_overturned_by_role(
    stream: Stream, verdict: Verdict, role: str, status: int
) -> None:
    client = as_role(stream, role)
    assert client.get(address(verdict)).status_code == status
    posted = client.post(address(verdict), CHANGED).status_code
    assert posted == (303 if status == 200 else 403)
    if status == 200:
        assert "The answer so far" in text_of(as_role_page(client, verdict))


def as_role_page(client: Client, verdict: Verdict) -> bytes:
    return bytes(client.get(address(verdict)).content)


def test_overturn_needs_a_session_a_membership_and_its_methods(
    stream: Stream, plain: Client, verdict: Verdict
) -> None:
    path = address(verdict)
    assert Client().get(path).headers["Location"] == f"/accounts/login/?next={path}"
    stranger = Client()
    stranger.force_login(scenes.make_person("stranger"))
    assert stranger.get(path).status_code == 404
    assert stranger.post(path, CHANGED).status_code == 404
    assert plain.put(path).status_code == 405
    assert plain.get(f"/verdicts/{stream.id}/overturn/").status_code == 404
