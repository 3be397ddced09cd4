"""Search all categories of a stream that has many: by keyboard, and heard."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from routing.models import Stream
from tests import scenes
from tests.browser.conftest import open_review
from tests.browser.test_review_by_keyboard import answers, expect_ticket, post_tickets


def test_search_finds_one_of_77(stream: Stream, signed_in: Page) -> None:
    categories = [(f"c{number:02d}", f"Topic {number:02d}", "") for number in range(76)]
    cards = scenes.make_stream("cards", categories=[*categories, ("arrival", "Card arrival", "")])
    scenes.join(User.objects.get(username="rita"), cards)
    scores = {"c00": 0.55, "c01": 0.25, "c02": 0.1}
    for number in range(2):
        scenes.post(cards, f"C-{number}", scores=scores, payload={"subject": f"Ticket {number}"})
    page = signed_in
    open_review(page, "/streams/cards/hold/")
    visible = page.locator("[data-choice]:visible")
    expect(visible).to_have_count(5)
    page.keyboard.press("/")
    page.keyboard.type("arri card")
    expect(visible).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("[data-primary]")).to_contain_text("Choose Card arrival")
    expect(visible).to_have_count(6)
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    assert answers() == [("category", ["arrival"])]


@pytest.mark.parametrize("count", [77, 150])
def test_arrows_go_to_other_matches_and_a_voice_tells_them(
    stream: Stream, signed_in: Page, count: int
) -> None:
    """WCAG 4.1.3: how many there are is heard too, where the focus stays in the field."""
    labels = ["Card arrival", "Card linking", *(f"Topic {n:03d}" for n in range(count - 3))]
    labels.insert(40, "Getting a spare card")
    described = {"Topic 070": "A virtual card for one payment."}
    rows = [(name.lower().replace(" ", "_"), name, described.get(name, "")) for name in labels]
    cards = scenes.make_stream("cards", categories=rows)
    scenes.join(User.objects.get(username="rita"), cards)
    scores = {"card_linking": 0.55, "topic_001": 0.25, "topic_002": 0.1}
    for number in range(2):
        scenes.post(cards, f"C-{number}", scores=scores, payload={"subject": f"Ticket {number}"})
    page = signed_in
    open_review(page, "/streams/cards/hold/")
    live, marked = page.locator("#live"), page.locator("#categories .is-best")
    page.keyboard.press("/")
    page.keyboard.type("card")
    expect(live).to_have_text("4 match; best: Card linking")
    for key, told in (
        ("ArrowDown", "2 of 4: Card arrival"),
        ("ArrowDown", "3 of 4: Getting a spare card"),
        ("ArrowDown", "4 of 4: Topic 070"),
        ("ArrowDown", "1 of 4: Card linking"),
        ("ArrowUp", "4 of 4: Topic 070"),
        ("ArrowUp", "3 of 4: Getting a spare card"),
    ):
        page.keyboard.press(key)
        expect(live).to_have_text(told)
        expect(marked).to_have_attribute("data-label", told.partition(": ")[2])
        expect(marked).to_be_in_viewport()
    page.keyboard.type("zz")
    expect(live).to_have_text("No category has these words. N says that none fits.")
    page.keyboard.press("ArrowDown")
    page.locator("#category-search").fill("linking")
    expect(live).to_have_text("1 match: Card linking")
    page.locator("#category-search").fill("card")
    expect(live).to_have_text("4 match; best: Card linking")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("[data-primary]")).to_contain_text("Choose Card arrival")
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    assert answers() == [("category", ["card_arrival"])]


def test_field_stays_in_sight_above_the_match_that_the_arrows_reach(
    stream: Stream, signed_in: Page
) -> None:
    categories = [(f"c{number:02d}", f"Topic {number:02d}", "") for number in range(77)]
    cards = scenes.make_stream("cards", categories=categories)
    scenes.join(User.objects.get(username="rita"), cards)
    scenes.post(cards, "C-1", scores={"c00": 0.55, "c01": 0.25, "c02": 0.1})
    page = signed_in
    open_review(page, "/streams/cards/hold/")
    field, marked = page.locator("#category-search"), page.locator("#categories .is-best")
    page.keyboard.press("/")
    page.keyboard.type("topic")
    for key, times in (("ArrowDown", 30), ("ArrowUp", 12)):
        for _press in range(times):
            page.keyboard.press(key)
        expect(field).to_be_in_viewport(ratio=1)
        above, below = field.bounding_box(), marked.bounding_box()
        assert above is not None
        assert below is not None
        assert above["y"] + above["height"] <= below["y"]


def test_search_catches_what_is_typed_where_categories_are_few(
    stream: Stream, signed_in: Page
) -> None:
    post_tickets(stream, 2)
    page = signed_in
    open_review(page)
    page.keyboard.press("/")
    page.keyboard.type("sec")
    expect(page.locator("[data-choice]:visible")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("[data-primary]")).to_contain_text("Choose Security incident")
    expect_ticket(page, 0)
    page.keyboard.press("Enter")
    expect_ticket(page, 1)
    assert answers() == [("category", ["security_incident"])]


def test_search_finds_by_definition_after_labels_and_shows_why(
    stream: Stream, signed_in: Page
) -> None:
    categories = [(f"c{number}", f"Topic {number}", "") for number in range(12)]
    lost = ("lost", "Lost card", "The card was stolen or cannot be found.")
    charge = ("charge", "Disputed charge", "A payment after the card was lost.")
    cards = scenes.make_stream("cards", categories=[charge, *categories, lost])
    scenes.join(User.objects.get(username="rita"), cards)
    scenes.post(cards, "C-1", scores={"charge": 0.55, "c1": 0.25, "c2": 0.1})
    page = signed_in
    open_review(page, "/streams/cards/hold/")
    page.keyboard.press("/")
    page.keyboard.type("lost card")
    visible = page.locator("[data-choice]:visible")
    expect(visible).to_have_count(2)
    by_label, by_definition = (
        page.locator(f"[data-choice={key}]").bounding_box() for key in ("lost", "charge")
    )
    assert by_label is not None
    assert by_definition is not None
    assert by_label["y"] < by_definition["y"]
    expect(page.locator("[data-choice=lost].is-best")).to_be_visible()
    expect(page.locator(".choice__why")).to_have_text("A payment after the card was lost.")
    assert page.locator(".choice__why b").all_inner_texts() == ["card", "lost"]
    page.locator("#category-search").fill("stolen")
    expect(visible).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("[data-primary]")).to_contain_text("Choose Lost card")
    expect(page.locator(".choice__why")).to_have_count(0)


@pytest.mark.parametrize("typed", ["card ar", "ar card"])
def test_search_prefers_words_that_begin_so(stream: Stream, signed_in: Page, typed: str) -> None:
    labels = ("Card acceptance", "Card linking", "Card arrival")
    cards = scenes.make_stream(
        "cards", categories=[(label.lower().replace(" ", "_"), label, "") for label in labels]
    )
    scenes.join(User.objects.get(username="rita"), cards)
    scenes.post(cards, "C-1", scores={"card_acceptance": 0.55, "card_linking": 0.3})
    page = signed_in
    open_review(page, "/streams/cards/hold/")
    page.keyboard.press("/")
    page.keyboard.type(typed)
    page.keyboard.press("Enter")
    expect(page.locator("[data-primary]")).to_contain_text("Choose Card arrival")
