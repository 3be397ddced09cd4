"""The watch over the browser sees what it is there for, in every page."""

from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from tests.browser.watching import Watch


def test_watch_sees_errors_and_foreign_requests_of_every_page(
    browser: Browser, live_server: LiveServer, transactional_db: None
) -> None:
    watch = Watch(str(live_server.url))
    context = browser.new_context(base_url=watch.home)
    watch.begin(context)
    first, second = context.new_page(), context.new_page()
    first.goto("/accounts/login/")
    second.goto("/accounts/login/")
    assert (watch.errors, watch.foreign) == ([], [])
    second.evaluate("setTimeout(() => { throw new Error('of a script'); })")
    second.evaluate("console.error('of the console')")
    first.evaluate("fetch('http://foreign.example/').catch(() => {})")
    first.evaluate("document.body.setAttribute('style', 'color: red')")
    context.route("http://foreign.example/", lambda route: route.fulfill(body="there"))
    with context.expect_page() as opened:
        first.evaluate("window.open('http://foreign.example/')")
    opened.value.wait_for_load_state()
    watch.finish()
    context.close()
    told = ("of a script", "of the console", "connect-src", "style-src")
    assert [part for part in told if not any(part in line for line in watch.errors)] == []
    assert watch.unexpected((*told, "foreign.example", "inline")) == []
    assert "http://foreign.example/" in watch.foreign
