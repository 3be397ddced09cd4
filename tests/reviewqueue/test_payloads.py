"""Payloads as a reviewer reads them."""

import pytest

from reviewqueue.payloads import (
    FIELDS_SHOWN,
    TITLE_LONGEST,
    Paper,
    read_item,
    read_payload,
    read_title,
)
from reviewqueue.trees import Json
from routing.models import Item, Stream

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def read(payload: dict[str, Json], layout: dict[str, str] | None = None, *order: str) -> Paper:
    return read_payload(payload, layout=layout or {}, fallback_title="HD-1", order=order)


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
        ({"messages": [{"role": "user", "content": "Hi"}]}, "conversation"),
        ({"id": 4, "messages": [{"role": "user", "content": "Hi"}]}, "tree"),
        ([{"at": "08:57", "code": 691}], "table"),
        ([{f"c{number}": 1 for number in range(13)}], "tree"),
        ([{f"c{row}{number}": 1 for number in range(9)} for row in range(2)], "tree"),
        ([{"a": {"b": 1}}], "tree"),
        ([], "tree"),
        ("https://[bad", "fact"),
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


def test_fields_come_in_the_streams_order_then_by_kind() -> None:
    payload: dict[str, Json] = {
        "a": "one\ntwo",
        "b": {"c": 1},
        "log": "three\nfour",
        "os": "Windows",
        "site": "Kiel",
    }
    paper = read(payload, None, "site", "b", "log", "gone")
    assert [name for name, _value in paper.facts] == ["Site", "Os"]
    assert [block.name for block in paper.blocks] == ["B", "Log", "A"]
    assert [block.name for block in read(payload).blocks] == ["A", "Log", "B"]


@pytest.mark.parametrize("value", [None, "", "  ", {"a": 1}, ["x"]])
def test_what_can_be_no_heading_gives_way(value: Json) -> None:
    paper = read({"code": value, "subject": "No mail"}, {"code": "title"})
    assert (paper.title, paper.titled) == ("No mail", True)


def test_endless_title_shows_its_beginning_and_stays_whole_below() -> None:
    paper = read({"name": "word " * 1000}, {"name": "title"})
    assert paper.title == ("word " * 40).rstrip() + "…"
    assert len(paper.title) <= TITLE_LONGEST
    assert [(block.kind, block.name) for block in paper.blocks] == [("text", "Name")]


@pytest.mark.parametrize(
    ("payload", "title"),
    [
        ({"subject": "No mail", "code": 7}, "7"),
        ({"subject": "No mail"}, "No mail"),
        ({"body": "Hello"}, "HD-1"),
        ({"code": "word " * 1000}, "word " * 39 + "word…"),
    ],
)
def test_title_alone_is_that_of_the_whole(payload: dict[str, Json], title: str) -> None:
    item = Item(external_id="HD-1", payload=payload)
    stream = Stream(payload_fields={"code": "title"})
    assert read_title(item, stream=stream) == title == read_item(item, stream=stream).title


def test_endless_fact_is_text() -> None:
    paper = read({"note": "x" * 301}, {"note": "fact"})
    assert (paper.facts, paper.blocks[0].kind) == ((), "text")


def test_thousands_of_fields_are_counted_not_drawn() -> None:
    payload: dict[str, Json] = {f"fact{number}": number for number in range(5_000)}
    payload |= {f"text{number}": "a\nb" for number in range(5_000)}
    paper = read(payload)
    assert (len(paper.facts), len(paper.blocks)) == (FIELDS_SHOWN, FIELDS_SHOWN)
    assert paper.left_out == 10_000 - 2 * FIELDS_SHOWN
