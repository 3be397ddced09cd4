"""Overturning by keyboard: from my verdict to the form, the new answer, and its undo."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from reviewqueue.models import Verdict
from routing.models import Stream
from tests import scenes
from tests.browser.conftest import open_review
from tests.browser.test_accessibility import violations


def test_verdict_is_overturned_and_the_overturn_undone(
    stream: Stream, reviewer: User, signed_in: Page, complaints: list[str]
) -> None:
    complaints += ["404", "422"]
    page = signed_in
    scenes.post(stream, "HD-1")
    Stream.objects.update(undo_seconds=0)
    open_review(page)
    page.keyboard.press("Enter")
    expect(page.locator("#work h1")).to_have_text("Nothing waits for you in Hold")
    verdict = Verdict.objects.get()
    Stream.objects.update(undo_seconds=600)

    page.goto(f"/verdicts/{verdict.id}/")
    page.keyboard.press("o")
    page.wait_for_url("**/overturn/")
    assert violations(page) == []
    primary = page.locator("[data-primary]")
    expect(primary).to_contain_text("Choose the new answer")
    page.keyboard.press("3")
    expect(primary).to_contain_text("Overturn: Security incident")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#comment-error")).to_contain_text("Say why")
    expect(page.locator("input[value=security_incident]")).to_be_checked()
    expect(page.locator("#comment")).to_be_focused()
    page.keyboard.type("A phishing mail is attached.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Overturned. You can undo it for 600 seconds")).to_be_visible()
    page.wait_for_load_state()
    assert Verdict.objects.live().get().categories == ["security_incident"]

    page.keyboard.press("u")
    expect(page.get_by_text("the earlier answer stands again")).to_be_visible()
    history = page.locator(".history")
    expect(history).to_contain_text("You overturned the answer: Security incident")
    expect(history).to_contain_text("You took the overturn back: VPN issue stands again")
    assert Verdict.objects.live().get().reviewer == reviewer
    assert violations(page) == []
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("HD-1")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("VPN drops after a minute")
    page.goto("/items/?id=HD-2")
    expect(page.get_by_role("heading", name="No item “HD-2”")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("width", [360, 1280])
def test_names_without_a_gap_stay_within_the_answer(
    stream: Stream, reviewer: User, signed_in: Page, width: int
) -> None:
    """Also in the definitions below the categories."""
    stream.categories.filter(key="security_incident").update(label="no_gap_" * 12)
    scenes.post(stream, "HD-1")
    Stream.objects.update(undo_seconds=0)
    open_review(signed_in)
    signed_in.keyboard.press("Enter")
    expect(signed_in.locator("#work h1")).to_have_text("Nothing waits for you in Hold")
    signed_in.set_viewport_size({"width": width, "height": 800})
    signed_in.goto(f"/verdicts/{Verdict.objects.get().id}/overturn/")
    expect(signed_in.locator(".definition").last).to_contain_text("no_gap_")
    box = signed_in.locator(".answer__scroll")
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0
