"""Which database is read: the primary, or a replica for what may be some seconds behind.

Replication is not at once, so nothing reads a replica by itself. Work that says so (exports, what
insight pages show) reads there where `REPLICA_URL` names one. All writes go to the primary.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

REPLICA: Final = "replica"
_read_now: ContextVar[str] = ContextVar("database that is read", default=DEFAULT_DB_ALIAS)


class ReplicaRouter:
    """Django's router: reads go where `from_replica` says, all else to the primary."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:  # noqa: ARG002
        return _read_now.get()

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:  # noqa: ARG002
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: models.Model, other: models.Model, **hints: Any) -> bool:  # noqa: ARG002
        """Both databases hold the same rows."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:  # noqa: ARG002
        return db == DEFAULT_DB_ALIAS


def has_replica() -> bool:
    """Whether there is a replica to read."""
    return REPLICA in connections.databases


@contextmanager
def from_replica() -> Iterator[None]:
    """Read the replica within the block, where there is one. What is read may be seconds old.

    Nothing within may depend on what was written a moment ago. A generator must not yield within:
    whoever takes what it yields would read there too.
    """
    token = _read_now.set(REPLICA if has_replica() else DEFAULT_DB_ALIAS)
    try:
        yield
    finally:
        _read_now.reset(token)


def reading() -> BaseDatabaseWrapper:
    """The connection on which statements written by hand read."""
    return connections[_read_now.get()]
