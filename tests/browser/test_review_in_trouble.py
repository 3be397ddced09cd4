"""What somebody entered is never lost: late, logged out, offline, without a script."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_playwright import CreateContextCallback

from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream
from tests import scenes
from tests.browser.conftest import HOLD, expect_ready, open_review

pytestmark = pytest.mark.usefixtures("interception")


def enter_half_an_answer(page: Page) -> None:
    open_review(page)
    page.keyboard.press("2")
    page.keyboard.press("c")
    page.keyboard.type("half a thought")


def expect_half_an_answer(page: Page) -> None:
    expect(page.locator("#comment")).to_have_value("half a thought")
    expect(page.locator("input[value=account_unlock]")).to_be_checked()
    expect_ready(page)


def test_late_verdict_keeps_the_input(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints.append("409")
    scenes.post(stream, "HD-1")
    enter_half_an_answer(signed_in)
    past = timezone.now() - timedelta(seconds=1)
    ReviewTask.objects.update(lease_expires_at=past)
    signed_in.keyboard.press("Control+Enter")
    expect(signed_in.get_by_role("alert").filter(has_text="Not recorded.")).to_be_visible()
    expect_half_an_answer(signed_in)
    assert not Verdict.objects.exists()
    signed_in.keyboard.press("Escape")
    signed_in.get_by_role("link", name="Next item").click()
    expect(signed_in.locator("[data-primary]")).to_contain_text("Choose Account unlock")
    expect_half_an_answer(signed_in)


def test_expired_session_returns_with_the_input(
    stream: Stream, reviewer: User, signed_in: Page
) -> None:
    """cvat#1025, work lost at an expired session."""
    scenes.post(stream, "HD-1")
    enter_half_an_answer(signed_in)
    Session.objects.all().delete()
    signed_in.keyboard.press("Control+Enter")
    signed_in.wait_for_url("**/accounts/login/**")
    expect(signed_in.get_by_role("status")).to_contain_text("Your session has ended.")
    signed_in.fill("[name=login]", reviewer.username)
    signed_in.fill("[name=password]", scenes.PASSWORD)
    signed_in.keyboard.press("Enter")
    signed_in.wait_for_url(f"**{HOLD}")
    expect_half_an_answer(signed_in)
    signed_in.keyboard.press("Control+Enter")
    expect(signed_in.locator("#work h1")).to_have_text("Nothing waits for you in Hold")
    assert Verdict.objects.get().comment == "half a thought"


def test_lost_connection_says_so_and_the_answer_can_be_sent_again(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints += ["ERR_FAILED", "htmx:sendError", "htmx:afterRequest"]
    scenes.post(stream, "HD-1")
    enter_half_an_answer(signed_in)
    signed_in.route("**/verdict", lambda route: route.abort())
    signed_in.keyboard.press("Control+Enter")
    expect(signed_in.locator("#connection p:visible")).to_contain_text(
        "Not confirmed: no connection."
    )
    expect_half_an_answer(signed_in)
    signed_in.unroute("**/verdict")
    signed_in.keyboard.press("Control+Enter")
    expect(signed_in.locator("#work h1")).to_have_text("Nothing waits for you in Hold")
    assert Verdict.objects.get().categories == ["account_unlock"]


def test_undo_goes_away_with_its_window(stream: Stream, signed_in: Page) -> None:
    Stream.objects.update(undo_seconds=2)
    for number in range(2):
        scenes.post(stream, f"HD-{number}")
    open_review(signed_in)
    signed_in.keyboard.press("Enter")
    undo = signed_in.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    expect(undo).to_be_hidden()
    signed_in.keyboard.press("u")
    signed_in.wait_for_timeout(200)
    assert Verdict.objects.live().count() == 1


def test_working_keeps_the_item(stream: Stream, signed_in: Page) -> None:
    task = scenes.post(stream, "HD-1")
    open_review(signed_in)
    soon = timezone.now() + timedelta(seconds=90)
    ReviewTask.objects.update(lease_expires_at=soon)
    signed_in.reload()
    expect_ready(signed_in)
    signed_in.mouse.move(40, 40)
    with signed_in.expect_response("**/heartbeat") as renewed:
        signed_in.mouse.move(60, 60)
    assert renewed.value.status == 200
    task.refresh_from_db()
    assert task.lease_expires_at is not None
    assert task.lease_expires_at > soon + timedelta(minutes=10)


def test_time_that_runs_short_is_shown(stream: Stream, signed_in: Page) -> None:
    scenes.post(stream, "HD-1")
    open_review(signed_in)
    expect(signed_in.locator("[data-lease-short]")).to_be_hidden()
    ReviewTask.objects.update(lease_expires_at=timezone.now() + timedelta(seconds=4))
    signed_in.reload()
    expect_ready(signed_in)
    expect(signed_in.locator("[data-lease-short]")).to_contain_text("This item is yours for 0:0")
    expect(signed_in.locator("[data-lease-over]")).to_be_visible()


def test_everything_works_without_a_script(
    stream: Stream, reviewer: User, new_context: CreateContextCallback, complaints: list[str]
) -> None:
    complaints.append("422")  # ambiguous, and one category: what would do besides is asked for
    for number in range(3):
        scenes.post(stream, f"HD-{number}", payload={"subject": f"Ticket {number}"})
    context = new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.fill("[name=login]", reviewer.username)
    page.fill("[name=password]", scenes.PASSWORD)
    page.click("button[type=submit]")
    page.get_by_role("link", name="Start Hold, Helpdesk").click()
    page.get_by_label("Account unlock").check()
    page.get_by_role("button", name="Send the answer").click()
    expect(page.locator("h1")).to_have_text("Ticket 1")
    page.get_by_role("button", name="Ambiguous").click()
    page.get_by_label("Security incident").check()
    page.get_by_role("button", name="Send the answer").click()
    expect(page.locator("h1")).to_have_text("Ticket 2")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("h1")).to_have_text("Ticket 1")
    page.get_by_role("button", name="Skip").click()
    expect(page.locator("h1")).to_have_text("Ticket 2")
    context.close()
    assert [verdict.categories for verdict in Verdict.objects.live()] == [["account_unlock"]]


def test_hostile_payload_does_nothing(stream: Stream, signed_in: Page) -> None:
    Stream.objects.update(payload_fields={"page": "html"})
    hostile = "<img src=//foreign.example/a onerror=alert(1)><script>alert(2)</script>"
    payload = {
        "subject": hostile,
        "body": f"{hostile}\n\n{{{{ 7*7 }}}}",
        "page": f"<a href='javascript:alert(3)'>x</a>{hostile}",
        "link": "https://foreign.example/b",
        "hx-get": {"<b hx-get='/x' hx-trigger='load'>": hostile},
    }
    scenes.post(stream, hostile[:60], payload=payload)
    outside: list[str] = []
    dialogs: list[str] = []
    host = signed_in.url.split("/")[2]
    signed_in.on(
        "request",
        lambda request: outside.append(request.url) if request.url.split("/")[2] != host else None,
    )
    signed_in.on("dialog", lambda dialog: dialogs.append(dialog.message))
    open_review(signed_in)
    expect(signed_in.locator("#work h1")).to_have_text(hostile)
    signed_in.get_by_text("All fields of this item").click()
    signed_in.wait_for_timeout(300)
    assert (outside, dialogs) == ([], [])
