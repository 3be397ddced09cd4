"""Log-in and account in a real browser: the policy holds, keys suffice, nobody is shut out."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django import Settings

from reviewqueue.env import directory_config
from routing.models import Stream
from tests import codes, scenes
from tests.browser.test_accessibility import violations
from tests.reviewqueue.directory import CLIENT_ID, CLIENT_SECRET, Directory, run_directory

SET_UP = "/accounts/2fa/totp/activate/"
CODES = "/accounts/2fa/recovery-codes/"


def turn_on(page: Page) -> str:
    """Set the second factor up by hand; the secret of the app."""
    page.goto(SET_UP)
    page.get_by_text("Or type the key").click()
    secret = page.locator(".secret").inner_text()
    page.get_by_label("Authenticator code").fill(codes.code_of(secret))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{CODES}")
    return secret


@pytest.fixture
def directory(settings: Settings) -> Iterator[Directory]:
    with run_directory() as running:
        settings.SOCIALACCOUNT_PROVIDERS = directory_config(
            issuer=running.issuer, client_id=CLIENT_ID, secret=CLIENT_SECRET, name="Example House"
        )
        yield running


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_account_pages_have_no_violations_and_scroll_one_way(
    signed_in: Page, theme: str, width: int
) -> None:
    page, found = signed_in, {}
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 740})

    def look(name: str) -> None:
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found[name] = violations(page) + ([f"{over} px too wide"] if over else [])

    for address in ("/accounts/", "/accounts/password/change/", SET_UP, "/accounts/logout/"):
        page.goto(address)
        look(address)
    page.goto(SET_UP)
    page.get_by_label("Authenticator code").fill("1")
    page.keyboard.press("Enter")
    page.wait_for_selector(".field__error")
    look("wrong code")
    turn_on(page)
    look(CODES)
    for address in ("/accounts/", f"{CODES}generate/", "/accounts/2fa/totp/deactivate/"):
        page.goto(address)
        look(f"{address} with a second factor")
    page.context.clear_cookies()
    log_in(page)
    page.wait_for_url("**/2fa/authenticate/")
    look("code")
    assert {name: lines for name, lines in found.items() if lines} == {}


def log_in(page: Page) -> None:
    page.goto("/accounts/login/")
    page.fill("[name=login]", "rita")
    page.fill("[name=password]", scenes.PASSWORD)
    page.keyboard.press("Enter")


def test_second_factor_is_set_up_and_asked_for_by_keyboard(signed_in: Page, base_url: str) -> None:
    secret = turn_on(signed_in)
    expect(signed_in.locator(".codes li")).to_have_count(10)
    signed_in.context.clear_cookies()
    log_in(signed_in)
    signed_in.wait_for_url("**/2fa/authenticate/")
    signed_in.get_by_label("Code").fill(codes.code_of(secret))
    signed_in.keyboard.press("Enter")
    signed_in.wait_for_url(f"{base_url}/")


def test_code_to_scan_is_black_on_white_in_the_dark_too(signed_in: Page) -> None:
    signed_in.emulate_media(color_scheme="dark")
    signed_in.goto(SET_UP)
    drawn = signed_in.locator(".qr svg").bounding_box()
    assert drawn is not None
    assert drawn["width"] > 140
    ground = signed_in.locator(".qr").evaluate("box => getComputedStyle(box).backgroundColor")
    ink = signed_in.locator(".qr path").evaluate("path => getComputedStyle(path).fill")
    assert (ground, ink) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")


def test_keys_are_switched_off_on_the_account_page(stream: Stream, signed_in: Page) -> None:
    signed_in.goto("/accounts/")
    signed_in.get_by_label("Single keys are on").first.uncheck()
    signed_in.goto("/")
    signed_in.keyboard.press("?")
    signed_in.wait_for_timeout(50)
    assert signed_in.locator("dialog[open]").count() == 0


def test_button_leads_to_the_directory_under_the_policy(
    page: Page, context: BrowserContext, directory: Directory, elsewhere: list[str]
) -> None:
    """A redirect would be refused: the policy lets forms lead to ourselves only."""
    elsewhere.append(f"{directory.issuer}/authorize?")
    context.route(
        f"{directory.issuer}/authorize*", lambda route: route.fulfill(body="<title>There</title>")
    )
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with Example House").click()
    expect(page).to_have_title("There")
    assert page.url.startswith(f"{directory.issuer}/authorize?client_id={CLIENT_ID}")
