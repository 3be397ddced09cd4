"""The page that describes the API draws itself from here alone, under the strict policy."""

from playwright.sync_api import Page, expect

from reviewqueue.api.events import EVENTS


def test_page_shows_calls_and_events_with_examples(page: Page) -> None:
    """That it asks nobody else is watched in every page."""
    page.goto("/api/v1/docs")
    expect(page.locator(".opblock")).to_have_count(7 + len(EVENTS), timeout=20_000)
    page.locator("#operations-items-post_item .opblock-summary-control").click()
    expect(page.locator("#operations-items-post_item")).to_contain_text("HD-4711")
    event = page.locator(".opblock").filter(has_text="Audits broke the promise")
    event.locator(".opblock-summary-control").click()
    expect(event).to_contain_text("promised_errors")
