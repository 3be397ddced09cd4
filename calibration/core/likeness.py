"""How alike texts are, and how alike scores are.

Texts: the cosine of their words' weights, a word that occurs t times in a text and in d of n texts
weighing (1 + ln t) ln(1 + n / d) (TF-IDF: Salton and Buckley, 1988; the 1 keeps a word that stands
in all of them from weighing nothing, as it would between two equal texts).

Scores: the cosine of the vectors over categories.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
CountArray = npt.NDArray[np.int64]

_WORD = re.compile(r"[^\W_]{2,}")


def text_likeness(text: str, others: Sequence[str]) -> FloatArray:
    """(n,) from 0, no word in common, to 1, the same words; 0 beside a text without words."""
    texts = [text, *others]
    rows, columns, counts = _count(texts)
    if not len(counts):
        return np.zeros(len(others))
    in_texts = np.bincount(columns)
    rarity = np.log(1.0 + len(texts) / in_texts)
    weights = (1.0 + np.log(counts)) * rarity[columns]
    lengths = np.sqrt(np.bincount(rows, weights**2, minlength=len(texts)))
    asked = np.zeros(len(in_texts))
    asked[columns[rows == 0]] = weights[rows == 0]
    products = np.bincount(rows, weights * asked[columns], minlength=len(texts))
    return _divide(np.asarray(products[1:], dtype=np.float64), lengths[0] * lengths[1:])


def score_likeness(
    scores: Mapping[str, float], others: Sequence[Mapping[str, float]]
) -> FloatArray:
    """(n,) from 0 to 1; a category that is not listed scores 0."""
    keys = list(scores)
    asked = np.array([scores[key] for key in keys], dtype=np.float64)
    found = np.array([[other.get(key, 0.0) for key in keys] for other in others], dtype=np.float64)
    lengths = np.array([sum(value**2 for value in other.values()) ** 0.5 for other in others])
    products = found.reshape(len(others), len(keys)) @ asked
    return _divide(products, lengths * float(np.sqrt(asked @ asked)))


def _count(texts: Sequence[str]) -> tuple[CountArray, CountArray, CountArray]:
    """Row (text), column (word) and count of every word of every text, (m,) each."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    words: list[str] = []
    lengths: list[int] = []
    for text in texts:
        found = _WORD.findall(text.lower())
        words += found
        lengths.append(len(found))
    codes = np.fromiter(map(numbers.__getitem__, words), dtype=np.int64, count=len(words))
    rows = np.repeat(np.arange(len(texts)), lengths)
    pairs, counts = np.unique(rows * max(1, len(numbers)) + codes, return_counts=True)
    rows, columns = np.divmod(pairs, max(1, len(numbers)))
    return rows, columns, counts


def _divide(products: FloatArray, lengths: FloatArray) -> FloatArray:
    found = np.zeros(len(products))
    np.divide(products, lengths, out=found, where=lengths > 0)
    return np.minimum(found, 1.0)
