"""The admin's pages of files and webhooks: read by axe, narrow, and used."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect
from pytest_django import Settings

from reviewqueue.deliveries import send_due
from reviewqueue.webhook_models import Delivery, Webhook
from routing.models import Item, Stream
from tests.browser.test_admin import look_at, measure
from tests.reviewqueue.receiver import Receiver, answers, run_receiver, verify
from tests.reviewqueue.test_deliveries import announce_items, come_due, make_webhook
from tests.scenes import HELD

GOOD = {"external_id": "HD-1", "text": "Locked out.", "scores": HELD}
BAD = {"external_id": "HD-2 " + "x" * 150, "text": "The VPN.", "scores": {"vpn": 0.9}}
ZIPPED: FilePayload = {
    "name": "items.jsonl.gz",
    "mimeType": "application/gzip",
    "buffer": b"\x1f\x8b",
}
SUBMIT = ".submit-row [type=submit]"


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.ALLOW_PRIVATE_ADDRESSES = True
    with run_receiver() as server:
        yield server


@pytest.fixture
def webhook(stream: Stream, receiver: Receiver) -> Webhook:
    """One that was sent a message at its third try."""
    webhook = make_webhook(stream, receiver, description="The ticket desk")
    announce_items(stream, 1)
    for status in (503, 302, 204):
        receiver.behave = answers(status)
        come_due()
        send_due()
    return webhook


def page_of(webhook: Webhook) -> str:
    return f"/admin/reviewqueue/webhook/{webhook.id}/change/"


def import_page(stream: Stream) -> str:
    return f"/admin/routing/stream/{stream.id}/import/"


@pytest.fixture
def addresses(stream: Stream, webhook: Webhook) -> dict[str, str]:
    """The pages to look at, by name."""
    delivery = Delivery.objects.get()
    other = Webhook.objects.create(
        stream=stream,
        url=f"https://hooks.example/{'a-long-path-' * 20}",
        state="paused",
        stopped_reason="nothing was received for 5 days, at last: it answered 500",
    )
    return {
        "index": "/admin/",
        "import": import_page(stream),
        "export": f"/admin/routing/stream/{stream.id}/export/",
        "webhooks": "/admin/reviewqueue/webhook/",
        "new webhook": "/admin/reviewqueue/webhook/add/",
        "webhook": page_of(webhook),
        "stopped webhook": page_of(other),
        "deliveries": "/admin/reviewqueue/delivery/",
        "delivery": f"/admin/reviewqueue/delivery/{delivery.id}/change/",
        "announcements": "/admin/routing/announcement/",
        "announcement": f"/admin/routing/announcement/{delivery.announcement_id}/change/",
    }


def lines(*items: object) -> FilePayload:
    content = "".join(json.dumps(item) + "\n" for item in items).encode()
    return {"name": "items.jsonl", "mimeType": "application/jsonl", "buffer": content}


def upload(page: Page, stream: Stream, *items: object) -> None:
    page.goto(import_page(stream))
    page.set_input_files("[name=file]", lines(*items))
    page.click(SUBMIT)
    page.wait_for_selector("#import-result")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_no_violations(
    addresses: dict[str, str], stream: Stream, admin_page: Page, complaints: list[str], theme: str
) -> None:
    # Axe measures by styles of its own; what the pages themselves do is read before it starts.
    complaints += ["Applying inline style violates", "422"]
    admin_page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    found = {}
    for name, address in addresses.items():
        admin_page.goto(address)
        found[name] = look_at(admin_page)
    upload(admin_page, stream, GOOD, BAD)
    found["refusals"] = look_at(admin_page)
    admin_page.goto(addresses["import"])
    admin_page.set_input_files("[name=file]", ZIPPED)
    admin_page.click(SUBMIT)
    admin_page.wait_for_selector(".errorlist")
    found["refused file"] = look_at(admin_page)
    admin_page.goto("about:blank")
    assert found == dict.fromkeys(found, ([], []))


def test_pages_fit_360_pixels(addresses: dict[str, str], stream: Stream, admin_page: Page) -> None:
    admin_page.set_viewport_size({"width": 360, "height": 800})
    widths = {}
    for name, address in addresses.items():
        admin_page.goto(address)
        widths[name] = measure(admin_page)
    upload(admin_page, stream, GOOD, BAD)
    widths["refusals"] = measure(admin_page)
    assert widths == dict.fromkeys(widths, (360, True))


def test_webhook_is_tried_and_its_secret_renewed(
    webhook: Webhook, receiver: Receiver, admin_page: Page
) -> None:
    old = webhook.secret
    admin_page.goto(page_of(webhook))
    admin_page.click("text=Send a test")
    expect(admin_page.locator(".messagelist .success")).to_contain_text(
        "Received: it answered 204 after"
    )
    assert verify(old, receiver.accepted[-1])
    admin_page.click("text=Renew the secret")
    shown = admin_page.locator(".messagelist .warning")
    expect(shown).to_contain_text("copy it now: it is never shown again.")
    webhook.refresh_from_db()
    assert webhook.secret != old
    assert webhook.secret in shown.inner_text()
    receiver.behave = answers(500)
    admin_page.click("text=Send a test")
    expect(admin_page.locator(".messagelist .error")).to_contain_text(
        "Not received: it answered 500, after"
    )
    assert [verify(secret, receiver.requests[-1]) for secret in (old, webhook.secret)] == [True] * 2


def test_message_of_an_item_is_found_and_followed(webhook: Webhook, admin_page: Page) -> None:
    admin_page.goto(page_of(webhook))
    admin_page.click(".object-tools >> text=Deliveries")
    admin_page.fill("#searchbar", "i0")
    admin_page.keyboard.press("Enter")
    admin_page.click("#result_list >> text=item.settled")
    expect(admin_page.locator(".tries tbody tr")).to_have_text(
        [
            re.compile(r"^\s*1\s.*\s503\s+it answered 503\s", re.DOTALL),
            re.compile(r"^\s*2\s.*\s302\s+it answered 302\s", re.DOTALL),
            re.compile(r"^\s*3\s.*\s204\s+–\s", re.DOTALL),
        ]
    )
    admin_page.click(".field-announcement a")
    admin_page.click(".object-tools >> text=Deliveries")
    admin_page.click("#result_list >> text=item.settled")
    admin_page.click(".field-item a")
    expect(admin_page.locator(".field-external_id")).to_contain_text("i0")


def test_file_is_taken_in_and_what_was_refused_comes_back(
    stream: Stream, admin_page: Page, tmp_path: Path
) -> None:
    upload(admin_page, stream, GOOD, BAD)
    assert admin_page.locator(".file-counts dd").all_inner_texts() == ["1", "0", "1"]
    expect(admin_page.locator(".refusals li")).to_contain_text("line 2, scores.vpn")
    with admin_page.expect_download() as download:
        admin_page.click("text=Download the refused items")
    refused = tmp_path / download.value.suggested_filename
    download.value.save_as(refused)
    assert refused.name == "refused.jsonl"
    refused.write_text(refused.read_text().replace('"vpn"', '"vpn_issue"'))
    admin_page.set_input_files("[name=file]", refused)
    admin_page.click(SUBMIT)
    expect(admin_page.locator(".file-counts dd").first).to_have_text("1")
    expect(admin_page.locator(".file-counts dd").last).to_have_text("0")
    assert Item.objects.filter(stream=stream).count() == 2


@pytest.mark.usefixtures("interception")
def test_file_that_takes_a_while_says_so_and_is_sent_once(stream: Stream, admin_page: Page) -> None:
    sent: list[str] = []

    def leave_page(route: Route) -> None:
        """The browser stays where it is, as it does until an answer comes."""
        sent.append(route.request.method)
        route.fulfill(status=204)

    admin_page.goto(import_page(stream))
    admin_page.route("**/import/", leave_page)
    note = admin_page.locator("[data-busy-note]")
    button = admin_page.locator(SUBMIT)
    button.click()  # the browser asks for a file
    expect(note).to_be_hidden()
    expect(button).to_be_enabled()
    admin_page.set_input_files("[name=file]", lines(GOOD))
    button.click()
    expect(note).to_be_visible()
    expect(note).to_contain_text("The file is being taken in.")
    expect(note.get_by_role("progressbar")).to_be_visible()
    expect(button).to_be_disabled()
    button.click(force=True)
    admin_page.press("[name=text]", "Enter")
    expect(button).to_be_disabled()
    assert sent == ["POST"]
    # As the page comes from the cache of pages, which this browser is started without.
    admin_page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(note).to_be_hidden()
    expect(button).to_be_enabled()
    admin_page.unroute("**/import/")
    button.click()
    expect(admin_page.locator(".file-counts dd").first).to_have_text("1")
    expect(note).to_be_hidden()
    expect(button).to_be_enabled()
