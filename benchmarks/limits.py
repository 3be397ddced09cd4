"""What the same machine could do at most, measured in the same run.

The rows that intake stored, copied as they are into copies of the same tables (indexes, checks
and foreign keys included, triggers not); bare claims on the table that the reviewers work on; a
WSGI application that does nothing, on the same server.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID, uuid4

import psycopg
from django.db import models
from psycopg import sql

from benchmarks.clients import Caller, Load, drive
from benchmarks.stage import STOP_SIGNALS, free_port
from calibration.models import AuditDraw, FrameDelta
from reviewqueue.claims import CLAIM_NEXT
from reviewqueue.embedded.processes import PROJECT, start_process, stop_process, wait_until
from reviewqueue.models import ReviewTask
from reviewqueue.serve import ask_for_page
from routing.models import Decision, Item, Stream

TABLES: tuple[type[models.Model], ...] = (Item, Decision, ReviewTask, AuditDraw, FrameDelta)
Chunk = list[tuple[str, bytes]]


def copy_rate(stream: Stream, *, items_a_commit: int, commits: int, writers: int) -> float:
    """Items a second by binary COPY, with everything that intake stored beside them.

    The rows of `stream` are copied `items_a_commit` at a time, `commits` in all, each with one
    COPY a table, by `writers` connections.
    """
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        chunks = _read_chunks(connection, stream.id, items_a_commit, commits)
        for model in TABLES:
            names = sql.Identifier(_copy_of(model)), sql.Identifier(model._meta.db_table)
            connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(*names))
            _add_foreign_keys(connection, model)
    try:
        return _write_chunks(chunks, writers) * items_a_commit
    finally:
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            for model in TABLES:
                connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(_copy_of(model))))


def _add_foreign_keys(connection: psycopg.Connection, model: type[models.Model]) -> None:
    """Those of the table itself, which COPY minds too; what they refer to was stored by intake."""
    for field in model._meta.concrete_fields:
        target = field.related_model
        if isinstance(field, models.ForeignKey) and isinstance(target, type):
            connection.execute(
                sql.SQL(
                    "ALTER TABLE {} ADD FOREIGN KEY ({}) REFERENCES {} "
                    "DEFERRABLE INITIALLY DEFERRED"
                ).format(
                    sql.Identifier(_copy_of(model)),
                    sql.Identifier(field.column),
                    sql.Identifier(target._meta.db_table),
                )
            )


def _copy_of(model: type[models.Model]) -> str:
    return f"limit_{model._meta.db_table}"


def _read_chunks(
    connection: psycopg.Connection, stream_id: UUID, size: int, count: int
) -> list[Chunk]:
    """The stored rows as COPY's own bytes, each table's spread evenly over the chunks."""
    whole = Item.objects.filter(stream_id=stream_id).count()
    share = min(1.0, size * count / whole)
    chunks: list[Chunk] = [[] for _ in range(count)]
    for model in TABLES:
        rows = model._default_manager.filter(stream_id=stream_id).count()
        part = rows * share / count
        for number, chunk in enumerate(chunks):
            first, last = round(number * part), round((number + 1) * part)
            if last > first:
                chunk.append((_copy_of(model), _read(connection, model, stream_id, first, last)))
    return chunks


def _read(
    connection: psycopg.Connection, model: type[models.Model], stream: UUID, first: int, last: int
) -> bytes:
    query = sql.SQL(
        "COPY (SELECT * FROM {} WHERE stream_id = {} ORDER BY id OFFSET {} LIMIT {}) "
        "TO STDOUT (FORMAT BINARY)"
    ).format(sql.Identifier(model._meta.db_table), str(stream), first, last - first)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        return b"".join(bytes(part) for part in copy)


def _write_chunks(chunks: Sequence[Chunk], writers: int) -> float:
    """Write all chunks, each as one transaction; returns chunks a second."""
    with _connections(writers) as connections:
        shares = [iter(chunks[number::writers]) for number in range(writers)]
        steps = [_writer(*pair) for pair in zip(connections, shares, strict=True)]
        return drive(steps, seconds=600).rate


def _writer(connection: psycopg.Connection, chunks: Iterator[Chunk]) -> Callable[[], float | None]:
    def write() -> float | None:
        chunk = next(chunks, None)
        if chunk is None:
            return None
        started = time.perf_counter()
        with connection.transaction(), connection.cursor() as cursor:
            for table, content in chunk:
                query = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)")
                with cursor.copy(query.format(sql.Identifier(table))) as copy:
                    copy.write(content)
        return time.perf_counter() - started

    return write


def claim_rate(
    stream: Stream, user_ids: Sequence[int], *, queue: str, seconds: float, clients: int
) -> float:
    """Claims a second by the statement alone, each committed, each for another of `user_ids`."""
    with _connections(clients) as connections:
        shares = [iter(user_ids[number::clients]) for number in range(clients)]
        steps = [
            _claimer(connection, share, stream, queue)
            for connection, share in zip(connections, shares, strict=True)
        ]
        return drive(steps, seconds=seconds).rate


def _claimer(
    connection: psycopg.Connection, users: Iterator[int], stream: Stream, queue: str
) -> Callable[[], float | None]:
    def claim() -> float | None:
        user = next(users, None)
        if user is None:
            return None
        values = {
            "user": user,
            "token": uuid4(),
            "after": 0,
            "lease_minutes": stream.lease_minutes,
            "stream": stream.id,
            "queue": queue,
            "rest_seconds": 0.0,
        }
        started = time.perf_counter()
        with connection.transaction():
            connection.execute(CLAIM_NEXT, values)
        return time.perf_counter() - started

    return claim


@contextmanager
def _connections(count: int) -> Iterator[list[psycopg.Connection]]:
    opened = [psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) for _ in range(count)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.close()


def empty_view(*, clients: int, seconds: float, workers: int = 2) -> Load:
    """The same load generator against `benchmarks.empty` on the same server."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = start_process(
        [
            *(sys.executable, "-m", "granian", "benchmarks.empty:application"),
            *("--interface", "wsgi", "--blocking-threads", "4", "--log-level", "warning"),
            *("--workers", str(workers), "--port", str(port)),
        ],
        cwd=PROJECT,
    )
    try:
        wait_until(lambda: ask_for_page(url) != 0, seconds=30)
        callers = [Caller(url) for _ in range(clients)]
        steps = [lambda caller=caller: caller.expect(200, "GET", "/").seconds for caller in callers]
        return drive(steps, seconds=seconds, warm_up=0.5)
    finally:
        stop_process(server, *((number, 10.0) for number in STOP_SIGNALS))
