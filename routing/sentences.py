"""Storing drafted sentences: an item, and with it its sources and what is decided from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection

from routing.core.evidence import Evidence, EvidenceTable
from routing.ids import uuid7
from routing.items import Post, fingerprint
from routing.models import Decision


def insert_sentences(
    *,
    stream_id: UUID,
    posts: Sequence[Post],
    evidence: EvidenceTable,
    states: Sequence[str],
    received_at: datetime,
) -> list[UUID | None]:
    """As `items.insert_items`, for posts with their evidence (n,), in one statement.

    A predecessor is known by its external id and was found to be there before.
    """
    rows = [
        _make_row(post, row, state)
        for post, row, state in zip(posts, evidence.rows, states, strict=True)
    ]
    # Two batches of the same ids in another order would wait for each other.
    in_one_order = sorted(rows, key=itemgetter("external_id"))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO routing_item (id, stream_id, external_id, payload, scores, signals,
                secondary, metadata, blocks, claims, evidence, draft, position, retry_of_id,
                model_version, priority, due_at, fingerprint, state, received_at)
            SELECT posted.id, %(stream)s, posted.external_id, posted.payload, '{}', posted.signals,
                '{}', posted.metadata, posted.blocks, posted.claims, posted.evidence, posted.draft,
                posted.position, refused.id, posted.model_version, posted.priority, posted.due_at,
                decode(posted.fingerprint, 'hex'), posted.state, %(received_at)s
            FROM json_to_recordset(%(rows)s) AS posted (id uuid, external_id text, payload jsonb,
                signals jsonb, metadata jsonb, blocks jsonb, claims jsonb, evidence jsonb,
                draft text, position integer, retry_of text, model_version text,
                priority smallint, due_at timestamptz, fingerprint text, state text)
            LEFT JOIN routing_item AS refused
                ON refused.stream_id = %(stream)s AND refused.external_id = posted.retry_of
            ON CONFLICT (stream_id, external_id) DO NOTHING
            RETURNING id
            """,
            {
                "stream": stream_id,
                "received_at": received_at,
                "rows": json.dumps(in_one_order, ensure_ascii=False),
            },
        )
        stored = {row[0] for row in cursor.fetchall()}
    ids = [UUID(str(row["id"])) for row in rows]
    return [item_id if item_id in stored else None for item_id in ids]


def find_refused(*, stream_id: UUID, external_ids: Iterable[str]) -> Mapping[str, bool]:
    """Of these items those that there are, and whether their latest decision refused them."""
    found = (
        Decision.objects.filter(item__stream_id=stream_id, item__external_id__in=list(external_ids))
        .order_by("item_id", "-id")
        .distinct("item_id")
        .values_list("item__external_id", "action")
    )
    return {name: action == Decision.Action.REFUSE for name, action in found}


def _make_row(post: Post, evidence: Evidence, state: str) -> dict[str, Any]:
    grounds = post.grounds
    return {
        "id": str(uuid7()),
        "external_id": post.external_id,
        "payload": post.payload,
        "signals": post.signals,
        "metadata": post.metadata,
        "blocks": list(grounds.blocks) if grounds else [],
        "claims": list(grounds.claims) if grounds and grounds.claims else None,
        "evidence": evidence.to_json(),
        "draft": grounds.draft if grounds else "",
        "position": grounds.position if grounds else None,
        "retry_of": (grounds.retry_of or None) if grounds else None,
        "model_version": post.model_version,
        "priority": post.priority,
        "due_at": post.due_at.isoformat() if post.due_at else None,
        "fingerprint": fingerprint(post).hex(),
        "state": state,
    }
