"""The demo's search finds what has the words, and its scores grow with what a text shares."""

import numpy as np

from reviewqueue.demo.passages import Passage
from reviewqueue.demo.retrieval import Library

TEXTS = (
    "A batch may have 10,000 items.",
    "A webhook is tried for three days.",
    "The audit draws items by a keyed hash.",
)
LIBRARY = Library([Passage(str(n), "page", "", "Title", text) for n, text in enumerate(TEXTS)])


def test_search_puts_the_passage_with_the_words_first() -> None:
    found = LIBRARY.search(["How long is a webhook tried?", "What draws the audit?"], 2)
    assert found.shape == (2, 2)
    assert found[:, 0].tolist() == [1, 2]


def test_search_for_unknown_words_keeps_the_order_of_the_passages() -> None:
    assert LIBRARY.search(["zzz"], 3).tolist() == [[0, 1, 2]]


def test_score_is_one_of_the_same_text_and_none_of_nothing_shared() -> None:
    scores = LIBRARY.score([TEXTS[0], "zzz"])
    assert scores.shape == (2, 3)
    assert np.argmax(scores[0]) == 0
    assert round(float(scores[0, 0]), 9) == 1.0
    assert scores[1].tolist() == [0.0, 0.0, 0.0]
