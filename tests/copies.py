"""Copying whole databases, which PostgreSQL does only while nobody is connected."""

from django.db import connection


def hang_up() -> None:
    """Nobody is connected any more, nor keeps a connection for the next who asks.

    Not the thread of an earlier test's server either, which may have ended with one in its hands.
    """
    name = connection.settings_dict["NAME"]
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # not in the stubs
    run_on_server(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
    )


def run_on_server(*statements: str) -> None:
    """Statements about databases, asked from beside ours."""
    with connection._nodb_cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
