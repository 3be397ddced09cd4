"""Who may see and do what. Every query of a request goes through one of these."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from reviewqueue.models import ApiKey, Membership, ReviewTask, Verdict, VerdictQuerySet
from reviewqueue.task_rows import TASK_COLUMNS, make_task
from routing.models import Decision, Stream
from routing.rows import Columns, fetch_row

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

Role = Membership.Role
Queue = ReviewTask.Queue

QUEUES_OF_ROLE: Final[dict[str, tuple[str, ...]]] = {
    Role.REVIEWER: (Queue.HOLD, Queue.FLAGGED, Queue.AUDIT),
    Role.ADJUDICATOR: (Queue.ADJUDICATION,),
    Role.EXPERT: (Queue.ESCALATED, Queue.HOLD, Queue.FLAGGED, Queue.AUDIT),
    Role.ANALYST: (),
    Role.STREAM_ADMIN: (),
}
INSIGHT_ROLES: Final = (Role.ANALYST, Role.STREAM_ADMIN)
OVERTURNING_ROLES: Final = (Role.ADJUDICATOR, Role.EXPERT, Role.STREAM_ADMIN)
KEY_BYTES = 32
KEY_PATTERN = re.compile(r"rq_[A-Za-z0-9_-]{43}")
PREFIX_LENGTH = 12


def streams_visible_to(user: "User | AnonymousUser") -> QuerySet[Stream]:
    """Streams the user is a member of; all for a superuser."""
    if user.is_superuser:
        return Stream.objects.all()
    if not user.is_authenticated:
        return Stream.objects.none()
    return Stream.objects.filter(id__in=Membership.objects.filter(user=user).values("stream_id"))


def streams_administered_by(user: "User | AnonymousUser") -> QuerySet[Stream]:
    """Streams whose admin the user is; all for a superuser."""
    if user.is_superuser:
        return Stream.objects.all()
    if not user.is_authenticated:
        return Stream.objects.none()
    administered = Membership.objects.filter(user=user, role=Role.STREAM_ADMIN)
    return Stream.objects.filter(id__in=administered.values("stream_id"))


def administers(user: "User | AnonymousUser", stream: Stream) -> bool:
    """Whether the stream is one of `streams_administered_by`."""
    return streams_administered_by(user).filter(id=stream.id).exists()


def streams_analysed_by(user: "User | AnonymousUser") -> QuerySet[Stream]:
    """Streams whose insight pages and exports are open to the user; all for a superuser."""
    if user.is_superuser:
        return Stream.objects.all()
    if not user.is_authenticated:
        return Stream.objects.none()
    analysed = Membership.objects.filter(user=user, role__in=INSIGHT_ROLES)
    return Stream.objects.filter(id__in=analysed.values("stream_id"))


def reviewers_visible_to(user: User, stream: Stream) -> QuerySet[User]:
    """The people of a stream whose figures as reviewers the user may see.

    Stream admins answer for people's work and see everybody's; all others see their own.
    """
    if administers(user, stream):
        return User.objects.all()
    return User.objects.filter(id=user.pk)


@dataclass(frozen=True, slots=True)
class Seats:
    """The queues of one stream that a user may work; whether its insight pages and files of its
    items are open, and whether its log is."""

    stream: Stream
    queues: tuple[str, ...]
    has_insight: bool = False
    has_log: bool = False


def workable_seats(user: User) -> list[Seats]:
    """Each visible stream with the queues the user's roles allow there, by stream name."""
    roles: dict[object, list[str]] = {}
    for stream_id, role in Membership.objects.filter(user=user).values_list("stream_id", "role"):
        roles.setdefault(stream_id, []).append(role)
    return [
        Seats(
            stream=stream,
            queues=_queues(user, held := roles.get(stream.id, [])),
            has_insight=user.is_superuser or not set(INSIGHT_ROLES).isdisjoint(held),
            has_log=user.is_superuser or Role.STREAM_ADMIN in held,
        )
        for stream in streams_visible_to(user).order_by("name")
    ]


def queues_workable_by(user: User, stream: Stream) -> tuple[str, ...]:
    """The queues of one stream that the user may work, in the order they are shown."""
    return _queues(user, roles_on(user, stream))


def roles_on(user: User, stream: Stream) -> list[str]:
    """What was given to the user on the stream; of a superuser only that."""
    found = Membership.objects.filter(user=user, stream=stream).values_list("role", flat=True)
    return list(found)


def may_ask_for_retries(user: User, stream: Stream) -> bool:
    """Whether the user may ask for a refused sentence to be drafted again: who reviews the stream
    or looks after it."""
    return bool(queues_workable_by(user, stream)) or administers(user, stream)


_STREAM: Final = Columns(Stream, "stream")
_ROLES: Final = """ARRAY(
    SELECT role FROM reviewqueue_membership
    WHERE stream_id = stream.id AND user_id = %(user)s)"""

FIND_SEATS: Final = f"""
    SELECT {_ROLES}, {_STREAM.sql} FROM routing_stream AS stream WHERE stream.key = %(key)s
"""  # noqa: S608 - the columns of our own models

FIND_TASK: Final = f"""
    SELECT {_ROLES}, {_STREAM.sql}, {TASK_COLUMNS}
    FROM reviewqueue_reviewtask AS task
    JOIN routing_stream AS stream ON stream.id = task.stream_id
    JOIN routing_item AS item ON item.id = task.item_id
    JOIN routing_decision AS decision ON decision.id = task.decision_id
    WHERE task.id = %(task)s
"""  # noqa: S608 - the columns of our own models


def find_seats(user: User, stream_key: str) -> Seats | None:
    """The stream with the queues that the user may work there; None where it may not be seen."""
    row = fetch_row(FIND_SEATS, {"user": user.pk, "key": stream_key})
    return None if row is None else _seats(user, row)


def find_task(user: User, task_id: UUID) -> tuple[ReviewTask, Seats] | None:
    """One of `tasks_visible_to`, with item, decision and stream, and the user's seats there.

    So is one that left the user's queues for the experts meanwhile: whoever had it on the screen
    is told so, instead of that there is no such task.
    """
    row = fetch_row(FIND_TASK, {"user": user.pk, "task": task_id})
    if row is None or (seats := _seats(user, row)) is None:
        return None
    task = make_task(row, seats.stream, start=1 + _STREAM.width)
    own = task.queue in seats.queues or task.holder_id == user.pk
    return (task, seats) if own or _was_passed_on(task, seats) else None


def _was_passed_on(task: ReviewTask, seats: Seats) -> bool:
    """Whether a person, not the machine, gave it to the experts, out of a queue of these seats."""
    by_person = task.decision.action != Decision.Action.ESCALATE
    return task.queue == Queue.ESCALATED and by_person and Queue.HOLD in seats.queues


def _seats(user: User, row: Sequence[Any]) -> Seats | None:
    """From a row of roles and a stream's columns; a role of any kind shows the stream."""
    if not row[0] and not user.is_superuser:
        return None
    return Seats(stream=_STREAM.make(row, 1), queues=_queues(user, row[0]))


def _queues(user: User, roles: Iterable[str]) -> tuple[str, ...]:
    if user.is_superuser:
        return tuple(Queue.values)
    allowed = {queue for role in roles for queue in QUEUES_OF_ROLE[role]}
    return tuple(queue for queue in Queue.values if queue in allowed)


def tasks_visible_to(user: User) -> QuerySet[ReviewTask]:
    """Tasks in streams and queues that the user may work, or has worked and is still a member."""
    if user.is_superuser:
        return ReviewTask.objects.all()
    seen = Q(pk__in=[])
    for stream_id, role in Membership.objects.filter(user=user).values_list("stream_id", "role"):
        may_work = Q(queue__in=QUEUES_OF_ROLE[role]) | Q(holder=user)
        seen |= Q(stream_id=stream_id) & may_work
    return ReviewTask.objects.filter(seen)


def verdicts_visible_to(user: User) -> VerdictQuerySet:
    """The user's own verdicts in visible streams, those that were taken back included."""
    return Verdict.objects.filter(reviewer=user, stream__in=streams_visible_to(user))


def verdicts_overturnable_by(user: User) -> VerdictQuerySet:
    """Verdicts that the user may overturn: the own, and all of a stream by role.

    What measures a reviewer is nobody else's to overturn.
    """
    if user.is_superuser:
        return Verdict.objects.filter(Q(task__known__isnull=True) | Q(reviewer=user))
    all_of = Membership.objects.filter(user=user, role__in=OVERTURNING_ROLES).values("stream_id")
    own = Q(reviewer=user, stream__in=streams_visible_to(user))
    return Verdict.objects.filter(own | Q(stream__in=all_of, task__known__isnull=True))


def issue_api_key(
    *, name: str, streams: Iterable[Stream], limits: Mapping[str, int | None] | None = None
) -> tuple[ApiKey, str]:
    """A new key and its text, which is shown this once: 256 random bits, kept as SHA-256.

    `limits` are fields of the key; what is left out is as for every key.
    """
    text = f"rq_{secrets.token_urlsafe(KEY_BYTES)}"
    key = ApiKey.objects.create(
        name=name, prefix=text[:PREFIX_LENGTH], digest=_digest(text), **(limits or {})
    )
    key.streams.set(streams)
    return key, text


# Asked at every call of the API.
_KEY: Final = Columns(ApiKey, "api_key")
FIND_KEY: Final = f"""
    SELECT {_KEY.sql}, {_STREAM.sql} FROM reviewqueue_apikey AS api_key
    LEFT JOIN (
        reviewqueue_apikey_streams AS reach JOIN routing_stream AS stream
            ON stream.id = reach.stream_id
    ) ON reach.apikey_id = api_key.id AND stream.key = %(stream)s
    WHERE api_key.prefix = %(prefix)s AND api_key.revoked_at IS NULL
"""  # noqa: S608 - the columns of our own models


class KeyAndStream(NamedTuple):
    """A live API key, and the stream that was asked for if the key reaches it."""

    key: ApiKey
    stream: Stream | None


def find_api_key(text: str) -> ApiKey | None:
    """The live key with this text, or None; compared in constant time."""
    found = find_key_and_stream(text, "")
    return found and found.key


def find_key_and_stream(text: str, stream_key: str) -> KeyAndStream | None:
    """The live key with this text and the stream with that key, in one query."""
    if not KEY_PATTERN.fullmatch(text):
        return None
    # No stream's key holds a NUL, which the database would refuse to look for.
    stream = "" if "\0" in stream_key else stream_key
    row = fetch_row(FIND_KEY, {"prefix": text[:PREFIX_LENGTH], "stream": stream})
    if row is None:
        return None
    key = _KEY.make(row)
    if not hmac.compare_digest(bytes(key.digest), _digest(text)):
        return None
    return KeyAndStream(key, None if row[_KEY.width] is None else _STREAM.make(row, _KEY.width))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
