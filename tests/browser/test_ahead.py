"""The next item is on screen with the key."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Response, Route, expect

from reviewqueue.models import ReviewTask, TaskSkip, Verdict
from routing.models import Event, Stream
from tests import scenes
from tests.browser.conftest import expect_ready, open_review
from tests.browser.test_review_by_keyboard import post_tickets

pytestmark = pytest.mark.usefixtures("interception")
SLOW_S = 1.5
ON_SCREEN_MS = """
    () => new Promise((found) => {
      document.addEventListener("keydown", () => {
        const pressed = performance.now();
        const look = () => {
          const heading = document.querySelector("#work h1").textContent;
          if (heading !== before) found(performance.now() - pressed);
          else requestAnimationFrame(look);
        };
        const before = document.querySelector("#work h1").textContent;
        look();
      }, { capture: true, once: true });
    })
"""


def expect_ticket(page: Page, number: int) -> None:
    expect(page.locator("#work h1")).to_have_text(f"Ticket {number}")
    expect_ready(page)


def is_ahead(response: Response) -> bool:
    return response.url.endswith("/ahead")


def open_with_ahead(page: Page) -> None:
    with page.expect_response(is_ahead) as asked:
        open_review(page)
    asked.value.finished()
    page.wait_for_timeout(50)


def delay(route: Route) -> None:
    time.sleep(SLOW_S)
    route.continue_()


def hold_back(page: Page, address: str = "**/verdict") -> list[Route]:
    """The first request to this address waits in the returned list; later ones pass."""
    waiting: list[Route] = []

    def take(route: Route) -> None:
        if waiting:
            route.continue_()
        else:
            waiting.append(route)

    page.route(address, take)
    return waiting


def held() -> list[str]:
    claimed = ReviewTask.objects.filter(state="claimed").order_by("claimed_at")
    return list(claimed.values_list("item__external_id", flat=True))


def answered() -> list[str]:
    verdicts = Verdict.objects.live().order_by("answered_at")
    return list(verdicts.values_list("item__external_id", flat=True))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_next_item_is_on_screen_with_the_key(stream: Stream, signed_in: Page) -> None:
    """label-studio#9101, no prefetch: the next item waits in the page and is shown by the key."""
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    assert held() == ["HD-0", "HD-1"]
    assert page.locator("h1").all_inner_texts() == ["Ticket 0"]
    waiting = hold_back(page)
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    assert (len(waiting), answered()) == (1, [])
    expect(page.locator("#work h1")).to_be_focused()
    expect(page.locator("#live")).to_contain_text("Next item: Ticket 1.")
    expect(page).to_have_title("Ticket 1 · Review Queue")
    expect(page.locator(".statusbar__last")).to_contain_text("Saving …")
    page.keyboard.press("2")
    expect(page.locator("[data-primary]")).to_contain_text("Choose Account unlock")
    waiting[0].continue_()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    expect(page.locator("[data-undo-clock]")).to_contain_text(" s")
    expect(page.locator("[data-primary]")).to_contain_text("Choose Account unlock")
    expect(page.locator("#work h1")).to_be_focused()
    assert answered() == ["HD-0"]
    wait_for(lambda: held() == ["HD-1", "HD-2"])


def test_next_item_is_shown_while_the_key_is_handled(stream: Stream, signed_in: Page) -> None:
    """Whatever the machine is busy with: nothing is waited for between the key and the item."""
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    hold_back(page)
    with page.expect_request("**/verdict"):
        shown = page.evaluate(
            """() => {
                const heading = () => document.querySelector("#work h1").textContent;
                const before = heading();
                const key = { key: "Enter", bubbles: true, cancelable: true };
                document.activeElement.dispatchEvent(new KeyboardEvent("keydown", key));
                return [before, heading()];
            }"""
        )
    assert (shown, answered()) == (["Ticket 0", "Ticket 1"], [])


def test_next_item_takes_less_than_100_ms_of_a_slow_server(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 4)
    page = signed_in
    open_with_ahead(page)
    page.route("**/verdict", delay)
    took = []
    for _ in range(3):
        page.evaluate(f"window.onScreen = ({ON_SCREEN_MS})(); undefined")
        with page.expect_response(is_ahead):
            page.keyboard.press("Enter")
            took.append(page.evaluate("window.onScreen"))
        page.wait_for_timeout(50)
    assert min(took) < 100  # the machine may be busy with other things once or twice
    assert max(took) < 1000 * SLOW_S


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["s"], "Skipped HD-0"),
        (["e"], "Escalated HD-0 to the experts"),
        (["n", "Control+Enter"], "No category fits"),
        (["a", "1", "3", "Enter"], "Ambiguous: VPN issue, Security incident"),
        (["2", "Enter"], "Account unlock"),
    ],
)
def test_every_kind_of_answer_shows_the_next_at_once(
    stream: Stream, signed_in: Page, keys: list[str], told: str
) -> None:
    post_tickets(stream, 2)
    page = signed_in
    open_with_ahead(page)
    waiting = hold_back(page, "**/tasks/*/*")
    for key in keys:
        page.keyboard.press(key)
    expect_ticket(page, 1)
    assert ReviewTask.objects.filter(state="claimed").count() == 2
    waiting[0].continue_()
    expect(page.locator(".statusbar__last")).to_contain_text(told)
    expect_ticket(page, 1)
    assert held() == ["HD-1"]


def test_second_answer_waits_for_the_first(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 5)
    page = signed_in
    open_with_ahead(page)
    waiting = hold_back(page)
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    for key in ("2", "Enter", "Enter", "s", "3", "Control+Enter"):
        page.keyboard.press(key)
    expect_ticket(page, 1)
    expect(page.locator("[data-primary]")).to_contain_text("Choose Account unlock")
    expect(page.locator("[data-primary]")).to_have_attribute("aria-busy", "true")
    assert len(waiting) == 1
    waiting[0].continue_()
    expect_ticket(page, 2)
    assert [verdict.categories for verdict in Verdict.objects.order_by("answered_at")] == [
        ["vpn_issue"],
        ["account_unlock"],
    ]
    assert answered() == ["HD-0", "HD-1"]


def test_rapid_keys_skip_and_double_nothing(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 12)
    page = signed_in
    open_with_ahead(page)
    for pause in (0, 0, 0, 30, 0, 10, 200, 0, 0, 400, 0, 50, 0, 0):
        page.keyboard.press("Enter")
        page.wait_for_timeout(pause)
    page.wait_for_load_state("networkidle")
    count = len(answered())
    assert answered() == [f"HD-{number}" for number in range(count)]
    expect_ticket(page, count)
    assert held()[0] == f"HD-{count}"


def test_undo_right_after_keeps_what_was_being_read(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 4)
    page = signed_in
    open_with_ahead(page)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    wait_for(lambda: held() == ["HD-1", "HD-2"])
    page.keyboard.press("c")
    page.keyboard.type("half a thought")
    page.keyboard.press("Escape")
    with page.expect_response(is_ahead):
        page.keyboard.press("u")
    expect_ticket(page, 0)
    expect(page.locator("input[value=account_unlock]")).to_be_checked()
    page.wait_for_timeout(50)
    assert (answered(), held()) == ([], ["HD-0", "HD-1"])
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    expect(page.locator("#comment")).to_have_value("half a thought")


def test_skip_is_told_with_the_next_item(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    page = signed_in
    open_with_ahead(page)
    page.keyboard.press("s")
    expect_ticket(page, 1)
    expect(page.locator("#live")).to_have_text(
        "Skipped HD-0: it waits for others, and comes back to you in 15 min. "
        "Next item: Ticket 1. Machine's answer: VPN issue, 52 per cent."
    )


def test_undone_skip_comes_back_with_its_comment(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 4)
    page = signed_in
    open_with_ahead(page)
    page.keyboard.press("c")
    page.keyboard.type("half a thought")
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    expect_ticket(page, 1)
    wait_for(lambda: held() == ["HD-1", "HD-2"])
    with page.expect_response(is_ahead) as asked:
        page.keyboard.press("u")
    expect_ticket(page, 0)
    expect(page.locator("#comment")).to_have_value("half a thought")
    assert (asked.value.status, held()) == (200, ["HD-0", "HD-1"])
    assert Event.objects.filter(kind="task.skip_undone").count() == 1


def test_undo_takes_back_the_skip_and_then_the_answer(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 4)
    page = signed_in
    open_with_ahead(page)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    wait_for(lambda: held() == ["HD-1", "HD-2"])
    page.keyboard.press("s")
    expect_ticket(page, 2)
    expect(page.locator(".statusbar__last")).to_contain_text("Skipped HD-1")
    page.keyboard.press("u")
    expect_ticket(page, 1)
    assert (answered(), TaskSkip.objects.count()) == (["HD-0"], 0)
    expect(page.locator(".statusbar__last")).to_contain_text("Account unlock")
    page.keyboard.press("u")
    expect_ticket(page, 0)
    expect(page.locator("input[value=account_unlock]")).to_be_checked()
    assert answered() == []
    kinds = Event.objects.filter(actor__username="rita").order_by("id")
    assert list(kinds.values_list("kind", flat=True))[-4:] == [
        "verdict.recorded",
        "task.skipped",
        "task.skip_undone",
        "verdict.undone",
    ]


def test_undone_escalation_comes_back_with_its_comment(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 4)
    page = signed_in
    open_with_ahead(page)
    page.keyboard.press("c")
    page.keyboard.type("two intents")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    expect_ticket(page, 1)
    wait_for(lambda: held() == ["HD-1", "HD-2"])
    with page.expect_response(is_ahead) as asked:
        page.keyboard.press("u")
    expect_ticket(page, 0)
    expect(page.locator("#comment")).to_have_value("two intents")
    assert (asked.value.status, held()) == (200, ["HD-0", "HD-1"])
    page.reload()
    expect_ready(page)
    expect_ticket(page, 0)


def test_item_ahead_that_was_lost_meanwhile_is_replaced(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    other = scenes.make_person("sam")
    ReviewTask.objects.filter(item__external_id="HD-1").update(holder=other)
    page.keyboard.press("Enter")
    expect_ticket(page, 2)
    expect(page.get_by_role("alert").filter(has_text="was shown for a moment")).to_be_visible()
    assert answered() == ["HD-0"]


def test_leaving_gives_the_item_ahead_back(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    assert held() == ["HD-0", "HD-1"]
    page.get_by_role("link", name="Home").first.click()
    page.wait_for_url("**/")
    wait_for(lambda: held() == ["HD-0"])
    open_with_ahead(page)
    assert held() == ["HD-0", "HD-1"]
    page.go_back()
    page.wait_for_timeout(300)
    page.go_forward()
    expect_ticket(page, 0)


def test_link_waits_for_the_answer_under_way(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    page = signed_in
    open_with_ahead(page)
    page.route("**/verdict", delay)
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/mine/**")
    assert answered() == ["HD-0"]


def test_ahead_works_with_keys_off(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    page = signed_in
    page.add_init_script("localStorage.setItem('keys', 'off')")
    open_with_ahead(page)
    waiting = hold_back(page)
    page.locator("[data-primary]").click()
    expect_ticket(page, 1)
    waiting[0].continue_()
    wait_for(lambda: answered() == ["HD-0"])


def test_old_item_ahead_is_not_shown(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    Stream.objects.update(lease_minutes=1)
    page = signed_in
    page.clock.install()
    open_with_ahead(page)
    page.clock.fast_forward(21_000)
    with page.expect_response(is_ahead):
        page.keyboard.press("Shift")
        page.clock.run_for(500)
    assert held() == ["HD-0", "HD-1"]


def test_picture_ahead_is_decoded_early(stream: Stream, signed_in: Page) -> None:
    dot = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
        "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    post_tickets(stream, 1)
    scenes.post(stream, "HD-1", payload={"subject": "Ticket 1", "scan": dot})
    page = signed_in
    page.add_init_script(
        """window.decoded = [];
        const decode = HTMLImageElement.prototype.decode;
        HTMLImageElement.prototype.decode = function () {
          window.decoded.push(this.src);
          return decode.call(this);
        };"""
    )
    open_with_ahead(page)
    assert page.evaluate("window.decoded") == [dot]
    assert page.locator("img").count() == 0
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    assert page.evaluate("document.querySelector('[data-picture]').complete")


def test_nothing_of_the_item_ahead_is_in_the_page(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 2)
    open_with_ahead(signed_in)
    assert "Ticket 1" not in signed_in.content()


def test_without_an_item_ahead_the_reply_brings_the_next(stream: Stream, signed_in: Page) -> None:
    post_tickets(stream, 3)
    page = signed_in
    page.route("**/ahead", lambda route: route.fulfill(status=204))
    open_with_ahead(page)
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    page.keyboard.press("Enter")
    expect_ticket(page, 2)
    assert answered() == ["HD-0", "HD-1"]
