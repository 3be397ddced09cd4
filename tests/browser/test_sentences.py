"""Drafted sentences by keyboard: the sources, the answer, the draft, and a retry to amber."""

import json

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from reviewqueue.access import issue_api_key
from reviewqueue.models import ReviewTask, Verdict
from routing.models import Item, Stream
from tests.browser.conftest import expect_ready, open_review
from tests.browser.test_accessibility import violations
from tests.grounded_scenes import BLOCKS, GREEN, REFUSED, make_grounded_stream, post_sentence

HOLD = "/streams/drafts/hold/"
BATCH = "/streams/drafts/flagged/batch/"
CLAIMS = (
    {"text": "There is a limit.", "entailment_probability": 0.95},
    {"text": "It is 12 MB.", "entailment_probability": 0.91},
)


@pytest.fixture
def stream(transactional_db: None) -> Stream:
    return make_grounded_stream(freshness_days=30)


def seat(stream: Stream, external_id: str, **fields: object) -> None:
    taken = post_sentence(
        stream, external_id, sentence="A file may have 12 MB.", claims=CLAIMS, **fields
    )
    ReviewTask.objects.filter(item=taken.item_id).update(queue="hold")


def chosen(page: Page, name: str) -> list[str]:
    boxes = page.locator(f"input[name={name}]:checked")
    return [str(box.get_attribute("value")) for box in boxes.all()]


def test_sentence_is_judged_without_a_mouse(stream: Stream, signed_in: Page) -> None:
    for number in range(2):
        seat(stream, f"s-{number}", signals={})
    open_review(signed_in, HOLD)
    expect(signed_in.locator("#sources")).to_be_visible()
    assert chosen(signed_in, "block") == ["files#limits"]

    signed_in.keyboard.press("2")
    assert chosen(signed_in, "block") == []
    expect(signed_in.locator("[data-primary-words]")).to_have_text("Send: Not supported")
    signed_in.keyboard.press("4")
    assert (chosen(signed_in, "block"), chosen(signed_in, "categories")) == (
        ["files#formats"],
        ["supported"],
    )
    expect(signed_in.locator("[data-primary-words]")).to_have_text("Confirm: Supported")
    signed_in.keyboard.press("t")
    signed_in.keyboard.press("l")
    signed_in.keyboard.press("Space")
    signed_in.keyboard.press("Tab")
    signed_in.keyboard.press("ArrowRight")
    assert (chosen(signed_in, "claim-1"), chosen(signed_in, "categories")) == (
        ["no"],
        ["not_supported"],
    )
    signed_in.reload()
    assert (chosen(signed_in, "claim-0"), chosen(signed_in, "claim-1")) == (["yes"], ["no"])
    expect_ready(signed_in)
    signed_in.keyboard.press("Enter")
    signed_in.wait_for_selector("[data-undo-left]")

    verdict = Verdict.objects.get()
    assert (verdict.categories, verdict.block, verdict.off_topic, verdict.claims) == (
        ["not_supported"],
        "",
        True,
        [True, False],
    )
    # The next one is as the machine has it, whatever was chosen before.
    expect(signed_in.locator("#work h1")).to_be_focused()
    assert chosen(signed_in, "block") == ["files#limits"]


def test_sources_open_by_key_on_a_phone(stream: Stream, signed_in: Page) -> None:
    seat(stream, "s-1", signals={})
    signed_in.set_viewport_size({"width": 360, "height": 740})
    signed_in.goto(HOLD)
    toggle, sources = signed_in.locator("#sources-toggle"), signed_in.locator("#sources")
    expect(sources).to_be_hidden()
    expect(toggle).to_have_attribute("aria-expanded", "false")

    signed_in.keyboard.press("b")
    expect(sources).to_be_visible()
    expect(toggle).to_have_attribute("aria-expanded", "true")
    expect(signed_in.locator("#sources-title")).to_be_focused()
    assert signed_in.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    signed_in.keyboard.press("Tab")
    signed_in.keyboard.press("Escape")
    expect(sources).to_be_hidden()
    expect(toggle).to_be_focused()


def test_table_says_by_keys_which_source_supports_each(stream: Stream, signed_in: Page) -> None:
    for number in range(4):
        post_sentence(stream, f"s-{number}")
    ReviewTask.objects.update(due_at=timezone.now())
    page = signed_in
    open_review(page, f"{BATCH}?today=yes")
    rows = page.locator("[data-row]")
    expect(rows.first.locator("[data-line]:visible")).to_contain_text("Limits")
    for key in ("j", "4", "j", "0", "j", "2"):
        page.keyboard.press(key)
    expect(rows.first.locator("[data-line]:visible")).to_contain_text("instead of the cited source")
    page.reload()
    expect_ready(page)
    expect(page.locator("#send")).to_contain_text("Confirm 3, correct 1")
    assert violations(page) == []
    page.keyboard.press("Control+Enter")
    expect(page.locator("#work h1")).to_contain_text("Nothing waits for you")
    given = Verdict.objects.order_by("item__external_id").values_list("categories", "block")
    assert list(given) == [
        (["supported"], "files#formats"),
        (["supported"], ""),
        (["not_supported"], ""),
        (["supported"], "files#limits"),
    ]


def test_source_brings_back_a_row_that_was_taken_out(stream: Stream, signed_in: Page) -> None:
    post_sentence(stream, "s-1")
    ReviewTask.objects.update(due_at=timezone.now())
    open_review(signed_in, f"{BATCH}?today=yes")
    for key in ("j", "x", "o"):
        signed_in.keyboard.press(key)
    expect(signed_in.locator("#send")).to_contain_text("Leave 1")
    signed_in.get_by_label("files#formats").check()
    expect(signed_in.locator("#send")).to_contain_text("Confirm 1")


def test_refused_sentence_is_retried_to_amber(
    stream: Stream, signed_in: Page, base_url: str
) -> None:
    """Seen in the draft, asked for, posted again by upstream, and amber in its place."""
    for number, signals in enumerate((GREEN, REFUSED)):
        post_sentence(stream, f"s-{number}", signals=signals, draft="letter 7", position=number)
    signed_in.goto("/")
    signed_in.click("a[href='/streams/drafts/drafts/']")
    signed_in.click("text=letter 7")
    signed_in.wait_for_url("**/draft/**", wait_until="load")
    refused = signed_in.locator("[data-sentence]").nth(1)
    refused.focus()
    signed_in.keyboard.press("Enter")
    expect(signed_in.locator("#side-title")).to_be_focused()
    expect(refused).to_have_attribute("aria-current", "true")
    signed_in.keyboard.press("Escape")
    expect(refused).to_be_focused()
    signed_in.click("text=Retry")
    signed_in.wait_for_url("**/retry/")
    signed_in.keyboard.press("2")
    expect(signed_in.get_by_label("Widen the retrieval")).to_be_checked()
    signed_in.keyboard.press("c")
    expect(signed_in.locator("#note")).to_be_focused()
    signed_in.keyboard.type("The limit stands in files.")
    signed_in.keyboard.press("Control+Enter")
    expect(signed_in.locator("text=Upstream was asked to widen the retrieval.")).to_be_visible()

    _key, secret = issue_api_key(name="drafting", streams=[stream])
    body = {
        "external_id": "s-1b",
        "payload": {"sentence": "An import file may have at most 10 MB."},
        "blocks": BLOCKS,
        "signals": {"entailment_probability": 0.91, "claim_count": 2},
        "retry_of": "s-1",
        "draft": "letter 7",
        "position": 1,
    }
    posted = Client().post(
        "/api/v1/streams/drafts/items",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert (posted.status_code, posted.json()["badge"]) == (201, "amber")

    signed_in.reload()
    signed_in.click("text=s-1b")
    signed_in.wait_for_url(f"**/items/{Item.objects.get(external_id='s-1b').id}/")
    expect(signed_in.locator(".sentence .badge")).to_have_text("Amber")
    signed_in.click("text=The whole draft")
    expect(signed_in.locator(".draft")).to_contain_text("Amber")
    expect(signed_in.locator("text=No confident source")).to_have_count(0)


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 360)])
def test_pages_of_sentences_have_no_violations(
    stream: Stream, signed_in: Page, theme: str, width: int
) -> None:
    signed_in.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    signed_in.set_viewport_size({"width": width, "height": 800})
    seat(stream, "s-1", signals={})
    post_sentence(stream, "s-2", signals=REFUSED, draft="letter 7", sentence="It takes 99 s.")
    post_sentence(stream, "s-3", draft="letter 7", blocks=[*BLOCKS] * 1)
    refused = Item.objects.get(external_id="s-2")
    item = f"/streams/drafts/items/{refused.id}/"
    letter = "/streams/drafts/draft/?id=letter+7"
    found = {}
    for address in (
        HOLD,
        "/streams/drafts/drafts/",
        letter,
        f"{letter}&at={refused.id}",
        item,
        f"{item}retry/",
        "/streams/drafts/flagged/batch/?today=yes",
    ):
        signed_in.goto(address)
        if width < 900 and signed_in.locator("#sources-toggle").count():
            signed_in.keyboard.press("b")
        over = signed_in.evaluate("document.documentElement.scrollWidth - innerWidth")
        found[address] = [*violations(signed_in), *([f"{over} px over"] if over else [])]
    assert {address: lines for address, lines in found.items() if lines} == {}
