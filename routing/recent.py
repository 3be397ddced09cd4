"""The signals of a stream's newest items as they were stored, as arrays; no payload, no scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from routing.core.grounding import Grounding
from routing.core.maps import FloatArray
from routing.core.policy import Policy as PolicySpec
from routing.core.signals import IndexArray
from routing.models import Policy

# Whole columns as bytes in network order: numpy reads them without an object for each cell. All
# aggregates of one SELECT see the rows in one order, and so does the array's. Scores are read from
# their compressed form once for all keys. Names of upstream are only ever parameters.
_COLUMNS: Final = """
    SELECT string_agg(uuid_send(i.id), ''),
        string_agg(float8send(extract(epoch FROM i.received_at)::float8), ''),
        string_agg(int4send(CASE WHEN d.reasons @> '[{"code": "outside_policy"}]' THEN 0 ELSE
            coalesce(array_position(%(policies)s::uuid[], d.policy_id), 0) END), ''),
        string_agg(int4send(
            coalesce(array_position(%(categories)s::text[], d.predicted::text), 0)), ''),
        string_agg(int4send(
            coalesce(array_position(%(versions)s::text[], i.model_version::text), 0)), ''),
        string_agg(float8send(d.raw_confidence), ''),
        string_agg(float8send(d.margin), ''),
        string_agg(float8send(d.entropy), ''),
        string_agg(w.scores, '')
    FROM (
        SELECT id, received_at, model_version, scores FROM routing_item
        WHERE stream_id = %(stream)s ORDER BY received_at DESC LIMIT %(most)s
    ) AS i
    CROSS JOIN LATERAL (
        SELECT policy_id, predicted, raw_confidence, margin, entropy, reasons
        FROM routing_decision
        WHERE item_id = i.id ORDER BY id DESC LIMIT 1
    ) AS d
    CROSS JOIN LATERAL (
        SELECT string_agg(float8send(coalesce((once.scores ->> key)::float8, 0)), '') AS scores
        FROM (SELECT i.scores || '{}' AS scores OFFSET 0) AS once,
            unnest(%(watched)s::text[]) AS watched (key)
    ) AS w
"""


@dataclass(frozen=True, slots=True)
class RecentItems:
    """What stands of n items, the newest first; indices that are -1 are in none of the lists.

    ids (n,) 16 bytes; received (n,) seconds since 1970; made_with (n,) into `taxonomies` and
    `groundings`, -1 also where categories outside of the taxonomy had as much as its best;
    predicted (n,) into `categories`; version (n,) into `versions`; watch_scores (n, W) as posted,
    for `watched`.
    """

    ids: NDArray[np.void]
    received: FloatArray
    taxonomies: Sequence[tuple[str, ...]]
    groundings: Sequence[Grounding | None]
    made_with: IndexArray
    categories: tuple[str, ...]
    predicted: IndexArray
    versions: tuple[str, ...]
    version: IndexArray
    raw_confidence: FloatArray
    margin: FloatArray
    entropy: FloatArray
    watched: tuple[str, ...]
    watch_scores: FloatArray

    def __len__(self) -> int:
        return len(self.ids)

    def item_id(self, row: int) -> UUID:
        return UUID(bytes=self.ids[row].tobytes())

    def received_at(self, row: int) -> datetime | None:
        """When the item of a row came; None where there are no rows."""
        return datetime.fromtimestamp(self.received[row], UTC) if len(self) else None

    def model_versions(self) -> list[str]:
        """The model version of each row; one that no policy lists is a name that none can list."""
        names = [*self.versions, "\n".join((*self.versions, ""))]
        return [names[place] for place in self.version.tolist()]

    def newest(self, count: int) -> "RecentItems":
        """The first `count` rows."""
        rows = {
            name: getattr(self, name)[:count]
            for name in (
                "ids",
                "received",
                "made_with",
                "predicted",
                "version",
                "raw_confidence",
                "margin",
                "entropy",
                "watch_scores",
            )
        }
        return replace(self, **rows)


def read_recent(*, stream_id: UUID, specs: Sequence[PolicySpec], most_items: int) -> RecentItems:
    """What the stream's newest items, `most_items` at most, were decided on: two statements.

    `specs` say which categories, model versions and watched scores matter.
    """
    made = Policy.objects.published().filter(stream_id=stream_id).order_by("-version")
    policies = list(made.values_list("id", "category_keys", "grounding"))
    taxonomies = [tuple(keys) for _id, keys, _grounding in policies]
    groundings = [None if own is None else Grounding.from_json(own) for *_others, own in policies]
    categories = tuple(dict.fromkeys(key for spec in specs for key in spec.categories))
    versions = tuple(dict.fromkeys(name for spec in specs for name in spec.model_versions))
    watched = tuple(dict.fromkeys(key for spec in specs for key in watched_keys(spec)))
    with connection.cursor() as cursor:
        cursor.execute(
            _COLUMNS,
            {
                "stream": stream_id,
                "most": most_items,
                "policies": [policy_id for policy_id, *_others in policies],
                "categories": list(categories),
                "versions": list(versions),
                "watched": list(watched),
            },
        )
        columns = map(_bytes, cursor.fetchone())
    ids, received, made_with, predicted, version, confidence, margin, entropy, watch = columns
    return RecentItems(
        ids=np.frombuffer(ids, dtype="V16"),
        received=_floats(received),
        taxonomies=taxonomies,
        groundings=groundings,
        made_with=_places(made_with),
        categories=categories,
        predicted=_places(predicted),
        versions=versions,
        version=_places(version),
        raw_confidence=_floats(confidence),
        margin=_floats(margin),
        entropy=_floats(entropy),
        watched=watched,
        watch_scores=_floats(watch).reshape(len(ids) // 16, len(watched)),
    )


def _bytes(column: bytes | None) -> bytes:
    return b"" if column is None else bytes(column)


def _places(column: bytes) -> IndexArray:
    """Places counted from 0; -1 where PostgreSQL, which counts from 1, found none."""
    return np.frombuffer(column, dtype=">i4").astype(np.intp) - 1


def _floats(column: bytes) -> FloatArray:
    return np.frombuffer(column, dtype=">f8").astype(np.float64)


def watched_keys(spec: PolicySpec) -> list[str]:
    """Keys of the categories with a watch level, in the order of the policy's table."""
    return [spec.categories[column] for column in spec.table.watched]
