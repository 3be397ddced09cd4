"""Insight pages in a browser: no violations, nothing sideways, and cut-offs moved by keyboard."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from reviewqueue.insight.making import make_next
from routing.models import Stream
from tests import scenes
from tests.browser.test_accessibility import violations
from tests.grounded_scenes import make_grounded_stream
from tests.reviewqueue.views.insight.conftest import add_labels
from tests.reviewqueue.views.insight.test_shipping import judge_all
from tests.scenes import KEYS

ROOT = "/streams/helpdesk/insight/"
RELIABILITY = f"{ROOT}reliability/"
CELL = f"{RELIABILITY}items/?maps=raw&lower=0.7&upper=0.8"
WHAT_IF = f"{ROOT}what-if/"
DRAFTS = "/streams/drafts/insight/budget/"


@pytest.fixture
def stream(transactional_db: None) -> Stream:
    made = scenes.make_stream()
    add_labels(made, 60, right=51, confidence=0.95)
    add_labels(made, 40, right=20, confidence=0.75, predicted=KEYS[1])
    return made


@pytest.fixture
def reviewer(stream: Stream) -> User:
    return scenes.make_person("ana", stream, "analyst")


def work() -> None:
    """What the worker does once it is rung for."""
    while make_next():
        pass


def add_drafts(person: User) -> None:
    """A stream of judged sentences that the person may analyse."""
    drafts = make_grounded_stream(error_budget=0.2, audit_rate=1.0, bulk_label_rate=1.0)
    judge_all(drafts)
    scenes.join(person, drafts, "analyst")


def test_page_shows_itself_once_it_is_counted(signed_in: Page) -> None:
    signed_in.goto(RELIABILITY)
    expect(signed_in.get_by_role("heading", name="This is being counted")).to_be_visible()
    work()
    picture = signed_in.get_by_role("img", name="Reliability diagram: Raw confidence")
    expect(picture).to_be_visible()
    assert signed_in.text_content("#live") == "The page is ready"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_no_violations_and_nothing_scrolls_sideways(
    signed_in: Page, reviewer: User, complaints: list[str], theme: str
) -> None:
    complaints.append("422")
    signed_in.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    pages = {
        "reliability": RELIABILITY,
        "cell": CELL,
        "what if": WHAT_IF,
        "moved": f"{WHAT_IF}?auto=0.7&flagged=0.7&add={KEYS[1]}",
        "wrong": f"{WHAT_IF}?auto=2",
        "health": f"{ROOT}health/",
        "health by day": f"{ROOT}health/?by=days",
        "all streams": "/insight/health/",
        "ambiguity": f"{ROOT}ambiguity/",
        "drift": f"{ROOT}drift/",
        "reviewers": f"{ROOT}reviewers/",
        "runs": f"{ROOT}runs/",
        "budgets": "/insight/budgets/",
        "drafts": DRAFTS,
    }
    signed_in.goto(RELIABILITY)
    found = {"waiting": violations(signed_in)}
    for page in ("what-if", "health", "ambiguity", "drift", "reviewers"):
        signed_in.goto(f"{ROOT}{page}/")
    add_drafts(reviewer)
    signed_in.goto(DRAFTS)
    work()
    over = {}
    for name, address in pages.items():
        signed_in.set_viewport_size({"width": 1280, "height": 800})
        signed_in.goto(address)
        for details in signed_in.locator("main details").all():
            details.evaluate("(element) => { element.open = true; }")
        found[name] = violations(signed_in)
        signed_in.set_viewport_size({"width": 360, "height": 740})
        over[name] = signed_in.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert {name: width for name, width in over.items() if width} == {}


def test_cut_off_is_moved_by_keyboard_and_kept_in_the_address(signed_in: Page) -> None:
    signed_in.goto(WHAT_IF)
    work()
    field = signed_in.get_by_label("Auto from", exact=True).and_(
        signed_in.get_by_role("spinbutton")
    )
    slider = signed_in.get_by_role("slider").first
    expect(signed_in.locator("#outlook-heading")).to_contain_text("as today")
    slider.focus()
    for _ in range(11):
        signed_in.keyboard.press("ArrowRight")
    expect(field).to_have_value("0.955")
    expect(signed_in.locator("#outlook-heading")).to_contain_text("Acts on 0.0% at once")
    expect(slider).to_be_focused()
    assert "auto=0.955" in signed_in.url
    signed_in.keyboard.press("Tab")
    signed_in.keyboard.press("Control+A")
    signed_in.keyboard.type("0.70")
    expect(slider).to_have_value("0.7")
    signed_in.keyboard.press("Tab")
    signed_in.keyboard.press("Tab")
    signed_in.keyboard.press("Control+A")
    signed_in.keyboard.type("0.70")
    expect(signed_in.locator("#outlook-heading")).to_contain_text("Acts on 100.0% at once")
    assert signed_in.text_content("#live") == signed_in.text_content("#outlook-heading")


def test_category_is_added_with_what_was_moved_before(signed_in: Page) -> None:
    signed_in.goto(WHAT_IF)
    work()
    signed_in.goto(f"{WHAT_IF}?auto=0.97")
    expect(signed_in.locator("#outlook-heading")).to_contain_text("Acts on 0.0% at once")
    signed_in.get_by_label("One category apart").select_option(KEYS[1])
    signed_in.get_by_role("button", name="Add").click()
    field = signed_in.locator(f"[name='auto:{KEYS[1]}']")
    expect(field).to_be_focused()
    expect(signed_in.locator("[name=auto]")).to_have_value("0.97")
    field.fill("0.75")
    expect(signed_in.locator(".table--errors")).to_contain_text("VPN issue")
    expect(signed_in.locator("#outlook-heading")).to_contain_text("Acts on 40.0% at once")
