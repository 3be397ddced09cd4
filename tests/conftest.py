"""Fixtures: a published stream, people, an upstream's client. Real PostgreSQL throughout."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pgtrigger
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client, TransactionTestCase
from pytest_django import DjangoDbBlocker

from reviewqueue.access import issue_api_key
from routing.models import Stream
from tests.copies import hang_up
from tests.scenes import KEYS, make_bare_stream, make_person, publish_worked_policy

_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]  # not in the stubs


def _flush_append_only_tables(case: TransactionTestCase) -> None:
    with pgtrigger.ignore():
        _flush(case)
    cache.clear()  # a table that no model has


TransactionTestCase._fixture_teardown = _flush_append_only_tables  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database, which is dropped though a page of the last test may still ask it."""
    yield
    with django_db_blocker.unblock():
        hang_up()


@pytest.fixture(autouse=True, scope="session")
def _quick_passwords() -> None:
    hashers = "django.contrib.auth.hashers"
    settings.PASSWORD_HASHERS = [
        f"{hashers}.MD5PasswordHasher",
        f"{hashers}.PBKDF2PasswordHasher",
    ]


@pytest.fixture(autouse=True, scope="session")
def _static_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings.STATIC_ROOT = str(tmp_path_factory.mktemp("static"))
    call_command("collectstatic", interactive=False, verbosity=0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many cells of the table of access were tried, of all processes together."""
    cells = sum(
        int(value)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, value in getattr(report, "user_properties", ())
        if name == "cells" and report.when == "call"
    )
    if cells:
        terminalreporter.write_line(f"Access: {cells:,} cells of address, role, side and method.")


@pytest.fixture
def stream(db: None) -> Stream:
    """Helpdesk with the worked policy published."""
    made = make_bare_stream()
    publish_worked_policy(made)
    return made


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
