"""The flagged batch in trouble: nothing is lost or counted twice, and the page says why."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream
from tests import scenes
from tests.browser.conftest import expect_ready, open_review
from tests.browser.test_batch import BATCH, answers, post_rows

pytestmark = pytest.mark.usefixtures("interception")
CHOSEN = "Confirm 1, correct 1, leave 1"
SENT = {"HD-00": ["account_unlock"], "HD-02": ["vpn_issue"]}


@pytest.fixture
def stream(transactional_db: None) -> Stream:
    return scenes.make_stream(undo_seconds=60)


def choose(page: Page) -> None:
    """Three rows: one corrected, one left, one confirmed."""
    open_review(page, BATCH)
    for key in ("j", "2", "j", "x"):
        page.keyboard.press(key)
    expect(page.locator("#send")).to_contain_text(CHOSEN)


def send(page: Page) -> None:
    expect_ready(page)
    page.keyboard.press("Control+Enter")


def expect_sent_once(page: Page) -> None:
    expect(page.locator("#work h1")).to_contain_text("Nothing waits for you")
    assert answers() == SENT
    assert Verdict.objects.count() == len(SENT)


def test_without_a_connection_it_says_so_and_is_sent_again(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints += ["ERR_FAILED", "htmx:sendError"]
    post_rows(stream, 3)
    page = signed_in
    choose(page)
    page.route("**/confirm", lambda route: route.abort())
    send(page)
    said = page.locator("#connection p:visible")
    expect(said).to_contain_text("Not confirmed: no connection.")
    expect(page.locator("#send")).to_contain_text(CHOSEN)
    assert answers() == {}
    page.unroute("**/confirm")
    send(page)
    expect_sent_once(page)
    expect(said).to_be_hidden()


def test_server_that_fails_is_told_of_and_asked_again(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints += ["503", "htmx:responseError", "Response Status Error"]
    post_rows(stream, 3)
    page = signed_in
    choose(page)
    page.route("**/confirm", lambda route: route.fulfill(status=503, body="down"))
    send(page)
    said = page.locator("#connection p:visible")
    expect(said).to_contain_text("Not confirmed: the server failed.")
    expect(page.locator("#send")).to_contain_text(CHOSEN)
    page.unroute("**/confirm")
    send(page)
    expect_sent_once(page)


@pytest.mark.parametrize("all_left", [False, True])
def test_table_whose_reply_was_lost_is_sent_again_and_counts_once(
    stream: Stream, signed_in: Page, complaints: list[str], all_left: bool
) -> None:
    complaints += ["ERR_FAILED", "htmx:sendError"]
    post_rows(stream, 3)
    page = signed_in
    choose(page)
    if all_left:
        for key in ("k", "l", "j", "j", "x"):
            page.keyboard.press(key)
        expect(page.locator("#send")).to_contain_text("Leave 3")

    def lose_reply(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/confirm", lose_reply)
    send(page)
    expect(page.locator("#connection p:visible")).to_contain_text("It counts once.")
    page.unroute("**/confirm")
    send(page)
    bar = page.locator(".statusbar")
    if all_left:
        expect(page.locator("#work h1")).to_contain_text("Nothing waits for you")
        expect(bar).to_contain_text("3 left: they wait for others, and come back to you in 15 min")
        assert not Verdict.objects.exists()
    else:
        expect_sent_once(page)
        expect(bar).to_contain_text("1 confirmed, 1 corrected, 1 left")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_expired_session_returns_to_the_table_as_it_was(
    stream: Stream, reviewer: User, signed_in: Page
) -> None:
    post_rows(stream, 3)
    page = signed_in
    choose(page)
    Session.objects.all().delete()
    send(page)
    page.wait_for_url("**/accounts/login/**")
    expect(page.get_by_role("status")).to_contain_text("Your session has ended.")
    page.fill("[name=login]", reviewer.username)
    page.fill("[name=password]", scenes.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{BATCH}")
    expect(page.locator("#send")).to_contain_text(CHOSEN)
    send(page)
    expect_sent_once(page)


def test_table_of_two_tabs_is_taken_once(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints.append("409")
    post_rows(stream, 3)
    other = signed_in.context.new_page()
    choose(signed_in)
    open_review(other, BATCH)
    expect(other.locator("#send")).to_contain_text("Confirm 3")
    send(signed_in)
    expect_sent_once(signed_in)
    send(other)
    alert = other.get_by_role("alert").filter(visible=True)
    expect(alert).to_contain_text("You have sent this table already, and those answers stand.")
    assert answers() == SENT
    other.close()


def test_row_that_another_tab_answered_is_named(stream: Stream, signed_in: Page) -> None:
    post_rows(stream, 3)
    page = signed_in
    open_review(page, BATCH)
    other = page.context.new_page()
    task = ReviewTask.objects.get(item__external_id="HD-01")
    open_review(other, f"{BATCH}{task.id}/")
    other.keyboard.press("n")
    other.keyboard.press("Control+Enter")
    other.wait_for_url(f"**{BATCH}")
    other.close()
    send(page)
    expect(page.locator("#work h1")).to_contain_text("Nothing waits for you")
    expect(page.get_by_role("alert")).to_contain_text("taken up elsewhere meanwhile: HD-01.")
    assert answers() == {"HD-00": ["vpn_issue"], "HD-01": [], "HD-02": ["vpn_issue"]}


def test_back_button_brings_no_table_that_was_sent(stream: Stream, signed_in: Page) -> None:
    post_rows(stream, 3)
    page = signed_in
    choose(page)
    page.goto("/")
    page.go_back()
    expect_ready(page)
    expect(page.locator("#send")).to_contain_text(CHOSEN)
    send(page)
    expect_sent_once(page)
    page.goto("/")
    page.go_back()
    expect_sent_once(page)


def test_row_by_itself_whose_time_is_over_is_still_there(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints.append("409")
    post_rows(stream, 2)
    page = signed_in
    open_review(page, BATCH)
    for key in ("j", "v"):
        page.keyboard.press(key)
    page.wait_for_url(f"**{BATCH}*-*/")
    expect_ready(page)
    page.keyboard.press("c")
    page.keyboard.type("half a thought")
    ReviewTask.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    send(page)
    expect(page.get_by_role("alert").filter(has_text="Not recorded.")).to_be_visible()
    expect(page.locator("#comment")).to_have_value("half a thought")
    page.get_by_role("link", name="Back to the table").last.click()
    page.wait_for_url(f"**{BATCH}")
    expect_ready(page)
    page.keyboard.press("v")
    page.wait_for_url(f"**{BATCH}*-*/")
    expect(page.locator("#comment")).to_have_value("half a thought")
    assert not Verdict.objects.exists()
