"""The supervisor with its real children: first page, falls, Ctrl-C, kill -9."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewqueue.embedded.processes import PROJECT, is_alive, wait_until
from reviewqueue.serve import (
    StartError,
    Supervisor,
    address,
    ask_for_page,
    check_port_is_free,
    read_options,
)
from tests.reviewqueue.embedded.conftest import kill_everything, postmaster_pid, processes_of


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children_of(pid: int) -> dict[str, int]:
    """Return the running children by a word of their command lines."""
    found: dict[str, int] = {}
    for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{number}/cmdline").read_text().split("\0")
        for word in ("reviewqueue.web", "worker", "beat"):
            if word in words:
                found[word] = int(number)
    return found


class Run:
    """One supervisor without demo data, in a state folder with a space in its path."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.port = free_port()
        given = {"DATABASE_URL": "", "REDIS_URL": "", "REVIEWQUEUE_STATE_DIR": str(state)}
        options = ["--no-demo", "--workers", "1", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reviewqueue.serve", *options],
            cwd=PROJECT,
            env=os.environ | given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []

    def read_until(self, words: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if words in line:
                return
        raise AssertionError("".join(self.said))

    def read_rest(self) -> str:
        self.said.append(self.process.communicate()[0])
        return "".join(self.said)

    def has_all_children(self) -> bool:
        return children_of(self.process.pid).keys() == {"reviewqueue.web", "worker", "beat"}


@pytest.fixture
def run() -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="rq-test-", dir="/tmp") as made:
        Path(made).chmod(0o711)
        started = Run(Path(made) / "a state")
        yield started
        started.process.kill()
        started.process.wait()
        assert started.process.stdout is not None
        started.process.stdout.close()
        assert wait_until(lambda: processes_of(started.state) == [], seconds=30)
        kill_everything(started.state)


def test_serve_first_page_falls_and_ctrl_c(run: Run) -> None:
    run.read_until("Review Queue answers at")
    assert ask_for_page(f"http://127.0.0.1:{run.port}") in {200, 302}
    assert wait_until(run.has_all_children, seconds=30)

    before = children_of(run.process.pid)
    os.kill(before["worker"], signal.SIGKILL)
    run.read_until("The worker ended (exit code -9)")
    assert wait_until(run.has_all_children, seconds=30)
    after = children_of(run.process.pid)
    assert after["worker"] != before["worker"]
    assert (after["reviewqueue.web"], after["beat"]) == (before["reviewqueue.web"], before["beat"])

    run.process.send_signal(signal.SIGINT)
    assert "Stopping" in run.read_rest()
    assert run.process.returncode == 0
    assert not any(map(is_alive, after.values()))
    assert wait_until(lambda: processes_of(run.state) == [], seconds=30)
    assert "The worker ended (exit code -9)" in "".join(run.said)


def test_serve_killed_takes_its_children_along(run: Run) -> None:
    run.read_until("Review Queue answers at")
    assert wait_until(run.has_all_children, seconds=30)
    children = children_of(run.process.pid)
    server = postmaster_pid(run.state)
    run.process.kill()
    run.process.wait()
    gone = [*children.values(), server]
    assert wait_until(lambda: not any(map(is_alive, gone)), seconds=30)
    assert wait_until(lambda: ask_for_page(f"http://127.0.0.1:{run.port}") == 0, seconds=30)


def test_serve_on_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "reviewqueue.serve", "--port", str(port)],
            cwd=PROJECT,
            env=os.environ | {"REVIEWQUEUE_STATE_DIR": str(tmp_path / "state")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be used" in done.stderr
    assert "make run PORT=" in done.stderr


def test_check_port_is_free_of_an_impossible_port() -> None:
    with pytest.raises(StartError, match="PORT=8001"):
        check_port_is_free("127.0.0.1", 99_999)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("box.example", "http://box.example:8000"),
    ],
)
def test_address(host: str, url: str) -> None:
    assert address(host, 8000) == url


def test_introduction_shows_the_demo_and_corrects_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVIEWQUEUE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("REVIEWQUEUE_URL", "")
    login = {"username": "rita", "password": "quiet-otter"}
    demo = {"url": "http://old:1", "api_key": "rq_abc", "users": {"second_reviewer": login}}
    (tmp_path / "demo.json").write_text(json.dumps(demo))
    introduction = Supervisor(read_options(["--port", "8123"]))._introduce()
    assert "http://127.0.0.1:8123/" in introduction
    assert "second reviewer  rita             password quiet-otter" in introduction
    assert "rq_abc" in introduction
    assert json.loads((tmp_path / "demo.json").read_text()) == {
        **demo,
        "url": "http://127.0.0.1:8123",
    }
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600
