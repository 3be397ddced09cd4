"""System checks."""

import pytest

from reviewqueue.checks import check_environment

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
