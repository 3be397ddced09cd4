"""Earlier answers on items that are like the one in hand, for a reviewer who asks for them.

Only settled answers of people, past their undo window, of items on which no seat is open: a
neighbour's answer must not lean on a judgement of that neighbour which is still to come. Items
that measure reviewers (known answers) are never among them, and nobody who judges blind gets any.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
from django.db import connection

from calibration.core.likeness import score_likeness, text_likeness
from reviewqueue.addresses import read_address
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.trees import Json
from routing.models import Item

SHOWN: Final = 5
LOOKED_AT: Final = 2_000
COMPARED: Final = 200
TOP: Final = 3
TEXT_LENGTH: Final = 800
PAYLOAD_BYTES: Final = 32_768  # larger ones are pictures, or take longer to read than to compare
LEAST_BY_TEXT: Final = 0.12
LEAST_BY_SCORES: Final = 0.90

# The newest labels by `truth_stream_settled`, so that it costs the same in a stream of a million.
# Of these, those that share a category with the top of the item in hand.
CANDIDATES: Final = """
    SELECT truth.verdict_id,
        CASE WHEN pg_column_size(item.payload) <= %(bytes)s THEN item.payload END, item.scores
    FROM (
        SELECT id, item_id, decision_id, verdict_id, kind, categories, settled_at
        FROM calibration_groundtruth
        WHERE stream_id = %(stream)s AND superseded_at IS NULL
        ORDER BY settled_at DESC
        LIMIT %(looked_at)s
    ) AS truth
    JOIN routing_decision AS decision ON decision.id = truth.decision_id
    JOIN reviewqueue_verdict AS verdict
        ON verdict.id = truth.verdict_id AND verdict.published_at <= statement_timestamp()
    JOIN routing_item AS item ON item.id = truth.item_id
    WHERE truth.item_id <> %(item)s AND truth.kind <> 'uncertain'
        AND (truth.categories && %(top)s::varchar[] OR decision.predicted = ANY(%(top)s))
        AND NOT EXISTS (
            SELECT FROM reviewqueue_reviewtask AS task
            WHERE task.stream_id = %(stream)s AND task.item_id = truth.item_id
                AND task.state IN ('open', 'claimed'))
        AND NOT EXISTS (
            SELECT FROM reviewqueue_knownanswer AS known
            WHERE known.item_id = truth.item_id AND known.retired_at IS NULL)
    ORDER BY truth.settled_at DESC
    LIMIT %(compared)s
"""
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An item like the one in hand with its settled answer; `likeness` is from 0 to 1.

    `by_text` tells whether their words were compared, or the model's scores for want of words.
    """

    item: Item
    verdict: Verdict
    likeness: float
    by_text: bool


@dataclass(frozen=True, slots=True)
class _Candidate:
    verdict_id: UUID
    text: str
    scores: Mapping[str, float]


def may_see_neighbours(task: ReviewTask) -> bool:
    """Whether the seat's holder may: never in a blind review, nor in deciding between blind ones.

    An adjudicator's seat is blind where the seats before it were.
    """
    return not task.blind


def find_neighbours(task: ReviewTask) -> list[Neighbour]:
    """The most alike, at most `SHOWN`, the most alike first; two statements for any number.

    Raises ValueError for a blind seat.
    """
    if not may_see_neighbours(task):
        raise ValueError("this seat is blind; earlier answers are not shown to who judges blind")
    hidden = [name for name, kind in task.stream.payload_fields.items() if kind == "hidden"]
    candidates = _read_candidates(task, hidden)
    if not candidates:
        return []
    text = read_words(task.item.payload, hidden=hidden)
    by_text = text_likeness(text, [each.text for each in candidates])
    by_scores = score_likeness(task.item.scores, [each.scores for each in candidates])
    compared = np.array([bool(text and each.text) for each in candidates])
    likeness = np.where(compared, by_text, by_scores)
    enough = likeness >= np.where(compared, LEAST_BY_TEXT, LEAST_BY_SCORES)
    # Words say more than scores, which are alike wherever the model says the same.
    order = np.lexsort((-likeness, ~compared))
    best = [int(place) for place in order if enough[place]][:SHOWN]
    verdicts = _read_verdicts([candidates[place].verdict_id for place in best])
    return [
        Neighbour(
            item=verdicts[candidates[place].verdict_id].item,
            verdict=verdicts[candidates[place].verdict_id],
            likeness=float(likeness[place]),
            by_text=bool(compared[place]),
        )
        for place in best
    ]


def read_words(payload: Mapping[str, Json], *, hidden: Sequence[str]) -> str:
    """A payload's words, `TEXT_LENGTH` characters at most: no pictures, addresses or numbers."""
    found: list[str] = []
    room = TEXT_LENGTH
    waiting: list[Json] = [value for name, value in payload.items() if name not in hidden]
    waiting.reverse()
    while waiting and room > 0:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += reversed(value.values())
        elif isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, str) and not value.startswith("data:") and not read_address(value):
            words = _TAG.sub(" ", value[: 2 * TEXT_LENGTH])[:room].strip()
            found.append(words)
            room -= len(words) + 1
    return " ".join(words for words in found if words)


def _read_candidates(task: ReviewTask, hidden: Sequence[str]) -> list[_Candidate]:
    scores: dict[str, float] = task.item.scores
    top = sorted(scores, key=lambda key: -scores[key])[:TOP] or [task.decision.predicted]
    with connection.cursor() as cursor:
        cursor.execute(
            CANDIDATES,
            {
                "stream": task.stream_id,
                "item": task.item_id,
                "top": top,
                "bytes": PAYLOAD_BYTES,
                "looked_at": LOOKED_AT,
                "compared": COMPARED,
            },
        )
        rows = cursor.fetchall()
    return [
        _Candidate(
            verdict_id,
            read_words(json.loads(payload), hidden=hidden) if payload else "",
            json.loads(posted),
        )
        for verdict_id, payload, posted in rows
    ]


def _read_verdicts(ids: Sequence[UUID]) -> dict[UUID, Verdict]:
    return Verdict.objects.select_related("item").in_bulk(list(ids))
