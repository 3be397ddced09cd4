"""What the documents tell people to copy works."""

import re
import textwrap
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import cast

from django.conf import settings

from reviewqueue.api.events import EVENTS
from reviewqueue.outcomes import KINDS
from reviewqueue.webhook_signatures import make_secret, signed_headers

TESTS = settings.BASE_DIR / "tests"
IsGenuine = Callable[[str, Mapping[str, str], bytes], bool]


def test_receiver_s_check_of_a_signature_tells_genuine_messages_from_others() -> None:
    text = (settings.BASE_DIR / "docs" / "webhooks.md").read_text()
    found = re.search(r"( {4}import base64.*?)\n\n- ", text, re.DOTALL)
    assert found is not None
    names: dict[str, object] = {}
    exec(textwrap.dedent(found[1]), names)
    is_genuine = cast(IsGenuine, names["is_genuine"])
    old, new = make_secret(), make_secret()

    def headers(at: float) -> dict[str, str]:
        moment = datetime.fromtimestamp(at, UTC)
        return signed_headers(
            secrets_in_force=[new, old], message_id="m1", at=moment, body=b'{"a":1}'
        )

    now = headers(time.time())
    assert [is_genuine(secret, now, b'{"a":1}') for secret in (old, new)] == [True, True]
    assert not is_genuine(make_secret(), now, b'{"a":1}')
    assert not is_genuine(new, now, b'{"a":2}')
    assert not is_genuine(new, {**now, "webhook-id": "m2"}, b'{"a":1}')
    assert not is_genuine(new, headers(time.time() - 400), b'{"a":1}')


def read_rows(name: str) -> dict[str, str]:
    """The rows of the document's tables by the code that they begin with; of two, both."""
    text = (settings.BASE_DIR / "docs" / name).read_text()
    rows: dict[str, str] = {}
    for code, rest in re.findall(r"^\| `([\w.]+)` \| (.*) \|$", text, re.MULTILINE):
        rows[code] = f"{rows[code]} | {rest}" if code in rows else rest
    return rows


def test_table_of_events_says_which_the_feed_tells_and_what_each_holds() -> None:
    rows = {kind: row.split(" | ") for kind, row in read_rows("webhooks.md").items()}
    assert rows.keys() == EVENTS.keys()
    assert {kind for kind, row in rows.items() if "yes" in row} == set(KINDS)
    for kind, (_form, _summary, example) in EVENTS.items():
        if kind not in ("item.overturned", "audit.overturned"):  # told by the first
            outer = re.sub(r"\(.*?\)", "", rows[kind][-1])
            assert set(re.findall(r"`(\w+)`", outer)) == set(example["data"])


def test_every_promise_of_security_names_a_test_that_there_is() -> None:
    text = (settings.BASE_DIR / "docs" / "security.md").read_text()
    files = {path.relative_to(TESTS).as_posix(): path for path in TESTS.rglob("test_*.py")}
    tests = "\n".join(path.read_text() for path in files.values())
    named = set(re.findall(r"`(?:[\w./…]+::)?(test_\w+)`", text))
    missing = [name for name in named if f"def {name}(" not in tests]
    paths = set(re.findall(r"`((?:[\w]+/)*test_\w+\.py)(?:::\w+)?`", text))
    lost = [path for path in paths if not any(file.endswith(path) for file in files)]
    assert (sorted(missing), sorted(lost)) == ([], [])
    assert (len(named) > 20, len(paths) > 20) == (True, True)
