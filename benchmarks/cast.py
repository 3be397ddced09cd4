"""Who and what a measurement needs: a stream with its policy, a key, reviewers with sessions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import get_random_string

from benchmarks.decide import make_rows
from reviewqueue.access import issue_api_key
from reviewqueue.models import Membership
from routing.models import Category, Policy, Stream
from routing.policies import publish_policy

CATEGORIES = 10
_BACKEND = "reviewqueue.sessions.PersonBackend"
_COOKIE_LENGTH = 32
_BODY = (
    "Hello,\n\nsince this morning the connection drops about a minute after I sign in. I have "
    "restarted the laptop twice and tried the other network as well, with the same result. "
    "A colleague next to me has no trouble at all.\n\nKind regards"
)


@dataclass(frozen=True, slots=True)
class Reviewer:
    """An account of which a browser's headers are known, session and CSRF token included."""

    user: User
    headers: Mapping[str, str]


def make_stream(key: str, *, undo_seconds: int = 10) -> Stream:
    """A stream of ten categories under the default bands with a margin of 0.30."""
    stream = Stream.objects.create(key=key, name=key.title(), undo_seconds=undo_seconds)
    Category.objects.bulk_create(
        Category(
            stream=stream,
            key=f"category_{position:03}",
            label=f"Category {position}",
            definition="What belongs here, and what does not.",
            position=position,
        )
        for position in range(CATEGORIES)
    )
    policy = Policy.objects.create(stream=stream, min_margin=0.30)
    publish_policy(policy_id=policy.id, reason="to be measured", published_by_id=None)
    return stream


def authorise(stream: Stream) -> dict[str, str]:
    """Headers of an upstream that may post to the stream."""
    _key, text = issue_api_key(
        name=f"upstream of {stream.key}", streams=[stream], limits={"requests_per_minute": 0}
    )
    return {"Authorization": f"Bearer {text}", "Content-Type": "application/json"}


def make_bodies(prefix: str, count: int, *, seed: int) -> Iterator[dict[str, object]]:
    """Items as upstream posts them, from sure to clueless, about 700 bytes each."""
    number = 0
    while number < count:
        for scores in make_rows(CATEGORIES, seed=seed + number)[: count - number]:
            yield {
                "external_id": f"{prefix}-{number}",
                "payload": {"subject": f"VPN drops, case {number}", "body": _BODY},
                "scores": scores,
                "model_version": "v1",
            }
            number += 1


def encode(body: object) -> bytes:
    """The JSON of a body."""
    return json.dumps(body).encode()


def make_reviewers(
    prefix: str,
    count: int,
    *,
    streams: Sequence[Stream],
    role: str = Membership.Role.REVIEWER,
) -> list[Reviewer]:
    """Accounts with a role on the streams, each with a session; nobody can sign in as them."""
    users = User.objects.bulk_create(
        User(username=f"{prefix}-{number}", password="!") for number in range(count)
    )
    Membership.objects.bulk_create(
        Membership(stream=stream, user=user, role=role) for stream in streams for user in users
    )
    store, ends = SessionStore(), timezone.now() + timedelta(days=1)
    sessions = Session.objects.bulk_create(
        Session(
            session_key=get_random_string(_COOKIE_LENGTH, "abcdefghijklmnopqrstuvwxyz0123456789"),
            session_data=store.encode(
                {
                    SESSION_KEY: str(user.pk),
                    BACKEND_SESSION_KEY: _BACKEND,
                    HASH_SESSION_KEY: user.get_session_auth_hash(),
                }
            ),
            expire_date=ends,
        )
        for user in users
    )
    UserSession.objects.bulk_create(
        UserSession(user=user, ip="127.0.0.1", user_agent="", session_key=session.session_key)
        for user, session in zip(users, sessions, strict=True)
    )
    return [
        Reviewer(user, _browser_headers(session.session_key))
        for user, session in zip(users, sessions, strict=True)
    ]


def _browser_headers(session_key: str) -> dict[str, str]:
    token = get_random_string(_COOKIE_LENGTH)
    return {
        "Cookie": f"sessionid={session_key}; csrftoken={token}",
        "X-CSRFToken": token,
        "Accept": "text/html",
        "Accept-Language": "en",
    }
