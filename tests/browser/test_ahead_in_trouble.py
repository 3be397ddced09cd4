"""An answer goes wrong while the next item is on screen already: nothing is lost or doubled."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, Route, expect

from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream
from tests import scenes
from tests.browser.conftest import HOLD, expect_ready
from tests.browser.test_ahead import (
    answered,
    expect_ticket,
    held,
    hold_back,
    is_ahead,
    open_with_ahead,
    wait_for,
)
from tests.browser.test_review_by_keyboard import post_tickets

pytestmark = pytest.mark.usefixtures("interception")

FAILURES = {
    "offline": (None, "Not confirmed: no connection."),
    "failing": (503, "Not confirmed: the server failed."),
    "too many": (429, "Not confirmed: too many requests at once."),
}


def enter_and_answer(page: Page) -> None:
    page.keyboard.press("2")
    page.keyboard.press("c")
    page.keyboard.type("half a thought")
    page.keyboard.press("Control+Enter")


def expect_first_screen_back(page: Page) -> None:
    expect_ticket(page, 0)
    expect(page.locator("input[value=account_unlock]")).to_be_checked()
    expect(page.locator("#comment")).to_have_value("half a thought")
    expect_ready(page)


def send_again(page: Page) -> None:
    page.keyboard.press("Control+Enter")
    expect_ticket(page, 1)
    wait_for(lambda: answered() == ["HD-0"])
    verdict = Verdict.objects.get()
    assert (verdict.categories, verdict.comment) == (["account_unlock"], "half a thought")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    expect_ticket(page, 1)


def test_lost_connection_brings_the_screen_back(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints += ["ERR_FAILED", "htmx:sendError", "htmx:afterRequest"]
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    waiting = hold_back(page)
    enter_and_answer(page)
    expect_ticket(page, 1)
    waiting[0].abort()
    expect(page.locator("#connection p:visible")).to_contain_text("Not confirmed: no connection.")
    expect_first_screen_back(page)
    page.unroute("**/verdict")
    send_again(page)


def wait_less(page: Page) -> None:
    """Let the browser wait two seconds instead of fifteen; no clock of a page moves that."""
    assert page.evaluate("htmx.config.timeout") == 15_000
    page.evaluate("htmx.config.timeout = 2000")


def test_server_that_never_answers_brings_the_screen_back(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints.append("htmx:timeout")
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    wait_less(page)
    waiting = hold_back(page)
    enter_and_answer(page)
    expect_ticket(page, 1)
    expect_told(page, "Not confirmed: no answer came in time.")
    expect_first_screen_back(page)
    assert (len(waiting), answered()) == (1, [])
    page.evaluate("htmx.config.timeout = 15000")
    send_again(page)
    waiting[0].continue_()  # too late: the page has given it up
    wait_for(lambda: held() == ["HD-1", "HD-2"])
    assert answered() == ["HD-0"]


def test_answer_that_waited_for_one_without_a_reply_is_kept(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints.append("htmx:timeout")
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    wait_less(page)
    hold_back(page)
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    for key in ("3", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("[data-primary]")).to_have_attribute("aria-busy", "true")
    expect_told(page, "Not confirmed: no answer came in time.")
    expect_ticket(page, 0)
    page.evaluate("htmx.config.timeout = 15000")
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    wait_for(lambda: answered() == ["HD-0"])
    expect(page.locator("input[value=security_incident]")).to_be_checked()
    page.keyboard.press("Enter")
    wait_for(lambda: answered() == ["HD-0", "HD-1"])
    assert list(Verdict.objects.order_by("answered_at").values_list("categories", flat=True)) == [
        ["vpn_issue"],
        ["security_incident"],
    ]


def test_lost_reply_is_not_answered_twice(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints += ["ERR_FAILED", "htmx:sendError", "htmx:afterRequest"]
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)

    def lose_the_reply(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/verdict", lose_the_reply)
    enter_and_answer(page)
    expect(page.locator("#connection p:visible")).to_contain_text("Not confirmed: no connection.")
    expect_first_screen_back(page)
    page.unroute("**/verdict")
    send_again(page)


def test_failing_server_brings_the_screen_back(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints += ["500", "htmx:responseError"]
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    page.route("**/verdict", lambda route: route.fulfill(status=500, body="no"))
    enter_and_answer(page)
    expect(page.locator("#connection p:visible")).to_contain_text(
        "Not confirmed: the server failed."
    )
    expect_first_screen_back(page)
    page.unroute("**/verdict")
    send_again(page)


def fail(route: Route, status: int | None) -> None:
    if status is None:
        route.abort()
    else:
        route.fulfill(status=status, body="no")


def expect_told(page: Page, words: str) -> None:
    """Seen and heard; what was heard last is not the item that went away again."""
    expect(page.locator("#connection p:visible")).to_contain_text(words)
    expect(page.locator("#live")).to_contain_text(words)
    expect(page.locator("#live")).not_to_contain_text("Next item")


def covered_buttons(page: Page) -> list[str]:
    """Buttons of the answer that the notice lies over."""
    covered: list[str] = page.evaluate(
        """() => {
            const notice = document.getElementById("connection").getBoundingClientRect();
            return [...document.querySelectorAll("#answer button")].filter((button) => {
                const box = button.getBoundingClientRect();
                return box.width && box.right > notice.left && box.left < notice.right
                    && box.bottom > notice.top && box.top < notice.bottom;
            }).map((button) => button.textContent.trim());
        }"""
    )
    return covered


@pytest.mark.parametrize("failure", FAILURES)
def test_failed_send_says_what_happened_whatever_was_sent(
    stream: Stream, signed_in: Page, complaints: list[str], failure: str
) -> None:
    complaints += ["ERR_FAILED", "htmx:sendError", "503", "429", "htmx:responseError"]
    status, words = FAILURES[failure]
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    sent: dict[str, Callable[[], None]] = {
        "verdict": lambda: page.keyboard.press("Enter"),
        "verdict#unable": lambda: page.get_by_role("button", name="Cannot judge").click(),
        "skip": lambda: page.keyboard.press("s"),
        "escalate": lambda: page.keyboard.press("e"),
    }
    for name, send in sent.items():
        address = f"**/{name.partition('#')[0]}"
        page.route(address, lambda route: fail(route, status))
        send()
        expect_told(page, words)
        expect_ticket(page, 0)
        assert covered_buttons(page) == []
        page.unroute(address)
        page.get_by_role("button", name="Close").click()
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    wait_for(lambda: answered() == ["HD-0"])
    expect(page.locator("#live")).to_contain_text("Next item: Ticket 1")
    page.route("**/undo", lambda route: fail(route, status))
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.keyboard.press("u")
    expect_told(page, words)
    assert answered() == ["HD-0"]


def test_lost_lease_brings_the_screen_back(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints.append("409")
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    ReviewTask.objects.filter(item__external_id="HD-0").update(
        state="open", holder=None, lease_token=None, lease_expires_at=None
    )
    enter_and_answer(page)
    expect(page.get_by_role("alert").filter(has_text="Not recorded.")).to_be_visible()
    expect_first_screen_back(page)
    assert not Verdict.objects.exists()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Next item").click()
    expect_ticket(page, 1)


def test_refused_answer_brings_the_screen_back(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints.append("422")
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    stream.categories.filter(key="account_unlock").update(retired_at="2026-05-03T12:00Z")
    page.keyboard.press("2")
    with page.expect_response(is_ahead):
        page.keyboard.press("Enter")
    expect_ticket(page, 0)
    expect(page.locator("#categories-error")).to_contain_text("Account unlock was retired")
    page.wait_for_timeout(50)
    page.locator("input[value=vpn_issue]").check()
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    wait_for(lambda: answered() == ["HD-0"])


def test_expired_session_returns_with_the_input(
    stream: Stream, reviewer: User, signed_in: Page
) -> None:
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    Session.objects.all().delete()
    enter_and_answer(page)
    page.wait_for_url("**/accounts/login/**")
    page.fill("[name=login]", reviewer.username)
    page.fill("[name=password]", scenes.PASSWORD)
    with page.expect_response(is_ahead):
        page.keyboard.press("Enter")
    page.wait_for_url(f"**{HOLD}")
    expect_first_screen_back(page)
    page.wait_for_timeout(50)
    send_again(page)


def test_two_tabs_read_the_same_item_and_one_answers(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints.append("409")
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    other = page.context.new_page()
    open_with_ahead(other)
    expect_ticket(other, 0)
    assert held() == ["HD-0", "HD-1"]
    other.keyboard.press("Enter")
    expect_ticket(other, 1)
    wait_for(lambda: answered() == ["HD-0"])
    enter_and_answer(page)
    expect(page.get_by_role("alert").filter(has_text="Not recorded.")).to_be_visible()
    expect_first_screen_back(page)
    assert answered() == ["HD-0"]
    other.close()
