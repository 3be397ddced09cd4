"""The watch list in a browser: filtered and lengthened without a reload, readable for everybody."""

import pytest
from playwright.sync_api import Page, expect

from reviewqueue import watchlist
from routing.models import Stream
from tests import scenes
from tests.browser.test_accessibility import violations

WATCH = "/streams/helpdesk/watch/"
REACHED = {"vpn_issue": 0.52, "account_unlock": 0.10, "security_incident": 0.38}


@pytest.fixture
def stream(transactional_db: None) -> Stream:
    made = scenes.make_stream(watch={"security_incident": 0.25})
    for number in range(5):
        words = {"subject": f"Ticket {number}" + "x" * 90, "body": "z" * 300}
        scenes.post(made, f"HD-{number}", scores=REACHED, payload=words)
    return made


def test_filter_and_older_entries_come_without_a_reload(
    stream: Stream, signed_in: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchlist, "PAGE", 2)
    signed_in.goto(WATCH)
    signed_in.evaluate("window.stayed = true")
    rows = signed_in.locator("tbody th")
    expect(rows).to_have_count(2)
    signed_in.get_by_role("link", name="Older").press("Enter")
    expect(rows).to_have_count(4)
    expect(signed_in.get_by_role("link", name="Ticket 2")).to_be_focused()
    signed_in.get_by_role("radio", name="Acted on").check()
    expect(signed_in.locator("#watched h2")).to_have_text("Nothing on the list is like this")
    expect(signed_in.get_by_role("radio", name="Acted on")).to_be_focused()
    expect(signed_in.locator("#live")).to_have_text("Nothing on the list is like this")
    assert signed_in.url.endswith("?category=&state=acted")
    assert signed_in.evaluate("window.stayed") is True


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_watch_list_has_no_violations_and_fits(
    stream: Stream, signed_in: Page, theme: str, width: int
) -> None:
    signed_in.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    signed_in.set_viewport_size({"width": width, "height": 740})
    signed_in.goto(WATCH)
    for place in ("list", "entry"):
        over = signed_in.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert (place, violations(signed_in), over) == (place, [], 0)
        if place == "list":
            signed_in.locator("tbody th a").first.click()
            signed_in.wait_for_url("**/watch/*-*/")
