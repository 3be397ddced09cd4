"""The layout of payloads in the admin: what is entered is drawn beside it, in its own frame."""

import pytest
from playwright.sync_api import Page, expect

from routing.models import Stream
from tests import scenes

PAPER = "iframe[data-paper]"


@pytest.fixture
def form_page(admin_page: Page, stream: Stream) -> Page:
    """The stream's form, of which two items were posted."""
    for number in range(2):
        scenes.post(stream, f"HD-{number}", payload={"subject": f"Ticket {number}", "code": "E6"})
    admin_page.goto(f"/admin/routing/stream/{stream.id}/change/")
    return admin_page


def test_what_is_entered_is_drawn_and_saved_only_by_saving(form_page: Page, stream: Stream) -> None:
    paper = form_page.frame_locator(PAPER)
    expect(paper.locator("h1")).to_have_text("Ticket 1")
    expect(paper.locator(".item__paper")).to_have_css("max-width", "832px")
    form_page.get_by_label("How code is shown").select_option("title")
    expect(paper.locator("h1")).to_have_text("E6")
    form_page.get_by_role("button", name="Older item").click()
    expect(paper.locator(".item__facts")).to_have_text("SubjectTicket 0")
    stream.refresh_from_db()
    assert stream.payload_fields == {}
    form_page.locator("[name=_continue]").click()
    form_page.wait_for_load_state()
    stream.refresh_from_db()
    assert stream.payload_fields == {"code": "title"}


def test_wrong_place_is_explained_beside_the_rows(form_page: Page, complaints: list[str]) -> None:
    complaints.append("422")
    form_page.get_by_label("Place of code").fill("0")
    expect(form_page.locator("#preview-part .errorlist")).to_have_text(
        "code: 0 is no place; write a number from 1 to 999."
    )
    form_page.get_by_label("Place of code").fill("1")
    expect(form_page.frame_locator(PAPER).locator("h1")).to_have_text("Ticket 1")


def test_hostile_item_does_nothing_in_the_frame(form_page: Page, stream: Stream) -> None:
    hostile = "</iframe><img src=//foreign.example/a onerror=alert(1)><script>alert(2)</script>"
    payload = {"subject": "Hostile", "body": hostile, "page": hostile}
    scenes.post(stream, "HD-9", payload=payload)
    outside: list[str] = []
    dialogs: list[str] = []
    host = form_page.url.split("/")[2]
    form_page.on(
        "request",
        lambda request: (
            outside.append(request.url)
            if request.url.startswith("http") and request.url.split("/")[2] != host
            else None
        ),
    )
    form_page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    form_page.reload()
    expect(form_page.frame_locator(PAPER).locator("h1")).to_have_text("Hostile")
    with form_page.expect_response("**/layout/"):
        form_page.get_by_label("How page is shown").select_option("html")
    form_page.wait_for_timeout(300)
    assert (outside, dialogs) == ([], [])
