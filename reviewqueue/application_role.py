"""The application's role in the database: what it may do, said after each migration by the owner.

Where there is no such role, as in development, nothing is granted: one role does all.
"""

from pathlib import Path
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction

ROLE: Final = "reviewqueue_app"
GRANTS: Final = Path(__file__).parent / "management" / "grants.sql"


class NoRoleError(LookupError):
    """There is no such role in the database; docker/roles.sql makes it."""


class OwnRoleError(ValueError):
    """The role is who asks; connect as the owner of the tables."""


def grant_rights(role: str, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Give the role what the application needs of the tables, and nothing else, at once.

    Raises:
        NoRoleError: the database has no such role.
        OwnRoleError: it is the one that asks.
    """
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SELECT rolname = current_user FROM pg_roles WHERE rolname = %s", [role])
        found = cursor.fetchone()
        if found is None:
            raise NoRoleError(NoRoleError.__doc__)
        if found[0]:
            raise OwnRoleError(OwnRoleError.__doc__)
        cursor.execute("SELECT set_config('reviewqueue.role', %s, true)", [role])
        cursor.execute(GRANTS.read_text())


def grant_after_migration(using: str = DEFAULT_DB_ALIAS, **_signal: object) -> None:
    """Give the application's role its rights over what there is now, where there is such a role."""
    try:
        grant_rights(ROLE, using=using)
    except (NoRoleError, OwnRoleError):
        return
