"""Home, export and log as an analyst and a stream's admin see them: themes, narrow, downloads."""

import os
from itertools import product

import pytest
from playwright.sync_api import Page

from reviewqueue.claims import claim_next, skip_task
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Stream
from tests import scenes
from tests.browser.test_accessibility import violations
from tests.browser.test_adjudication import log_in

ADDRESSES = ("/", "/streams/helpdesk/export/", "/streams/helpdesk/log/")


@pytest.fixture
def worked(stream: Stream) -> Stream:
    """A stream in whose log something stands."""
    rita = scenes.make_person("rita", stream, "reviewer")
    for number in range(4):
        scenes.post(stream, f"HD-2041{number}")
    for number in range(3):
        task = claim_next(user=rita, stream=stream, queue="hold")
        assert task is not None
        assert task.lease_token is not None
        if number == 1:
            skip_task(task_id=task.id, user=rita, lease_token=task.lease_token)
            continue
        answer = Answer("category", ("vpn_issue",))
        record_verdict(task_id=task.id, lease_token=task.lease_token, reviewer=rita, answer=answer)
    return stream


@pytest.mark.parametrize("role", ["analyst", "stream_admin"])
def test_pages_of_who_reads_have_no_violations(
    worked: Stream, page: Page, base_url: str, role: str
) -> None:
    log_in(page, base_url, scenes.make_person(role, worked, role))
    addresses = ADDRESSES if role == "stream_admin" else ADDRESSES[:2]
    found = {}
    for address, width, theme in product(addresses, (1280, 360), ("light", "dark")):
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{base_url}{address}")
        found[f"{address} at {width}, {theme}"] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        if folder := os.environ.get("PICTURES"):
            name = address.strip("/").replace("/", "-") or "home"
            page.screenshot(path=f"{folder}/{role}-{theme}-{name}-{width}.png")
    assert {name: bad for name, bad in found.items() if bad} == {}


def test_log_is_filtered_on_the_page_and_downloaded(
    worked: Stream, page: Page, base_url: str
) -> None:
    log_in(page, base_url, scenes.make_person("ada", worked, "stream_admin"))
    page.goto(f"{base_url}/streams/helpdesk/log/")
    page.get_by_label("About").select_option("rest")
    page.wait_for_url("**about=rest**")
    page.get_by_text("published a policy").wait_for()
    assert page.get_by_text("answered", exact=True).count() == 0
    with page.expect_download() as told:
        page.get_by_role("link", name="CSV").click()
    assert told.value.suggested_filename.endswith(".csv")
