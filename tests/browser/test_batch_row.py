"""A row of the flagged batch by itself, by keyboard: every answer, and the table as it was."""

import pytest
from playwright.sync_api import Page, expect

from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream
from tests import scenes
from tests.browser.conftest import expect_ready, open_review
from tests.browser.test_accessibility import violations
from tests.browser.test_batch import BATCH, answers, post_rows, row


@pytest.fixture
def stream(transactional_db: None) -> Stream:
    return scenes.make_stream(undo_seconds=60)


def open_row(page: Page, *keys: str) -> None:
    """Press these keys and then the one that opens the row."""
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.press("v")
    page.wait_for_url(f"**{BATCH}*-*/")
    expect_ready(page)


def expect_table(page: Page, words: str) -> None:
    page.wait_for_url(f"**{BATCH}")
    expect(page.locator("#send")).to_contain_text(words)
    expect_ready(page)


def test_ambiguous_row_among_others_by_keyboard(stream: Stream, signed_in: Page) -> None:
    post_rows(stream, 4)
    page = signed_in
    open_review(page, BATCH)
    open_row(page, "j", "2", "j")
    expect(page.locator("#work h1")).to_have_text("HD-01")
    for key in ("a", "1", "2", "c"):
        page.keyboard.press(key)
    page.keyboard.type("Both, by turns")
    page.keyboard.press("Control+Enter")
    expect_table(page, "Confirm 2, correct 1")
    expect(page.locator(f"{row(page, 'HD-02')} [name=confirm]")).to_be_focused()
    verdict = Verdict.objects.get()
    assert (verdict.kind, len(verdict.categories)) == ("ambiguous", 2)
    assert verdict.comment == "Both, by turns"
    expect(page.locator(".statusbar")).to_contain_text("Last: Ambiguous")
    page.keyboard.press("u")
    page.wait_for_url(f"**{BATCH}*-*/")
    expect_ready(page)
    expect(page.locator("#comment")).to_have_value("Both, by turns")
    page.keyboard.press("Control+Enter")
    expect_table(page, "Confirm 2, correct 1")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#work h1")).to_contain_text("Nothing waits for you")
    assert answers()["HD-00"] == ["account_unlock"]
    assert len(answers()) == 4


def test_row_that_was_opened_in_vain_is_not_confirmed(stream: Stream, signed_in: Page) -> None:
    post_rows(stream, 3)
    page = signed_in
    open_review(page, BATCH)
    open_row(page, "j", "j")
    page.keyboard.press("v")
    expect_table(page, "Confirm 2, leave 1")
    expect(page.locator(f"{row(page, 'HD-01')} [name=confirm]")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#work h1")).to_contain_text("Nothing waits for you")
    told = "2 confirmed, 1 left: it waits for others, and comes back to you in 15 min"
    expect(page.locator(".statusbar")).to_contain_text(told)
    assert sorted(answers()) == ["HD-00", "HD-02"]


def test_row_is_escalated_and_the_table_tells(stream: Stream, signed_in: Page) -> None:
    post_rows(stream, 2)
    page = signed_in
    open_review(page, BATCH)
    open_row(page, "j")
    assert violations(page) == []
    page.keyboard.press("e")
    expect_table(page, "Confirm 1")
    expect(page.locator(".statusbar")).to_contain_text("Escalated HD-00 to the experts")
    assert ReviewTask.objects.get(item__external_id="HD-00").queue == "escalated"
    assert violations(page) == []


def test_enter_in_a_field_sends_the_table_without_a_script(
    stream: Stream, signed_in: Page, base_url: str
) -> None:
    post_rows(stream, 2)
    browser = signed_in.context.browser
    assert browser is not None
    context = browser.new_context(
        java_script_enabled=False,
        base_url=base_url,
        storage_state=signed_in.context.storage_state(),
    )
    page = context.new_page()
    page.goto(BATCH)
    page.locator("[name=confirm]").first.uncheck()
    page.get_by_role("button", name="Judge by itself HD-00").click()
    expect(page.locator("h1")).to_have_text("HD-00")
    page.get_by_role("link", name="Back to the table").click()
    expect(page.locator("[name=confirm]").first).not_to_be_checked()
    field = page.locator(".pick-other input").first
    field.fill("Security incident")
    field.press("Enter")
    expect(page.locator("h1")).to_contain_text("Nothing waits for you")
    context.close()
    assert answers() == {"HD-00": ["security_incident"], "HD-01": ["vpn_issue"]}
