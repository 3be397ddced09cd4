"""Fields drawn as their kinds, hostile values included."""

import pytest

from reviewqueue.blocks import (
    CELL_LENGTH,
    TABLE_COLUMNS,
    Block,
    clean_html,
    draw_blocks,
)
from reviewqueue.trees import Json

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def draw(kind: str, value: Json) -> Block:
    (block,) = draw_blocks(kind, "field", value)
    return block


@pytest.mark.parametrize(
    ("value", "header", "rows"),
    [
        ([{"a": 1, "b": "x"}, {"b": None}], ("A", "B"), (("1", "x"), ("", "null"))),
        ([["os", "site"], ["Windows", 4]], ("Os", "Site"), (("Windows", "4"),)),
        ([[1, 2], [3]], ("1", "2"), (("1", "2"), ("3", ""))),
        ({"columns": ["a"], "rows": [[1], [[2]]]}, ("A",), (("1",), ("[2]",))),
        ({"header": ["a"], "data": []}, ("A",), ()),
        ({"os": "Windows", "vpn_client": 5}, (), (("Os", "Windows"), ("Vpn client", "5"))),
    ],
)
def test_table_reads_the_common_shapes(
    value: Json, header: tuple[str, ...], rows: tuple[tuple[str, ...], ...]
) -> None:
    block = draw("table", value)
    assert (block.kind, block.header, block.rows) == ("table", header, rows)


@pytest.mark.parametrize("value", [[], {}, [1, 2], [{"a": 1}, 2], {"a": [1]}])
def test_what_is_no_table_is_a_tree(value: Json) -> None:
    assert draw("table", value).kind == "tree"


def test_wide_and_long_table_is_bounded() -> None:
    wide = draw("table", [{f"c{number}": "x" * 2_000 for number in range(300)}] * 500)
    assert (len(wide.header), wide.columns_left_out) == (TABLE_COLUMNS, 100)
    assert (len(wide.rows), wide.rows_left_out) == (40, 460)
    assert {len(cell) for row in wide.rows for cell in row} == {CELL_LENGTH + 1}
    ragged = draw("table", [{f"c{row}": 1} for row in range(1_000)])
    assert (len(ragged.header), ragged.columns_left_out) == (TABLE_COLUMNS, 800)


def test_pictures_of_a_list_are_shown_one_by_one() -> None:
    blocks = draw_blocks("image", "scans", [PIXEL, PIXEL])
    assert [(block.kind, block.name) for block in blocks] == [
        ("image", "Scans 1"),
        ("image", "Scans 2"),
    ]
    foreign: Json = [PIXEL, "https://foreign.example/a.png"]
    assert [block.kind for block in draw_blocks("image", "scans", foreign)] == ["tree"]


def test_picture_of_an_allowed_host_is_shown() -> None:
    (block,) = draw_blocks(
        "image", "scan", "https://images.example.org/a.png", image_hosts=["images.example.org"]
    )
    assert (block.kind, block.source) == ("image", "https://images.example.org/a.png")


def test_long_conversation_folds() -> None:
    block = draw("conversation", [{"role": "user", "content": "Hi"}] * 500)
    counts = (len(block.turns), len(block.turns_folded), block.turns_left_out)
    assert counts == (40, 360, 100)


@pytest.mark.parametrize(
    ("kind", "value", "drawn"),
    [
        ("conversation", [1], "tree"),
        ("conversation", "Hi", "text"),
        ("image", "no picture", "text"),
        ("link", "javascript:alert(1)", "text"),
        ("html", 4, "text"),
        ("tree", "words", "text"),
    ],
)
def test_what_cannot_be_its_kind_is_text_or_tree(kind: str, value: Json, drawn: str) -> None:
    assert draw(kind, value).kind == drawn


LINK = 'rel="noopener noreferrer nofollow"'


@pytest.mark.parametrize(
    ("hostile", "clean"),
    [
        ("<img src=x onerror=go()>", ""),
        ("<a href='javascript:go()'>x</a>", f'<a target="_blank" {LINK}>x</a>'),
        ("<a href='/admin/logout/'>x</a>", f'<a target="_blank" {LINK}>x</a>'),
        ("<a href='//foreign.example'>x</a>", f'<a target="_blank" {LINK}>x</a>'),
        ("<style>*{display:none}</style>b", "b"),
        ("<p style='color:red' class='dialog' id='work'>c</p>", "<p>c</p>"),
        ("<iframe src='//foreign.example'></iframe>", ""),
        ("<svg><script>go()</script></svg>", ""),
        ("<math><mtext><style><img src=x></style></mtext></math>", ""),
        ("<form action=/x><input name=a><button>b</button></form>", "b"),
        ("<base href=//foreign.example><link rel=stylesheet href=//x>d", "d"),
        ("<p hx-get='/x' hx-trigger='load' data-key='Enter'>e</p>", "<p>e</p>"),
        (
            "<table><tr><td colspan='9999999' rowspan='2'>f</td></tr></table>",
            '<table><tbody><tr><td rowspan="2">f</td></tr></tbody></table>',
        ),
    ],
)
def test_html_keeps_nothing_that_loads_or_acts(hostile: str, clean: str) -> None:
    assert clean_html(hostile) == clean


def test_html_link_opens_a_window_of_its_own() -> None:
    cleaned = clean_html("<a href='https://example.org/'>x</a>")
    assert cleaned == f'<a href="https://example.org/" target="_blank" {LINK}>x</a>'


def test_deep_html_is_no_trouble() -> None:
    assert clean_html("<div>" * 50_000).startswith("<div><div>")
