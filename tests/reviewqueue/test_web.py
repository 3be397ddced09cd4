"""The web server as a process: it drains, stops at once when told twice, and ends when it must."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.clients import Caller, CutError
from benchmarks.stage import free_port
from reviewqueue.embedded.processes import PROJECT, wait_until

SECONDS = 60.0


@contextmanager
def web_server(
    tmp_path: Path, port: int, given: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "reviewqueue.web", "--port", str(port), "--workers", "1"],
            env={**os.environ, "TMPDIR": str(tmp_path), **given},
            cwd=PROJECT,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def ask(port: int, path: str) -> int:
    caller = Caller(f"http://127.0.0.1:{port}")
    try:
        return caller.ask("GET", path).status
    except CutError:
        return 0
    finally:
        caller.close()


def test_second_signal_skips_the_drain(tmp_path: Path) -> None:
    port = free_port()
    with web_server(tmp_path, port, {"DRAIN_SECONDS": "600"}) as process:
        assert wait_until(lambda: ask(port, "/healthz") == 200, seconds=SECONDS)
        process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: ask(port, "/readyz") == 503, seconds=SECONDS)
        assert ask(port, "/healthz") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["web.log"]


def test_server_whose_application_does_not_load_ends(tmp_path: Path) -> None:
    port = free_port()
    with web_server(tmp_path, port, {"HTTPS": "perhaps"}) as process:
        assert process.wait(SECONDS) == 1
    assert "HTTPS is 'perhaps': write true or false." in (tmp_path / "web.log").read_text()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LOG_FORMAT", "xml", "LOG_FORMAT is 'xml': write human or json.\n"),
        ("DRAIN_SECONDS", "soon", "DRAIN_SECONDS is 'soon': write a whole number.\n"),
    ],
)
def test_wrong_setting_is_told_in_one_line(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    with web_server(tmp_path, free_port(), {name: value}) as process:
        assert process.wait(SECONDS) == 1
    assert (tmp_path / "web.log").read_text() == said
