"""Pooled connections are looked at before they are used, and asked only where that tells more."""

from collections.abc import Iterator
from datetime import datetime
from time import monotonic

import pytest
from django.db import connection

from reviewqueue.postgres import base
from reviewqueue.postgres.base import BELIEVED_FOR, DatabaseWrapper


@pytest.fixture
def other(transactional_db: None) -> Iterator[DatabaseWrapper]:
    """Another user of the same database, with a pool of one connection."""
    other = connection.copy(alias="other")
    assert isinstance(other, DatabaseWrapper)
    other.settings_dict["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 1, "timeout": 10}
    yield other
    other.close()
    other.close_pool()


def borrow(other: DatabaseWrapper) -> int:
    """Take a connection and give it back; the id of the server's process behind it."""
    other.connect()
    pid: int = other.connection.info.backend_pid
    other.close()
    return pid


def last_asked(pid: int) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT query_start FROM pg_stat_activity WHERE pid = %s", [pid])
        started: datetime = cursor.fetchone()[0]
    return started


def test_connection_heard_of_a_moment_ago_is_not_asked(other: DatabaseWrapper) -> None:
    pid = borrow(other)
    asked = last_asked(pid)
    assert (borrow(other), last_asked(pid)) == (pid, asked)


def test_connection_not_heard_of_for_long_is_asked(other: DatabaseWrapper) -> None:
    pid = borrow(other)
    asked = last_asked(pid)
    for known in list(base._heard):
        base._heard[known] = monotonic() - BELIEVED_FOR
    assert borrow(other) == pid
    assert last_asked(pid) > asked


def test_connection_that_the_server_ended_is_replaced(other: DatabaseWrapper) -> None:
    pid = borrow(other)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        assert cursor.fetchone() == (True,)
    other.connect()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone()[0] not in (None, pid)
