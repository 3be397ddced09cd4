"""The demo's accounts and API key, and the note that tells a newcomer what they are."""

import json
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from reviewqueue.access import find_api_key, issue_api_key
from reviewqueue.demo.streams import create_streams
from reviewqueue.embedded.layout import write_privately
from reviewqueue.models import ApiKey, Membership
from routing.models import Stream

Role = Membership.Role

KEY_NAME: Final = "demo"
# Reserved by RFC 2606 never to exist: these accounts get no mail, and are told by it.
EMAIL_DOMAIN: Final = "demo.invalid"
# Any number that nothing else locks: two preparations at once must not make two keys.
_LOCK = 7_316_023
_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aeiou"
# These passwords are random, so guessing has no short cut that a slow hash would have to close.
# The first sign-in replaces the hash by one of the full length.
_ITERATIONS = 50_000


class Login(TypedDict):
    """What a person types to get in."""

    username: str
    password: str


class Note(TypedDict):
    """The content of the note: where the product answers, and with what."""

    url: str
    api_key: str
    users: dict[str, Login]


@dataclass(frozen=True, slots=True)
class Person:
    """An account of the demo, by the name that the note has for it."""

    name: str
    roles: Sequence[str] = ()
    superuser: bool = False


PEOPLE: Final = (
    Person("reviewer", (Role.REVIEWER,)),
    Person("second_reviewer", (Role.REVIEWER,)),
    Person("adjudicator", (Role.ADJUDICATOR, Role.EXPERT)),
    Person("expert", (Role.EXPERT,)),
    Person("analyst", (Role.ANALYST,)),
    Person("admin", superuser=True),
)


def prepare_demo(*, path: Path, url: str) -> Note:
    """Create the demo's streams, accounts and key, and write the note to `path`.

    What an earlier note says stays true: its key, and its passwords, even where somebody changed
    one since. Without the note the key is replaced and the passwords are set anew.
    """
    known = read_note(path)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        streams = create_streams()
        logins = _create_logins(streams, known["users"] if known else {})
        note = Note(
            url=url,
            api_key=_keep_or_issue_key(streams, known["api_key"] if known else ""),
            users=logins,
        )
    if note != known:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_privately(path, json.dumps(note, indent=2) + "\n")
    return note


def read_note(path: Path) -> Note | None:
    """The note, or None if it is missing or no longer what was written."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        users = {
            str(name): Login(username=str(login["username"]), password=str(login["password"]))
            for name, login in found["users"].items()
        }
        return Note(url=str(found["url"]), api_key=str(found["api_key"]), users=users)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def make_password_text() -> str:
    """A random password that can be read aloud: about 50 bits, such as `bodu-kige-zafo-rami`."""
    syllables = [secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(8)]
    return "-".join(first + second for first, second in zip(*[iter(syllables)] * 2, strict=True))


def _create_logins(streams: Sequence[Stream], known: Mapping[str, Login]) -> dict[str, Login]:
    logins: dict[str, Login] = {}
    users: list[User] = []
    for person in PEOPLE:
        user = _create_user(person)
        login = known.get(person.name)
        password = login["password"] if login else make_password_text()
        if login is None:
            user.password = ""
        logins[person.name] = Login(username=user.username, password=password)
        users.append(user)
    _set_passwords(users, [login["password"] for login in logins.values()])
    Membership.objects.bulk_create(
        (
            Membership(stream=stream, user=user, role=role)
            for stream in streams
            for person, user in zip(PEOPLE, users, strict=True)
            for role in person.roles
        ),
        ignore_conflicts=True,
    )
    return logins


def _create_user(person: Person) -> User:
    """The demo's account for this person, known by its address and not by its name.

    Somebody's own account that has the name already is not taken over.
    """
    email = f"{person.name}@{EMAIL_DOMAIN}"
    found = User.objects.filter(email=email).first()
    if found is not None:
        return found
    taken = User.objects.filter(username=person.name).exists()
    return User.objects.create(
        username=f"demo_{person.name}" if taken else person.name,
        email=email,
        is_staff=person.superuser,
        is_superuser=person.superuser,
    )


def _set_passwords(users: Sequence[User], passwords: Sequence[str]) -> None:
    with ThreadPoolExecutor() as threads:  # hashing runs outside the interpreter's lock
        valid = threads.map(_has_password, users, passwords)
    hasher = PBKDF2PasswordHasher()
    for user, password, is_valid in zip(users, passwords, valid, strict=True):
        if not is_valid:
            user.password = hasher.encode(password, hasher.salt(), iterations=_ITERATIONS)
            user.save(update_fields=["password"])


def _has_password(user: User, password: str) -> bool:
    return bool(user.password) and check_password(password, user.password)


def _keep_or_issue_key(streams: Sequence[Stream], text: str) -> str:
    found = find_api_key(text) if text else None
    if found is not None:
        found.streams.add(*streams)
        return text
    ApiKey.objects.filter(name=KEY_NAME, revoked_at=None).update(revoked_at=timezone.now())
    return issue_api_key(name=KEY_NAME, streams=streams)[1]
