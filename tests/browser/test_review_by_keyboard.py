"""The reviewer's keys: whole journeys without a mouse, and when keys must sleep."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream
from tests import scenes
from tests.browser.conftest import HOLD, expect_ready, open_review
from tests.reviewqueue.test_neighbours import settle


def post_tickets(stream: Stream, count: int) -> None:
    for number in range(count):
        scenes.post(stream, f"HD-{number}", payload={"subject": f"Ticket {number}", "body": "Hm."})


def expect_ticket(page: Page, number: int) -> None:
    """The ticket is on screen, and the answer before it has been taken."""
    expect(page.locator("#work h1")).to_have_text(f"Ticket {number}")
    expect_ready(page)
    expect(page.locator(".statusbar__under-way")).to_have_count(0)


def answers() -> list[tuple[str, list[str]]]:
    verdicts = Verdict.objects.live().order_by("answered_at")
    return [(verdict.kind, verdict.categories) for verdict in verdicts]


def test_whole_journey_without_a_mouse(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    page = signed_in
    page.goto("/")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{HOLD}")
    expect_ticket(page, 0)
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    expect(page.locator("#work h1")).to_be_focused()
    expect(page.locator("#live")).to_contain_text("Next item: Ticket 1.")
    expect(page).to_have_title("Ticket 1 · Review Queue")
    page.keyboard.press("2")
    expect(page.locator("[data-primary]")).to_contain_text("Choose Account unlock")
    page.keyboard.press("Enter")
    expect_ticket(page, 2)
    assert answers() == [("category", ["vpn_issue"]), ("category", ["account_unlock"])]
    page.keyboard.press("u")
    expect_ticket(page, 1)
    expect(page.locator("input[value=account_unlock]")).to_be_checked()
    assert answers() == [("category", ["vpn_issue"])]
    page.keyboard.press("s")
    expect_ticket(page, 2)
    page.keyboard.press("e")
    expect(page.locator("#work h1")).to_have_text("Nothing waits for you in Hold")
    assert page.url.endswith(HOLD)
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("/mine/"))
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**{HOLD}")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("/mine/"))
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("/verdicts/"))
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**{HOLD}")


def test_no_category_fits_with_a_name(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    page = signed_in
    open_review(page)
    page.keyboard.press("n")
    page.keyboard.type("Printers, e.g. s1")
    expect(page.locator("[data-primary]")).to_contain_text("no category fits, but Printers")
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    verdict = Verdict.objects.get()
    assert (verdict.kind, verdict.proposed_name) == ("no_category_fits", "Printers, e.g. s1")


def test_ambiguous_takes_two_or_more(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    page = signed_in
    open_review(page)
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(page.locator("[data-primary]")).to_contain_text("Tick two at least")
    expect_ticket(page, 0)
    page.keyboard.press("3")
    expect(page.locator("[data-primary]")).to_contain_text("Tick two at least")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    assert answers() == [("ambiguous", ["vpn_issue", "security_incident"])]


@pytest.mark.parametrize(
    ("keys", "meant"),
    [
        ("a13", ["vpn_issue", "security_incident"]),
        ("a23", ["account_unlock", "security_incident"]),
        ("1a3", ["vpn_issue", "security_incident"]),
        ("3a31", ["vpn_issue", "security_incident"]),
        ("3a3312", ["vpn_issue", "account_unlock"]),
    ],
)
def test_ambiguous_means_the_keys_that_were_pressed(
    stream: Stream, signed_in: Page, keys: str, meant: list[str]
) -> None:
    post_tickets(stream, 2)
    page = signed_in
    open_review(page)
    for key in keys:
        page.keyboard.press(key)
    expect(page.locator("[data-primary]")).to_contain_text("Send: ambiguous, 2 would do")
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    assert answers() == [("ambiguous", meant)]


def test_ambiguous_search_keeps_what_was_chosen_before(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    page = signed_in
    open_review(page)
    for key in ("3", "a", "/"):
        page.keyboard.press(key)
    page.keyboard.type("security")
    page.keyboard.press("Enter")
    expect(page.locator("input[value=security_incident]")).to_be_checked()
    expect(page.locator("input[value=vpn_issue]")).not_to_be_checked()


def test_escape_leaves_a_mode_and_keeps_the_choice(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 1)
    page = signed_in
    open_review(page)
    page.keyboard.press("a")
    expect(page.locator("[data-mode-button][value=ambiguous]")).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("Escape")
    expect(page.locator("[data-primary]")).to_contain_text("Confirm VPN issue")
    expect(page.locator("input[name=categories][type=radio]")).to_have_count(3)


def test_cannot_judge_has_a_key(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    page = signed_in
    open_review(page)
    page.keyboard.press("?")
    line = page.locator("#keys .keys div").filter(has_text="Cannot judge")
    expect(line.locator("kbd")).to_have_text("I")
    expect(page.locator("#keys")).to_contain_text("“Cannot judge” is an answer")
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    expect_ticket(page, 1)
    assert answers() == [("cannot_judge", [])]
    page.keyboard.press("u")
    expect_ticket(page, 0)
    assert answers() == []
    page.keyboard.press("c")
    page.keyboard.type("i")
    expect_ticket(page, 0)


def test_cannot_judge_without_single_keys(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    page = signed_in
    page.add_init_script("localStorage.setItem('keys', 'off')")
    open_review(page)
    page.keyboard.press("i")
    page.wait_for_timeout(100)
    expect_ticket(page, 0)
    page.get_by_role("button", name="Cannot judge this item").focus()
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    assert answers() == [("cannot_judge", [])]


def test_empty_queue_leads_to_another_stream(stream: Stream, signed_in: Page) -> None:
    other = scenes.make_stream("returns")
    scenes.join(User.objects.get(username="rita"), other)
    post_tickets(other, 1)
    page = signed_in
    open_review(page)
    expect(page.locator("#work h1")).to_have_text("Nothing waits for you in Hold")
    page.keyboard.press("Enter")
    page.wait_for_url("**/streams/returns/hold/")
    expect_ticket(page, 0)


def test_page_is_no_longer_than_the_window(stream: Stream, signed_in: Page) -> None:
    links = {f"link_{number}": f"https://example.com/{number}" for number in range(40)}
    scenes.post(stream, "HD-1", payload={"subject": "Many links", **links})
    page = signed_in
    open_review(page)
    expect(page.locator("#work h1")).to_have_text("Many links")
    assert page.evaluate("document.documentElement.scrollHeight - window.innerHeight") == 0


def test_keys_sleep_while_typing(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    page = signed_in
    open_review(page)
    page.keyboard.press("c")
    page.keyboard.type("Nu 2 see?/")
    page.keyboard.press("Enter")
    page.keyboard.type("a")
    expect(page.locator("#comment")).to_have_value("Nu 2 see?/\na")
    expect_ticket(page, 0)
    page.keyboard.press("Control+Enter")
    expect_ticket(page, 1)
    assert Verdict.objects.get().comment == "Nu 2 see?/\r\na".replace("\r\n", "\n")


def test_keys_sleep_in_the_dialog_and_with_modifiers(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    page = signed_in
    open_review(page)
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("s")
    page.keyboard.press("2")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.wait_for_load_state("networkidle")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    for chord in ("Alt+s", "Control+Alt+2", "Shift+Meta+e"):
        page.keyboard.press(chord)
    # No key that Playwright presses carries AltGr.
    page.evaluate(
        """document.body.dispatchEvent(new KeyboardEvent("keydown",
            {key: "s", modifierAltGraph: true, bubbles: true, cancelable: true}))"""
    )
    page.keyboard.press("2")
    expect(page.locator("[data-primary]")).not_to_contain_text("Confirm")
    expect_ticket(page, 0)
    assert sent == []
    in_hand = ReviewTask.objects.filter(state="claimed").order_by("claimed_at")[0]
    assert in_hand.item.external_id == "HD-0"


def test_keys_can_be_switched_off(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    page = signed_in
    open_review(page)
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Single keys are on").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    expect_ready(page)
    page.keyboard.press("s")
    page.keyboard.press("2")
    expect_ticket(page, 0)
    expect(page.locator("[data-primary]")).to_contain_text("Confirm VPN issue")
    page.keyboard.press("Control+Enter")
    expect_ticket(page, 1)


def test_a_held_key_answers_once(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    page = signed_in
    open_review(page)
    page.keyboard.down("Enter")
    expect_ticket(page, 1)
    for _ in range(5):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    page.wait_for_timeout(300)
    expect_ticket(page, 1)
    assert len(answers()) == 1


@pytest.mark.usefixtures("interception")
def test_keys_sleep_until_the_next_item_is_there(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    page = signed_in
    page.route("**/ahead", lambda route: route.fulfill(status=204))
    open_review(page)
    waiting: list[Route] = []

    def hold_back(route: Route) -> None:
        waiting.append(route)

    page.route("**/verdict", hold_back)
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.htmx-request') !== null")
    for key in ("2", "Enter", "s", "Control+Enter"):
        page.keyboard.press(key)
    assert len(waiting) == 1
    waiting[0].continue_()
    page.unroute("**/verdict")
    expect_ticket(page, 1)
    assert answers() == [("category", ["vpn_issue"])]
    expect(page.locator("[data-primary]")).to_contain_text("Confirm VPN issue")


@pytest.mark.parametrize("key", ["Backspace", "Delete"])
def test_backspace_destroys_nothing(stream: Stream, signed_in: Page, key: str) -> None:
    post_tickets(stream, 1)
    page = signed_in
    open_review(page)
    page.keyboard.press(key)
    page.wait_for_timeout(100)
    expect_ticket(page, 0)
    assert page.url.endswith(HOLD)


def test_earlier_answers_come_when_asked_for_and_the_answer_still_goes_out(
    stream: Stream, signed_in: Page, reviewer: User
) -> None:
    Stream.objects.update(undo_seconds=0)
    stream.refresh_from_db()
    for number in range(2):
        settle(stream, reviewer, f"E-{number}", "account_unlock", payload=scenes.TICKET)
    post_tickets(stream, 1)
    scenes.post(stream, "HD-9", payload=scenes.TICKET | {"subject": "The last one"})
    page = signed_in
    open_review(page)
    page.keyboard.press("s")
    expect(page.locator("#work h1")).to_have_text("The last one")
    expect_ready(page)
    page.keyboard.press("m")
    expect(page.locator("#alike-title")).to_be_focused()
    expect(page.locator("#live")).to_have_text("2 earlier answers below the item.")
    line = page.locator(".alike__lines > li").first
    expect(line).to_contain_text("Account unlock very alike")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(line.locator(".read")).to_be_visible()
    page.locator("#alike-title").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#work h1")).to_have_text("Nothing waits for you in Hold")
    assert answers()[-1] == ("category", ["vpn_issue"])


def test_blind_review_does_not_know_the_key(stream: Stream, signed_in: Page) -> None:
    scenes.post_blind(stream, "HD-B")
    page = signed_in
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_review(page, "/streams/helpdesk/audit/")
    page.keyboard.press("m")
    page.wait_for_timeout(200)
    assert [url for url in asked if "alike" in url] == []
