"""One item, several requests: tabs, clicks and networks that repeat themselves.

Whatever repeats, exactly one verdict comes of it, and nothing that was entered is lost.
"""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from reviewqueue.claims import escalate_task, release_task
from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream
from tests import scenes
from tests.browser.conftest import HOLD, expect_ready, open_review
from tests.browser.test_review_by_keyboard import answers, expect_ticket, post_tickets
from tests.browser.test_review_in_trouble import enter_half_an_answer, expect_half_an_answer

pytestmark = pytest.mark.usefixtures("interception")

EMPTY = "Nothing waits for you in Hold"


def test_double_click_on_confirm_answers_one_item(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    open_review(signed_in)
    signed_in.locator("[data-primary]").dblclick()
    expect_ticket(signed_in, 1)
    signed_in.wait_for_timeout(300)
    assert answers() == [("category", ["vpn_issue"])]


def test_double_enter_answers_one_item(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    open_review(signed_in)
    signed_in.evaluate(
        """for (let n = 0; n < 2; n += 1) document.body.dispatchEvent(
            new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true}))"""
    )
    expect_ticket(signed_in, 1)
    signed_in.wait_for_timeout(300)
    assert answers() == [("category", ["vpn_issue"])]


def test_answer_whose_reply_was_lost_is_sent_again_and_counts_once(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    """The server recorded it, but the browser never heard: sending again leads on."""
    complaints += ["ERR_FAILED", "htmx:sendError", "htmx:afterRequest"]
    post_tickets(stream, 2)
    enter_half_an_answer(signed_in)

    def lose_the_reply(route: Route) -> None:
        route.fetch()
        route.abort()

    signed_in.route("**/verdict", lose_the_reply)
    signed_in.keyboard.press("Control+Enter")
    expect(signed_in.locator("#connection p:visible")).to_contain_text(
        "Not confirmed: no connection."
    )
    expect_half_an_answer(signed_in)
    assert Verdict.objects.get().comment == "half a thought"
    signed_in.unroute("**/verdict")
    signed_in.keyboard.press("Control+Enter")
    expect_ticket(signed_in, 1)
    assert answers() == [("category", ["account_unlock"])]


def test_server_that_fails_keeps_the_answer(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints += ["500", "Response Status Error Code"]
    post_tickets(stream, 2)
    enter_half_an_answer(signed_in)
    signed_in.route("**/verdict", lambda route: route.fulfill(status=500, body="broken"))
    signed_in.keyboard.press("Control+Enter")
    expect(signed_in.locator("#connection p:visible")).to_contain_text(
        "Not confirmed: the server failed."
    )
    expect_half_an_answer(signed_in)
    signed_in.unroute("**/verdict")
    signed_in.keyboard.press("Control+Enter")
    expect_ticket(signed_in, 1)
    expect(signed_in.locator("#connection")).to_be_hidden()
    assert answers() == [("category", ["account_unlock"])]


def test_second_tab_with_the_same_answer_leads_on(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    open_review(signed_in)
    other = signed_in.context.new_page()
    open_review(other)
    expect_ticket(other, 0)
    signed_in.keyboard.press("Enter")
    expect_ticket(signed_in, 1)
    other.keyboard.press("Enter")
    expect_ticket(other, 1)
    assert answers() == [("category", ["vpn_issue"])]


def test_second_tab_with_another_answer_is_told_and_keeps_it(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints.append("409")  # what the second tab is answered
    post_tickets(stream, 2)
    open_review(signed_in)
    other = signed_in.context.new_page()
    enter_half_an_answer(other)
    signed_in.keyboard.press("Enter")
    expect_ticket(signed_in, 1)
    other.keyboard.press("Control+Enter")
    expect(other.get_by_role("alert").filter(has_text="Not recorded.")).to_contain_text(
        "You have answered this item already, and that answer stands."
    )
    expect_half_an_answer(other)
    assert answers() == [("category", ["vpn_issue"])]


def test_two_tabs_opened_at_once_lose_no_item(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    pages = [signed_in.context.new_page() for _ in range(3)]
    for page in pages:
        page.evaluate("address => { location.href = address }", signed_in.url + HOLD[1:])
    for page in pages:
        page.wait_for_selector("#work h1")
    open_review(signed_in)
    for _ in range(3):
        signed_in.wait_for_selector("[data-ready] button[data-primary]")
        title = signed_in.inner_text("#work h1")
        signed_in.keyboard.press("Enter")
        expect(signed_in.locator("#work h1")).not_to_have_text(title)
    expect(signed_in.locator("#work h1")).to_have_text(EMPTY)
    assert len(answers()) == 3


def test_back_after_answering_shows_the_item_in_hand(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    open_review(signed_in)
    signed_in.keyboard.press("Enter")
    expect_ticket(signed_in, 1)
    signed_in.keyboard.press("ArrowLeft")
    signed_in.wait_for_url("**/mine/**")
    signed_in.go_back()
    expect_ticket(signed_in, 1)
    signed_in.go_back()
    signed_in.wait_for_selector("text=Your queues")
    signed_in.go_forward()
    expect_ticket(signed_in, 1)
    signed_in.keyboard.press("Enter")
    expect_ticket(signed_in, 2)
    assert answers() == [("category", ["vpn_issue"])] * 2


def test_reload_keeps_the_item_and_what_was_entered(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    enter_half_an_answer(signed_in)
    signed_in.reload()
    expect_ready(signed_in)
    expect_ticket(signed_in, 0)
    expect_half_an_answer(signed_in)
    expect(signed_in.locator("[data-primary]")).to_contain_text("Choose Account unlock")


def test_reload_after_answering_sends_nothing_again(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    open_review(signed_in)
    signed_in.keyboard.press("Enter")
    expect_ticket(signed_in, 1)
    signed_in.reload()
    expect_ready(signed_in)
    expect_ticket(signed_in, 1)
    expect(signed_in.get_by_role("button", name="Undo")).to_be_visible()
    assert answers() == [("category", ["vpn_issue"])]


def lose_to_an_admin(task: ReviewTask) -> None:
    assert task.holder is not None
    assert task.lease_token is not None
    assert release_task(task_id=task.id, user=task.holder, lease_token=task.lease_token)


def lose_to_the_experts(task: ReviewTask) -> None:
    assert task.holder is not None
    assert task.lease_token is not None
    assert escalate_task(task_id=task.id, user=task.holder, lease_token=task.lease_token)


@pytest.mark.parametrize(
    ("lose", "words"),
    [
        (lose_to_an_admin, "Your time with this item was over"),
        (lose_to_the_experts, "This item was passed on to the experts meanwhile."),
    ],
)
def test_item_that_was_taken_away_keeps_what_was_entered(
    stream: Stream, signed_in: Page, complaints: list[str], lose: object, words: str
) -> None:
    complaints.append("409")
    post_tickets(stream, 2)
    enter_half_an_answer(signed_in)
    assert callable(lose)
    # The one in hand; the next may be held ahead of it by now.
    lose(ReviewTask.objects.filter(state="claimed").earliest("claimed_at"))
    signed_in.keyboard.press("Control+Enter")
    notice = signed_in.get_by_role("alert").filter(has_text="Not recorded.")
    expect(notice).to_contain_text(words)
    expect(signed_in.locator("#live")).to_contain_text(words)
    expect_half_an_answer(signed_in)
    assert not Verdict.objects.exists()
    signed_in.get_by_role("link", name="Next item").click()
    signed_in.wait_for_selector("button[data-primary]")
    assert signed_in.url.endswith(HOLD)


def test_signing_in_elsewhere_is_told_and_the_answer_is_kept(
    stream: Stream, reviewer: User, signed_in: Page, complaints: list[str]
) -> None:
    """The form's token died with the old session: "send it again" would never work."""
    complaints += ["403", "Response Status Error Code"]
    post_tickets(stream, 2)
    enter_half_an_answer(signed_in)
    other = signed_in.context.new_page()
    other.goto("/")
    other.get_by_label("Account of rita").click()
    other.get_by_role("button", name="Sign out").click()
    other.goto("/accounts/login/")
    other.fill("[name=login]", reviewer.username)
    other.fill("[name=password]", scenes.PASSWORD)
    other.keyboard.press("Enter")
    other.wait_for_selector("text=Your queues")
    signed_in.keyboard.press("Control+Enter")
    expect(signed_in.locator("#connection p:visible")).to_contain_text("in another window")
    expect_half_an_answer(signed_in)
    signed_in.get_by_role("link", name="Load the page again").click()
    expect_half_an_answer(signed_in)
    signed_in.keyboard.press("Control+Enter")
    expect_ticket(signed_in, 1)
    assert answers() == [("category", ["account_unlock"])]


def test_undo_of_an_escalation_gives_the_item_back(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    enter_half_an_answer(signed_in)
    signed_in.keyboard.press("Escape")
    signed_in.keyboard.press("e")
    expect_ticket(signed_in, 1)
    expect(signed_in.locator(".statusbar")).to_contain_text("Escalated HD-0 to the experts")
    signed_in.keyboard.press("u")
    expect_ticket(signed_in, 0)
    expect(signed_in.locator("#work h1")).to_be_focused()
    expect_half_an_answer(signed_in)
    back = ReviewTask.objects.get(item__external_id="HD-0")
    assert (back.queue, back.state) == ("hold", "claimed")
