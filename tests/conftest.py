"""Fixtures: a published stream, people, an upstream's client. Real PostgreSQL throughout."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pgtrigger
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client, TransactionTestCase

from reviewqueue.access import issue_api_key
from reviewqueue.models import Membership
from routing.models import Category, CategoryRule, Policy, Stream
from routing.policies import publish_policy

KEYS = ("account_unlock", "vpn_issue", "security_incident")
LABELS = ("Account unlock", "VPN issue", "Security incident")

_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]  # not in the stubs


def _flush_append_only_tables(case: TransactionTestCase) -> None:
    with pgtrigger.ignore():
        _flush(case)


TransactionTestCase._fixture_teardown = _flush_append_only_tables  # type: ignore[attr-defined]


@pytest.fixture(autouse=True, scope="session")
def _static_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings.STATIC_ROOT = str(tmp_path_factory.mktemp("static"))
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture(autouse=True)
def _clean_cache() -> Iterator[None]:
    yield
    cache.clear()


def make_stream(key: str = "helpdesk", *, categories: Sequence[str] = KEYS) -> Stream:
    """A stream with its categories and no policy; the undo window is open for an hour."""
    stream = Stream.objects.create(key=key, name=key.title(), undo_seconds=3600)
    labels = dict(zip(KEYS, LABELS, strict=True))
    Category.objects.bulk_create(
        Category(stream=stream, key=name, label=labels.get(name, name), position=position)
        for position, name in enumerate(categories)
    )
    return stream


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


@pytest.fixture
def stream(db: None) -> Stream:
    """Helpdesk with the worked policy published."""
    made = make_stream()
    publish_worked_policy(made)
    return made


def make_person(
    username: str, stream: Stream | None = None, *roles: str, superuser: bool = False
) -> User:
    user = User.objects.create_user(username, password="correct horse", is_superuser=superuser)
    if stream is not None:
        Membership.objects.bulk_create(
            Membership(stream=stream, user=user, role=role) for role in roles
        )
    return user


@pytest.fixture
def reviewer(stream: Stream) -> User:
    return make_person("rita", stream, "reviewer")


@pytest.fixture
def second_reviewer(stream: Stream) -> User:
    return make_person("sam", stream, "reviewer")


@pytest.fixture
def expert(stream: Stream) -> User:
    return make_person("erin", stream, "expert")


class Answered(Protocol):
    """What a test reads of a response."""

    @property
    def status_code(self) -> int: ...
    @property
    def content(self) -> bytes: ...
    def __getitem__(self, header: str) -> str: ...


@dataclass(frozen=True)
class Upstream:
    """An upstream system: posts bodies with its key."""

    client: Client
    key: str
    stream_key: str

    def post(self, call: str, body: object, **extra: str) -> Answered:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        content_type = extra.pop("content_type", "application/json")
        return self.client.post(
            f"/api/v1/streams/{self.stream_key}/{call}",
            raw,
            content_type=content_type,
            headers={"authorization": f"Bearer {self.key}", **extra},
        )

    def get(self, call: str) -> Answered:
        return self.client.get(
            f"/api/v1/streams/{self.stream_key}/{call}",
            headers={"authorization": f"Bearer {self.key}"},
        )


@pytest.fixture
def upstream(stream: Stream) -> Upstream:
    _, key = issue_api_key(name="tickets", streams=[stream])
    return Upstream(Client(), key, stream.key)


ItemBody = dict[str, object]


@pytest.fixture
def body() -> Callable[..., ItemBody]:
    """A maker of valid item bodies: `body("t1", (.9, .06, .04))`."""
    return make_body


def make_body(
    external_id: str = "t1",
    scores: Sequence[float] = (0.576, 0.386, 0.038),
    **fields: object,
) -> ItemBody:
    return {
        "external_id": external_id,
        "payload": {"body": "Third time locked out today."},
        "scores": dict(zip(KEYS, scores, strict=False)),
        **fields,
    }
