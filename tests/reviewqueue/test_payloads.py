"""Payloads as a reviewer reads them."""

import pytest

from reviewqueue.payloads import (
    FOLD_FROM,
    TREE_NODES,
    Json,
    Node,
    Paper,
    clean_html,
    read_payload,
)

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def read(payload: dict[str, Json], layout: dict[str, str] | None = None) -> Paper:
    return read_payload(payload, layout=layout or {}, fallback_title="HD-1")


def test_ticket_has_title_facts_and_paragraphs() -> None:
    paper = read({"subject": "No mail", "vpn_client": "5.0.3", "body": "Hello,\n\nit is\ngone."})
    assert (paper.title, paper.titled) == ("No mail", True)
    assert paper.facts == (("Vpn client", "5.0.3"),)
    assert [(block.kind, block.paragraphs) for block in paper.blocks] == [
        ("text", ("Hello,", "it is\ngone."))
    ]


def test_payload_without_title_is_named_by_its_id() -> None:
    paper = read({"text": "Where is my card?"})
    assert (paper.title, paper.titled) == ("HD-1", False)
    assert paper.blocks[0].paragraphs == ("Where is my card?",)


def test_layout_overrules_the_value() -> None:
    layout = {"subject": "fact", "code": "title", "secret": "hidden", "body": "html"}
    payload: dict[str, Json] = {
        "subject": "a",
        "code": "E691",
        "secret": "x",
        "body": "<p onclick='go()'>Hi<script>go()</script></p>",
    }
    paper = read(payload, layout)
    assert paper.title == "E691"
    assert paper.facts == (("Subject", "a"),)
    assert [(block.kind, str(block.html)) for block in paper.blocks] == [("html", "<p>Hi</p>")]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (PIXEL, "image"),
        ("data:image/svg+xml;base64,PHN2Zz4=", "fact"),
        ("data:text/html;base64,PHA+", "fact"),
        ("https://gateway.example/logs/8841", "link"),
        ("javascript:alert(1)", "fact"),
        ("two\nlines", "text"),
        ([{"role": "user", "content": "Hi"}], "conversation"),
        ([{"at": "08:57", "code": 691}], "table"),
        ([1, 2], "tree"),
        ({"os": {"name": "Windows"}}, "tree"),
        (True, "fact"),
        (12.5, "fact"),
    ],
)
def test_kind_is_taken_from_the_value(value: Json, kind: str) -> None:
    paper = read({"field": value})
    found = paper.blocks[0].kind if paper.blocks else "fact"
    assert found == kind


def test_foreign_image_becomes_a_link_even_if_declared() -> None:
    paper = read({"scan": "https://foreign.example/a.png"}, {"scan": "image"})
    assert [(block.kind, block.source) for block in paper.blocks] == [
        ("link", "https://foreign.example/a.png")
    ]


def test_script_declared_as_link_stays_text() -> None:
    paper = read({"see": "javascript:alert(1)"}, {"see": "link"})
    assert [(block.kind, block.paragraphs) for block in paper.blocks] == [
        ("text", ("javascript:alert(1)",))
    ]


def test_long_text_folds_and_loses_nothing() -> None:
    paragraphs = [f"{number} " + "word " * 200 for number in range(12)]
    block = read({"body": "\n\n".join(paragraphs)}).blocks[0]
    assert block.folded_length == sum(len(part) for part in block.folded)
    shown, folded = " ".join(block.paragraphs), " ".join(block.folded)
    assert 0 < len(shown) < FOLD_FROM
    assert f"{shown} {folded}".split() == " ".join(paragraphs).split()


def test_one_endless_line_folds_too() -> None:
    block = read({"body": "x" * 10_000}).blocks[0]
    assert len(block.paragraphs[0]) + block.folded_length == 10_000
    assert block.folded_length > 0


def test_tree_is_bounded_in_depth_and_size() -> None:
    deep: Json = "end"
    for _ in range(100):
        deep = {"in": deep}
    node: Node = read({"deep": deep}).fields
    depth = 0
    while node.children:
        node, depth = node.children[0], depth + 1
    assert (depth, node.kind) == (12, "code")
    wide = read({"wide": {str(number): {"a": 1} for number in range(2 * TREE_NODES)}}).fields

    def branches(of: Node) -> int:
        return (of.kind == "branch") + sum(branches(child) for child in of.children)

    assert branches(wide) == TREE_NODES


@pytest.mark.parametrize(
    ("hostile", "clean"),
    [
        ("<img src=x onerror=go()>", ""),
        ("<a href='javascript:go()'>x</a>", '<a rel="noopener noreferrer nofollow">x</a>'),
        ("<style>*{display:none}</style>b", "b"),
        ("<p style='color:red'>c</p>", "<p>c</p>"),
        ("<iframe src='//foreign.example'></iframe>", ""),
    ],
)
def test_html_keeps_nothing_that_loads_or_acts(hostile: str, clean: str) -> None:
    assert clean_html(hostile) == clean
