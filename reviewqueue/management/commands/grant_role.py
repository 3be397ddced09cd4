"""`manage.py grant_role`: give the application's database role its rights, and no more."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

GRANTS: Final = Path(__file__).parent.parent / "grants.sql"


class Command(BaseCommand):
    """Grant a role what the application needs of the tables."""

    help = (
        "Gives a database role what the application needs: to read and write rows, without "
        "TRUNCATE, without any change of a table, and without UPDATE and DELETE where history is "
        "append-only. Run it as the owner of the tables, after each migration; docs/roles.md says "
        "how the two roles are made."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("role", help="the application's role, such as reviewqueue_app")

    def handle(self, *_args: object, **options: Any) -> None:
        """Grant in one transaction."""
        role = str(options["role"])
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT rolname = current_user FROM pg_roles WHERE rolname = %s", [role])
            found = cursor.fetchone()
            if found is None:
                raise CommandError(f"There is no role {role!r}; docker/roles.sql makes it.")
            if found[0]:
                raise CommandError(f"{role!r} is who asks; connect as the owner of the tables.")
            cursor.execute("SELECT set_config('reviewqueue.role', %s, true)", [role])
            cursor.execute(GRANTS.read_text())
        self.stdout.write(f"{role} may use the tables as the application does.")
