"""System checks: each says what is wrong, where, and what to do."""

import pytest
from django.core.checks import CheckMessage
from django.db import connection
from pytest_django import Settings

from reviewqueue import checks
from reviewqueue.checks import (
    check_broker,
    check_database,
    check_environment,
    check_exposure,
    check_proxies,
)

EVERYTHING = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "AUDIT_SECRET", "WEBHOOK_KEYS")
LONG = "x" * 40


@pytest.mark.parametrize("missing", EVERYTHING)
def test_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in EVERYTHING:
        monkeypatch.setenv(name, "set")
    assert check_environment(None) == []

    monkeypatch.delenv(missing)
    (found,) = check_environment(None)
    assert found.msg.startswith(f"{missing} is not set")
    assert missing in str(found.hint)

    if missing not in {"DATABASE_URL", "REDIS_URL"}:
        monkeypatch.setenv(f"{missing}_FILE", "/run/secrets/some")
        assert check_environment(None) == []


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Settings:
    """A deployment without a fault."""
    for name in (*EVERYTHING[2:], "METRICS_TOKEN"):
        monkeypatch.setenv(name, LONG)
    settings.ALLOWED_HOSTS = ["review.example"]
    settings.HTTPS = True
    settings.ALLOW_PRIVATE_ADDRESSES = False
    settings.METRICS_TOKEN = LONG
    settings.LOG_FORMAT = "json"
    return settings


def ids(found: list[CheckMessage]) -> list[str]:
    assert all(message.hint for message in found)
    return [str(message.id).removeprefix("reviewqueue.") for message in found]


def test_sound_deployment_passes(sound: Settings) -> None:
    assert check_exposure(None) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ALLOWED_HOSTS", ["*"], "E003"),
        ("HTTPS", False, "W006"),
        ("ALLOW_PRIVATE_ADDRESSES", True, "W003"),
        ("METRICS_TOKEN", "", "W004"),
        ("LOG_FORMAT", "human", "W005"),
    ],
)
def test_each_open_door_is_named(sound: Settings, name: str, value: object, expected: str) -> None:
    setattr(sound, name, value)
    found = check_exposure(None)
    assert ids(found) == [expected]
    assert name in found[0].msg


@pytest.mark.parametrize(
    ("name", "value"),
    [("SECRET_KEY", "short"), ("WEBHOOK_KEYS", f"{LONG},short"), ("METRICS_TOKEN", "short")],
)
def test_secret_that_can_be_guessed_is_named(
    sound: Settings, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    found = check_exposure(None)
    assert ids(found) == ["E002"]
    assert found[0].msg.startswith(f"{name} is shorter than 32")
    assert "short," not in found[0].msg


def test_database_is_looked_at_only_where_asked() -> None:
    assert check_database(None, None) == []
    assert check_broker(None, None) == []


@pytest.mark.django_db
def test_database_that_may_forget_is_named() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    found = check_database(None, ["default"])
    assert "reviewqueue.W010" in {message.id for message in found}
    assert {message.id for message in found} <= {"reviewqueue.W010"}
    assert "synchronous_commit is off in the database 'default'" in found[0].msg


def test_each_fault_of_a_database_is_named() -> None:
    found = [
        *checks._judge_version("default", 14, "LATIN1"),
        *checks._judge_durability("default", "on", "off"),
        *checks._judge_upkeep("default", "off", 20),
    ]
    assert ids(found) == ["E010", "E011", "W010", "W011", "W012"]


def test_broker_is_asked(settings: Settings) -> None:
    assert check_broker(None, ["default"]) == []
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert ids(check_broker(None, ["default"])) == ["W020"]


@pytest.mark.parametrize(
    ("https", "proxies", "found"), [(True, 0, ["reviewqueue.W002"]), (True, 1, []), (False, 0, [])]
)
def test_proxies_that_are_not_counted_are_told(
    settings: Settings, https: bool, proxies: int, found: list[str]
) -> None:
    settings.HTTPS, settings.ALLAUTH_TRUSTED_PROXY_COUNT = https, proxies
    assert [message.id for message in check_proxies(None)] == found
