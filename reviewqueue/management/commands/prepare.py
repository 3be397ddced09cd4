"""`manage.py prepare`: everything that has to be true before the first page can answer."""

import hashlib
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from reviewqueue.progress import timed_step

_WAIT_SECONDS = 30.0
# Any number that nothing else locks: two starts at once must not migrate at once.
_MIGRATION_LOCK = 7_316_022


class Command(BaseCommand):
    """Wait for the database, migrate it, collect static files, prepare the demo."""

    help = "Waits for the database, migrates it, collects static files and prepares the demo."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--no-demo", action="store_true", help="create no demo data")

    def handle(self, *_args: object, no_demo: bool, **_options: object) -> None:
        """Do what is not done yet."""
        self._wait_for_database()
        self._migrate()
        self._collect_static()
        if not no_demo:
            with timed_step("Preparing the demo"):
                call_command("demo", prepare=True)

    def _wait_for_database(self) -> None:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                connection.ensure_connection()
                return
            except OperationalError as error:
                if time.monotonic() > deadline:
                    raise CommandError(
                        f"The database does not answer: {error} Look at DATABASE_URL."
                    ) from error
                sys.stderr.write("Waiting for the database.\n")
                time.sleep(1)

    def _migrate(self) -> None:
        with _one_at_a_time():
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                with timed_step("Migrating the database"):
                    call_command("migrate", interactive=False, verbosity=0)

    def _collect_static(self) -> None:
        stamp = Path(settings.STATIC_ROOT) / "fingerprint"
        current = _fingerprint_of_static_files()
        if stamp.exists() and stamp.read_text() == current:
            return
        with timed_step("Collecting static files"):
            call_command("collectstatic", interactive=False, verbosity=0)
            stamp.write_text(current)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait until nobody else migrates, and keep others waiting until the block's end.

    By a transaction of a connection of its own: a lock of a session would stay behind where a
    pooler gives each transaction another session.
    """
    lock = connections.create_connection(DEFAULT_DB_ALIAS)
    lock.set_autocommit(False)
    try:
        with lock.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
        yield
    finally:
        lock.rollback()
        lock.set_autocommit(True)
        lock.close()


def _fingerprint_of_static_files() -> str:
    """Return a digest of all static files' names, sizes and times."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in sorted(finder.list([]), key=lambda found: found[0]):
            state = Path(storage.path(name)).stat()
            digest.update(f"{storage.path(name)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()
