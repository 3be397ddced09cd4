"""The mark that worker and beat leave, and what a health check makes of it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reviewqueue import liveness


def test_mark_is_fresh_for_a_minute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    monkeypatch.setenv("ALIVE_MARK", str(mark))
    now = time.time()
    assert not liveness.is_alive(now)
    liveness.touch()
    assert liveness.is_alive(now)
    os.utime(mark, (now - 61, now - 61))
    assert not liveness.is_alive(now)


def test_nothing_is_touched_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALIVE_MARK", raising=False)
    liveness.touch()
    assert not liveness.is_alive(time.time())


def test_health_check_loads_neither_django_nor_celery(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    check = [sys.executable, "-X", "importtime", "-m", "reviewqueue.liveness"]
    for expected in (1, 0):
        done = subprocess.run(
            check,
            env=os.environ | {"ALIVE_MARK": str(mark)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expected
        assert not {"django", "celery"} & {
            line.rpartition("|")[2].strip() for line in done.stderr.splitlines()
        }
        mark.touch()
