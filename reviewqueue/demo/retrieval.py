"""How the demo's drafting engine finds passages for a question, and scores them for a sentence.

Both are cosines of TF-IDF vectors (Salton and Buckley, 1988, "Term-weighting approaches in
automatic text retrieval", Information Processing and Management 24(5)), of words and character
n-grams; to score, of pairs of words too. Neither is a confidence: what is about the same thing may
say the opposite.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reviewqueue.demo.passages import Passage


class Library:
    """Passages that can be searched and scored."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
        from sklearn.pipeline import make_union  # noqa: PLC0415

        self.passages = passages
        texts = [f"{passage.title}\n{passage.text}" for passage in passages]
        self._finder = make_union(
            TfidfVectorizer(stop_words="english", sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
        )
        self._scorer = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
        )
        self._found = self._finder.fit_transform(texts)
        self._scored = self._scorer.fit_transform([passage.text for passage in passages])

    def search(self, queries: Sequence[str], count: int) -> NDArray[np.intp]:
        """The places of the `count` passages nearest to each of n queries, best first: (n, count).

        Equals stand in the order of the passages.
        """
        likeness = _multiply(self._finder.transform(queries), self._found)
        return np.argsort(-likeness, axis=1, kind="stable")[:, :count]

    def score(self, sentences: Sequence[str]) -> NDArray[np.float64]:
        """The reranker's scores of all m passages for each of n sentences: (n, m), 0 to 1."""
        # The two blocks of columns are of length 1 each.
        return _multiply(self._scorer.transform(sentences), self._scored) / 2


def _multiply(left: Any, right: Any) -> NDArray[np.float64]:
    product: NDArray[np.float64] = (left @ right.T).toarray()
    return product
