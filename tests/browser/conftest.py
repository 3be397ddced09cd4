"""A real Chromium against a real server; what the browser complains about fails the test."""

import os
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from pytest_playwright import CreateContextCallback

from routing.models import Stream
from tests import scenes
from tests.browser.watching import Watch

# Playwright runs an event loop in this thread; Django would refuse the ORM beside it.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

HOLD = "/streams/helpdesk/hold/"


def expect_ready(page: Page) -> None:
    """The screen has been shown for long enough to take answers."""
    expect(page.locator("#work")).to_have_attribute("data-ready", "")


def open_review(page: Page, address: str = HOLD) -> None:
    page.goto(address)
    expect_ready(page)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {"executable_path": os.environ["CHROMIUM"], "args": arguments}


@pytest.fixture(autouse=True)
def _plain_files(settings: Settings) -> None:
    # The live server finds static files by their own names, not by hashed ones.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


@pytest.fixture(autouse=True)
def _quiet_server(transactional_db: None) -> Iterator[None]:
    """Let the server end what a page asked for last, or emptying the tables would deadlock with it.

    Pages ask for the next item, and give it back when they close; both outlive the test.
    """
    under_way: list[int] = []

    def begin(**_signal: object) -> None:
        under_way.append(1)

    def end(**_signal: object) -> None:
        if under_way:
            under_way.pop()

    request_started.connect(begin)
    request_finished.connect(end)
    yield
    calm_since, deadline = time.monotonic(), time.monotonic() + 5
    while time.monotonic() < min(calm_since + 0.15, deadline):
        if under_way:
            calm_since = time.monotonic()
        time.sleep(0.01)
    request_started.disconnect(begin)
    request_finished.disconnect(end)


@pytest.fixture
def stream(transactional_db: None) -> Stream:
    return scenes.make_stream()


@pytest.fixture
def reviewer(stream: Stream) -> User:
    person = scenes.make_person("rita")
    scenes.join(person, stream)
    return person


@pytest.fixture(scope="session")
def base_url(live_server: LiveServer) -> str:
    return str(live_server.url)


@pytest.fixture
def complaints() -> list[str]:
    """What a test expects the console to say, beside HTMX of a request that the next overtook."""
    return ["htmx:sendAbort", "htmx:afterRequest"]


@pytest.fixture
def elsewhere() -> list[str]:
    """What the addresses begin with to which a test sends its pages on purpose."""
    return []


@pytest.fixture
def interception(context: BrowserContext) -> None:
    """Requests can be held back from the first one on, at the price of the browser's cache.

    Switched on under a page that is busy, interception lets that page's next request pass.
    """
    context.route("**/asked-for-by-no-page", lambda route: route.abort())


@pytest.fixture
def new_context(
    new_context: CreateContextCallback, complaints: list[str], elsewhere: list[str], base_url: str
) -> Iterator[CreateContextCallback]:
    """Makes contexts of whose pages none may have errors, or ask for anything elsewhere."""
    watch = Watch(base_url)

    def make(**options: Any) -> BrowserContext:
        context = new_context(**options)
        context.set_default_timeout(10_000)
        watch.begin(context)
        return context

    yield cast(CreateContextCallback, make)
    watch.finish()
    foreign = [url for url in watch.foreign if not url.startswith(tuple(elsewhere))]
    assert (watch.unexpected(complaints), foreign) == ([], [])


@pytest.fixture
def signed_in(page: Page, reviewer: User, base_url: str) -> Page:
    """The page of a reviewer who logged in by the form."""
    page.goto("/accounts/login/")
    page.fill("[name=login]", reviewer.username)
    page.fill("[name=password]", scenes.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base_url}/")
    return page


@pytest.fixture
def admin_page(
    page: Page, context: BrowserContext, live_server: LiveServer, client: object, settings: Settings
) -> Page:
    """A superuser's page."""
    user = User.objects.create_user("root", is_staff=True, is_superuser=True)
    client.force_login(user)  # type: ignore[attr-defined]
    value = client.cookies[settings.SESSION_COOKIE_NAME].value  # type: ignore[attr-defined]
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": value, "url": live_server.url}
    context.add_cookies([cookie])  # type: ignore[list-item]
    return page
