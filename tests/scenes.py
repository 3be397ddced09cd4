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
HELPDESK = (
    ("account_unlock", "Account unlock", "Somebody cannot sign in to their own account."),
    ("vpn_issue", "VPN issue", "The remote connection itself fails or drops."),
    ("security_incident", "Security incident", "Something may have been compromised."),
)


def make_person(name: str, **fields: bool) -> User:
    """An account that logs in with `PASSWORD`."""
    user = User(username=name, **fields)
    user.set_password(PASSWORD)
    user.save()
    return user


def make_stream(
    key: str = "helpdesk",
    *,
    categories: Sequence[tuple[str, str, str]] = HELPDESK,
    cut_offs: Mapping[str, float | None] | None = None,
    watch: Mapping[str, float] | None = None,
    **fields: object,
) -> Stream:
    """A stream with a published policy; by default 0.90, 0.70, 0.50 and a margin of 0.30."""
    stream = Stream.objects.create(key=key, name=key.replace("-", " ").capitalize(), **fields)
    for position, (name, label, definition) in enumerate(categories):
        Category.objects.create(
            stream=stream, key=name, label=label, definition=definition, position=position
        )
    policy = Policy.objects.create(stream=stream, **({"min_margin": 0.30} | dict(cut_offs or {})))
    for name, level in (watch or {}).items():
        category = Category.objects.get(stream=stream, key=name)
        CategoryRule.objects.create(stream=stream, policy=policy, category=category, watch=level)
    publish_policy(policy_id=policy.id, reason="a first policy", published_by_id=None)
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
    return ReviewTask.objects.get(item=taken.item_id)


def post_blind(stream: Stream, external_id: str, **fields: object) -> ReviewTask:
    """Post an item whose seat is judged blind, in the audit queue."""
    task = post(stream, external_id, **fields)  # type: ignore[arg-type]
    ReviewTask.objects.filter(id=task.id).update(blind=True, queue=ReviewTask.Queue.AUDIT)
    task.refresh_from_db()
    return task
