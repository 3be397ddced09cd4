"""Every page that the product answers: no violations and nothing sideways, in both themes.

The pages are those of the table of access, which fails where an address does not stand in it. Each
is loaded once and looked at twice: in the light on a laptop, and in the dark on a phone. The forms
of the admin are Django's: of those, `test_admin.py` looks at what is ours.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from playwright.sync_api import Page, expect

from reviewqueue.api.events import EVENTS
from reviewqueue.embedded.processes import PROJECT
from reviewqueue.insight.making import make_next
from routing.models import Stream
from tests import scenes
from tests.access.cells import address_of
from tests.access.rules import ANONYMOUS, REVIEWER, SITE_ADMIN, Rule
from tests.access.scene import Scene, make_scene
from tests.access.table_of_admin import ADMIN
from tests.access.table_of_pages import ACCOUNT, INSIGHT, PAGES
from tests.browser.conftest import open_review
from tests.browser.looks import look
from tests.browser.test_adjudication import log_in
from tests.reviewqueue.views.test_adjudication import ADJUDICATION, dispute

# What is answered with a file, or to POST alone.
NO_PAGES: Final = (".csv", ".svg", "/file", "/download/", "/sessions/end/")
LIST: Final = re.compile(r"admin/(reviewqueue|routing)/\w+/")
SWAGGERS_OWN: Final = ("color-contrast", "heading-order", "nested-interactive", "target-size")
# The label of the search is a picture.
DJANGOS_OWN: Final = ("label-title-only",)


ERROR_PAGES: Final = sorted(each.name for each in (PROJECT / "templates").glob("[45]*.html"))


@dataclass(frozen=True, slots=True)
class Place:
    """An address to look at, as whom."""

    role: str
    address: str


@pytest.fixture
def scene(transactional_db: None) -> Scene:
    return make_scene()


def enter(page: Page, browser: Client | None, base_url: str) -> None:
    """Be signed in as the test client is; nobody without one."""
    page.context.clear_cookies()
    if browser is not None and settings.SESSION_COOKIE_NAME in browser.cookies:
        name = settings.SESSION_COOKIE_NAME
        cookie = {"name": name, "value": browser.cookies[name].value, "url": base_url}
        page.context.add_cookies([cookie])  # type: ignore[list-item]


def places(rules: Sequence[Rule], scene: Scene) -> Iterator[Place]:
    """The pages that somebody may read, as who sees most of them."""
    for rule in rules:
        readers = rule.may.get("GET", ())
        role = SITE_ADMIN if SITE_ADMIN in readers else next(iter(sorted(readers)), "")
        if role and not rule.route.endswith(NO_PAGES):
            yield Place(role, address_of(rule, scene.own))


def look_at_all(
    page: Page,
    scene: Scene,
    found: Iterable[Place],
    base_url: str,
    *,
    besides: tuple[str, ...] = (),
) -> list[str]:
    """What is wrong with the pages that stand there, each looked at once."""
    wrong, seen, last = [], set[str](), ""
    for place in dict.fromkeys(found):
        if place.role != last:
            enter(page, scene.browsers.get(place.role), base_url)
            last = place.role
        page.goto(place.address)
        if page.url not in seen:
            wrong += look(page, page.url.removeprefix(base_url), besides=besides)
        seen.add(page.url)
    return wrong


def count_insight(scene: Scene) -> None:
    """Ask for the insight pages, and do what the worker does once it is rung for."""
    for place in places(INSIGHT, scene):
        scene.browsers[place.role].get(place.address)
    while make_next():
        pass


def test_pages_have_no_violations_and_fit(
    scene: Scene, page: Page, base_url: str, complaints: list[str]
) -> None:
    complaints += ["404", "403"]
    count_insight(scene)
    account = [f"/{rule.route}" for rule in ACCOUNT if not rule.route.endswith(NO_PAGES)]
    found = [
        *places(PAGES, scene),
        *(Place(REVIEWER, address) for address in account if "<" not in address),
        *(Place(SITE_ADMIN, address) for address in ("/items/", "/items/?id=nothing")),
        *(Place(ANONYMOUS, address) for address in ("/accounts/login/", "/admin/login/")),
    ]
    assert look_at_all(page, scene, found, base_url) == []


def test_lists_of_the_admin_have_no_violations_and_fit(
    scene: Scene, page: Page, base_url: str, complaints: list[str]
) -> None:
    complaints.append("Applying inline style violates")  # axe measures by styles of its own
    lists = [rule for rule in ADMIN if LIST.fullmatch(rule.route)]
    found = look_at_all(page, scene, places(lists, scene), base_url, besides=DJANGOS_OWN)
    assert found == []


def test_open_search_has_no_violations_and_fits(stream: Stream, signed_in: Page) -> None:
    scenes.post(stream, "HD-1")
    open_review(signed_in)
    signed_in.keyboard.press("/")
    signed_in.keyboard.type("lock")
    expect(signed_in.locator(".is-searching")).to_have_count(1)
    assert look(signed_in, "search") == []


def test_pair_of_answers_has_no_violations_and_fits(
    stream: Stream, page: Page, base_url: str
) -> None:
    Stream.objects.update(double_rate=1.0)
    stream.refresh_from_db()
    rita, sam = (scenes.make_person(name, stream, "reviewer") for name in ("rita", "sam"))
    dispute(stream, (rita, sam))
    log_in(page, base_url, scenes.make_person("ada", stream, "adjudicator"))
    open_review(page, ADJUDICATION)
    expect(page.locator(".given")).to_have_count(2)
    assert look(page, "adjudication") == []


def test_docs_of_the_api_fit(page: Page) -> None:
    page.goto("/api/v1/docs")
    expect(page.locator(".opblock")).to_have_count(7 + len(EVENTS))
    assert look(page, "docs", besides=SWAGGERS_OWN) == []


@pytest.mark.parametrize("name", ERROR_PAGES)
def test_error_pages_have_no_violations_and_fit(page: Page, name: str) -> None:
    body = render_to_string(name, request=RequestFactory().get("/"))
    page.route("**/failing/", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto("/failing/")
    expect(page.locator("h1")).to_be_visible()
    assert look(page, name) == []
