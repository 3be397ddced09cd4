"""On a phone, or at 400% zoom, what has focus is not hidden by what sticks (WCAG 2.4.11)."""

import pytest
from playwright.sync_api import Page

from routing.models import Stream
from tests import scenes
from tests.browser.conftest import HOLD, open_review
from tests.browser.test_batch import BATCH, post_rows

# What has focus, if none of it is in sight: under the bar that sticks, or outside the window.
HIDDEN = """() => {
  const on = document.activeElement;
  const bar = document.querySelector(".answer__main, .batch__foot");
  if (on === document.body || bar.contains(on)) return "";
  const box = on.getBoundingClientRect();
  const over = bar.getBoundingClientRect();
  const isCovered = box.top >= over.top && box.bottom <= over.bottom;
  return isCovered || box.top >= innerHeight || box.bottom <= 0 ? on.outerHTML.slice(0, 90) : "";
}"""


def walk(page: Page, key: str) -> tuple[set[str], int]:
    """What was hidden when it had focus, and how many places had it, from end to end."""
    hidden, places = set(), 0
    for _ in range(80):
        page.keyboard.press(key)
        if page.evaluate("document.activeElement === document.body"):
            break
        places += 1
        hidden.add(page.evaluate(HIDDEN))
    return hidden - {""}, places


@pytest.mark.parametrize("height", [740, 320])
@pytest.mark.parametrize("address", [HOLD, BATCH])
def test_what_has_focus_is_in_sight(
    stream: Stream, signed_in: Page, address: str, height: int
) -> None:
    if address == HOLD:
        scenes.post(stream, "HD-1", payload={"subject": "Long", "body": "Many words. " * 40})
    else:
        post_rows(stream, 4)
    page = signed_in
    page.set_viewport_size({"width": 360, "height": height})
    open_review(page, address)
    if address == BATCH:
        for tick in page.locator("[name=confirm]").all():
            tick.uncheck()
    page.evaluate("document.querySelector('a').focus()")
    for key in ("Tab", "Shift+Tab"):
        hidden, places = walk(page, key)
        assert hidden == set()
        assert places > 10
