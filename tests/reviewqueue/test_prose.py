"""Text in paragraphs, long text folded."""

import pytest

from reviewqueue.prose import FOLD_FROM, Prose, fold, label_of


def test_paragraphs_end_at_blank_lines_of_any_system() -> None:
    expected = Prose(("Hello,", "it is\ngone."))
    assert fold("Hello,\n \n\nit is\ngone.\n") == expected
    assert fold("Hello,\r\n\r\nit is\r\ngone.") == expected


@pytest.mark.parametrize("blank", ["", " ", "\n\n\r\n"])
def test_blank_text_has_no_paragraph(blank: str) -> None:
    assert fold(blank) == Prose(())


def test_long_text_folds_and_loses_nothing() -> None:
    paragraphs = [f"{number} " + "word " * 200 for number in range(12)]
    prose = fold("\n\n".join(paragraphs))
    assert prose.folded_length == sum(len(part) for part in prose.folded)
    shown, folded = " ".join(prose.paragraphs), " ".join(prose.folded)
    assert 0 < len(shown) < FOLD_FROM
    assert f"{shown} {folded}".split() == " ".join(paragraphs).split()


def test_one_endless_line_folds_too() -> None:
    prose = fold("x" * 100_000)
    assert [len(part) for part in prose.paragraphs] == [2_400]
    assert prose.folded_length == 97_600


def test_thousands_of_blank_lines_fold_into_one_element() -> None:
    prose = fold("a\n\n" * 50_000)
    assert (len(prose.paragraphs), len(prose.folded)) == (2_400, 1)
    assert prose.folded[0].split() == ["a"] * 47_600


@pytest.mark.parametrize(
    ("name", "label"),
    [("vpn_client", "Vpn client"), ("__", "__"), ("x" * 500, "X" + "x" * 79)],
)
def test_label_is_the_name_as_people_write_it(name: str, label: str) -> None:
    assert label_of(name) == label
