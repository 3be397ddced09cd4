"""JSON as lines, bounded whatever was posted."""

import json

from reviewqueue.trees import CHILDREN, LINES, Json, Node, draw_tree


def count_lines(node: Node) -> int:
    return sum(1 + count_lines(child) for child in node.children)


def test_tree_has_a_line_for_each_value() -> None:
    node = draw_tree({"os": {"name": "Windows"}, "tags": ["vpn", 3, None]})
    assert [(child.name, child.kind, child.size) for child in node.children] == [
        ("os", "branch", 1),
        ("tags", "branch", 3),
    ]
    assert [(leaf.value, leaf.kind) for leaf in node.children[1].children] == [
        ("vpn", "leaf"),
        ("3", "code"),
        ("null", "code"),
    ]


def test_tree_stops_at_its_depth() -> None:
    deep: Json = "end"
    for _ in range(100):
        deep = {"in": deep}
    node = draw_tree(deep)
    depth = 0
    while node.children:
        node, depth = node.children[0], depth + 1
    assert (depth, node.kind) == (12, "code")


def test_long_list_keeps_what_has_no_line_as_text() -> None:
    node = draw_tree({"first": list(range(100_000)), "last": "seen"})
    first, last = node.children
    assert (len(first.children), first.size, first.more_count) == (CHILDREN, 100_000, 99_900)
    assert json.loads(first.more) == list(range(CHILDREN, 100_000))
    assert last.value == "seen"


def test_bush_is_bounded_and_stays_readable_as_text() -> None:
    bush: Json = {str(number): {str(each): [each] for each in range(50)} for number in range(50)}
    node = draw_tree(bush)
    assert count_lines(node) == LINES
    assert [child.kind for child in node.children] == ["branch"] * 6 + ["code"] * 44
    assert json.loads(node.children[-1].value) == {str(each): [each] for each in range(50)}


def test_picture_in_a_tree_is_told_not_shown() -> None:
    node = draw_tree({"scan": "data:image/png;base64,iVBORw0KGgo="})
    assert node.children[0].kind == "image"
