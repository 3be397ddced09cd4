"""System checks."""

import pytest
from pytest_django import Settings

from reviewqueue.checks import check_environment, check_proxies

EVERYTHING = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "AUDIT_SECRET", "WEBHOOK_KEYS")


@pytest.mark.parametrize("missing", EVERYTHING)
def test_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in EVERYTHING:
        monkeypatch.setenv(name, "set")
    assert check_environment(None) == []

    monkeypatch.delenv(missing)
    (found,) = check_environment(None)
    assert found.msg.startswith(f"{missing} is not set")
    assert missing in str(found.hint)


@pytest.mark.parametrize(
    ("https", "proxies", "found"), [(True, 0, ["reviewqueue.W002"]), (True, 1, []), (False, 0, [])]
)
def test_proxies_that_are_not_counted_are_told(
    settings: Settings, https: bool, proxies: int, found: list[str]
) -> None:
    settings.HTTPS, settings.ALLAUTH_TRUSTED_PROXY_COUNT = https, proxies
    assert [message.id for message in check_proxies(None)] == found
