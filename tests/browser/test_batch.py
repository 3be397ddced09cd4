"""The flagged batch by keyboard: fifty at one stroke, exceptions inline, undo, two people."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_playwright import CreateContextCallback

from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream
from tests import scenes
from tests.browser.conftest import expect_ready, open_review
from tests.browser.test_accessibility import violations
from tests.reviewqueue.test_batch_claims import draw, post_flagged

BATCH = "/streams/helpdesk/flagged/batch/"


@pytest.fixture
def stream(transactional_db: None) -> Stream:
    return scenes.make_stream(undo_seconds=60)


def post_rows(stream: Stream, count: int) -> None:
    post_flagged(stream, *(f"HD-{number:02d}" for number in range(count)))


def row(page: Page, name: str) -> str:
    task = ReviewTask.objects.get(item__external_id=name)
    return f'[data-row]:has([value="{task.id}"])'


def answers() -> dict[str, list[str]]:
    verdicts = Verdict.objects.live().order_by("item__external_id")
    return dict(verdicts.values_list("item__external_id", "categories"))


def test_fifty_are_confirmed_with_two_keys(stream: Stream, signed_in: Page) -> None:
    post_rows(stream, 51)
    page = signed_in
    open_review(page, BATCH)
    expect(page.locator("#send")).to_contain_text("Confirm 50")
    page.keyboard.press("Enter")
    expect(page.locator("#send")).to_be_focused()
    assert Verdict.objects.count() == 0
    page.keyboard.press("Enter")
    expect(page.locator("#send")).to_contain_text("Confirm 1")
    expect(page.locator("#work h1")).to_be_focused()
    expect_ready(page)
    assert list(answers().values()) == [["vpn_issue"]] * 50
    page.keyboard.press("u")
    expect(page.locator("#send")).to_contain_text("Confirm 50")
    assert answers() == {}
    expect_ready(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#send")).to_contain_text("Confirm 1")
    assert len(answers()) == 50


def test_exceptions_inline_without_a_mouse(stream: Stream, signed_in: Page) -> None:
    post_rows(stream, 6)
    page = signed_in
    page.goto("/")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{BATCH}")
    page.keyboard.press("j")
    expect(page.locator(f"{row(page, 'HD-00')} [name=confirm]")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("2")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("/")
    page.keyboard.type("incid")
    page.keyboard.press("Enter")
    expect(page.locator(f"{row(page, 'HD-03')} [name^=other]")).to_have_value("Security incident")
    expect(page.locator(f"{row(page, 'HD-03')} [name=confirm]")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("n")
    page.keyboard.press("j")
    page.keyboard.press("o")
    expect(page.locator(f"{row(page, 'HD-05')} [data-item]")).to_have_attribute("open", "")
    page.keyboard.press("3")
    page.keyboard.press("1")
    expect(page.locator("#send")).to_contain_text("Confirm 2, correct 3, leave 1")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#work h1")).to_contain_text("Nothing waits for you")
    assert answers() == {
        "HD-00": ["vpn_issue"],
        "HD-01": ["account_unlock"],
        "HD-03": ["security_incident"],
        "HD-04": [],
        "HD-05": ["vpn_issue"],
    }


def test_another_category_is_found_by_its_definition(stream: Stream, signed_in: Page) -> None:
    post_rows(stream, 2)
    stream.categories.filter(key="security_incident").update(
        definition="Somebody else got in, or a message is bait."
    )
    page = signed_in
    open_review(page, BATCH)
    for key in ("j", "/"):
        page.keyboard.press(key)
    page.keyboard.type("bait somebody")
    found = page.get_by_role("option")
    expect(found).to_have_text(["Security incidentSomebody else got in, or a message is bait."])
    expect(found.locator("b")).to_have_text(["Somebody", "bait"])
    assert violations(page) == []
    page.keyboard.press("Enter")
    expect(page.locator(f"{row(page, 'HD-00')} [name^=other]")).to_have_value("Security incident")
    expect(page.locator(f"{row(page, 'HD-00')} [name=confirm]")).to_be_focused()
    expect(found).to_have_count(0)


def test_another_category_is_walked_to_or_pressed(stream: Stream, signed_in: Page) -> None:
    post_rows(stream, 2)
    page = signed_in
    open_review(page, BATCH)
    for key in ("j", "/"):
        page.keyboard.press(key)
    page.keyboard.type("c")
    names = page.get_by_role("option").locator(".found__name").all_text_contents()
    assert len(names) > 1
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(f"{row(page, 'HD-00')} [name^=other]")).to_have_value(names[1])
    for key in ("j", "/"):
        page.keyboard.press(key)
    page.keyboard.type("c")
    page.get_by_role("option").first.click()
    expect(page.locator(f"{row(page, 'HD-01')} [name^=other]")).to_have_value(names[0])
    expect(page.locator("#send")).to_contain_text("Correct 2")


def test_two_people_at_once_get_disjoint_tables(
    stream: Stream, signed_in: Page, new_context: CreateContextCallback, base_url: str
) -> None:
    post_rows(stream, 60)
    scenes.join(scenes.make_person("sam"), stream)
    open_review(signed_in, BATCH)
    expect(signed_in.locator("#send")).to_contain_text("Confirm 50")
    other = new_context().new_page()
    other.goto("/accounts/login/")
    other.fill("[name=login]", "sam")
    other.fill("[name=password]", scenes.PASSWORD)
    other.keyboard.press("Enter")
    other.wait_for_url(f"{base_url}/")
    open_review(other, BATCH)
    expect(other.locator("#send")).to_contain_text("Confirm 10")
    other.close()


def test_lost_lease_keeps_the_choices(
    stream: Stream, signed_in: Page, complaints: list[str]
) -> None:
    complaints.append("409")
    post_rows(stream, 3)
    page = signed_in
    open_review(page, BATCH)
    page.keyboard.press("j")
    page.keyboard.press("2")
    ReviewTask.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    page.keyboard.press("Control+Enter")
    expect(page.locator("[role=alert]:visible")).to_contain_text("Your time with this table")
    expect(page.locator("#send")).to_contain_text("Confirm 2, correct 1")
    expect_ready(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#work h1")).to_contain_text("Nothing waits for you")
    assert answers()["HD-00"] == ["account_unlock"]


def test_exceptions_survive_a_reload(stream: Stream, signed_in: Page) -> None:
    post_rows(stream, 4)
    page = signed_in
    open_review(page, BATCH)
    for key in ("j", "2", "j", "x", "j", "/"):
        page.keyboard.press(key)
    page.keyboard.type("incident")
    page.keyboard.press("Enter")
    expect(page.locator("#send")).to_contain_text("Confirm 1, correct 2, leave 1")
    page.reload()
    expect_ready(page)
    expect(page.locator("#send")).to_contain_text("Confirm 1, correct 2, leave 1")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#work h1")).to_contain_text("Nothing waits for you")
    assert answers() == {
        "HD-00": ["account_unlock"],
        "HD-02": ["security_incident"],
        "HD-03": ["vpn_issue"],
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violations(stream: Stream, signed_in: Page, theme: str, reviewer: User) -> None:
    signed_in.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    post_rows(stream, 4)
    page = signed_in
    open_review(page, BATCH)
    found = {"table": violations(page)}
    for key in ("j", "2", "j", "x", "j", "o"):
        page.keyboard.press(key)
    found["exceptions"] = violations(page)
    page.set_viewport_size({"width": 360, "height": 740})
    found["narrow"] = violations(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-undo-left]")
    found["done"] = violations(page)
    post_flagged(stream, "drawn")
    draw(stream, "drawn")
    open_review(page, BATCH)
    found["drawn first"] = violations(page)
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_home_says_within_its_table_what_the_queue_is_made_of(
    stream: Stream, signed_in: Page
) -> None:
    post_flagged(stream, *(f"row-{number}" for number in range(3)))
    draw(stream, "row-0")
    page = signed_in
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/")
    parts = page.locator(".queue-parts")
    expect(parts).to_have_text("1 blind, 2 in the batch")
    assert parts.evaluate("each => each.scrollWidth - each.clientWidth") == 0


def test_long_category_leaves_room_for_the_button_of_its_group(
    stream: Stream, signed_in: Page
) -> None:
    stream.categories.filter(key="vpn_issue").update(
        label="Balance not updated after bank transfer"
    )
    post_rows(stream, 2)
    signed_in.set_viewport_size({"width": 360, "height": 740})
    open_review(signed_in, BATCH)
    count = signed_in.locator(".group > .nowrap")
    assert count.evaluate("each => each.scrollWidth - each.clientWidth") == 0


@pytest.mark.parametrize("width", [360, 720, 1024, 1440])
def test_nothing_scrolls_sideways(stream: Stream, signed_in: Page, width: int) -> None:
    names = [f"{number}-" + "y" * 120 for number in range(3)]
    post_flagged(stream, *names)
    signed_in.set_viewport_size({"width": width, "height": 700})
    open_review(signed_in, BATCH)
    signed_in.keyboard.press("j")
    signed_in.keyboard.press("x")
    signed_in.keyboard.press("o")
    signed_in.keyboard.press("/")
    signed_in.keyboard.type("i")
    expect(signed_in.get_by_role("listbox")).to_be_visible()
    assert signed_in.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    box = signed_in.locator("#send").bounding_box()
    assert box is not None
    assert 0 <= box["y"] <= 700 - box["height"]
