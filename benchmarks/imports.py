"""The import of 200,000 items from JSON lines: items a second, and the memory of it.

A process of its own imports, so that the peak is its own. The limit copies what was stored once
more, in transactions of the same size from one connection, with nothing parsed, checked or decided.
"""

import tempfile
import time
from pathlib import Path

from benchmarks.apart import measure_apart
from benchmarks.cast import encode, make_bodies, make_stream
from benchmarks.limits import copy_rate
from benchmarks.stage import Stage
from benchmarks.tree import peak_mib
from reviewqueue.files.opening import JSONL, open_items
from reviewqueue.imports import BATCH_ITEMS, Refusal, import_records
from routing.models import Stream

ITEMS = 200_000
SEED = 7
COPIED_BATCHES = 60


def run(stage: Stage, *, items: int = ITEMS) -> dict[str, float]:
    """The figures by name: import_items_s, import_mib, and the limit."""
    del stage  # it has set up Django and the database
    stream = make_stream("imported")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.jsonl"
        write_items(path, items)
        found = measure_apart(import_here, stream.key, str(path))
    limit = copy_rate(stream, items_a_commit=BATCH_ITEMS, commits=COPIED_BATCHES, writers=1)
    return found | {"limit_import_items_s": limit}


def write_items(path: Path, items: int) -> None:
    """A file of items as upstream posts them."""
    with path.open("wb") as file:
        for body in make_bodies("i", items, seed=SEED):
            file.write(encode(body) + b"\n")


def import_here(key: str, path: str) -> dict[str, float]:
    """Import the file into the stream in this process."""
    stream = Stream.objects.get(key=key)
    began = time.perf_counter()
    with Path(path).open("rb") as source:
        records = open_items(source, format_name=JSONL)
        counts = import_records(stream=stream, records=records, with_truth=False, on_refusal=_fail)
    seconds = time.perf_counter() - began
    return {"import_items_s": counts.taken / seconds, "import_mib": peak_mib()}


def _fail(refusal: Refusal) -> None:
    raise RuntimeError(f"An item was refused: {refusal}")
