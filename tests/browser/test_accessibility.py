"""WCAG 2.2 AA as far as axe can tell, both themes, narrow and zoomed."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from routing.models import Stream
from tests import scenes
from tests.browser.conftest import HOLD

RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_no_violations(stream: Stream, signed_in: Page, theme: str) -> None:
    signed_in.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for number in range(3):
        scenes.post(stream, f"HD-{number}")
    scenes.post_blind(stream, "HD-B")
    signed_in.goto(HOLD)
    signed_in.keyboard.press("Enter")
    signed_in.wait_for_selector("[data-undo-left]")
    found = {"review": violations(signed_in)}
    signed_in.keyboard.press("a")
    found["ambiguous"] = violations(signed_in)
    signed_in.keyboard.press("n")
    found["none"] = violations(signed_in)
    for name, address in (
        ("home", "/"),
        ("blind", "/streams/helpdesk/audit/"),
        ("empty", "/streams/helpdesk/flagged/"),
        ("mine", "/streams/helpdesk/mine/"),
        ("password", "/accounts/password/change/"),
    ):
        signed_in.goto(address)
        found[name] = violations(signed_in)
    signed_in.goto("/streams/helpdesk/mine/")
    signed_in.keyboard.press("ArrowLeft")
    signed_in.wait_for_url("**/verdicts/**")
    found["verdict"] = violations(signed_in)
    signed_in.keyboard.press("?")
    found["keys"] = violations(signed_in)
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_log_in_has_no_violations(transactional_db: None, page: Page, theme: str) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.goto("/accounts/login/")
    assert violations(page) == []
    page.fill("[name=login]", "nobody")
    page.fill("[name=password]", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    assert violations(page) == []


@pytest.mark.parametrize(("width", "height"), [(360, 740), (640, 400), (1440, 900)])
def test_nothing_scrolls_sideways(stream: Stream, signed_in: Page, width: int, height: int) -> None:
    words = {"subject": "x" * 120, "from": "y" * 80, "body": "z" * 400 + "\nhello"}
    for number in range(2):
        scenes.post(stream, f"HD-{number}" + "-" * 80, payload=words)
    signed_in.set_viewport_size({"width": width, "height": height})
    signed_in.goto(HOLD)
    signed_in.keyboard.press("Enter")
    signed_in.wait_for_selector("[data-undo-left]")
    for address in ("", "/", "/streams/helpdesk/flagged/", "/streams/helpdesk/mine/"):
        if address:
            signed_in.goto(address)
        over = signed_in.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert (address, over) == (address, 0)


def test_the_main_action_is_in_sight_on_a_phone(stream: Stream, signed_in: Page) -> None:
    scenes.post(stream, "HD-1", payload={"subject": "Long", "body": "line\n\n" * 80})
    signed_in.set_viewport_size({"width": 360, "height": 740})
    signed_in.goto(HOLD)
    box = signed_in.locator("[data-primary]").bounding_box()
    assert box is not None
    assert 0 <= box["y"] <= 740 - box["height"]
