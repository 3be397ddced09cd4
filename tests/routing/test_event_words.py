"""Every kind of event that the product records has its words."""

import ast
from collections.abc import Iterator
from typing import Final

import pytest

from reviewqueue.embedded.processes import PROJECT
from routing.event_words import EVENT_WORDS, word_kind

RECORDERS: Final = {"Event", "make_event", "record_event", "record_events"}
# Where a kind is made of a row's model and what was done to it, and which rows those are.
OF_ROWS: Final = "routing/admin/scope.py"
ROWS_CHANGED_IN: Final = {
    "reviewqueue/admin/people.py": ("membership",),
    "reviewqueue/admin/remote_models.py": ("remotemodel",),
    "reviewqueue/admin/webhooks.py": ("webhook",),
    "routing/admin/streams.py": ("stream", "category"),
}
NOTES_CHANGES: Final = {"record_change", "save_and_record"}
NEVER_DELETED: Final = "stream"
# Where a kind is handed on as an argument: what looks like one in these files is one.
HANDED_ON: Final = (
    "reviewqueue/admin/keys.py",
    "reviewqueue/batches.py",
    "reviewqueue/webhooks.py",
    "routing/events.py",
)
SENT_ONLY: Final = "webhook.test"


def product_files() -> Iterator[tuple[str, ast.Module]]:
    for app in ("routing", "calibration", "reviewqueue"):
        for path in sorted((PROJECT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(PROJECT)), ast.parse(path.read_text())


def calls_of(tree: ast.Module, names: set[str]) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if getattr(call.func, "id", "") in names]


def constants_of(kind: ast.expr) -> set[str] | None:
    """The texts that an argument may be; None where it is made or handed on."""
    if isinstance(kind, ast.IfExp):
        either, other = constants_of(kind.body), constants_of(kind.orelse)
        return None if either is None or other is None else either | other
    return {str(kind.value)} if isinstance(kind, ast.Constant) else None


def find_recorded() -> tuple[set[str], set[str]]:
    """Kinds that stand in a call which records one, and the files where another stands there."""
    kinds, handing_on = set[str](), set[str]()
    for name, tree in product_files():
        for call in calls_of(tree, RECORDERS):
            given = [one.value for one in call.keywords if one.arg == "kind"]
            found = constants_of(given[0]) if given else None
            if found is None:
                handing_on.add(name)
            else:
                kinds |= found
    return kinds, handing_on


def texts_like_kinds(name: str) -> set[str]:
    nouns = {kind.partition(".")[0] for kind in EVENT_WORDS}
    tree = ast.parse((PROJECT / name).read_text())
    texts = {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in texts if text.partition(".")[0] in nouns and text.count(".") == 1}


def list_kinds() -> set[str]:
    kinds, _handing_on = find_recorded()
    kinds |= set[str]().union(*map(texts_like_kinds, HANDED_ON)) - {SENT_ONLY}
    rows = {row for rows in ROWS_CHANGED_IN.values() for row in rows}
    return kinds | {
        f"{row}.{done}"
        for row in rows
        for done in ("created", "changed", "deleted")
        if (row, done) != (NEVER_DELETED, "deleted")
    }


def test_every_kind_that_is_recorded_has_its_words_and_no_other_has() -> None:
    assert list_kinds() == set(EVENT_WORDS)


def test_the_places_where_kinds_are_made_are_these() -> None:
    """A new place has to be told here, so that the test above knows its kinds."""
    _kinds, handing_on = find_recorded()
    assert handing_on == {*HANDED_ON, OF_ROWS}
    callers = {name for name, tree in product_files() if calls_of(tree, NOTES_CHANGES)}
    assert callers - {OF_ROWS} == set(ROWS_CHANGED_IN)


@pytest.mark.parametrize("kind", sorted(EVENT_WORDS))
def test_words_hold_no_raw_kind(kind: str) -> None:
    said = word_kind(kind)
    assert kind not in said
    assert said != kind.replace(".", " ").replace("_", " ")
    words = EVENT_WORDS[kind]
    assert "%" not in words.did % {}
    filled = words.of_item % {"who": "Rita", "answer": "VPN"}
    assert "%" not in filled


def test_what_happens_to_items_has_words_on_their_pages() -> None:
    of_items = {
        kind for kind in EVENT_WORDS if kind.startswith(("item.", "task.", "verdict.", "comment."))
    }
    assert [kind for kind in sorted(of_items) if not str(EVENT_WORDS[kind].of_item)] == []
