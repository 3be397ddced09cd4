"""Storing items and decisions: a constant number of statements per batch."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from django.db import IntegrityError, connection, transaction
from psycopg.errors import UniqueViolation

from routing.core.rules import Decision as Outcome
from routing.core.rules import RemoteAnswer
from routing.ids import uuid7s
from routing.models import Decision, Item
from routing.rows import open_copy
from routing.tables import NO_JSON, Row, Table, copy_into, encode_json, insert_rows, store_rows

ITEMS: Final = Table(
    Item,
    *("id", "stream_id", "external_id", "payload", "scores", "signals", "secondary", "metadata"),
    *("model_version", "priority", "due_at", "fingerprint", "state", "received_at"),
)
# Ids of a batch that tell whether it was probably posted before.
PROBES: Final = 16
UNLESS_KNOWN: Final = "ON CONFLICT (stream_id, external_id) DO NOTHING"
DECISIONS: Final = Table(
    Decision,
    *("id", "stream_id", "item_id", "policy_id", "queue", "action", "predicted", "category"),
    *("source", "raw_confidence", "confidence", "margin", "entropy", "alternatives", "watch"),
    *("reasons", "matched_rules", "remote_answer", "at_capacity", "label_pi", "decided_at"),
)

# Actions that hold an item back until a person has judged it.
WAITING_ACTIONS: Final = (Decision.Action.WAIT, Decision.Action.ESCALATE)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a drafted sentence comes with.

    blocks and claims as objects of the API's form; draft the text that it is of, and position its
    place there; retry_of the external id of the refused sentence in whose place it stands.
    """

    blocks: Sequence[Mapping[str, object]] = ()
    claims: Sequence[Mapping[str, object]] = ()
    draft: str = ""
    position: int | None = None
    retry_of: str = ""


class Post(msgspec.Struct, frozen=True):
    """One item as upstream posted it, checked for form but not yet against a taxonomy.

    A drafted sentence has `grounds` and no scores.
    """

    external_id: str
    payload: Mapping[str, object]
    scores: Mapping[str, float]
    signals: Mapping[str, object] = msgspec.field(default_factory=dict)
    secondary: Mapping[str, float] = msgspec.field(default_factory=dict)
    metadata: Mapping[str, object] = msgspec.field(default_factory=dict)
    model_version: str = ""
    priority: int = 0
    due_at: datetime | None = None
    grounds: Grounds | None = None


class NewDecision(NamedTuple):
    """An outcome of the rules with the ids it is stored under."""

    id: UUID
    item_id: UUID
    policy_id: UUID
    outcome: Outcome
    label_pi: float
    matched_rules: Sequence[str] = ()
    remote_answer: RemoteAnswer | None = None
    at_capacity: bool = False


def state_before_verdict(action: str) -> Item.State:
    """The state of an item that was decided so and that nobody has judged yet."""
    return Item.State.WAITING if action in WAITING_ACTIONS else Item.State.ROUTED


def fingerprint(post: Post) -> bytes:
    """SHA-256 (32 bytes) of the parsed post."""
    return hashlib.sha256(write_canonically(post)).digest()


def has_fingerprint(post: Post, stored: bytes) -> bool:
    """Whether a post is the one whose fingerprint was stored, now or by an earlier version."""
    if stored == fingerprint(post):
        return True
    # Earlier versions wrote numbers with an exponent as Python does: 1e-05 instead of 1e-5.
    before = json.dumps(_body_of(post), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return stored == hashlib.sha256(before.encode()).digest()


def write_canonically(post: Post) -> bytes:
    """The JSON text that posts of one meaning share.

    Key order, 1 against 1.0 in scores and the zone in which a due time is told make no difference.
    """
    return _encode_sorted(_body_of(post))


def _body_of(post: Post) -> dict[str, object]:
    body = {
        "external_id": post.external_id,
        "payload": post.payload,
        "scores": _as_floats(post.scores),
        "signals": post.signals,
        "secondary": _as_floats(post.secondary),
        "metadata": post.metadata,
        "model_version": post.model_version,
        "priority": post.priority,
        "due_at": post.due_at.astimezone(UTC).isoformat() if post.due_at else None,
    }
    if post.grounds is not None:
        body["grounds"] = asdict(post.grounds)
    return body


_encode_sorted: Final = msgspec.json.Encoder(order="sorted").encode


def _as_floats(scores: Mapping[str, float]) -> Mapping[str, float]:
    if set(map(type, scores.values())) <= {float}:
        return scores
    return {key: float(p) for key, p in scores.items()}


def insert_items(
    *, stream_id: UUID, posts: Sequence[Post], states: Sequence[str], received_at: datetime
) -> list[UUID | None]:
    """Store those posts whose external id is new to the stream; the others give None.

    Of two posts with one external id in a batch the first is stored.
    """
    ids = uuid7s(len(posts))
    rows = [
        _item_row(item_id, stream_id, post, state, received_at)
        for item_id, post, state in zip(ids, posts, states, strict=True)
    ]
    if len(rows) == 1:
        new = insert_rows([(ITEMS, rows[0])], ending=UNLESS_KNOWN)
        return [ids[0] if new else None]
    firsts = {post.external_id: row for post, row in reversed(list(zip(posts, rows, strict=True)))}
    stored = _copy_unknown(stream_id, firsts)
    return [
        item_id if item_id == stored.get(post.external_id) else None
        for post, item_id in zip(posts, ids, strict=True)
    ]


def _item_row(item_id: UUID, stream_id: UUID, post: Post, state: str, received_at: datetime) -> Row:
    return (
        item_id,
        stream_id,
        post.external_id,
        encode_json(post.payload),
        encode_json(post.scores),
        encode_json(post.signals) if post.signals else NO_JSON,
        encode_json(post.secondary) if post.secondary else NO_JSON,
        encode_json(post.metadata) if post.metadata else NO_JSON,
        post.model_version,
        post.priority,
        post.due_at,
        fingerprint(post),
        state,
        received_at,
    )


def insert_with(
    *along: tuple[Table, Sequence[Row]],
    item_id: UUID,
    stream_id: UUID,
    post: Post,
    state: str,
    received_at: datetime,
) -> bool:
    """Store an item and the rows that go `along` with it, in one statement.

    False where the external id is known to the stream; nothing is stored then.
    """
    row = _item_row(item_id, stream_id, post, state, received_at)
    rest = [(table, row) for table, rows in along for row in rows]
    return insert_rows([(ITEMS, row), *rest], ending=UNLESS_KNOWN)


def _copy_unknown(stream_id: UUID, rows: Mapping[str, Row]) -> dict[str, object]:
    """COPY the items whose external id is new to the stream; returns the keys they have now.

    COPY refuses the whole batch for one id that is taken. Most batches are new throughout, so a few
    ids are asked for first, all of them where one of those is known or COPY refused. Who loses a
    race for an id waits for the winner to commit, and finds it when asking once more.
    """
    # Two batches of the same ids in another order would wait for each other.
    new = sorted(rows)
    probes = new[:: max(1, len(new) // PROBES)]
    is_new = not _known_among(stream_id, probes)
    while True:
        if not is_new:
            new = sorted(rows.keys() - _known_among(stream_id, list(rows)))
        try:
            with transaction.atomic():
                copy_into(ITEMS, [rows[external_id] for external_id in new])
        except IntegrityError as error:
            if not _says_taken(error):
                raise
            is_new = False
        else:
            return {external_id: rows[external_id][0] for external_id in new}


def _says_taken(error: IntegrityError) -> bool:
    """Whether an external id is what was refused."""
    cause = error.__cause__
    return (
        isinstance(cause, UniqueViolation)
        and cause.diag.constraint_name == "item_external_id_unique"
    )


def _known_among(stream_id: UUID, external_ids: list[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT external_id FROM routing_item
            WHERE stream_id = %s AND external_id = ANY(%s)
            """,
            [stream_id, external_ids],
        )
        return {row[0] for row in cursor.fetchall()}


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """COPY rows of whatever types into a table of ours; for rows that cannot conflict."""
    names = ", ".join(columns)
    with open_copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def insert_decisions(
    *, stream_id: UUID, decisions: Sequence[NewDecision], decided_at: datetime
) -> None:
    """Store decisions, with one COPY where they are many."""
    store_rows(decision_rows(stream_id=stream_id, decisions=decisions, decided_at=decided_at))


def decision_rows(
    *, stream_id: UUID, decisions: Sequence[NewDecision], decided_at: datetime
) -> tuple[Table, list[Row]]:
    """Decisions as they are stored."""
    return DECISIONS, [
        (
            new.id,
            stream_id,
            new.item_id,
            new.policy_id,
            made.queue,
            made.action,
            made.predicted,
            made.category or "",
            made.source,
            made.raw_confidence,
            made.confidence,
            made.margin,
            made.entropy,
            encode_json(made.alternatives),
            made.watch,
            encode_json(reason_documents(made)),
            new.matched_rules,
            None if new.remote_answer is None else encode_json(asdict(new.remote_answer)),
            new.at_capacity,
            new.label_pi,
            decided_at,
        )
        for new in decisions
        for made in [new.outcome]
    ]


def reason_documents(outcome: Outcome) -> list[dict[str, object]]:
    """The reasons of an outcome as they are stored."""
    return [
        {"code": reason.code, "message": reason.message, "numbers": dict(reason.numbers)}
        for reason in outcome.reasons
    ]


def latest_decisions(*, stream_id: UUID, external_ids: Iterable[str]) -> dict[str, Decision]:
    """The latest decision of each known item, with item and policy, in two statements."""
    found = (
        Decision.objects.filter(
            item__in=Item.objects.filter(stream_id=stream_id, external_id__in=list(external_ids))
        )
        .select_related("item", "policy")
        .order_by("item_id", "-id")
        .distinct("item_id")
    )
    return {decision.item.external_id: decision for decision in found}
