"""What a sentence and a source have in common."""

import pytest

from reviewqueue.marks import PASSAGE, Mark, Passage, Piece, choose_passage, cut_pieces, find_marks
from routing.core.numbers import Span
from tests.processor import spend


def mark(text: str, sentence: str) -> str:
    """The text with `[words]` and `{numbers}`."""
    shown = {"word": "[{}]", "number": "{{{}}}", "": "{}"}
    pieces = cut_pieces(text, find_marks(text, sentence=sentence))
    assert "".join(piece.text for piece in pieces) == text
    return "".join(shown[piece.kind].format(piece.text) for piece in pieces)


@pytest.mark.parametrize(
    ("sentence", "text", "marked"),
    [
        (
            "An import file may have at most 10 MB.",
            "A file of more than 10 MB is refused.",
            "A [file] of more than {10} [MB] is refused.",
        ),
        ("Imports refuse files.", "The FILE import is refused", "The [FILE import] is [refused]"),
        ("It is the end of it.", "the end of it is it", "the [end] of it is it"),
        ("It costs $1,200.", "for 1200 dollars or 1200 euros", "for {1200 dollars} or 1200 euros"),
        ("Since 3 March 2026.", "in March 2026, on 2026-03-03", "in [March] 2026, on {2026-03-03}"),
        ("In March 2026.", "on March 3rd, 2026", "on {March 3rd, 2026}"),
        ("In 2026.", "on March 3rd, 2026", "on {March 3rd, 2026}"),
        ("About 12%.", "0.12 or 12", "{0.12} or 12"),
        ("Three of them.", "all 3, not one", "all {3}, not one"),
        ("One of them.", "just 1", "just 1"),
        ("الملف لا يتجاوز 10 ميغابايت", "حجم الملف 10", "حجم [الملف] {10}"),
        ("", "anything 1", "anything 1"),
        ("anything 1", "", ""),
    ],
)
def test_marks_are_shared_words_and_numbers(sentence: str, text: str, marked: str) -> None:
    assert mark(text, sentence) == marked


def test_short_text_is_a_passage_as_it_is() -> None:
    text = "A file."

    assert choose_passage(text, find_marks(text, sentence="file")) == Passage(
        (Piece("A "), Piece("file", "word"), Piece("."))
    )


def test_passage_of_a_long_text_is_where_most_is_shared() -> None:
    text = "one file here. " + "so it goes on. " * 200 + "A file of 10 MB is it. " + "more " * 200
    passage = choose_passage(text, find_marks(text, sentence="A file of 10 MB."))

    shown = "".join(piece.text for piece in passage.pieces)
    assert "A file of 10 MB is it." in shown
    assert abs(len(shown) - PASSAGE) <= 40
    assert passage.before + len(shown) + passage.after == len(text)
    assert text[passage.before : passage.before + len(shown)] == shown
    assert shown[:3] in ("so ", "it ", "goe", "on.")


def test_passage_at_the_end_is_as_long_as_elsewhere() -> None:
    text = "so it goes " * 200 + "file"
    passage = choose_passage(text, find_marks(text, sentence="file"))

    assert passage.after == 0
    assert passage.pieces[-1] == Piece("file", "word")
    assert PASSAGE - 40 <= sum(len(piece.text) for piece in passage.pieces) <= PASSAGE


def test_passage_of_a_long_text_with_nothing_in_common_is_its_beginning() -> None:
    passage = choose_passage("x " * 1000, [])

    assert passage.before == 0
    assert abs(2000 - PASSAGE - passage.after) <= 40


def test_pieces_of_a_stretch_cut_the_marks_at_its_ends() -> None:
    marks = [Mark(Span(0, 3), "word"), Mark(Span(4, 9), "number")]

    assert cut_pieces("abc 12345 x", marks, start=1, end=6) == (
        Piece("bc", "word"),
        Piece(" "),
        Piece("12", "number"),
    )


DAYS = " ".join(f"{year}-{month:02}-03" for month in range(1, 13) for year in range(1000, 1150))


@pytest.mark.parametrize(
    "hostile", ["1" * 20_000, "1,111" * 4_000, "a" * 20_000, "3 May " * 3_000, DAYS]
)
def test_time_is_linear_in_the_text(hostile: str) -> None:
    def read() -> None:
        choose_passage(hostile, find_marks(hostile, sentence=hostile[:10_000]))

    assert spend(read) < 2
