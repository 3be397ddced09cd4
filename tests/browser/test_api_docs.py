"""The page that describes the API draws itself from here alone, under the strict policy."""

from playwright.sync_api import Page, expect


def test_page_shows_calls_with_examples(page: Page) -> None:
    """That it asks nobody else is watched in every page."""
    page.goto("/api/v1/docs")
    expect(page.locator(".opblock")).to_have_count(7)
    page.locator("#operations-items-post_item .opblock-summary-control").click()
    expect(page.locator("#operations-items-post_item")).to_contain_text("HD-4711")
