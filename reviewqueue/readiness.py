"""Whether this process can serve: what a load balancer asks.

The database has to answer and to have every migration that this code knows; further ones, of a
newer version that is being rolled out, do no harm. Without its broker everything works, later
(`reviewqueue.doorbell`), so that is told as degraded and serves on.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache
from threading import Lock
from time import monotonic
from typing import Final

import psycopg
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from reviewqueue import draining, logs

logger = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 2
BROKER_SECONDS: Final = 0.5
KEPT_SECONDS: Final = 1.0
OK: Final = "ok"
UNREACHABLE: Final = "unreachable"
MISSING: Final = "missing: run manage.py migrate"

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Readiness:
    """How this process and what it needs is; it serves unless it drains or lacks its database."""

    draining: bool
    database: str
    migrations: str
    broker: str

    @property
    def is_ready(self) -> bool:
        """Whether requests should be sent here."""
        return not self.draining and self.database == self.migrations == OK

    @property
    def status(self) -> str:
        """One word for all of it."""
        if self.draining:
            return "draining"
        if not self.is_ready:
            return "unready"
        return "ready" if self.broker == OK else "degraded"


class Lookout:
    """What this process found when it last looked, a second ago at most.

    Anybody may ask as often as they like, and each look opens a connection to the database.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: Readiness | None = None
        self._at = 0.0

    def tell(self) -> Readiness:
        """What was found, looking anew where that is too old; draining is told at once."""
        with self._lock:
            if self._found is None or monotonic() - self._at >= KEPT_SECONDS:
                self._found = look()
                self._at = monotonic()
            return replace(self._found, draining=draining.is_draining())


LOOKOUT: Final = Lookout()


def look() -> Readiness:
    """Ask the database and the broker now; never takes much longer than two seconds."""
    applied = _read_applied()
    if applied is None:
        database, migrations = UNREACHABLE, "unknown"
    else:
        database, migrations = OK, MISSING if find_missing(applied) else OK
    return Readiness(
        draining=draining.is_draining(),
        database=database,
        migrations=migrations,
        broker=OK if is_broker_up() else UNREACHABLE,
    )


def find_missing(applied: Collection[Name]) -> list[Name]:
    """The last migration of each app, as far as it is not among the applied ones."""
    return [name for name, replaced in _leaves() if not (name in applied or replaced <= {*applied})]


def is_broker_up() -> bool:
    """Whether the broker answers within half a second."""
    if not settings.REDIS_URL:
        return False
    try:
        return bool(broker_client(settings.REDIS_URL).ping())
    except (RedisError, OSError):
        return False


def _read_applied() -> set[Name] | None:
    """The migrations that the database has; None where it does not answer.

    On a connection of its own: the pool's may all be at work, and its patience is longer.
    """
    wanted = connection.get_connection_params() | {"connect_timeout": PATIENCE_SECONDS}
    try:
        with psycopg.connect(**wanted) as asked:
            asked.execute(f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS}s'")
            if asked.execute("SELECT to_regclass('django_migrations')").fetchone() == (None,):
                return set()
            return {
                (row[0], row[1]) for row in asked.execute("SELECT app, name FROM django_migrations")
            }
    except psycopg.Error as error:
        logger.warning("not ready, the database does not answer: %s", logs.first_line(error))
        return None


@cache
def _leaves() -> list[tuple[Name, frozenset[Name]]]:
    """The last migrations, each with what it replaces; an empty set of those is never enough."""
    graph = MigrationLoader(None).graph
    return [
        (leaf, frozenset(graph.nodes[leaf].replaces) or frozenset({leaf}))
        for leaf in graph.leaf_nodes()
    ]


@cache
def broker_client(url: str) -> Redis:
    """A client of this process with little patience."""
    return Redis.from_url(
        url,
        socket_timeout=BROKER_SECONDS,
        socket_connect_timeout=BROKER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
