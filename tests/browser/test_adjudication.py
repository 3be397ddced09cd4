"""An item that two people judge apart and a third decides, without a mouse."""

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from calibration.models import GroundTruth
from reviewqueue.models import Verdict
from reviewqueue.verdicts import Answer
from routing.models import Item, Stream
from tests import scenes
from tests.browser.conftest import expect_ready, open_review
from tests.reviewqueue.views.test_adjudication import ADJUDICATION, VPN, dispute


def log_in(page: Page, base_url: str, person: User) -> None:
    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.fill("[name=login]", person.username)
    page.fill("[name=password]", scenes.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base_url}/")


def test_two_who_differ_and_a_third_who_decides(
    stream: Stream, reviewer: User, page: Page, base_url: str
) -> None:
    """doccano#1846 and argilla#4251, agreement and adjudication missing or paid for."""
    Stream.objects.update(double_rate=1.0)
    stream.refresh_from_db()
    second = scenes.make_person("sam", stream, "reviewer")
    adjudicator = scenes.make_person("ada", stream, "adjudicator")
    scenes.post(stream, "HD-1", payload={"subject": "Ticket 1", "body": "Hm."})

    log_in(page, base_url, reviewer)
    page.keyboard.press("Enter")
    expect(page.locator("#work h1")).to_have_text("Ticket 1")
    expect_ready(page)
    page.keyboard.press("c")
    page.keyboard.type("The tunnel drops.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#work h1")).to_have_text("Nothing waits for you in Hold")

    log_in(page, base_url, second)
    open_review(page)
    expect(page.locator("#work h1")).to_have_text("Ticket 1")
    expect_ready(page)
    expect(page.locator("#work")).not_to_contain_text("The tunnel drops.")
    for key in ("a", "1", "2", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#work h1")).to_have_text("Nothing waits for you in Hold")
    assert Item.objects.get().state == "waiting"

    log_in(page, base_url, adjudicator)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{ADJUDICATION}")
    expect(page.locator("#work h1")).to_have_text("Ticket 1")
    expect_ready(page)
    expect(page.locator(".given")).to_have_count(2)
    primary = page.locator("[data-primary]")
    expect(primary).to_contain_text("Choose a category")
    ambiguous = page.locator("[data-take=ambiguous]")
    single = page.locator("[data-take=category]")
    page.keyboard.press(ambiguous.get_attribute("data-key") or "")
    expect(primary).to_contain_text("Send: ambiguous, 2 would do")
    expect(ambiguous).to_have_attribute("aria-pressed", "true")
    page.keyboard.press(single.get_attribute("data-key") or "")
    expect(primary).to_contain_text("VPN issue")
    expect(ambiguous).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("3")
    expect(primary).to_contain_text("Choose Security incident")
    expect(single).to_have_attribute("aria-pressed", "false")
    page.keyboard.press(ambiguous.get_attribute("data-key") or "")
    page.reload()
    expect_ready(page)
    expect(primary).to_contain_text("Send: ambiguous, 2 would do")
    page.keyboard.press("Enter")
    expect(page.locator("#work h1")).to_have_text("Nothing waits for you in Adjudication")
    expect(page.locator("#work")).to_contain_text("Not enough yet: 1 item was judged")

    truth = GroundTruth.objects.get()
    assert (truth.kind, truth.source) == ("ambiguous", "adjudication")
    assert sorted(truth.categories) == ["account_unlock", "vpn_issue"]
    assert Verdict.objects.live().count() == 3


def test_taking_no_category_fits_brings_its_name(
    stream: Stream, reviewer: User, page: Page, base_url: str
) -> None:
    Stream.objects.update(double_rate=1.0)
    stream.refresh_from_db()
    second = scenes.make_person("sam", stream, "reviewer")
    adjudicator = scenes.make_person("ada", stream, "adjudicator")
    dispute(stream, (reviewer, second), (VPN, Answer("no_category_fits", (), "Printers")))
    log_in(page, base_url, adjudicator)
    open_review(page, ADJUDICATION)
    taken = page.locator("[data-take=no_category_fits]")
    page.keyboard.press(taken.get_attribute("data-key") or "")
    expect(page.locator("#proposed-name")).to_have_value("Printers")
    expect(page.locator("[data-primary]")).to_contain_text("no category fits, but Printers")
    page.keyboard.press(page.locator("[data-take=category]").get_attribute("data-key") or "")
    expect(page.locator("[data-primary]")).to_contain_text("VPN issue")
    page.keyboard.press(taken.get_attribute("data-key") or "")
    page.keyboard.press("Enter")
    expect(page.locator("#work h1")).to_have_text("Nothing waits for you in Adjudication")
    verdict = Verdict.objects.latest("id")
    assert (verdict.kind, verdict.proposed_name) == ("no_category_fits", "Printers")
