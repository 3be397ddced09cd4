"""Each way to show a payload: no violations, and nothing sideways, in both themes."""

from collections.abc import Mapping
from typing import Final

from playwright.sync_api import Page, expect

from reviewqueue.payloads import READING_ORDER
from routing.models import Stream
from tests import scenes
from tests.browser.looks import look

PIXEL: Final = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)
PAYLOADS: Final[Mapping[str, object]] = {
    "conversation": [
        {"role": "user", "content": "The VPN drops.\n\n" + "And drops. " * 100, "at": "09:12"},
        {"role": "assistant", "content": "w" * 300, "tool_calls": [{"name": "x" * 90}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]},
    ]
    * 14,
    "table": [{f"a long column {one}": "value " * 6 for one in range(9)} for _ in range(4)],
    "tree": {"deep": {"er": {"and": {"deeper": ["z" * 200, 1, None, True]}}}, "k" * 80: {}},
    "html": "<h2>Big</h2><h3>Small</h3><p>Words <a href='https://a.example/'>link</a></p>"
    "<table><tr><th>a</th><td>" + "w" * 200 + "</td></tr></table><pre>" + "p" * 300 + "</pre>"
    "<ul><li>one</ul>" + "<p>" + "Prose that goes on. " * 250,
    "image": PIXEL,
    "link": "https://a.example/" + "path/" * 40 + "?q=" + "x" * 200,
    "text": "First. " * 700 + "\n\n" + "n" * 400,
}


def test_payloads_have_no_violations_and_fit(stream: Stream, signed_in: Page) -> None:
    wrong = []
    for kind, value in PAYLOADS.items():
        Stream.objects.update(payload_fields={"shown": kind})
        stream.refresh_from_db()
        task = scenes.post(stream, kind, payload={"subject": kind, "shown": value})
        signed_in.goto(f"/streams/helpdesk/items/{task.item_id}/")
        expect(signed_in.locator(f".block--{kind}")).to_have_count(1)
        for folded in signed_in.locator("main details").all():
            folded.evaluate("(element) => { element.open = true; }")
        wrong += look(signed_in, kind)
    assert wrong == []


def test_every_way_to_show_a_field_is_looked_at() -> None:
    assert set(PAYLOADS) == set(READING_ORDER)
