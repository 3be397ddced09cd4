"""What a piece of work costs, told apart: time, processor time of each side, pages of the database.

Processor time and pages hardly depend on what else the machine does; elapsed time does.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from django.db import connection

from benchmarks.tree import cpu_seconds

# Of this connection alone: pages found in memory and pages fetched, of tables and their indexes.
_PAGES = """
    SELECT coalesce(sum(hits), 0) + coalesce(sum(reads), 0), coalesce(sum(reads), 0)
    FROM pg_stat_get_backend_io(pg_backend_pid())
    WHERE object = 'relation'
"""
MS = 1_000.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one unit of work: milliseconds elapsed (the median of all acts), milliseconds of
    processor time of this process and of its connection, and pages of 8 KiB."""

    elapsed_ms: float
    python_ms: float
    database_ms: float
    pages: float
    fetched: float


def meter(act: Callable[[], float], *, times: int, warm_up: int = 1) -> Cost:
    """Do it `times` times after some that do not count; `act` returns how many units it did."""
    for _ in range(warm_up):
        act()
    elapsed: list[float] = []
    units = 0.0
    with _metered() as spent:
        for _ in range(times):
            began = time.perf_counter()
            done = act()
            if done:
                elapsed.append((time.perf_counter() - began) / done)
                units += done
    python, database, pages, fetched = spent
    whole = max(units, 1.0)
    return Cost(
        elapsed_ms=median(elapsed) * MS if elapsed else 0.0,
        python_ms=python / whole * MS,
        database_ms=database / whole * MS,
        pages=pages / whole,
        fetched=fetched / whole,
    )


@contextmanager
def _metered() -> Iterator[list[float]]:
    """Fills the list at the block's end: seconds of both sides, pages, pages fetched."""
    spent: list[float] = []
    pages, fetched = _read_pages()
    backend = _backend()
    database, python = cpu_seconds([backend]), time.process_time()
    yield spent
    spent += [time.process_time() - python, cpu_seconds([backend]) - database]
    if _backend() != backend:
        raise RuntimeError("The connection was opened anew; what it cost cannot be told.")
    last_pages, last_fetched = _read_pages()
    spent += [last_pages - pages, last_fetched - fetched]


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _read_pages() -> tuple[float, float]:
    with connection.cursor() as cursor:
        # Counted by the connection, and told when its transaction is over.
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT 1")
        cursor.execute(_PAGES)
        pages, fetched = cursor.fetchone()
        return float(pages), float(fetched)
