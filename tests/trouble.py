"""A database that gets into trouble while it is asked to store something, or to read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection

from tests.reviewqueue.test_verdicts import wait_until_somebody_waits_for_a_lock

# What a trigger does, in PL/pgSQL: a full disk, and a server that shuts down.
DISK_FULL: Final = "RAISE EXCEPTION 'could not extend the file' USING ERRCODE = 'disk_full'"
SHUT_DOWN: Final = "PERFORM pg_terminate_backend(pg_backend_pid(), 5000)"


@contextmanager
def trouble_at(table: str, what: str) -> Iterator[None]:
    """Whoever stores a row in the table meets it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION meet_trouble() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {what}; RETURN NEW; END $$"
        )
        cursor.execute(
            f"CREATE TRIGGER meet_trouble BEFORE INSERT ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION meet_trouble()"
        )
    try:
        yield
    finally:
        connection.close()  # it may be of no use any more
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION meet_trouble() CASCADE")


def end_who_waits_for_a_lock() -> None:
    """Wait until somebody does, then end their connection from this one."""
    wait_until_somebody_waits_for_a_lock()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        assert cursor.fetchall() == [(True,)]
