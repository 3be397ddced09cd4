"""`manage.py grant_role`: give a database role the application's rights, and no more."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reviewqueue.application_role import ROLE, NoRoleError, OwnRoleError, grant_rights


class Command(BaseCommand):
    """Grant a role what the application needs of the tables."""

    help = (
        "Gives a database role what the application needs: to read and write rows, without "
        "TRUNCATE, without any change of a table, and without UPDATE and DELETE where history is "
        f"append-only. A migration does so by itself for {ROLE}. Run it as the owner of the "
        "tables; docs/roles.md says how the two roles are made."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("role", help=f"the application's role, such as {ROLE}")

    def handle(self, *_args: object, **options: Any) -> None:
        """Grant in one transaction."""
        role = str(options["role"])
        try:
            grant_rights(role)
        except (NoRoleError, OwnRoleError) as error:
            raise CommandError(f"{role!r}: {error}") from error
        self.stdout.write(f"{role} may use the tables as the application does.")
