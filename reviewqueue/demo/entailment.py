"""How probably a passage supports a claim: a small classifier over what the two have in common.

The features are shares of words, pairs of words and numbers, and whether one of the two says *not*.
A logistic regression weighs them, fitted on the claims of other drafts (`crossfit`): nothing is
scored by a model that saw it. It is wrong often enough to be worth calibrating.
"""

import re
from collections.abc import Sequence, Set
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reviewqueue.demo.crossfit import cross_fit
from routing.core.numbers import find_unsupported

FOLDS: Final = 5
# Shorter pieces are no claim of their own.
SHORTEST_CLAIM: Final = 4

_SPLIT: Final = re.compile(r";\s+|,\s+(?:and|but|so that|because|since|while)\s+")
_PHRASE_END: Final = re.compile(r"[.;:,]\s+|\n")
_WORD: Final = re.compile(r"[a-z0-9_]+(?:'[a-z]+)?")
_NEGATIONS: Final = frozenset(
    ("no", "not", "never", "none", "nothing", "nobody", "neither", "nor", "without", "cannot")
)
_SMALL: Final = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "for", "from", "has"),
        *("have", "if", "in", "into", "is", "it", "its", "of", "on", "one", "or", "so", "than"),
        *("that", "the", "their", "them", "then", "there", "these", "they", "this", "to", "was"),
        *("were", "what", "when", "where", "which", "while", "who", "will", "with"),
    )
)
_STEM: Final = 5


def split_claims(sentence: str) -> list[str]:
    """The claims of a sentence: its clauses, as far as punctuation shows them."""
    claims: list[str] = []
    for piece in _SPLIT.split(sentence.strip()):
        if claims and len(piece.split()) < SHORTEST_CLAIM:
            claims[-1] = f"{claims[-1]}, {piece}"
        else:
            claims.append(piece)
    return claims


def compare(claim: str, passage: str) -> list[float]:
    """What a claim and a passage have in common, 0 to 1 each.

    Shares of the claim's words in the passage and in its nearest phrase, of its pairs of words and
    of its numbers in the passage; whether just one of claim and nearest phrase is negated.
    """
    said = _stems(claim)
    words = set(said)
    phrases = _PHRASE_END.split(passage)
    nearest = max(phrases, key=lambda phrase: _share(words, set(_stems(phrase))))
    everything = _stems(passage)
    numbers = len(find_unsupported(claim, []))
    known = numbers - len(find_unsupported(claim, [passage]))
    return [
        _share(words, set(everything)),
        _share(words, set(_stems(nearest))),
        _share(_pairs(said), _pairs(everything)),
        known / numbers if numbers else 0.5,
        float(_is_negated(claim) != _is_negated(nearest)),
    ]


def estimate_entailment(
    features: NDArray[np.float64], labels: NDArray[np.bool_], drafts: NDArray[np.str_], *, seed: int
) -> NDArray[np.float64]:
    """How probably each of n pairs of claim and passage is one of support: (n,).

    `features` (n, 5) of `compare`, `labels` (n,) whether the passage says so; `drafts` (n,) of
    which draft each claim is: no model sees claims of a draft that it scores.
    """
    estimates = np.zeros(len(features))
    for index, scores in cross_fit(
        _make_model, features, labels.astype(str), folds=FOLDS, seed=seed, groups=drafts
    ):
        estimates[index] = scores["True"]
    return estimates


def _make_model() -> Any:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler  # noqa: PLC0415

    # As if every second pair were one of support, as in the sets that such models are trained on;
    # of what a search finds it is one in ten. So it believes too much.
    model = LogisticRegression(class_weight="balanced")
    return make_pipeline(StandardScaler(), PolynomialFeatures(2), model)


def _stems(text: str) -> list[str]:
    """The words that carry meaning, cut short so that *post* and *posted* are the same."""
    found: Sequence[str] = _WORD.findall(text.lower())
    return [word[:_STEM] for word in found if word not in _SMALL]


def _pairs(stems: Sequence[str]) -> set[tuple[str, str]]:
    return set(pairwise(stems))


def _share(asked: Set[object], given: Set[object]) -> float:
    return len(asked & given) / len(asked) if asked else 0.0


def _is_negated(text: str) -> bool:
    return not _NEGATIONS.isdisjoint(_WORD.findall(text.lower()))
