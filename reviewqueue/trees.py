"""JSON as a tree of lines that folds, bounded whatever was posted."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

DEPTH = 12
LINES = 600
CHILDREN = 100

DATA_IMAGE = re.compile(r"\Adata:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+\Z")


@dataclass(frozen=True, slots=True)
class Node:
    """One line of a tree: its name, its value when it is a leaf, else its children.

    `more` is the JSON text of the `more_count` members that have no line of their own.
    """

    name: str
    value: str = ""
    kind: str = "leaf"
    children: tuple["Node", ...] = ()
    size: int = 0
    more: str = ""
    more_count: int = 0


class _Lines:
    """How many lines may still be drawn."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, count: int) -> int:
        taken = max(0, min(count, self.left))
        self.left -= taken
        return taken


def draw_tree(value: Json) -> Node:
    """A tree of at most `LINES` lines; what is beyond that or too deep stays JSON text.

    A branch takes the lines of its members before any of them unfolds, so that a long first
    member does not hide those after it.
    """
    return _node("", value, depth=0, lines=_Lines(LINES))


def write_leaf(value: Json) -> str:
    """A value as text: words as they are, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _node(name: str, value: Json, *, depth: int, lines: _Lines) -> Node:
    members = _members(value)
    if not members:
        return Node(name, write_leaf(value), kind=_leaf_kind(value))
    room = lines.take(min(len(members), CHILDREN)) if depth < DEPTH else 0
    if not room:
        return Node(name, write_leaf(value), kind="code")
    rest = dict(members[room:])
    return Node(
        name,
        kind="branch",
        children=tuple(
            _node(key, entry, depth=depth + 1, lines=lines) for key, entry in members[:room]
        ),
        size=len(members),
        more=_write_rest(value, rest) if rest else "",
        more_count=len(rest),
    )


def _members(value: Json) -> list[tuple[str, Json]]:
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list):
        return [(str(index), entry) for index, entry in enumerate(value)]
    return []


def _write_rest(value: Json, rest: Mapping[str, Json]) -> str:
    return write_leaf(dict(rest) if isinstance(value, dict) else list(rest.values()))


def _leaf_kind(value: Json) -> str:
    if isinstance(value, str):
        return "image" if DATA_IMAGE.match(value) else "leaf"
    return "code"
