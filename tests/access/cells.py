"""One cell of the table: a request by one role, and what is wrong with its answer."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from django.db import connection, transaction
from django.test import Client

from tests.access.routes import fill, parameters_of
from tests.access.rules import ANONYMOUS, ROLES, SITE_ADMIN, Rule
from tests.access.scene import FIGURES, TELLTALE, TELLTALE_LABEL, Scene, Side

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

# What an address answers who may: done, shown, sent on, or told what is wrong with the input.
OPEN: Final = frozenset({200, 201, 204, 286, 302, 303, 400, 409, 422})
WRITES: Final = re.compile(r"\s*(WITH\b.*)?\b(INSERT INTO|UPDATE \S+ SET|DELETE FROM|COPY)\b", re.S)
# The state of the session itself, and rows that say that a page wants figures, are no change.
HARMLESS: Final = ("django_session", "insightsheet")


def try_rule(rule: Rule, scene: Scene) -> list[str]:
    """What the cells of a rule answer wrongly; nothing of what they do stays."""
    wrong: list[str] = []
    for name in rule.sides:
        side = scene.side(name)
        address = address_of(rule, side)
        for role in ROLES:
            for method in rule.methods:
                with forgotten(scene.browsers[role]), watched() as written:
                    answer = ask(scene.browsers[role], method, address)
                    body = read_body(answer)
                expected = _expect(rule, role, method, is_foreign=name == "foreign")
                found = outcome_of(answer)
                place = f"{method} {address} as {role}"
                if not expected(found):
                    wrong.append(f"{place}: {found} {answer.get('Location', '')}")
                elif found in ("refused", "gone", "log-in", "not taken") and written:
                    wrong.append(f"{place}: {found}, and yet it wrote: {written[0][:120]}")
                if name == "own" and (leak := find_leak(rule, body, side)):
                    wrong.append(f"{place}: tells of what is judged blind: {leak}")
    return wrong


def address_of(rule: Rule, side: Side) -> str:
    """The rule's address on one side."""
    values = {
        name: side.values.get(rule.values.get(name, name), rule.values.get(name, ""))
        for name in parameters_of(rule.route)
    }
    address = quote(fill(rule.route, values))
    return f"{address}?{rule.asked.format(**side.values)}" if rule.asked else address


def ask(browser: Client, method: str, address: str, **headers: str) -> "Response":
    """The answer to one request; a POST is an empty form."""
    if method == "POST":
        return browser.post(address, {}, headers=headers)
    return browser.generic(method, address, headers=headers)


def read_body(answer: "Response") -> str:
    """What was answered, a streamed file too."""
    if answer.streaming:
        return b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    return answer.content.decode()


def outcome_of(answer: "Response") -> str:
    """An answer in one word."""
    location = answer.get("Location") or answer.get("HX-Redirect") or ""
    if "/login/" in location:
        return "log-in"
    # The admin sends whoever asks for a row that is not there to its first page.
    if answer.status_code == 404 or (answer.status_code == 302 and location == "/admin/"):
        return "gone"
    words = {403: "refused", 401: "refused", 405: "not taken"}
    if answer.status_code in words:
        return words[answer.status_code]
    return "open" if answer.status_code in OPEN else f"failed with {answer.status_code}"


def find_leak(rule: Rule, body: str, side: Side) -> str:
    """What a body tells of the machine's answer to an item that is still to be judged blind."""
    names = () if rule.names_categories else (TELLTALE, TELLTALE_LABEL)
    for text in _parts_that_name(body, side.hidden):
        for figure in (*names, *FIGURES):
            if figure in text:
                at = text.index(figure)
                return " ".join(text[max(0, at - 60) : at + 60].split())
    return ""


def _parts_that_name(body: str, names: Sequence[str]) -> Iterator[str]:
    """The lines of a file that name the item; a page as a whole, if it does."""
    parts = [body] if "<html" in body else body.splitlines()
    return (part for part in parts if any(name in part for name in names))


def _expect(rule: Rule, role: str, method: str, *, is_foreign: bool) -> Callable[[str], bool]:
    """What a cell must answer."""
    if rule.kind == "admin":
        return _expect_of_admin(rule, role, method, is_foreign=is_foreign)
    if method not in rule.may:
        return lambda found: found == "not taken"
    if role == ANONYMOUS and role not in rule.may[method]:
        return lambda found: found == "log-in"
    if is_foreign and role != SITE_ADMIN:
        return lambda found: found == "gone"
    if role in rule.may[method]:
        return lambda found: found == "open" or (found == "gone" and 404 in rule.also)
    return lambda found: found == ("gone" if rule.refused == 404 else "refused")


def _expect_of_admin(
    rule: Rule, role: str, method: str, *, is_foreign: bool
) -> Callable[[str], bool]:
    """Behind the admin's door; its own pages read with whatever is not POST."""
    if role not in ("stream_admin", "site_admin"):
        return lambda found: found in ("log-in", "refused")
    asked = method if method in rule.may else "GET"
    if is_foreign and role != SITE_ADMIN:
        return lambda found: found in ("gone", "not taken", "refused")
    if role in rule.may.get(asked, ()):
        may = {"open", "not taken"} if method != asked else {"open"}
        besides = {403: "refused", 404: "gone"}
        may |= {besides[status] for status in rule.also}
        return lambda found: found in may
    return lambda found: found in ("refused", "gone", "not taken")


@contextmanager
def forgotten(browser: Client) -> Iterator[None]:
    """Undo what a request writes, and what it sets in the browser."""
    cookies = SimpleCookie({name: morsel.value for name, morsel in browser.cookies.items()})
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    browser.cookies = cookies


@contextmanager
def watched() -> Iterator[list[str]]:
    """The statements that write something."""
    written: list[str] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        plain = str(sql).lstrip()
        if WRITES.match(plain) and not any(name in plain for name in HARMLESS):
            written.append(plain)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield written
