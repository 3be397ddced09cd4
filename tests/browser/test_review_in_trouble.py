"""What somebody entered is never lost: late, logged out, offline, without a script."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_playwright import CreateContextCallback

from reviewqueue.claims import UNCLAIMED
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


def test_server_that_never_answers_says_so_and_the_answer_can_be_sent_again(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints.append("htmx:timeout")
    scenes.post(stream, "HD-1")
    enter_half_an_answer(signed_in)
    # No clock of a page moves the browser's own time-out.
    signed_in.evaluate("htmx.config.timeout = 1000")
    signed_in.route("**/verdict", lambda _route: None)
    signed_in.keyboard.press("Control+Enter")
    expect(signed_in.locator("[data-primary]")).to_have_attribute("aria-busy", "true")
    told = signed_in.locator("#connection p:visible")
    expect(told).to_contain_text("Not confirmed: no answer came in time.")
    expect(signed_in.locator("[data-primary]")).not_to_have_attribute("aria-busy", "true")
    expect_half_an_answer(signed_in)
    signed_in.unroute("**/verdict")
    signed_in.evaluate("htmx.config.timeout = 15000")
    signed_in.keyboard.press("Control+Enter")
    expect(signed_in.locator("#work h1")).to_have_text("Nothing waits for you in Hold")
    verdict = Verdict.objects.get()
    assert (verdict.categories, verdict.comment) == (["account_unlock"], "half a thought")


NOT_LOADED = {
    "offline": (None, "Not loaded: no connection. Try again when you are back."),
    "failing": (500, "Not loaded: the server failed. Try again."),
    "too many": (429, "Not loaded: too many requests at once. Wait a moment and try again."),
    "not held": (404, "Not loaded: it is not there any more, or not yours to read."),
}


@pytest.mark.parametrize("how", NOT_LOADED)
def test_what_was_only_asked_for_is_not_called_unconfirmed(
    stream: Stream, signed_in: Page, complaints: list[str], how: str
) -> None:
    status, words = NOT_LOADED[how]
    complaints += ["ERR_FAILED", "htmx:sendError", "htmx:responseError", str(status)]
    scenes.post(stream, "HD-1")
    enter_half_an_answer(signed_in)
    signed_in.route(
        "**/alike", lambda r: r.abort() if status is None else r.fulfill(status=status, body="no")
    )
    signed_in.keyboard.press("Escape")
    signed_in.keyboard.press("m")
    expect(signed_in.locator("#connection p:visible")).to_have_text(words)
    expect(signed_in.locator("#live")).to_have_text(words)
    expect_half_an_answer(signed_in)
    signed_in.unroute("**/alike")
    signed_in.keyboard.press("m")
    expect(signed_in.locator("#alike-title")).to_be_focused()
    expect(signed_in.locator("#connection")).to_be_hidden()


def test_lease_that_was_not_renewed_by_itself_says_nothing(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    """The lease's own notice says when time runs short; whoever presses its button is told."""
    complaints += ["ERR_FAILED", "htmx:sendError"]
    scenes.post(stream, "HD-1")
    open_review(signed_in)
    ReviewTask.objects.update(lease_expires_at=timezone.now() + timedelta(seconds=100))
    signed_in.reload()
    expect_ready(signed_in)
    signed_in.route("**/heartbeat", lambda route: route.abort())
    with signed_in.expect_event("requestfailed"):
        signed_in.mouse.move(60, 60)
    expect(signed_in.locator("[data-lease-short]")).to_be_visible()
    expect(signed_in.locator("#connection")).to_be_hidden()
    assert "Not confirmed" not in signed_in.locator("#live").inner_text()
    signed_in.get_by_role("button", name="Keep it").click()
    told = signed_in.locator("#connection p:visible")
    expect(told).to_contain_text("Not confirmed: no connection.")


def test_what_was_entered_is_not_shown_to_somebody_else_in_the_same_tab(
    stream: Stream, reviewer: User, signed_in: Page, base_url: str
) -> None:
    scenes.post(stream, "HD-1")
    other = scenes.make_person("sam", stream, "reviewer")
    enter_half_an_answer(signed_in)
    for person, comment in ((other, ""), (reviewer, "half a thought")):
        Session.objects.all().delete()
        ReviewTask.objects.update(**UNCLAIMED)
        signed_in.goto("/accounts/login/")
        signed_in.fill("[name=login]", person.username)
        signed_in.fill("[name=password]", scenes.PASSWORD)
        signed_in.keyboard.press("Enter")
        signed_in.wait_for_url(f"{base_url}/")
        open_review(signed_in)
        expect(signed_in.locator("#comment")).to_have_value(comment)
        expect(signed_in.locator("input[value=account_unlock]")).to_be_checked(
            checked=bool(comment)
        )


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
