"""The database backend, `ENGINE` here: Django's, but for how a pooled connection is looked at.

Django's own check asks the server at every request, which is a journey for nothing nearly always:
a connection that the server closed has the end of its stream to read, and one that is well has
nothing. The server is asked where there is something to read, and where nothing was heard for long,
as a firewall may forget a connection without a word to either end.
"""

from select import POLLIN, poll
from time import monotonic
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

BELIEVED_FOR: Final = 5.0  # seconds

_heard: WeakKeyDictionary[psycopg.Connection, float] = WeakKeyDictionary()


def is_alive(connection: psycopg.Connection) -> bool:
    """Whether an idle connection can be used."""
    now = monotonic()
    if now - _heard.get(connection, -BELIEVED_FOR) < BELIEVED_FOR and _is_silent(connection):
        return True
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.OperationalError:
        return False
    _heard[connection] = now
    return True


def _is_silent(connection: psycopg.Connection) -> bool:
    if connection.closed:
        return False
    watched = poll()
    watched.register(connection.fileno(), POLLIN)
    return not watched.poll(0)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, whose pool hands out connections unseen: they are looked at here."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection that was alive a moment ago; waits for the pool to make one."""
        connection = super().get_new_connection(conn_params)
        while self.pool is not None and not is_alive(connection):
            connection.close()
            self.pool.putconn(connection)  # which makes another in its place
            connection = super().get_new_connection(conn_params)
        return connection
