"""What was chosen in a table that somebody left for one of its rows, for their way back.

A script keeps it in the tab; without one the session does, until the table is shown again.
"""

from collections.abc import Collection, Mapping
from typing import Final, TypedDict
from uuid import UUID

from reviewqueue.htmx import PersonRequest
from reviewqueue.views.batch_form import RowEntry, TableEntry
from routing.models import Stream

KEPT: Final = "batch"
LONGEST: Final = 200  # of a name, a key, or the id of a block


class KeptRow(TypedDict):
    """A row's entry as the session holds it."""

    confirm: bool
    answer: str
    other: str
    block: str | None


def keep_table(
    request: PersonRequest, stream: Stream, entry: TableEntry, *, rows: Collection[UUID]
) -> None:
    """Remember what was chosen for these rows of the table."""
    request.session[KEPT] = {
        "stream": str(stream.id),
        "active_ms": entry.active_ms,
        "with_today": entry.with_today,
        "rows": {str(task_id): _pack(entry.rows[task_id]) for task_id in rows},
    }


def recall_table(request: PersonRequest, stream: Stream) -> TableEntry:
    """What was chosen in the stream's table, once: it is forgotten then."""
    if request.session.get(KEPT, {}).get("stream") != str(stream.id):
        return TableEntry(lease_token=None, rows={})
    kept = request.session.pop(KEPT)
    rows: Mapping[str, KeptRow] = kept["rows"]
    return TableEntry(
        lease_token=None,
        rows={UUID(task_id): RowEntry(**row) for task_id, row in rows.items()},
        active_ms=kept["active_ms"],
        with_today=kept["with_today"],
    )


def _pack(row: RowEntry) -> KeptRow:
    return KeptRow(
        confirm=row.confirm,
        answer=row.answer[:LONGEST],
        other=row.other[:LONGEST],
        block=None if row.block is None else row.block[:LONGEST],
    )
