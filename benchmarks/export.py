"""The export of a million items as JSON lines: items a second, and the memory of it.

The items are made in the database as for a recalibration, every one with its label, which is more
than a real stream has to tell. A process of its own exports, so that the peak is its own. The limit
is a COPY of the same items as rows of JSON, without decisions and labels, in the same run.
"""

import time

from django.db import connection

from benchmarks.apart import measure_apart
from benchmarks.recalibrate import make_labelled_stream
from benchmarks.stage import Stage
from benchmarks.tree import peak_mib
from reviewqueue.exports import Selection, export_lines
from routing.models import Stream

ITEMS = 1_000_000
CATEGORIES = 10
_LIMIT = "COPY (SELECT row_to_json(item) FROM routing_item AS item WHERE stream_id = %s) TO STDOUT"


def run(stage: Stage, *, items: int = ITEMS) -> dict[str, float]:
    """The figures by name: export_items_s, export_mib, and the limit."""
    del stage  # it has set up Django and the database
    stream = make_labelled_stream("exported", labels=items, categories=CATEGORIES)
    return measure_apart(export_here, stream.key)


def export_here(key: str) -> dict[str, float]:
    """Export the stream in this process, block after block to nowhere, and copy its items."""
    stream = Stream.objects.get(key=key)
    began = time.perf_counter()
    items = sum(block.count(b"\n") for block in export_lines(Selection(stream)))
    seconds = time.perf_counter() - began
    peak = peak_mib()
    began = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy(_LIMIT, [stream.id]) as copy:
        copied = sum(1 for _ in copy)
    return {
        "export_items_s": items / seconds,
        "export_mib": peak,
        "limit_json_items_s": copied / (time.perf_counter() - began),
    }
