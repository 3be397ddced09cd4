"""Two people in two browsers who press at the same moment never hold the same item."""

import time

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect
from pytest_playwright import CreateContextCallback

from reviewqueue.models import ReviewTask, Verdict
from routing.models import Stream
from tests import scenes
from tests.browser.conftest import HOLD, expect_ready
from tests.browser.test_adjudication import log_in
from tests.browser.test_review_by_keyboard import post_tickets

TICKETS = 7
NOTHING = "Nothing waits for you in Hold"
OPEN = f"location.href = '{HOLD}'"
CONFIRM = "document.querySelector('[data-primary]').click()"


def at_once(pages: list[Page], script: str) -> None:
    """Let all pages do it at one moment of the clock that they share."""
    moment = time.time() * 1000 + 250
    for page in pages:
        page.evaluate(f"at => void setTimeout(() => {{ {script} }}, at - Date.now())", moment)


def title_after(page: Page, before: str) -> str:
    """The heading once it is another than before and takes answers; that of an empty queue too."""
    heading = page.locator("#work h1")
    expect(heading).not_to_have_text(before)
    title = heading.inner_text()
    if title != NOTHING:
        expect_ready(page)
        expect(page.locator(".statusbar__under-way")).to_have_count(0)
    return title


def test_two_who_race_for_every_item_never_hold_the_same(
    stream: Stream, new_context: CreateContextCallback, base_url: str
) -> None:
    """label-studio#795 and #9270, two people get the same item: here in browsers."""
    post_tickets(stream, TICKETS)
    pages: dict[str, Page] = {}
    for name in ("rita", "sam"):
        pages[name] = new_context().new_page()
        log_in(pages[name], base_url, scenes.make_person(name, stream, "reviewer"))
    at_once(list(pages.values()), OPEN)
    seen: dict[str, list[str]] = {name: [title_after(pages[name], "Your queues")] for name in pages}
    while working := [name for name in pages if seen[name][-1] != NOTHING]:
        at_once([pages[name] for name in working], CONFIRM)
        for name in working:
            seen[name].append(title_after(pages[name], seen[name][-1]))
    judged = {name: set(titles) - {NOTHING} for name, titles in seen.items()}
    assert judged["rita"] & judged["sam"] == set()
    assert sorted(judged["rita"] | judged["sam"]) == [f"Ticket {n}" for n in range(TICKETS)]
    assert min(map(len, judged.values())) >= 2
    for name, titles in judged.items():
        given = Verdict.objects.filter(reviewer=User.objects.get(username=name))
        assert {f"Ticket {each.item.external_id[3:]}" for each in given} == titles
    assert set(ReviewTask.objects.values_list("state", flat=True)) == {"answered"}
    assert Verdict.objects.count() == TICKETS
