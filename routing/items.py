"""Storing items and decisions: a constant number of statements per batch."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import Final
from uuid import UUID

from django.db import connection

from routing.core.rules import Decision as Outcome
from routing.core.rules import RemoteAnswer
from routing.ids import uuid7
from routing.models import Decision, Item

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


@dataclass(frozen=True, slots=True)
class Post:
    """One item as upstream posted it, checked for form but not yet against a taxonomy.

    A drafted sentence has `grounds` and no scores.
    """

    external_id: str
    payload: Mapping[str, object]
    scores: Mapping[str, float]
    signals: Mapping[str, object] = field(default_factory=dict)
    secondary: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    model_version: str = ""
    priority: int = 0
    due_at: datetime | None = None
    grounds: Grounds | None = None


@dataclass(frozen=True, slots=True)
class NewDecision:
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
    """SHA-256 (32 bytes) of the parsed post.

    Key order, 1 against 1.0 in scores and the zone in which a due time is told make no difference.
    """
    body = {
        "external_id": post.external_id,
        "payload": post.payload,
        "scores": {key: float(p) for key, p in post.scores.items()},
        "signals": post.signals,
        "secondary": {key: float(p) for key, p in post.secondary.items()},
        "metadata": post.metadata,
        "model_version": post.model_version,
        "priority": post.priority,
        "due_at": post.due_at.astimezone(UTC).isoformat() if post.due_at else None,
    }
    if post.grounds is not None:
        body["grounds"] = asdict(post.grounds)
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()


def insert_items(
    *, stream_id: UUID, posts: Sequence[Post], states: Sequence[str], received_at: datetime
) -> list[UUID | None]:
    """Store those posts whose external id is new to the stream; the others give None.

    One statement. Of two posts with one external id in a batch the first is stored.
    """
    rows = [
        {
            "id": str(uuid7()),
            "external_id": post.external_id,
            "payload": post.payload,
            "scores": post.scores,
            "signals": post.signals,
            "secondary": post.secondary,
            "metadata": post.metadata,
            "model_version": post.model_version,
            "priority": post.priority,
            "due_at": post.due_at.isoformat() if post.due_at else None,
            "fingerprint": fingerprint(post).hex(),
            "state": state,
        }
        for post, state in zip(posts, states, strict=True)
    ]
    # Two batches of the same ids in another order would wait for each other.
    in_one_order = sorted(rows, key=itemgetter("external_id"))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO routing_item (id, stream_id, external_id, payload, scores, signals,
                secondary, metadata, model_version, priority, due_at, fingerprint, state,
                received_at)
            SELECT id, %s, external_id, payload, scores, signals, secondary, metadata,
                model_version, priority, due_at, decode(fingerprint, 'hex'), state, %s
            FROM json_to_recordset(%s) AS posted (id uuid, external_id text, payload jsonb,
                scores jsonb, signals jsonb, secondary jsonb, metadata jsonb,
                model_version text, priority smallint, due_at timestamptz, fingerprint text,
                state text)
            ON CONFLICT (stream_id, external_id) DO NOTHING
            RETURNING id
            """,
            [stream_id, received_at, json.dumps(in_one_order, ensure_ascii=False)],
        )
        stored = {row[0] for row in cursor.fetchall()}
    ids = [UUID(str(row["id"])) for row in rows]
    return [item_id if item_id in stored else None for item_id in ids]


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """COPY rows into a table of ours; for tables whose rows cannot conflict."""
    names = ", ".join(columns)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def insert_decisions(
    *, stream_id: UUID, decisions: Sequence[NewDecision], decided_at: datetime
) -> None:
    """Store decisions with one COPY."""
    copy_rows(
        Decision._meta.db_table,
        (
            "id",
            "stream_id",
            "item_id",
            "policy_id",
            "queue",
            "action",
            "predicted",
            "category",
            "source",
            "raw_confidence",
            "confidence",
            "margin",
            "entropy",
            "alternatives",
            "watch",
            "reasons",
            "matched_rules",
            "remote_answer",
            "at_capacity",
            "label_pi",
            "decided_at",
        ),
        (
            (
                new.id,
                stream_id,
                new.item_id,
                new.policy_id,
                new.outcome.queue,
                new.outcome.action,
                new.outcome.predicted,
                new.outcome.category or "",
                new.outcome.source,
                new.outcome.raw_confidence,
                new.outcome.confidence,
                new.outcome.margin,
                new.outcome.entropy,
                json.dumps(new.outcome.alternatives),
                list(new.outcome.watch),
                json.dumps(reason_documents(new.outcome)),
                list(new.matched_rules),
                None if new.remote_answer is None else json.dumps(asdict(new.remote_answer)),
                new.at_capacity,
                new.label_pi,
                decided_at,
            )
            for new in decisions
        ),
    )


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
