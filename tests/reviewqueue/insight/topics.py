"""Streams of texts with a topic that no category has: invented ones, and real ones withheld."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from uuid import UUID

import numpy as np
from django.utils import timezone

from calibration.models import GroundTruth
from reviewqueue.intake import Taken, take_in
from reviewqueue.models import ReviewTask
from routing.items import Post
from routing.models import Decision, Stream
from tests import scenes
from tests.calibration.core.test_clusters import TOPICS
from tests.calibration.core.test_real_streams import DATA

VERSION = "model-1"
BATCH = 1_000
_numbers = count()
# What each category is about.
WORDS: Mapping[str, Sequence[str]] = {
    "account_unlock": ("password", "locked", "login", "reset", "unlock", "code"),
    "vpn_issue": ("tunnel", "vpn", "drops", "connect", "remote", "gateway"),
    "security_incident": ("phishing", "virus", "stolen", "suspicious", "breach", "malware"),
}
# Nobody has a category for these.
LACKING: Mapping[str, Sequence[str]] = TOPICS


@dataclass(frozen=True, slots=True)
class Message:
    """A text with the model's scores, and the category it belongs to; empty for none."""

    text: str
    scores: Mapping[str, float]
    truth: str


def invent_messages(*, sure: int, lacking: int, seed: int = 5) -> list[Message]:
    """`sure` texts of each category, most of them recognised, and `lacking` of each missing one.

    Of the sure ones every tenth that asks about a tunnel is taken for an unlocking.
    """
    random = np.random.default_rng(seed)
    keys = list(WORDS)
    made = []
    for number in range(sure):
        for key in keys:
            guess = keys[0] if key == keys[1] and number % 10 == 0 else key
            words = random.choice(WORDS[key], 4, replace=False).tolist()
            made.append(_invent(random, words, key, guess, confidence=0.85))
    for number in range(lacking):
        for topic in LACKING.values():
            words = random.choice(topic, 5, replace=False).tolist()
            made.append(_invent(random, words, "", keys[number % 3], confidence=0.5))
    return made


def read_banking77(
    split: str = "test", *, withheld: Sequence[str] = ()
) -> tuple[list[str], list[Message]]:
    """The categories but the withheld, and the messages of a split with the scores over them.

    A model that never saw a category shares its scores among the others: a softmax over fewer.
    """
    path = Path(DATA) / "banking77" / f"{split}.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    categories = sorted({row["truth"] for row in rows} - set(withheld))
    return categories, [
        Message(
            row["text"],
            _share_out(row["scores"], categories),
            "" if row["truth"] in withheld else row["truth"],
        )
        for row in rows
    ]


def take_messages(stream: Stream, messages: Sequence[Message], *, label: bool = True) -> None:
    """Take the messages in today and, if asked, settle each as what it belongs to."""
    for start in range(0, len(messages), BATCH):
        part = messages[start : start + BATCH]
        posts = [
            Post(
                external_id=f"message-{next(_numbers)}",
                payload={"text": each.text},
                scores=each.scores,
                model_version=VERSION,
            )
            for each in part
        ]
        taken = take_in(stream=stream, posts=posts, received_at=timezone.now())
        ids = [one.decision_id for one in taken if isinstance(one, Taken) and one.decision_id]
        assert len(ids) == len(part), [one for one in taken if not isinstance(one, Taken)][:1]
        if label:
            _settle(ids, part)


def make_topic_stream(*, sure: int = 200, lacking: int = 40) -> Stream:
    """Helpdesk with invented messages, all of them labelled."""
    stream = scenes.make_bare_stream()
    scenes.publish(stream)
    take_messages(stream, invent_messages(sure=sure, lacking=lacking))
    return stream


def _share_out(scores: Mapping[str, float], categories: Sequence[str]) -> dict[str, float]:
    """The scores over these categories alone; what is not listed is spread evenly."""
    unlisted = [key for key in categories if key not in scores]
    rest = max(1.0 - sum(scores.values()), 1e-6)
    spread = {key: rest / len(unlisted) for key in unlisted}
    kept = {key: score for key, score in scores.items() if key in categories} | spread
    total = sum(kept.values())
    return {key: score / total for key, score in kept.items()}


def _settle(ids: Sequence[UUID], messages: Sequence[Message]) -> None:
    decisions = Decision.objects.in_bulk(list(ids))
    GroundTruth.objects.bulk_create(
        GroundTruth(
            stream_id=decision.stream_id,
            item_id=decision.item_id,
            decision=decision,
            kind="category" if each.truth else "no_category_fits",
            categories=[each.truth] if each.truth else [],
            pi=1.0,
            blind=True,
            source=GroundTruth.Source.AUDIT,
        )
        for decision, each in (
            (decisions[key], each) for key, each in zip(ids, messages, strict=True)
        )
    )
    ReviewTask.objects.filter(decision_id__in=ids).delete()


def _invent(
    random: np.random.Generator, words: list[str], truth: str, guess: str, *, confidence: float
) -> Message:
    noise = [f"word{number}" for number in random.integers(0, 400, 2).tolist()]
    top = confidence + 0.08 * random.random()
    others = [other for other in WORDS if other != guess]
    scores = {guess: top, others[0]: 0.6 * (1.0 - top), others[1]: 0.4 * (1.0 - top)}
    return Message(" ".join([*words, *noise]), scores, truth)
