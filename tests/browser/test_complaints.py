"""Complaints about such products, by their public issues: keys, words and what they undo.

Who gets which item, and at what cost, stands in `tests/reviewqueue/views/test_complaints.py`;
sessions that expire (cvat#1025) in `test_review_in_trouble.py`, the item ahead (label-studio#9101)
in `test_ahead.py`, adjudication (doccano#1846, argilla#4251) in `test_adjudication.py`.
"""

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from reviewqueue.models import ReviewTask
from routing.models import Stream
from tests import scenes
from tests.browser.conftest import open_review
from tests.browser.test_review_by_keyboard import answers, expect_ticket, post_tickets


def test_skip_says_what_becomes_of_the_item(stream: Stream, signed_in: Page) -> None:
    """label-studio#347 and #3415, unclear skip: it waits for others and comes back to me."""
    post_tickets(stream, 2)
    open_review(signed_in)
    signed_in.keyboard.press("?")
    expect(signed_in.locator("#keys")).to_contain_text("it comes back to you after 15 minutes")
    signed_in.keyboard.press("Escape")
    signed_in.keyboard.press("s")
    expect_ticket(signed_in, 1)
    words = "Skipped HD-0: it waits for others, and comes back to you in 15 min"
    expect(signed_in.locator(".statusbar")).to_contain_text(words)
    expect(signed_in.locator("#live")).to_contain_text(words)
    signed_in.keyboard.press("s")
    expect(signed_in.locator(".empty")).to_contain_text("comes back to you after 15 minutes")
    assert set(ReviewTask.objects.values_list("state", flat=True)) == {"open"}
    assert answers() == []


def test_no_key_discards_and_the_last_answer_can_be_taken_back(
    stream: Stream, signed_in: Page
) -> None:
    """argilla#5113 and #2278, accidental discard and no undo."""
    post_tickets(stream, 2)
    open_review(signed_in)
    signed_in.keyboard.press("2")
    for key in ("Backspace", "Delete", "Escape", "d", "d", "x", "z", "Space"):
        signed_in.keyboard.press(key)
    expect_ticket(signed_in, 0)
    expect(signed_in.locator("input[value=account_unlock]")).to_be_checked()
    signed_in.keyboard.press("c")
    signed_in.keyboard.type("undo skip escalate")
    signed_in.keyboard.press("Escape")
    expect(signed_in.locator("#comment")).to_have_value("undo skip escalate")
    signed_in.keyboard.press("Enter")
    expect_ticket(signed_in, 1)
    signed_in.keyboard.press("u")
    expect_ticket(signed_in, 0)
    expect(signed_in.locator("input[value=account_unlock]")).to_be_checked()
    expect(signed_in.locator("#comment")).to_have_value("undo skip escalate")
    assert answers() == []


def test_two_way_label_takes_one_key_to_confirm_and_two_to_correct(
    stream: Stream, signed_in: Page
) -> None:
    """doccano#718, three key presses for a two-way label."""
    pairs = [("spam", "Spam", ""), ("fine", "Fine", "")]
    mail = scenes.make_stream("mail", categories=pairs)
    scenes.join(User.objects.get(username="rita"), mail)
    for number in range(3):
        words = {"subject": f"Ticket {number}"}
        scenes.post(mail, f"M-{number}", scores={"spam": 0.6, "fine": 0.4}, payload=words)
    open_review(signed_in, "/streams/mail/hold/")
    signed_in.keyboard.press("Enter")
    expect_ticket(signed_in, 1)
    signed_in.keyboard.press("2")
    signed_in.keyboard.press("Enter")
    expect_ticket(signed_in, 2)
    assert answers() == [("category", ["spam"]), ("category", ["fine"])]
