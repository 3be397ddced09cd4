"""The page that describes the API draws itself from here alone, under the strict policy."""

from playwright.sync_api import Page, expect


def test_page_shows_calls_with_examples_and_asks_nobody_else(page: Page, base_url: str) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    page.goto("/api/v1/docs")
    expect(page.locator(".opblock")).to_have_count(7)
    page.locator("#operations-items-post_item .opblock-summary-control").click()
    expect(page.locator("#operations-items-post_item")).to_contain_text("HD-4711")

    foreign = [url for url in asked if not url.startswith((base_url, "data:"))]
    assert foreign == []
