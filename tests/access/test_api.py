"""The API, cell by cell: every call x key x own and foreign stream x method."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from tests.access.cells import ask, forgotten, read_body, watched
from tests.access.routes import fill
from tests.access.rules import METHODS, SITE_ADMIN
from tests.access.scene import Scene

pytestmark = pytest.mark.django_db

NO_KEY: Final = "no key"
WRONG_KEY: Final = "a wrong key"
REVOKED_KEY: Final = "a revoked key"
SESSION: Final = "a site admin's session and no key"
KEY: Final = "the stream's key"
CALLERS: Final = (NO_KEY, WRONG_KEY, REVOKED_KEY, SESSION, KEY)


@dataclass(frozen=True, slots=True)
class Call:
    """One address of the API; `methods` are all that it takes, HEAD wherever there is GET."""

    route: str
    methods: tuple[str, ...]
    in_stream: bool = True
    is_open: bool = False

    def __str__(self) -> str:
        return self.route

    @property
    def cells(self) -> int:
        return len(CALLERS) * (2 if self.in_stream else 1) * len(METHODS)


READ: Final = ("GET", "HEAD")
CALLS: Final = (
    Call("api/v1/streams/<stream>/items", ("POST",)),
    Call("api/v1/streams/<stream>/decide", ("POST",)),
    Call("api/v1/streams/<stream>/items/batch", ("POST", *READ)),
    Call("api/v1/streams/<stream>/items/<path:external_id>", READ),
    Call("api/v1/streams/<stream>/policy", READ),
    Call("api/v1/streams/<stream>/outcomes", READ),
    Call("api/v1/streams", READ, in_stream=False),
    Call("api/v1/openapi.json", READ, in_stream=False, is_open=True),
    Call("api/v1/docs", READ, in_stream=False, is_open=True),
)
# Addresses that lead nowhere, whoever asks and however.
NOWHERE: Final = ("api/v1", "api/v1/", "api/v1/<path:address>")


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call_answers_each_key_as_the_table_says(
    call: Call, scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    record_property("cells", call.cells)
    wrong = []
    for name in ("own", "foreign") if call.in_stream else ("own",):
        address = fill(call.route, dict(scene.side(name).values))
        for caller in CALLERS:
            for method in METHODS:
                browser = scene.browsers[SITE_ADMIN if caller == SESSION else "anonymous"]
                with forgotten(browser), watched() as written:
                    answer = ask(browser, method, address, **_header(scene, caller))
                    read_body(answer)
                found = answer.status_code
                expected = _expect(call, caller, method, is_foreign=name == "foreign")
                if found not in expected:
                    wrong.append(f"{method} {address} with {caller}: {found}")
                elif found in (401, 404, 405) and written:
                    wrong.append(f"{method} {address} with {caller} wrote: {written[0][:120]}")
    assert wrong == []


@pytest.mark.parametrize("route", NOWHERE)
def test_address_that_leads_nowhere_says_so_to_everybody(
    route: str, scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    record_property("cells", len(CALLERS) * len(METHODS))
    address = fill(route, {"address": "nowhere"})
    found = {
        ask(scene.browsers["anonymous"], method, address, **_header(scene, caller)).status_code
        for caller in CALLERS
        for method in METHODS
    }
    assert found <= {404, 405}


def _header(scene: Scene, caller: str) -> dict[str, str]:
    text = {
        KEY: scene.keys["own"],
        REVOKED_KEY: scene.keys["revoked"],
        WRONG_KEY: f"rq_{'x' * 43}",
    }.get(caller)
    return {"authorization": f"Bearer {text}"} if text else {}


def _expect(call: Call, caller: str, method: str, *, is_foreign: bool) -> frozenset[int]:
    if method not in call.methods:
        return frozenset({405})
    if call.is_open:
        return frozenset({200})
    if caller != KEY:
        return frozenset({401})
    if is_foreign:
        return frozenset({404})
    # An empty body is no item, and no item is called batch.
    may_miss = {404} if call.route.endswith("batch") else set()
    return frozenset({200} if method != "POST" else {400, 415, 422}) | may_miss
