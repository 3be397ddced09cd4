"""WCAG 2.2 AA as far as axe can tell, both themes, narrow and zoomed."""

from collections.abc import Mapping

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream
from tests import scenes
from tests.browser.conftest import HOLD, open_review

RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    "resultTypes": ["violations"],
}
# Rules that another theme or another width can break alone.
RULES_OF_LOOKS = {
    "runOnly": {
        "type": "rule",
        "values": [
            "color-contrast",
            "link-in-text-block",
            "scrollable-region-focusable",
            "target-size",
        ],
    },
    "resultTypes": ["violations"],
}


def violations(page: Page, rules: Mapping[str, object] = RULES) -> list[str]:
    """What axe finds once colours have come to rest: half-way through a fade none is true."""
    page.evaluate("Promise.allSettled(document.getAnimations().map(one => one.finished))")
    found = Axe().run(page, options=dict(rules)).response["violations"]
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_no_violations(
    stream: Stream, signed_in: Page, complaints: list[str], theme: str
) -> None:
    complaints += ["404", "403", "409"]
    signed_in.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for number in range(3):
        scenes.post(stream, f"HD-{number}")
    scenes.post_blind(stream, "HD-B")
    open_review(signed_in)
    signed_in.keyboard.press("Enter")
    signed_in.wait_for_selector("[data-ready] [data-undo-left]")
    found = {"review": violations(signed_in)}
    signed_in.keyboard.press("a")
    found["ambiguous"] = violations(signed_in)
    signed_in.keyboard.press("n")
    found["none"] = violations(signed_in)
    ReviewTask.objects.filter(state="claimed").update(lease_expires_at=timezone.now())
    signed_in.keyboard.press("Control+Enter")
    signed_in.wait_for_selector("text=Not recorded.")
    found["late"] = violations(signed_in)
    open_review(signed_in)
    signed_in.wait_for_selector("[data-key=e]")
    signed_in.keyboard.press("Escape")
    signed_in.keyboard.press("e")
    signed_in.wait_for_selector("text=to the experts")
    found["escalated"] = violations(signed_in)
    scenes.join(User.objects.get(username="rita"), stream, "expert")
    for name, address in (
        ("home", "/"),
        ("blind", "/streams/helpdesk/audit/"),
        ("empty", "/streams/helpdesk/flagged/"),
        ("mine", "/streams/helpdesk/mine/"),
        ("watch", "/streams/helpdesk/watch/"),
        ("passed on", "/streams/helpdesk/escalated/"),
        ("not open", "/streams/helpdesk/adjudication/"),
        ("nothing", "/nowhere/"),
        ("password", "/accounts/password/change/"),
    ):
        signed_in.goto(address)
        found[name] = violations(signed_in)
    signed_in.goto("/streams/helpdesk/mine/")
    signed_in.keyboard.press("ArrowLeft")
    signed_in.wait_for_url("**/verdicts/**")
    found["verdict"] = violations(signed_in)
    signed_in.keyboard.press("?")
    signed_in.wait_for_selector("dialog[open]")
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


@pytest.mark.parametrize(("width", "height"), [(360, 740), (720, 450), (1440, 900)])
def test_nothing_scrolls_sideways(
    stream: Stream, signed_in: Page, complaints: list[str], width: int, height: int
) -> None:
    """On a phone, on a laptop at 200% zoom, and in full."""
    complaints += ["404", "403"]
    words = {"subject": "x" * 120, "from": "y" * 80, "body": "z" * 400 + "\nhello"}
    for number in range(2):
        scenes.post(stream, f"HD-{number}" + "-" * 80, payload=words)
    signed_in.set_viewport_size({"width": width, "height": height})
    open_review(signed_in)
    signed_in.keyboard.press("Enter")
    signed_in.wait_for_selector("[data-ready] [data-undo-left]")
    helpdesk = "/streams/helpdesk"
    queues = (f"{helpdesk}/flagged/", f"{helpdesk}/mine/", f"{helpdesk}/watch/")
    for address in ("", "/", *queues, f"{helpdesk}/escalated/", "/nowhere/"):
        if address:
            signed_in.goto(address)
        over = signed_in.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert (address, over) == (address, 0)
        assert (signed_in.get_attribute("html", "lang") or "").partition("-")[0] == "en"


def test_the_main_action_is_in_sight_on_a_phone(stream: Stream, signed_in: Page) -> None:
    scenes.post(stream, "HD-1", payload={"subject": "Long", "body": "line\n\n" * 80})
    signed_in.set_viewport_size({"width": 360, "height": 740})
    open_review(signed_in)
    box = signed_in.locator("[data-primary]").bounding_box()
    assert box is not None
    assert 0 <= box["y"] <= 740 - box["height"]


def test_the_status_bar_of_an_empty_queue_is_at_the_foot_of_a_phone(
    stream: Stream, signed_in: Page
) -> None:
    signed_in.set_viewport_size({"width": 360, "height": 740})
    open_review(signed_in)
    box = signed_in.locator(".statusbar").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] == 740


@pytest.mark.parametrize("width", [360, 1280])
def test_long_category_names_stay_within_their_buttons(
    stream: Stream, signed_in: Page, width: int
) -> None:
    long = "Balance not updated after a cheque or a cash deposit was made at a branch"
    stream.categories.filter(key="vpn_issue").update(label=long)
    scenes.post(stream, "HD-1")
    signed_in.set_viewport_size({"width": width, "height": 740})
    open_review(signed_in)
    primary, key = signed_in.locator("[data-primary]"), signed_in.locator("[data-primary] .key")
    button, inside = primary.bounding_box(), key.bounding_box()
    assert button is not None
    assert inside is not None
    assert button["x"] + button["width"] <= width
    assert inside["x"] + inside["width"] <= button["x"] + button["width"]
    assert key.evaluate("key => key.scrollWidth - key.clientWidth") == 0
    expect(primary).to_contain_text(f"Confirm {long}")


def test_keys_that_are_off_sleep_on_every_page(stream: Stream, signed_in: Page) -> None:
    for number in range(2):
        scenes.post(stream, f"HD-{number}")
    open_review(signed_in)
    signed_in.keyboard.press("Enter")
    signed_in.wait_for_selector("[data-ready] [data-undo-left]")
    signed_in.goto("/streams/helpdesk/mine/")
    signed_in.keyboard.press("ArrowLeft")
    signed_in.wait_for_url("**/verdicts/**")
    verdict = signed_in.url
    signed_in.evaluate("localStorage.setItem('keys', 'off')")
    watch, mine = "/streams/helpdesk/watch/", "/streams/helpdesk/mine/"
    for address in ("/", HOLD, "/streams/helpdesk/flagged/", mine, watch, verdict):
        signed_in.goto(address)
        before = signed_in.url
        for key in ("?", "ArrowLeft", "ArrowRight", "u", "s", "e", "n", "a", "c", "2", "Enter"):
            signed_in.keyboard.press(key)
        signed_in.wait_for_timeout(50)
        assert signed_in.url == before
        assert signed_in.locator("dialog[open]").count() == 0
    assert Verdict.objects.count() == 1


def test_next_item_is_announced_once_and_takes_focus_and_title(
    stream: Stream, signed_in: Page
) -> None:
    for number in range(2):
        scenes.post(stream, f"HD-{number}", payload={"subject": f"Ticket {number}"})
    open_review(signed_in)
    signed_in.evaluate(
        """window.said = [];
        new MutationObserver(() => window.said.push(document.getElementById("live").textContent))
            .observe(document.getElementById("live"), {childList: true, characterData: true})"""
    )
    signed_in.keyboard.press("Enter")
    expect(signed_in).to_have_title("Ticket 1 · Review Queue")
    expect(signed_in.locator("#work h1")).to_be_focused()
    signed_in.wait_for_timeout(100)
    assert signed_in.evaluate("window.said") == [
        "Next item: Ticket 1. Machine's answer: VPN issue, 52 per cent."
    ]


def test_focus_is_seen_wherever_it_goes(stream: Stream, signed_in: Page) -> None:
    """Also in forced colours; and nothing moves for those who asked for it."""
    scenes.post(stream, "HD-1")
    signed_in.emulate_media(forced_colors="active", reduced_motion="reduce")
    open_review(signed_in)
    unseen, names = [], []
    for _ in range(16):
        signed_in.keyboard.press("Tab")
        name, style, width = signed_in.evaluate(
            """() => { const at = document.activeElement;
                const shown = at.matches("input[type=radio]") ? at.closest("label") : at;
                const css = getComputedStyle(shown);
                return [at.name || at.textContent.trim().slice(0, 20), css.outlineStyle,
                    parseFloat(css.outlineWidth)]; }"""
        )
        names.append(name)
        if style == "none" or width < 2:
            unseen.append(name)
    assert unseen == []
    assert names.index("categories") < names.index("kind")
    moving = signed_in.evaluate(
        """[...document.querySelectorAll("*")].filter((element) => {
            const css = getComputedStyle(element);
            return css.animationName !== "none" || parseFloat(css.transitionDuration) > 0.001;
        }).map((element) => element.className)"""
    )
    assert moving == []
