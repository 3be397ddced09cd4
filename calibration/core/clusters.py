"""Clusters among the texts of low-confidence items: topics that no category has.

TF-IDF of words and pairs of words, its first 60 singular directions at unit length (latent
semantic analysis, Deerwester et al., 1990), then HDBSCAN (Campello, Moulavi and Sander, 2013) with
*leaf* selection: the default, *excess of mass*, prefers a few broad clusters and finds none of the
small ones that a missing category leaves. A cluster's terms are those whose mean TF-IDF in it most
exceeds the mean outside, its examples the texts nearest to its middle.

scikit-learn takes a second to import, so it is imported when texts are clustered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from calibration.core.errors import CalibrationError
from calibration.core.estimates import FloatArray

DIRECTIONS = 60
SMALLEST_CLUSTER = 10
MOST_TEXTS = 5_000
TERMS = 6
EXAMPLES = 3

LabelArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Texts about one thing: their numbers among those given, its words, its typical texts.

    ``none_fits`` of the ``labelled`` ones were said by people to fit no category.
    """

    members: tuple[int, ...]
    terms: tuple[str, ...]
    examples: tuple[int, ...]
    labelled: int
    none_fits: int

    @property
    def size(self) -> int:
        """How many texts."""
        return len(self.members)

    @property
    def share_none_fits(self) -> float | None:
        """Share of the labelled ones that fit no category; None without labels."""
        return self.none_fits / self.labelled if self.labelled else None


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters, the largest first, and how many texts are in none; a reason where none was made."""

    found: tuple[Cluster, ...] = field(default_factory=tuple)
    alone: int = 0
    reason: str = ""


class _Matrix(Protocol):
    """What is used of a sparse matrix."""

    shape: tuple[int, int]

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> "_Matrix": ...

    def mean(self, axis: int) -> npt.ArrayLike: ...


def find_clusters(
    texts: Sequence[str],
    *,
    seed: int,
    none_fits: Sequence[bool | None] | None = None,
    smallest: int = SMALLEST_CLUSTER,
) -> Clusters:
    """Clusters of at least ``smallest`` texts among 5,000 at most.

    ``none_fits`` says of each text whether people found that no category fits, None where nobody
    has judged it. The same texts and seed give the same clusters. Raises CalibrationError for too
    many texts, or where the two do not go together.
    """
    _check(texts, none_fits, smallest)
    if len(texts) < 2 * smallest:
        reason = f"{len(texts)} texts, {2 * smallest} are needed"
        return Clusters(alone=len(texts), reason=reason)
    weighed = _weigh_words(texts)
    if weighed is None:
        return Clusters(alone=len(texts), reason="no two texts share a word that tells them apart")
    matrix, words = weighed
    points = _reduce(matrix, seed)
    label = _label_points(points, smallest)
    judged = list(none_fits) if none_fits is not None else [None] * len(texts)
    found = []
    for number in range(int(label.max(initial=-1)) + 1):
        inside = label == number
        members = tuple(np.flatnonzero(inside).tolist())
        known = [answer for member in members if (answer := judged[member]) is not None]
        found.append(
            Cluster(
                members=members,
                terms=_list_terms(inside, matrix, words),
                examples=_list_examples(inside, points),
                labelled=len(known),
                none_fits=sum(known),
            )
        )
    found.sort(key=lambda cluster: (-cluster.size, cluster.members))
    return Clusters(tuple(found), int((label < 0).sum()))


def _check(texts: Sequence[str], none_fits: Sequence[bool | None] | None, smallest: int) -> None:
    if len(texts) > MOST_TEXTS:
        raise CalibrationError(
            "texts", f"{len(texts)} are too many; give the {MOST_TEXTS} least confident ones"
        )
    if none_fits is not None and len(none_fits) != len(texts):
        raise CalibrationError("none_fits", f"has {len(none_fits)} for {len(texts)} texts")
    if smallest < 2:
        raise CalibrationError("smallest", f"{smallest} is too few; give 2 or more")


def _weigh_words(texts: Sequence[str]) -> tuple[_Matrix, npt.NDArray[np.str_]] | None:
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    vectorizer = TfidfVectorizer(
        sublinear_tf=True, stop_words="english", ngram_range=(1, 2), min_df=2, max_df=0.5
    )
    try:
        matrix = vectorizer.fit_transform(texts)
    except ValueError as error:
        # Raised for texts without a word, and where every word is in one text or in most.
        if "empty vocabulary" in str(error) or "no terms remain" in str(error):
            return None
        raise
    return matrix, np.asarray(vectorizer.get_feature_names_out(), dtype=np.str_)


def _reduce(matrix: _Matrix, seed: int) -> FloatArray:
    from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415

    directions = min(DIRECTIONS, matrix.shape[0] - 1, matrix.shape[1])
    svd = TruncatedSVD(directions, random_state=seed)
    points = np.asarray(svd.fit_transform(matrix), dtype=np.float64)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    # A text without any common word stays at the origin and so in no cluster.
    return np.asarray(points / np.where(length > 0.0, length, 1.0), dtype=np.float64)


def _label_points(points: FloatArray, smallest: int) -> LabelArray:
    from sklearn.cluster import HDBSCAN  # noqa: PLC0415

    told = np.linalg.norm(points, axis=1) > 0.0
    label = np.full(points.shape[0], -1, dtype=np.int64)
    if int(told.sum()) >= 2 * smallest:
        scan = HDBSCAN(min_cluster_size=smallest, cluster_selection_method="leaf", copy=True)
        label[told] = scan.fit_predict(points[told])
    return label


def _list_terms(
    inside: npt.NDArray[np.bool_], matrix: _Matrix, words: npt.NDArray[np.str_]
) -> tuple[str, ...]:
    excess = np.ravel(matrix[inside].mean(axis=0))
    if not inside.all():
        excess = excess - np.ravel(matrix[~inside].mean(axis=0))
    best = np.argsort(-excess, kind="stable")[:TERMS]
    return tuple(str(words[term]) for term in best if excess[term] > 0.0)


def _list_examples(inside: npt.NDArray[np.bool_], points: FloatArray) -> tuple[int, ...]:
    members = np.flatnonzero(inside)
    near = points[members] @ points[members].mean(axis=0)
    return tuple(members[np.argsort(-near, kind="stable")[:EXAMPLES]].tolist())
