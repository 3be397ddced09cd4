"""Items with what became of them, as JSON lines made by the database itself.

A page is a range of ids read in one short statement and kept on disk while whoever asked takes it,
so that neither a slow reader nor a long export holds a snapshot, and memory stays the same.

What is to be judged blind stays blind: of an item with an unanswered blind seat, one drawn for an
audit whose seat is not open yet, one whose blind verdict can still be undone, and one that is
slipped in as a known answer, the answers are left out (`"blind": true`) unless asked for. These
are what `disclosure.hidden_from` holds back from a reviewer who never had them, said again in SQL
that reads a page of them by hash. Labels and verdicts are told of settled items without an open
seat, once the undo window is over.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from reviewqueue.files.label_studio_writing import write_task
from reviewqueue.files.opening import CSV, LABEL_STUDIO
from reviewqueue.files.table_writing import TableWriter
from routing.ids import least_uuid7_since
from routing.models import Item, Stream
from routing.reading import from_replica, reading
from routing.rows import open_copy

PAGE_ITEMS: Final = 5_000
PAGE_BYTES: Final = 8 * 1024 * 1024
BLOCK_BYTES: Final = 256 * 1024
FIRST_ID: Final = UUID(int=0)
# A CSV's columns for fields of payloads are those of so many items, and at most so many.
LOOKED_AT: Final = 1_000
MOST_FIELDS: Final = 50

# The planner takes a range of ids for a single row, and would read all labels of a page anew for
# each of its items: 53 us of processor time an item, 11 where it has to hash. To compile a
# statement for a few thousand rows takes longer than to run it; a page is sorted in 16 MB.
PAGE_PLAN: Final = """
    SET LOCAL enable_nestloop = off; SET LOCAL jit = off; SET LOCAL work_mem = '16MB'
"""
# JSON holds no control characters as they are, so that with these as its marks a COPY of one
# column quotes nothing: what arrives are lines of JSON.
_COPY: Final = r"""
    COPY ({lines})
    TO STDOUT (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')
"""
# What other tables say of the page is read once by its range of ids, which stands at each of them,
# so that none is read whole, and joined by hash; decisions alone are looked up by item, for their
# index leads across streams. Lines are put together as text, in a third of row_to_json's time.
_LINES: Final = """
    WITH seats AS MATERIALIZED (
        SELECT item_id, bool_or(blind OR known_id IS NOT NULL) AS blind
        FROM reviewqueue_reviewtask
        WHERE stream_id = %(stream)s AND item_id > %(after)s AND item_id <= %(last)s
            AND state IN ('open', 'claimed')
        GROUP BY item_id
    ), withheld AS MATERIALIZED (
        SELECT item_id FROM calibration_auditdraw
        WHERE stream_id = %(stream)s AND item_id > %(after)s AND item_id <= %(last)s
            AND opened_at IS NULL
        UNION ALL
        SELECT item_id FROM reviewqueue_knownanswer
        WHERE item_id > %(after)s AND item_id <= %(last)s AND retired_at IS NULL
    ), said AS MATERIALIZED (
        SELECT verdict.item_id,
            bool_or(verdict.blind) FILTER (WHERE published_at > statement_timestamp()) AS undoable,
            json_agg(CASE WHEN %(is_grounded)s THEN json_build_object({verdict}, {grounds})
                    ELSE json_build_object({verdict}) END ORDER BY verdict.id)
                FILTER (WHERE published_at <= statement_timestamp() AND task.known_id IS NULL)
                AS verdicts
        FROM reviewqueue_verdict AS verdict
        JOIN reviewqueue_reviewtask AS task ON task.id = verdict.task_id
            AND task.stream_id = %(stream)s
            AND task.item_id > %(after)s AND task.item_id <= %(last)s
        WHERE verdict.stream_id = %(stream)s
            AND verdict.item_id > %(after)s AND verdict.item_id <= %(last)s
            AND verdict.kind <> 'withdrawn'
            AND NOT EXISTS (SELECT FROM reviewqueue_verdict AS later
                WHERE later.supersedes_id = verdict.id
                    AND later.item_id > %(after)s AND later.item_id <= %(last)s)
        GROUP BY verdict.item_id
    ), label AS MATERIALIZED (
        SELECT item_id, kind, categories, pi, blind, source, settled_at
        FROM calibration_groundtruth
        WHERE stream_id = %(stream)s AND item_id > %(after)s AND item_id <= %(last)s
            AND superseded_at IS NULL
    ), page AS (
        SELECT item.*, made.*, said.verdicts,
            NOT %(include_blind)s AND (coalesce(seats.blind, false)
                OR coalesce(said.undoable, false)
                OR item.id IN (SELECT item_id FROM withheld)) AS blind,
            item.state = 'settled' AND seats.blind IS NULL AND said.undoable IS NULL AS judged
        FROM routing_item AS item
        CROSS JOIN LATERAL (
            SELECT id AS decision_id, policy_id, queue, action, predicted, category, source,
                raw_confidence, confidence, margin, entropy, watch, reasons, label_pi, decided_at
            FROM routing_decision WHERE item_id = item.id ORDER BY id DESC LIMIT 1
        ) AS made
        LEFT JOIN seats ON seats.item_id = item.id
        LEFT JOIN said ON said.item_id = item.id
        WHERE item.stream_id = %(stream)s AND item.id > %(after)s AND item.id <= %(last)s
            AND (%(state)s = '' OR item.state = %(state)s)
            AND (%(since)s::timestamptz IS NULL OR item.received_at >= %(since)s)
        OFFSET 0
    )
    SELECT concat('{{"external_id":', to_json(external_id), ',"payload":', payload,
        CASE WHEN evidence IS NOT NULL THEN {sentence}
            WHEN page.blind THEN ',"scores":null,"signals":null,"secondary":null'
            ELSE concat(',"scores":', scores, ',"signals":', signals, ',"secondary":', secondary)
        END,
        ',"metadata":', metadata, ',"model_version":', to_json(model_version),
        ',"priority":', priority, ',"due_at":', coalesce(to_json(due_at)::text, 'null'),
        ',"truth":', coalesce(CASE WHEN judged AND NOT page.blind THEN CASE label.kind
            WHEN 'category' THEN to_json(label.categories[1])
            WHEN 'ambiguous' THEN to_json(label.categories) END END::text, 'null'),
        ',"blind":', page.blind::text, ',"state":"', state, '","received_at":',
        to_json(received_at), ',"settled_at":', coalesce(to_json(page.settled_at)::text, 'null'),
        ',"erased_at":' || to_json(erased_at)::text,
        ',"decision":', CASE WHEN page.blind THEN 'null' ELSE {decision} END,
        ',"label":', CASE WHEN judged AND NOT page.blind AND label.kind IS NOT NULL
            THEN {label} ELSE 'null' END,
        ',"verdicts":', coalesce(
            CASE WHEN judged AND NOT page.blind THEN verdicts END::text, 'null'), '}}')
    FROM page
    JOIN routing_policy AS policy ON policy.id = page.policy_id
    LEFT JOIN label ON label.item_id = page.id
    ORDER BY page.id
"""
_DECISION: Final = """concat('{"queue":"', queue, '","action":"', action,
    '","predicted":', to_json(predicted), ',"category":', to_json(category),
    ',"source":"', page.source, '","raw_confidence":', raw_confidence,
    ',"confidence":', confidence, ',"margin":', margin, ',"entropy":', entropy,
    ',"watch":', CASE WHEN watch = '{}' THEN '[]' ELSE to_json(watch)::text END,
    ',"reasons":', reasons, ',"policy_version":', policy.version, ',"label_pi":', label_pi,
    ',"decided_at":', to_json(decided_at), '}')"""
# A sentence as it was posted; the external id of its predecessor is looked up where it has one.
_SENTENCE: Final = """concat(',"signals":', CASE WHEN page.blind THEN 'null' ELSE signals::text END,
    ',"blocks":', blocks, ',"claims":', coalesce(page.claims::text, '[]'),
    ',"draft":', to_json(draft), ',"position":', coalesce(position::text, 'null'),
    ',"retry_of":', to_json(CASE WHEN page.retry_of_id IS NULL THEN '' ELSE (
        SELECT refused.external_id FROM routing_item AS refused
        WHERE refused.id = page.retry_of_id) END))"""
_LABEL: Final = """concat('{"kind":"', label.kind, '","categories":', to_json(label.categories),
    ',"pi":', coalesce(label.pi::text, 'null'), ',"blind":', label.blind::text,
    ',"source":"', label.source, '","settled_at":', to_json(label.settled_at), '}')"""
_VERDICT: Final = """'kind', verdict.kind, 'categories', categories,
    'proposed_name', proposed_name, 'comment', comment, 'blind', verdict.blind,
    'in_bulk', batch IS NOT NULL, 'answered_at', answered_at"""
# What a verdict on a sentence rests on.
_GROUNDS: Final = "'block', nullif(block, ''), 'off_topic', off_topic, 'claims', verdict.claims"
PAGE_LINES: Final = _LINES.format(
    decision=_DECISION, label=_LABEL, sentence=_SENTENCE, verdict=_VERDICT, grounds=_GROUNDS
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items of a stream are exported: received since, in a state; by default all.

    `include_blind` tells the machine's answer also of items that are still to be judged blind.
    """

    stream: Stream
    since: datetime | None = None
    state: str = ""
    include_blind: bool = False


def export_lines(selection: Selection) -> Iterator[bytes]:
    """Blocks of JSON lines, an item a line in the order of intake, each line ended by a newline.

    What is stored meanwhile may be among them or not.
    """
    after = find_beginning(selection)
    while (last := _last_id_of_page(selection.stream, after)) is not None:
        with SpooledTemporaryFile(max_size=PAGE_BYTES) as page:
            _read_page(selection, after, last, page)
            page.seek(0)
            while block := page.read(BLOCK_BYTES):
                yield block
        after = last


def find_beginning(selection: Selection) -> UUID:
    """An id before those of all items that are selected.

    An item's id is made after it was received, so that those received since some time stand at the
    end of the ids, whatever came before.
    """
    return FIRST_ID if selection.since is None else least_uuid7_since(selection.since)


def _last_id_of_page(stream: Stream, after: UUID) -> UUID | None:
    ids = (
        Item.objects.filter(stream=stream, id__gt=after).order_by("id").values_list("id", flat=True)
    )
    full = ids[PAGE_ITEMS - 1 : PAGE_ITEMS].first()
    return full or ids.order_by("-id").first()


def _read_page(
    selection: Selection, after: UUID, last: UUID, page: "SpooledTemporaryFile[bytes]"
) -> None:
    given = {
        "stream": selection.stream.id,
        "after": after,
        "last": last,
        "state": selection.state,
        "since": selection.since,
        "include_blind": selection.include_blind,
        "is_grounded": selection.stream.is_grounded,
    }
    with from_replica(), transaction.atomic(using=reading().alias):
        with reading().cursor() as cursor:
            cursor.execute(PAGE_PLAN)
        statement = reading().ops.compose_sql(  # type: ignore[attr-defined]  # PostgreSQL's own
            _COPY.format(lines=PAGE_LINES), given
        )
        with open_copy(statement, on=reading()) as copy:
            for block in copy:
                page.write(block)


def export_items(selection: Selection, *, format_name: str) -> Iterator[bytes]:
    """Blocks of a file of the items in one of `FORMATS`."""
    if format_name == CSV:
        return _export_table(selection)
    if format_name == LABEL_STUDIO:
        return _export_tasks(selection)
    return export_lines(selection)


def _export_table(selection: Selection) -> Iterator[bytes]:
    writer = TableWriter(
        categories=list(selection.stream.categories.values_list("key", flat=True)),
        payload_fields=_text_fields(selection.stream),
        is_grounded=selection.stream.is_grounded,
    )
    yield writer.header()
    for items in _parsed(selection):
        yield b"".join(map(writer.row, items))


def _export_tasks(selection: Selection) -> Iterator[bytes]:
    between = b"[\n"
    for items in _parsed(selection):
        yield between + b",\n".join(map(write_task, items))
        between = b",\n"
    yield b"\n]\n" if between == b",\n" else b"[]\n"


def _parsed(selection: Selection) -> Iterator[list[dict[str, Any]]]:
    """The items of a block at a time, never an empty list."""
    rest = b""
    for block in export_lines(selection):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield [json.loads(line) for line in whole.split(b"\n")]


def _text_fields(stream: Stream) -> list[str]:
    """The payload fields that get a column: those with texts among the first items."""
    with from_replica(), reading().cursor() as cursor:
        cursor.execute(
            """
            SELECT name FROM (
                SELECT payload FROM routing_item WHERE stream_id = %s ORDER BY id LIMIT %s
            ) AS item CROSS JOIN LATERAL jsonb_each(payload) AS field (name, value)
            WHERE jsonb_typeof(value) = 'string'
            GROUP BY name ORDER BY count(*) DESC, name LIMIT %s
            """,
            [stream.id, LOOKED_AT, MOST_FIELDS],
        )
        return [name for (name,) in cursor.fetchall() if name and name == name.strip()]
