"""Pages are cut into passages that can be read and named, and the demo's are what they claim."""

import pytest

from reviewqueue.demo.passages import LENGTH, cut_page, make_anchor, read_passages

PAGE = """# Files of items

    manage.py import_items STREAM FILE

Files are read *a piece* at a time. See [the API](connect.md) and `--truth`.

![A picture](images/a.png)

## CSV

In UTF-8.
The rest of it.

| column | |
| --- | --- |
| `text` | as it is |
| `truth` | one or `a\\|b` |

## Lists

- first,
  which goes on
- second
1. third
"""


def test_cut_page_has_a_passage_for_each_section() -> None:
    passages = cut_page("files", PAGE)
    assert [(p.id, p.page, p.anchor, p.title) for p in passages] == [
        ("files#", "files", "", "Files of items"),
        ("files#csv", "files", "csv", "Files of items: CSV"),
        ("files#lists", "files", "lists", "Files of items: Lists"),
    ]


def test_cut_page_leaves_words_without_markup_code_and_pictures() -> None:
    texts = [passage.text for passage in cut_page("files", PAGE)]
    assert texts == [
        "Files are read a piece at a time. See the API and --truth.",
        "In UTF-8. The rest of it.\ncolumn\ntext: as it is\ntruth: one or a\\|b",
        "first, which goes on\nsecond\nthird",
    ]


def test_cut_page_closes_a_passage_when_it_is_long_enough() -> None:
    paragraph = "word " * (LENGTH // 5 + 1)
    page = f"# Title\n\n{paragraph}\n\n{paragraph}\n\nrest\n"
    passages = cut_page("page", page)
    assert [passage.id for passage in passages] == ["page#", "page#-2", "page#-3"]
    assert [passage.text for passage in passages][2:] == ["rest"]


def test_cut_page_of_nothing_is_empty() -> None:
    assert cut_page("page", "# Title\n\n## Another\n") == []


def test_cut_page_without_headings_has_its_own_name() -> None:
    [passage] = cut_page("page", "Just words.\n")
    assert (passage.id, passage.title, passage.text) == ("page#", "page", "Just words.")


@pytest.mark.parametrize(
    ("title", "anchor"),
    [("Your own data", "your-own-data"), ("A task's states", "a-task-s-states"), ("CSV", "csv")],
)
def test_make_anchor(title: str, anchor: str) -> None:
    assert make_anchor(title) == anchor


def test_passages_of_the_demo_have_ids_and_words() -> None:
    passages = read_passages()
    assert len(passages) == len({passage.id for passage in passages}) == 168
    assert {passage.page for passage in passages} == {
        *("readme", "connect", "webhooks", "files", "architecture", "statistics"),
        *("performance", "performance-first", "glossary"),
    }
    assert min(len(passage.text) for passage in passages) > 20
    assert max(len(passage.text) for passage in passages) < 2_000
