"""Topics that no category has, found among texts: invented ones, and real ones withheld."""

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from calibration.core.clusters import find_clusters
from calibration.core.errors import CalibrationError
from tests.calibration.core.test_real_streams import DATA, needs_data

TOPICS = {
    "parking": ["garage", "permit", "parking", "space", "barrier", "visitor", "car", "level"],
    "canteen": ["lunch", "canteen", "menu", "vegetarian", "kitchen", "tray", "dessert", "soup"],
    "badge": ["badge", "photo", "lanyard", "reception", "entrance", "turnstile", "swipe", "guest"],
}
FILLER = [f"word{number}" for number in range(400)]


def write_texts(seed: int, *, a_topic: int = 40, noise: int = 60) -> tuple[list[str], list[str]]:
    """Texts of three topics and of none, shuffled, and what each is about."""
    random = np.random.default_rng(seed)
    about = [topic for topic in TOPICS for _ in range(a_topic)] + [""] * noise
    random.shuffle(about)
    texts = []
    for topic in about:
        own = random.choice(TOPICS[topic], 5, replace=False).tolist() if topic else []
        texts.append(" ".join([*own, *random.choice(FILLER, 6 if not own else 2).tolist()]))
    return texts, about


def test_withheld_topics_are_found_with_their_words() -> None:
    texts, about = write_texts(1)
    found = find_clusters(texts, seed=0).found
    topics = set()
    for cluster in found:
        topic, count = Counter(about[member] for member in cluster.members).most_common(1)[0]
        assert count >= 0.9 * cluster.size
        if topic:
            topics.add(topic)
            assert sum(term in TOPICS[topic] for term in cluster.terms) >= 4
            assert [about[number] for number in cluster.examples] == [topic] * 3
    assert topics == set(TOPICS)


def test_largest_cluster_comes_first_and_the_rest_is_counted() -> None:
    texts, _ = write_texts(2)
    clusters = find_clusters(texts, seed=0)
    sizes = [cluster.size for cluster in clusters.found]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) + clusters.alone == len(texts)
    members = [member for cluster in clusters.found for member in cluster.members]
    assert len(set(members)) == len(members)


def test_same_texts_and_seed_give_the_same_clusters() -> None:
    texts, _ = write_texts(3)
    assert find_clusters(texts, seed=4) == find_clusters(texts, seed=4)


def test_share_of_no_category_fits_is_of_the_labelled() -> None:
    texts, about = write_texts(5)
    answers = [None if number % 2 else bool(topic) for number, topic in enumerate(about)]
    for cluster in find_clusters(texts, seed=0, none_fits=answers).found:
        known = [answers[member] for member in cluster.members if answers[member] is not None]
        assert (cluster.labelled, cluster.none_fits) == (len(known), sum(map(bool, known)))
        assert cluster.share_none_fits == cluster.none_fits / cluster.labelled
    assert find_clusters(texts, seed=0).found[0].share_none_fits is None


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([], "0 texts, 20 are needed"),
        (["lost my card"] * 19, "19 texts, 20 are needed"),
        ([""] * 30, "no two texts share a word that tells them apart"),
        (["the same words"] * 30, "no two texts share a word that tells them apart"),
        (
            [f"alpha{number} beta{number}" for number in range(30)],
            "no two texts share a word that tells them apart",
        ),
    ],
)
def test_too_little_to_cluster_gives_a_reason(texts: list[str], reason: str) -> None:
    clusters = find_clusters(texts, seed=0)
    assert (clusters.found, clusters.alone, clusters.reason) == ((), len(texts), reason)


def test_texts_without_a_common_word_are_in_no_cluster() -> None:
    texts, _ = write_texts(6)
    clusters = find_clusters([*texts, "", "unheard"], seed=0)
    members = {member for cluster in clusters.found for member in cluster.members}
    assert not {len(texts), len(texts) + 1} & members


def test_impossible_input_is_refused() -> None:
    with pytest.raises(CalibrationError, match="texts: 5001 are too many"):
        find_clusters(["a"] * 5_001, seed=0)
    with pytest.raises(CalibrationError, match="none_fits: has 1 for 2 texts"):
        find_clusters(["a", "b"], seed=0, none_fits=[None])
    with pytest.raises(CalibrationError, match="smallest"):
        find_clusters([], seed=0, smallest=1)


@needs_data
def test_withheld_intents_of_banking77_are_found() -> None:
    with gzip.open(Path(DATA) / "banking77" / "train.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    # Ten intents that a taxonomy might lack, among the least confident of all others.
    withheld = set(sorted({row["truth"] for row in rows})[::8])
    least = sorted(
        (row for row in rows if row["truth"] not in withheld),
        key=lambda row: max(row["scores"].values()),
    )[:1000]
    lacking = [row for row in rows if row["truth"] in withheld]
    batch = least + lacking
    clusters = find_clusters([row["text"] for row in batch], seed=0)
    hit = set()
    for cluster in clusters.found:
        counts = Counter(batch[member]["truth"] for member in cluster.members)
        topic, count = counts.most_common(1)[0]
        if topic in withheld and count >= 0.7 * cluster.size:
            hit.add(topic)
    assert len(withheld) == 10
    assert len(hit) >= 7
