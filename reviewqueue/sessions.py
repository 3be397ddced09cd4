"""Who asks: Django's sessions in the database and its accounts, read by hand-written statements.

Every request asks both, so that a sign-out or a locked account holds from the next request on.
Composing the two through the ORM took a sixth of what a review screen costs.
"""

from typing import Final

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from routing.rows import Columns, fetch_row

_SESSION: Final = Columns(Session, "session")
_PERSON: Final = Columns(User, "person")

FIND_SESSION: Final = f"""
    SELECT {_SESSION.sql} FROM django_session AS session
    WHERE session.session_key = %(key)s AND session.expire_date > %(now)s
"""  # noqa: S608 - the columns of a model
FIND_PERSON: Final = f"""
    SELECT {_PERSON.sql} FROM auth_user AS person WHERE person.id = %(person)s
"""  # noqa: S608 - the columns of a model


class SessionStore(DatabaseStore):
    """Django's store, `SESSION_ENGINE` here; only the lookup is its own."""

    def _get_session_from_db(self) -> Session | None:
        row = fetch_row(FIND_SESSION, {"key": self.session_key, "now": timezone.now()})
        if row is None:
            self._session_key = None
            return None
        return _SESSION.make(row)


class PersonBackend(ModelBackend):
    """Django's backend; only the lookup by id is its own."""

    def get_user(self, user_id: int) -> User | None:
        """The account unless it is locked."""
        row = fetch_row(FIND_PERSON, {"person": user_id})
        if row is None:
            return None
        user = _PERSON.make(row)
        return user if self.user_can_authenticate(user) else None
