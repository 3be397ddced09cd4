"""Streams, people and posted items for tests, made the way the product makes them."""

from collections.abc import Mapping, Sequence

from django.contrib.auth.models import User

from reviewqueue.intake import Taken, take_in
from reviewqueue.models import Membership, ReviewTask
from routing.items import Post
from routing.models import Category, CategoryRule, Policy, Stream
from routing.policies import publish_policy

PASSWORD = "a passphrase for tests"

TICKET = {
    "subject": "VPN drops after a minute",
    "from": "employee 20418",
    "body": "Hello,\n\nit connects, stays up for a minute and drops.\n\nSame on my phone.",
}
HELD = {"vpn_issue": 0.52, "account_unlock": 0.31, "security_incident": 0.17}
SURE = {"vpn_issue": 0.97, "account_unlock": 0.02, "security_incident": 0.01}
LIKELY = {"vpn_issue": 0.80, "account_unlock": 0.15, "security_incident": 0.05}
KEYS = ("account_unlock", "vpn_issue", "security_incident")
HELPDESK = (
    ("account_unlock", "Account unlock", "Somebody cannot sign in to their own account."),
    ("vpn_issue", "VPN issue", "The remote connection itself fails or drops."),
    ("security_incident", "Security incident", "Something may have been compromised."),
)


def make_person(name: str, stream: Stream | None = None, *roles: str, **fields: bool) -> User:
    """An account that logs in with `PASSWORD`, and has the roles on the stream."""
    user = User(username=name, **fields)
    user.set_password(PASSWORD)
    user.save()
    if stream is not None:
        for role in roles:
            join(user, stream, role)
    return user


def make_bare_stream(
    key: str = "helpdesk", *, categories: Sequence[str] = KEYS, **fields: object
) -> Stream:
    """A stream with its categories and no policy; the undo window is open for an hour."""
    known = {name: (label, definition) for name, label, definition in HELPDESK}
    rows = [(name, *known.get(name, (name, ""))) for name in categories]
    return _create_stream(key, rows, {"undo_seconds": 3600} | fields)


def publish(
    stream: Stream, rules: Mapping[str, Mapping[str, object]] | None = None, **fields: object
) -> Policy:
    """A published policy of the stream with these fields and category rules."""
    policy = Policy.objects.create(stream=stream, **fields)
    for key, rule in (rules or {}).items():
        CategoryRule.objects.create(
            stream=stream, policy=policy, category=stream.categories.get(key=key), **rule
        )
    return publish_policy(policy_id=policy.id, reason="for the test", published_by_id=None)


def publish_worked_policy(stream: Stream) -> Policy:
    """The policy of the worked rows: auto at .80 / .72 / .60, no flagged band, gates, a watch."""
    return publish(
        stream,
        {
            "vpn_issue": {"auto": 0.72, "flagged": 0.72},
            "security_incident": {"auto": 0.60, "flagged": 0.60, "watch": 0.34},
        },
        auto=0.80,
        flagged=0.80,
        hold=0.0,
        min_margin=0.30,
        max_entropy=0.45,
        escalate_entropy=0.80,
    )


def make_stream(
    key: str = "helpdesk",
    *,
    categories: Sequence[tuple[str, str, str]] = HELPDESK,
    watch: Mapping[str, float] | None = None,
    **fields: object,
) -> Stream:
    """A stream with a published policy: 0.90, 0.70, 0.50 and a margin of 0.30.

    Nothing is drawn for audits or blind checks unless rates are given: by chance a test would see
    an item blind that it means to see.
    """
    stream = _create_stream(key, categories, {"audit_rate": 0.0, "bulk_label_rate": 0.0} | fields)
    publish(
        stream, {name: {"watch": level} for name, level in (watch or {}).items()}, min_margin=0.30
    )
    return stream


def _create_stream(
    key: str, categories: Sequence[tuple[str, str, str]], fields: Mapping[str, object]
) -> Stream:
    stream = Stream.objects.create(key=key, name=key.replace("-", " ").capitalize(), **fields)
    Category.objects.bulk_create(
        Category(stream=stream, key=name, label=label, definition=definition, position=position)
        for position, (name, label, definition) in enumerate(categories)
    )
    return stream


def join(person: User, stream: Stream, role: str = Membership.Role.REVIEWER) -> None:
    """Give a person a role on a stream."""
    Membership.objects.create(user=person, stream=stream, role=role)


def post(
    stream: Stream,
    external_id: str,
    *,
    scores: Mapping[str, float] = HELD,
    payload: Mapping[str, object] = TICKET,
    **fields: object,
) -> ReviewTask:
    """Post an item that gets a seat, and return the seat."""
    made = Post(external_id=external_id, payload=payload, scores=scores, **fields)  # type: ignore[arg-type]
    taken = take_in(stream=stream, posts=[made])[0]
    assert isinstance(taken, Taken), taken
    return ReviewTask.objects.get(item=taken.item_id, seat=1)


def post_blind(stream: Stream, external_id: str, **fields: object) -> ReviewTask:
    """Post an item whose seat is judged blind, in the audit queue."""
    task = post(stream, external_id, **fields)  # type: ignore[arg-type]
    ReviewTask.objects.filter(id=task.id).update(blind=True, queue=ReviewTask.Queue.AUDIT)
    task.refresh_from_db()
    return task
