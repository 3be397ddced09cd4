"""A stream of any size: what the product made of a short past, cloned further and further back.

Each clone is the past shifted by its length: items with their decisions, seats, draws, verdicts,
labels, announcements and events, all keys and times anew, and counters that say how many there
are. So every row is one that the product would have left, and a decision that is made again comes
out the same. What differs: an item's chance was drawn for the past that was cloned, and its keys
carry the item's time, also those of what followed minutes later.

The rows are written by INSERT ... SELECT over `generate_series` from two connections, without
foreign keys, which are laid on again (and so checked) when all is there.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from django.db import connection, models
from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks.growth_past import Past
from calibration.frames import RECOUNT, confidence_bins
from calibration.models import AuditDraw, FrameCount, GroundTruth
from reviewqueue.models import ReviewTask, Verdict
from routing.items import write_canonically
from routing.models import Announcement, Decision, Event, Item

WRITERS: Final = 2
# Rows of items that one transaction writes, with all that belongs to them.
AT_ONCE: Final = 50_000
MODELS: Final[Sequence[type[models.Model]]] = (
    Item,
    Decision,
    ReviewTask,
    AuditDraw,
    Verdict,
    GroundTruth,
    Announcement,
    Event,
)
# The column that says which item a row belongs to, and which rows of a table are cloned.
OF_ITEM: Final[Mapping[type[models.Model], str]] = {Item: "id", Event: "subject_id"}
ALL_TABLES: Final[Sequence[type[models.Model]]] = (*MODELS, FrameCount)

# One expression, so that it is put into the statement instead of being called: a uuid7 of the given
# time whose other bits are a hash.
_CLONE_ID: Final = """
    CREATE OR REPLACE FUNCTION pg_temp.clone_id(old uuid, milliseconds bigint, k bigint)
    RETURNS uuid LANGUAGE sql AS $$
        SELECT overlay(overlay(md5(old::text || k)
            PLACING lpad(to_hex(milliseconds), 12, '0') || '7' FROM 1 FOR 13)
            PLACING '8' FROM 17 FOR 1)::uuid
    $$
"""
# What is cloned is kept apart, as it was before anything was measured: measuring changes it.
_KEEP: Final = "growth"
_TEMPLATES: Final = f"""
    CREATE TABLE {_KEEP}.template (
        item_id uuid PRIMARY KEY, number bigint, milliseconds bigint, head text, tail text)
"""
# Ids that stand in what is told, and in the log.
_TELLING: Final = """
    CASE WHEN old.data ? 'verdict' THEN old.data || jsonb_build_object(
        'verdict', old.data->'verdict' || jsonb_build_object(
            'id', {subject}, 'answered_at', (old.data#>>'{{verdict,answered_at}}')::timestamptz
                - given.k * %(period)s::interval),
        'decision', old.data->'decision' || jsonb_build_object('id', {decision}),
        'published_at', (old.data->>'published_at')::timestamptz
            - given.k * %(period)s::interval)
    ELSE old.data END
"""
_FOREIGN_KEYS: Final = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' AND (conrelid = ANY (%(tables)s::text[]::regclass[]))
    ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Shift:
    """How far each clone lies before the last, and how many items one holds."""

    past: Past
    period: timedelta
    # The most clones that there will ever be: positions of the feed are counted down from there.
    most: int

    @property
    def items(self) -> int:
        """Items of one clone."""
        return len(self.past.posts)


def grow(shift: Shift, *, first: int, last: int) -> None:
    """Write the clones `first` to `last` (1 is the one just before the past itself)."""
    step = max(1, AT_ONCE // shift.items)
    spans = [(start, min(start + step - 1, last)) for start in range(first, last + 1, step)]
    with _connect() as own:
        keys = _drop_foreign_keys(own)
        # Else it reads again and again what is being written; all is vacuumed at the end.
        _set_autovacuum(own, "SET (autovacuum_enabled = false)")
        try:
            with ThreadPoolExecutor(WRITERS) as threads:
                parts = [spans[number::WRITERS] for number in range(WRITERS)]
                list(threads.map(lambda part: _write(shift, part), parts))
            _count_frames(own, shift, first, last)
        finally:
            _set_autovacuum(own, "RESET (autovacuum_enabled)")
            with ThreadPoolExecutor(WRITERS) as threads:
                list(threads.map(_add_foreign_keys, _by_table(keys)))
    settle(WRITERS)


def _connect() -> psycopg.Connection:
    """A connection of its own to the database that Django is set up on."""
    known = connection.settings_dict
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}
    given = {name: str(known[key]) for key, name in (names | {"PORT": "port"}).items()}
    place = make_conninfo("", **{name: value for name, value in given.items() if value})
    return psycopg.connect(place, autocommit=True)


def settle(writers: int = WRITERS) -> None:
    """Leave all tables as autovacuum and the checkpointer would after a while."""
    with ThreadPoolExecutor(writers) as threads:
        list(threads.map(_vacuum, (model._meta.db_table for model in ALL_TABLES)))
    with _connect() as own:
        own.execute("CHECKPOINT")


def _set_autovacuum(own: psycopg.Connection, change: LiteralString) -> None:
    for model in ALL_TABLES:
        table = sql.Identifier(model._meta.db_table)
        own.execute(sql.SQL("ALTER TABLE {} " + change).format(table))


def _vacuum(table: str) -> None:
    with _connect() as own:
        own.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))


def _drop_foreign_keys(own: psycopg.Connection) -> list[tuple[str, str, str]]:
    tables = [model._meta.db_table for model in MODELS]
    keys = own.execute(_FOREIGN_KEYS, {"tables": tables}).fetchall()
    for table, name, _definition in keys:
        own.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                sql.Identifier(table), sql.Identifier(name)
            )
        )
    return keys


def _by_table(keys: Sequence[tuple[str, str, str]]) -> list[list[tuple[str, str, str]]]:
    return [[key for key in keys if key[0] == table] for table in sorted({key[0] for key in keys})]


def _add_foreign_keys(keys: Sequence[tuple[str, str, str]]) -> None:
    """One after another: each locks both tables for writers, and is checked by one join."""
    with _connect() as own:
        own.execute("SET work_mem = '128MB'")
        for table, name, definition in keys:
            where = sql.Identifier(table), sql.Identifier(name), sql.SQL(definition)
            # The check of what is there needs no lock that would keep the other connection out.
            own.execute(sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID").format(*where))
            own.execute(sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(*where[:2]))


def _write(shift: Shift, spans: Sequence[tuple[int, int]]) -> None:
    """Write the clones of these spans from one connection, a span a transaction."""
    with _connect() as own:
        own.execute("SET synchronous_commit = off")
        own.execute("SET jit = off")
        own.execute(_CLONE_ID)
        for start, end in spans:
            with own.transaction():
                for model in MODELS:
                    _clone(own, shift, model, start, end)


def _name_templates(own: psycopg.Connection, shift: Shift) -> None:
    """What a clone needs of each item of the past: its number, its time, its text around its id."""
    known = {
        external_id: (item_id, received_at)
        for item_id, external_id, received_at in own.execute(
            "SELECT id, external_id, received_at FROM routing_item WHERE stream_id = %s "
            "AND external_id LIKE 'template-%%'",
            [shift.past.stream.id],
        )
    }
    own.execute(_TEMPLATES)
    with (
        own.cursor() as cursor,
        cursor.copy(f"COPY {_KEEP}.template FROM STDIN") as copy,
    ):
        for number, post in enumerate(shift.past.posts):
            item_id, at = known[post.external_id]
            head, _id, tail = write_canonically(post).decode().partition(f'"{post.external_id}"')
            copy.write_row((item_id, number, int(at.timestamp() * 1000), head, tail))


def _clone(
    own: psycopg.Connection,
    shift: Shift,
    model: type[models.Model],
    first: int,
    last: int,
) -> None:
    columns = [str(field.column) for field in model._meta.concrete_fields]
    values = [_compose(model, field) for field in model._meta.concrete_fields]
    table = model._meta.db_table
    of_item = OF_ITEM.get(model, "item_id")
    own.execute(
        f"""
        INSERT INTO {table} ({", ".join(columns)})
        SELECT {", ".join(values)}
        FROM (
            SELECT k, template.*, template.milliseconds
                - k * (extract(epoch FROM %(period)s::interval) * 1000)::bigint AS at
            FROM generate_series(%(last)s::bigint, %(first)s, -1) AS k
            CROSS JOIN {_KEEP}.template AS template
            OFFSET 0
        ) AS given
        JOIN {_KEEP}.{table} AS old ON old.{of_item} = given.item_id
        """,
        {
            "period": shift.period,
            "first": first,
            "last": last,
            "positions": shift.items,
        },
    )


def _compose(model: type[models.Model], field: "models.Field[Any, Any]") -> str:
    """SQL of a clone's value of a column."""
    column = str(field.column)
    clone = f"pg_temp.clone_id(old.{column}, given.at, given.k)"
    if (model, column) in _SPECIAL:
        return _SPECIAL[model, column]
    if column == "id" or field.related_model in MODELS or column == "verdict_id":
        return clone
    if isinstance(field, models.DateTimeField):
        return f"old.{column} - given.k * %(period)s::interval"
    return f"old.{column}"


_HASHED: Final = "md5(old.{column}::text || given.k)::uuid"
_EXTERNAL_ID: Final = (
    "'grown-' || lpad(given.k::text, 6, '0') || '-' || lpad(given.number::text, 5, '0')"
)
_SPECIAL: Final[Mapping[tuple[type[models.Model], str], str]] = {
    (Item, "external_id"): _EXTERNAL_ID,
    (Item, "fingerprint"): (
        f"sha256(convert_to(given.head || '\"' || {_EXTERNAL_ID} || '\"' || given.tail, 'UTF8'))"
    ),
    (ReviewTask, "lease_token"): _HASHED.format(column="lease_token"),
    (Verdict, "batch"): _HASHED.format(column="batch"),
    (Announcement, "subject_id"): "pg_temp.clone_id(old.subject_id, given.at, given.k)",
    (Announcement, "position"): "old.position - given.k * %(positions)s::bigint",
    (Announcement, "data"): _TELLING.format(
        subject="pg_temp.clone_id(old.subject_id, given.at, given.k)",
        decision="pg_temp.clone_id((old.data#>>'{decision,id}')::uuid, given.at, given.k)",
    ),
    (Event, "subject_id"): "pg_temp.clone_id(old.subject_id, given.at, given.k)",
    (Event, "data"): (
        "old.data || jsonb_build_object('verdict', "
        "pg_temp.clone_id((old.data->>'verdict')::uuid, given.at, given.k))"
    ),
}


def keep_past(shift: Shift) -> None:
    """Keep what will be cloned, and move its own places in the feed behind those of all clones."""
    stream = shift.past.stream
    with _connect() as own:
        # What was told keeps its place everywhere else.
        own.execute(
            "SELECT set_config('pgtrigger.ignore', (SELECT array_agg(tgname)::text FROM pg_trigger"
            " WHERE tgrelid = 'routing_announcement'::regclass), false)"
        )
        own.execute(
            "UPDATE routing_announcement SET position = position + %s WHERE stream_id = %s",
            [shift.most * shift.items, stream.id],
        )
        own.execute(f"DROP SCHEMA IF EXISTS {_KEEP} CASCADE")
        own.execute(f"CREATE SCHEMA {_KEEP}")
        _name_templates(own, shift)
        for model in MODELS:
            table, of_item = model._meta.db_table, OF_ITEM.get(model, "item_id")
            only = "AND kept.kind = 'verdict.recorded'" if model is Event else ""
            own.execute(
                f"CREATE TABLE {_KEEP}.{table} AS SELECT kept.* FROM {table} AS kept "
                f"JOIN {_KEEP}.template AS template ON template.item_id = kept.{of_item} "
                f"WHERE kept.stream_id = '{stream.id}' {only}"
            )
        own.execute(
            f"CREATE TABLE {_KEEP}.cell (raw float8, category text, queue text, pi float8, "
            "policy uuid, version text, received_at timestamptz, bin smallint)"
        )
        rows = own.execute(
            f"SELECT decision.raw_confidence, decision.predicted, decision.queue, "
            f"decision.label_pi, decision.policy_id, item.model_version, item.received_at "
            f"FROM {_KEEP}.routing_decision AS decision "
            f"JOIN {_KEEP}.routing_item AS item ON item.id = item_id"
        ).fetchall()
        bins = confidence_bins(np.array([row[0] for row in rows])).tolist()
        with own.cursor() as cursor, cursor.copy(f"COPY {_KEEP}.cell FROM STDIN") as copy:
            for row, number in zip(rows, bins, strict=True):
                copy.write_row((*row, number))
        for model in MODELS:
            own.execute(f"ANALYZE {_KEEP}.{model._meta.db_table}")
        own.execute(f"ANALYZE {_KEEP}.template")


def forget_past() -> None:
    """Remove what was kept, once the stream has grown to its last size."""
    with _connect() as own:
        own.execute(f"DROP SCHEMA IF EXISTS {_KEEP} CASCADE")


def _count_frames(own: psycopg.Connection, shift: Shift, first: int, last: int) -> None:
    """Count what the clones add to the frame, per day of the stream's time zone."""
    stream = shift.past.stream
    own.execute("SET work_mem = '256MB'")
    own.execute(
        """
        INSERT INTO calibration_framecount AS kept (id, stream_id, day, policy_id, model_version,
            category, bin, queue, pi, count, raw_sum)
        SELECT gen_random_uuid(), %(stream)s, day, policy, version, category, bin, queue, pi,
            count(*), sum(raw)
        FROM (
            SELECT cell.*, ((received_at - k * %(period)s::interval)
                AT TIME ZONE %(zone)s)::date AS day
            FROM generate_series(%(first)s::bigint, %(last)s) AS k CROSS JOIN growth.cell AS cell
        ) AS cloned
        GROUP BY day, policy, version, category, bin, queue, pi
        ON CONFLICT ON CONSTRAINT frame_key_unique DO UPDATE SET
            count = kept.count + excluded.count, raw_sum = kept.raw_sum + excluded.raw_sum
        """,
        {
            "stream": stream.id,
            "period": shift.period,
            "zone": stream.time_zone,
            "first": first,
            "last": last,
        },
    )
    own.execute("DELETE FROM calibration_daycount WHERE stream_id = %s", [stream.id])
    own.execute(RECOUNT, {"stream": stream.id})
