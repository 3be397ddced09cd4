"""Texts that were posted sentence by sentence, as they stand now: each with its latest sentence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db.models import F, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Left

from reviewqueue.disclosure import hidden_from
from reviewqueue.retry_models import RetryRequest
from reviewqueue.sentences import SENTENCE
from routing.models import Decision, Item, Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Of a stream, that are looked through for its drafts.
LATEST: Final = 2_000
MOST_SENTENCES: Final = 500
OPENING: Final = 100
BEHIND: Final = 1_000_001  # after every place that a post can name


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft that was posted to lately; `sentences` counts those that were posted lately.

    `opening` is how the one begins that stands first among them.
    """

    name: str
    opening: str
    sentences: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class DraftedSentence:
    """One sentence as it stands. `decision` is None where nothing of it may be shown.

    `request` is the retry that was asked for, and not drafted yet.
    """

    item: Item
    decision: Decision | None
    request: RetryRequest | None


def list_drafts(stream: Stream, *, count: int) -> list[Draft]:
    """The stream's drafts with the latest sentences, the latest first."""
    rows = (
        Item.objects.filter(stream=stream)
        .order_by("-id")
        .values_list(
            "draft",
            "received_at",
            Coalesce("position", BEHIND),
            "id",
            Left(KeyTextTransform(SENTENCE, "payload"), OPENING),
        )[:LATEST]
    )
    found: dict[str, list[tuple[datetime, tuple[int, UUID], str]]] = {}
    for name, received_at, position, item_id, text in rows:
        if name:
            found.setdefault(name, []).append((received_at, (position, item_id), text or ""))
    return [
        Draft(name, min(rows, key=itemgetter(1))[2], len(rows), rows[0][0])
        for name, rows in islice(found.items(), count)
    ]


def read_draft(*, viewer: "User", stream: Stream, name: str) -> list[DraftedSentence]:
    """The draft's sentences in their order, each in its last version, in a constant number of
    queries. A retry stands in the place of what it was drafted for, also where it names no draft.
    """
    own = Q(draft=name) | Q(retry_of__draft=name)
    items = list(
        Item.objects.filter(own, stream=stream)
        .defer("scores", "secondary", "metadata", "fingerprint")
        .order_by(F("position").asc(nulls_last=True), "id")[:MOST_SENTENCES]
    )
    by_id = {item.id: item for item in items}
    replaced = {item.retry_of_id for item in items if item.retry_of_id in by_id}
    standing = [item for item in items if item.id not in replaced]
    roots = {item.id: _find_root(item, by_id) for item in standing}
    standing.sort(key=lambda item: (_place(roots[item.id]), roots[item.id].id))
    ids = [item.id for item in standing]
    decisions = _read_decisions(ids, hidden=_find_hidden(viewer, stream, ids))
    # That there is one would tell that the sentence was refused.
    requests = {each.item_id: each for each in RetryRequest.objects.filter(item__in=decisions)}
    return [
        DraftedSentence(item, decisions.get(item.id), requests.get(item.id)) for item in standing
    ]


def _find_root(item: Item, by_id: Mapping[UUID, Item]) -> Item:
    """What was drafted first in the item's place."""
    while item.retry_of_id is not None and item.retry_of_id in by_id:
        item = by_id[item.retry_of_id]
    return item


def _place(item: Item) -> int:
    return BEHIND if item.position is None else item.position


def _find_hidden(viewer: "User", stream: Stream, ids: Iterable[UUID]) -> set[UUID]:
    hidden = hidden_from(viewer=viewer, stream=stream, item="id")
    return set(Item.objects.filter(hidden, id__in=ids).values_list("id", flat=True))


def _read_decisions(ids: Iterable[UUID], *, hidden: set[UUID]) -> dict[UUID, Decision]:
    """The latest decision of each item of which it may be shown."""
    shown = [item_id for item_id in ids if item_id not in hidden]
    latest = Decision.objects.filter(item__in=shown).order_by("item_id", "-id").distinct("item_id")
    return {decision.item_id: decision for decision in latest}
