"""Who asks: Django's sessions in the database and its accounts, read by hand-written statements.

Every request asks both, so that a sign-out or a locked account holds from the next request on.
Composing the two through the ORM took a sixth of what a review screen costs.
"""

from collections.abc import Collection, Sequence
from contextvars import ContextVar
from typing import Any, Final, cast

from allauth.account.auth_backends import AuthenticationBackend
from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware, get_user
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from reviewqueue.stream_admins import ADMINISTERS_ANY, note_administers_any, widen_rights
from routing.rows import Columns, fetch_row

_SESSION: Final = Columns(Session, "session")
_PERSON: Final = Columns(User, "person")

# Whose it is stands in the session's own data, which only we can read; where somebody signed in,
# allauth noted it beside, so that the account can come along. What the data says decides.
FIND_SESSION: Final = f"""
    SELECT {_SESSION.sql}, {ADMINISTERS_ANY}, {_PERSON.sql} FROM django_session AS session
    LEFT JOIN usersessions_usersession AS place ON place.session_key = session.session_key
    LEFT JOIN auth_user AS person ON person.id = place.user_id
    WHERE session.session_key = %(key)s AND session.expire_date > %(now)s
"""  # noqa: S608 - the columns of a model
FIND_PERSON: Final = f"""
    SELECT {ADMINISTERS_ANY}, {_PERSON.sql} FROM auth_user AS person WHERE person.id = %(person)s
"""  # noqa: S608 - the columns of a model


def _make_person(row: Sequence[Any], start: int) -> User:
    """From whether they administer a stream, which stands at `start`, and their columns."""
    user = _PERSON.make(row, start + 1)
    note_administers_any(user, found=row[start])
    return user


class SessionStore(DatabaseStore):
    """Django's store, `SESSION_ENGINE` here; only the lookup is its own.

    `person`: the account that came along, as it was when the session was read.
    """

    person: User | None = None

    def _get_session_from_db(self) -> Session | None:
        row = fetch_row(FIND_SESSION, {"key": self.session_key, "now": timezone.now()})
        if row is None:
            self._session_key = None
            return None
        if row[_SESSION.width + 1] is not None:
            self.person = _make_person(row, _SESSION.width)
        return _SESSION.make(row)


# The session of the request that is just being asked who sent it.
_read_with: ContextVar[SessionStore] = ContextVar("read_with")


class PersonMiddleware(AuthenticationMiddleware):
    """Django's, whose backend may take the account that came along with the session."""

    def process_request(self, request: HttpRequest) -> None:
        """Set `request.user`, found out when somebody looks at it."""
        super().process_request(request)
        request.user = cast("User", SimpleLazyObject(lambda: _find_person(request)))


def _find_person(request: HttpRequest) -> User | AnonymousUser:
    asked = _read_with.set(cast("SessionStore", request.session))
    try:
        return get_user(request)
    finally:
        _read_with.reset(asked)


class PersonBackend(AuthenticationBackend):  # type: ignore[misc]  # allauth is untyped
    """allauth's backend; its own are the lookup by id and a role's rights."""

    def get_user(self, user_id: int) -> User | None:
        """The account unless it is locked."""
        session = _read_with.get(None)
        user = session.person if session is not None else None
        if user is None or user.pk != user_id:
            row = fetch_row(FIND_PERSON, {"person": user_id})
            user = _make_person(row, 0) if row else None
        return user if user is not None and self.user_can_authenticate(user) else None

    def get_all_permissions(self, user_obj: User | AnonymousUser, obj: object = None) -> set[str]:
        """What was given by hand or by group, and what comes with the role of stream admin."""
        own: set[str] = super().get_all_permissions(user_obj, obj)
        return own if obj is not None or user_obj.is_anonymous else widen_rights(user_obj, own)


def sessions_of(user: User) -> QuerySet[UserSession]:
    """Where somebody is signed in, the newest first; what has ended is left out."""
    going_on = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    found: QuerySet[UserSession] = UserSession.objects.filter(
        user=user, session_key__in=going_on
    ).order_by("-created_at")
    return found


def end_other_sessions(*, user: User, session_key: str | None) -> int:
    """Sign somebody out everywhere but in one session; how many ended."""
    return _end(_keys_of([user]) - {session_key})


def end_all_sessions(*, people: Collection[User]) -> int:
    """Sign people out everywhere; how many sessions ended."""
    return _end(_keys_of(people))


def _keys_of(people: Collection[User]) -> set[str | None]:
    """By what the sessions themselves say: not each has a row of where it came from.

    One from before these rows were kept has none, nor has one whose key Django changed.
    """
    wanted = {str(person.pk) for person in people}
    going_on = Session.objects.filter(expire_date__gt=timezone.now())
    return {
        session.session_key
        for session in going_on.iterator()
        if session.get_decoded().get(SESSION_KEY) in wanted
    }


def _end(keys: set[str | None]) -> int:
    ended, _by_model = Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    return ended


def drop_ended_sessions() -> int:
    """Forget sessions that ran out, and where they came from; how many."""
    dropped, _by_model = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    return dropped
