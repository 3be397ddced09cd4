"""A new screen takes no answer before it has been seen: early presses and clicks do nothing."""

import pytest
from playwright.sync_api import Page, expect

from reviewqueue.models import Verdict
from routing.models import Stream
from tests.browser.conftest import HOLD, expect_ready
from tests.browser.test_ahead import answered, open_with_ahead
from tests.browser.test_batch import BATCH, post_rows
from tests.browser.test_review_by_keyboard import answers, expect_ticket, post_tickets

PRESS_AT_ONCE = """keys => {
    for (const key of keys) document.body.dispatchEvent(new KeyboardEvent("keydown",
        {key: key.replace("Control+", ""), ctrlKey: key.startsWith("Control+"),
         bubbles: true, cancelable: true}));
}"""


def open_first_of(stream: Stream, page: Page, count: int) -> None:
    """A queue of so many, the first on screen and the second ahead of it."""
    post_tickets(stream, count)
    open_with_ahead(page)
    expect_ready(page)


@pytest.mark.parametrize(
    "keys",
    [["Enter"], ["Enter", "Enter"], ["Control+Enter"], ["s"], ["e"], ["2"], ["n"], ["a"]],
    ids="-".join,
)
def test_keys_of_an_answer_rest_on_a_screen_nobody_has_seen(
    stream: Stream, signed_in: Page, keys: list[str]
) -> None:
    open_first_of(stream, signed_in, 3)
    signed_in.evaluate(PRESS_AT_ONCE, ["Enter", *keys])
    expect_ticket(signed_in, 1)
    expect(signed_in.locator("#answer")).to_have_attribute("data-mode", "category")
    expect(signed_in.locator("[data-primary]")).to_contain_text("Confirm VPN issue")
    signed_in.keyboard.press("Enter")
    expect_ticket(signed_in, 2)
    assert answers() == [("category", ["vpn_issue"])] * 2


def test_choice_that_came_too_early_takes_its_enter_along(stream: Stream, signed_in: Page) -> None:
    """Half a thought must not become the machine's answer: the Enter after it rests too."""
    open_first_of(stream, signed_in, 3)
    signed_in.evaluate(PRESS_AT_ONCE, ["Enter"])
    signed_in.wait_for_timeout(150)
    signed_in.evaluate(PRESS_AT_ONCE, ["2"])
    signed_in.wait_for_timeout(150)
    signed_in.evaluate(PRESS_AT_ONCE, ["Enter"])
    expect_ticket(signed_in, 1)
    assert answered() == ["HD-0"]


def test_second_click_at_the_same_place_answers_nothing(stream: Stream, signed_in: Page) -> None:
    open_first_of(stream, signed_in, 3)
    signed_in.locator("[data-primary]").dblclick()
    expect_ticket(signed_in, 1)
    assert answered() == ["HD-0"]
    signed_in.locator("[data-primary]").click()
    expect_ticket(signed_in, 2)


def test_undo_and_reading_keys_need_no_rest(stream: Stream, signed_in: Page) -> None:
    open_first_of(stream, signed_in, 2)
    signed_in.keyboard.press("Enter")
    expect_ticket(signed_in, 1)
    signed_in.evaluate("delete document.getElementById('work').dataset.ready")
    signed_in.keyboard.press("c")
    expect(signed_in.locator("#comment")).to_be_focused()
    signed_in.keyboard.press("Escape")
    signed_in.keyboard.press("u")
    expect_ticket(signed_in, 0)
    assert answered() == []


def test_page_that_was_just_opened_rests_too(stream: Stream, signed_in: Page) -> None:
    """Enter on home opens the queue; a second one must not confirm what it brings."""
    post_tickets(stream, 2)
    signed_in.add_init_script(
        f"document.addEventListener('DOMContentLoaded', () => ({PRESS_AT_ONCE})(['Enter']))"
    )
    signed_in.goto(HOLD)
    expect_ticket(signed_in, 0)
    assert answered() == []


def test_next_table_is_not_sent_unseen(stream: Stream, signed_in: Page) -> None:
    post_rows(stream, 52)
    signed_in.goto(BATCH)
    expect_ready(signed_in)
    signed_in.evaluate(
        f"document.addEventListener('htmx:afterSettle', () => ({PRESS_AT_ONCE})(['Control+Enter']))"
    )
    signed_in.keyboard.press("Control+Enter")
    expect(signed_in.locator("#send")).to_contain_text("Confirm 2")
    expect_ready(signed_in)
    assert Verdict.objects.count() == 50
