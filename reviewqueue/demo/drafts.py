"""Sentences about this product, drafted in answer to questions, with the passages found for each.

The sentences and what is true of them were written by hand (`sentences.jsonl`), among them wrong
numbers, inventions and answers to something else. All that a decision is made from is computed:
the passages are searched by the question and scored by the sentence (`retrieval`), the sentence is
taken apart and each claim compared with each passage by a classifier that never saw it
(`entailment`).

A sentence is supported if a passage that says so is among those that were found; so a retrieval
that misses it makes a true sentence an unsupported one, until it is widened.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reviewqueue.demo import Prediction
from reviewqueue.demo.crossfit import cut_score
from reviewqueue.demo.entailment import compare, estimate_entailment, split_claims
from reviewqueue.demo.passages import Passage, read_passages
from reviewqueue.demo.retrieval import Library
from routing.core.grounding import NOT_SUPPORTED, SUPPORTED
from routing.items import Grounds

MODEL_VERSION: Final = "tfidf-drafts-1"
SENTENCES_FILE: Final = Path(__file__).with_name("sentences.jsonl")
FOUND: Final = 8
FOUND_WIDENED: Final = 16
POSTED: Final = 5
REWRITE, WIDEN = "rewrite", "widen"

# Ages are told from the day the demo is loaded, so that it never grows old as a whole; all are
# over the eight weeks of its past. The first edition of a page has long been replaced.
_AGE_DAYS: Final = 70
_AGES: Final = {"performance-first": 560}
_PLACE: Final = "https://docs.example.org/"

Found = list[tuple[Passage, float]]


@dataclass(frozen=True, slots=True)
class Drafted:
    """A sentence as it is posted: with the question it answers, and how it was searched for.

    `passages` are the ids of those that say so, if any; `retry_of` the id of the refused sentence
    that it stands in for, `how` what was done otherwise.
    """

    external_id: str
    draft: str
    position: int
    question: str
    sentence: str
    passages: tuple[str, ...] = ()
    off_topic: bool = False
    retry_of: str = ""
    how: str = ""

    @property
    def query(self) -> str:
        """What is searched for: the question, or as well what was said of it."""
        return f"{self.question} {self.sentence}" if self.how == WIDEN else self.question


def read_drafted() -> list[Drafted]:
    """The sentences in the order of their ids, each followed by its rewriting, if there is one."""
    lines = SENTENCES_FILE.read_text(encoding="utf-8").splitlines()
    drafted: list[Drafted] = []
    positions: dict[str, int] = {}
    for number, record in enumerate(map(json.loads, lines), 1):
        draft = record["draft"]
        positions[draft] = positions.get(draft, 0) + 1
        first = Drafted(
            external_id=f"DR-{number:04d}",
            draft=draft,
            position=positions[draft],
            question=record["question"],
            sentence=record["sentence"],
            passages=tuple(record.get("passages", ())),
            off_topic=record.get("off_topic", False),
        )
        drafted.append(first)
        if "rewrite" in record:
            drafted.append(_retry(first, REWRITE, **record["rewrite"]))
    return drafted


def predictions(*, today: date, seed: int = 7) -> Iterator[Prediction]:
    """Every sentence, scored: draft by draft in an order that `seed` draws, and then the retries.

    A retry names its predecessor in `grounds.retry_of`. There is one where something is known to be
    better: a rewriting, or the sentence itself where a wider search finds what says so.
    """
    library = Library(read_passages())
    drafted = read_drafted()
    found = _find(library, drafted)
    missed = [
        _retry(each, WIDEN, each.sentence, each.passages)
        for each, passages in zip(drafted, found, strict=True)
        if each.passages and not each.how and not _find_support(each, passages)
    ]
    drafted, found = [*drafted, *missed], [*found, *_find(library, missed)]
    claims = _estimate(drafted, found, seed=seed)
    scored = [_predict(*row, today) for row in zip(drafted, found, claims, strict=True)]
    drafts = sorted({each.draft for each in drafted})
    random.Random(seed).shuffle(drafts)  # noqa: S311 - an order, no secret
    order = {draft: place for place, draft in enumerate(drafts)}
    yield from sorted(scored, key=partial(_find_place, order))


def _find_place(order: Mapping[str, int], prediction: Prediction) -> tuple[bool, int, str]:
    grounds = prediction.grounds or Grounds()
    return bool(grounds.retry_of), order[grounds.draft], prediction.external_id


def _retry(first: Drafted, how: str, sentence: str, passages: Sequence[str]) -> Drafted:
    return replace(
        first,
        external_id=f"{first.external_id}-2",
        sentence=sentence,
        passages=tuple(passages),
        retry_of=first.external_id,
        how=how,
    )


def _find(library: Library, drafted: Sequence[Drafted]) -> list[Found]:
    """The passages that are found for each sentence, the best of them by their scores."""
    if not drafted:
        return []
    places = library.search([each.query for each in drafted], FOUND_WIDENED)
    scores = library.score([each.sentence for each in drafted])
    return [
        _rank(library, row[: FOUND_WIDENED if each.how == WIDEN else FOUND], scored)
        for each, row, scored in zip(drafted, places, scores, strict=True)
    ]


def _rank(library: Library, places: NDArray[np.intp], scores: NDArray[np.float64]) -> Found:
    best = places[np.argsort(-scores[places], kind="stable")][:POSTED]
    return [(library.passages[place], float(scores[place])) for place in best.tolist()]


def _find_support(drafted: Drafted, found: Found) -> str:
    """The best passage that says so, "" where none was found."""
    return next((passage.id for passage, _ in found if passage.id in drafted.passages), "")


def _estimate(
    drafted: Sequence[Drafted], found: Sequence[Found], *, seed: int
) -> list[dict[str, float]]:
    """The claims of each sentence, and how probably the best of its passages supports each."""
    claims = [split_claims(each.sentence) for each in drafted]
    pairs = [
        (number, claim, passage)
        for number, passages in enumerate(found)
        for claim in claims[number]
        for passage, _ in passages
    ]
    entailed = estimate_entailment(
        np.array([compare(claim, passage.text) for _, claim, passage in pairs]),
        np.array([passage.id in drafted[number].passages for number, _, passage in pairs]),
        np.array([drafted[number].draft for number, _, _ in pairs]),
        seed=seed,
    )
    best = [dict.fromkeys(each, 0.0) for each in claims]
    for (number, claim, _), probability in zip(pairs, entailed.tolist(), strict=True):
        best[number][claim] = max(best[number][claim], cut_score(probability))
    return best


def _predict(
    drafted: Drafted, found: Found, claims: Mapping[str, float], today: date
) -> Prediction:
    support = _find_support(drafted, found)
    entailment = min(claims.values())
    posted = claims if len(claims) > 1 else {}
    return Prediction(
        external_id=drafted.external_id,
        payload={"sentence": drafted.sentence, "question": drafted.question},
        scores={SUPPORTED: entailment, NOT_SUPPORTED: cut_score(1 - entailment)},
        truth=SUPPORTED if support else NOT_SUPPORTED,
        also=(),
        model_version=MODEL_VERSION,
        signals={"entailment_probability": entailment, "claim_count": len(claims)},
        grounds=Grounds(
            blocks=[_make_block(passage, score, today) for passage, score in found],
            claims=[
                {"text": claim, "entailment_probability": probability}
                for claim, probability in posted.items()
            ],
            draft=drafted.draft,
            position=drafted.position,
            retry_of=drafted.retry_of,
        ),
        block=support,
        off_topic=drafted.off_topic and bool(support),
    )


def _make_block(passage: Passage, score: float, today: date) -> dict[str, object]:
    age = timedelta(days=_AGES.get(passage.page, _AGE_DAYS))
    return {
        "id": passage.id,
        "title": passage.title,
        "text": passage.text,
        "score": cut_score(score),
        "link": f"{_PLACE}{passage.page}#{passage.anchor}",
        "date": (today - age).isoformat(),
    }
