"""State folders and users of the embedded services, as processes of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from reviewqueue.embedded import Services
from reviewqueue.embedded.layout import remove_sockets_folder
from reviewqueue.embedded.processes import PROJECT, wait_until

# Joins, tells the URLs, and stays a user until its standard input ends.
_USER = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from reviewqueue.embedded import ServicesError, services
try:
    with services(Path(sys.argv[1]), durable=sys.argv[2] == "durable") as running:
        print(json.dumps(asdict(running)), flush=True)
        sys.stdin.read()
except ServicesError as error:
    print(json.dumps({"error": str(error)}), flush=True)
"""


@dataclass
class User:
    """One command that uses the services of a state folder."""

    process: subprocess.Popen[str]
    _told: dict[str, str] = field(default_factory=dict)

    @property
    def told(self) -> dict[str, str]:
        """Wait for the services and return their URLs, or the error."""
        if not self._told:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, "the user ended without a word"
            self._told = json.loads(line)
        return self._told

    @property
    def services(self) -> Services:
        """Wait for the services and return their URLs."""
        return Services(**self.told)

    def leave(self) -> int:
        """End it in good order; return its exit code."""
        self.process.communicate()
        return self.process.returncode

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.process.kill()
        self.process.communicate()


def start_user(state: Path, *, durable: bool = False, python: str = sys.executable) -> User:
    """Start a user of `state`'s services."""
    return User(
        subprocess.Popen(
            [python, "-c", _USER, str(state), "durable" if durable else "throw-away"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )


def postmaster_pid(state: Path) -> int:
    """Return the running PostgreSQL's process number."""
    return int((state / "postgres/data/postmaster.pid").read_text().split("\n")[0])


def keeper_pid(state: Path) -> int:
    """Return the running keeper's process number: PostgreSQL's parent."""
    status = Path(f"/proc/{postmaster_pid(state)}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:")))


def processes_of(state: Path) -> list[int]:
    """Return every process of the services of `state`: keeper, servers and their workers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
            cwd = str((entry / "cwd").readlink())
        except OSError:
            continue
        keeper = "reviewqueue.embedded.keeper" in words and str(state) in words
        if keeper or cwd.startswith(f"{state}/") or f"{state}/postgres/data" in words:
            found.append(int(entry.name))
    return found


def kill_everything(state: Path) -> None:
    """Do what a power cut does, as far as processes go."""
    for pid in processes_of(state):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    assert wait_until(lambda: not processes_of(state), seconds=20)


def write_row(services: Services, value: int) -> None:
    """Commit one row."""
    with psycopg.connect(services.database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def read_rows(services: Services) -> list[int]:
    """Return the committed rows in order."""
    with psycopg.connect(services.database_url) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY value")]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder that any account can pass through; pytest's own is for its owner only."""
    made = Path(tempfile.mkdtemp(prefix="rq-test-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    kill_everything(made)
    for note in made.rglob("services.json"):
        remove_sockets_folder(Path(json.loads(note.read_text())["sockets"]))
    shutil.rmtree(made)


@pytest.fixture
def state(folder: Path) -> Path:
    """The path of a state folder that does not exist yet."""
    return folder / "state"
