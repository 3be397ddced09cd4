"""One PostgreSQL cluster: create it, start it, repair what a kill -9 left behind, stop it.

A cluster folder holds `data` and `password`, and appears at once under its name when it is
complete. The server listens on a Unix socket only and asks for a password (SCRAM). The role of
the application may create databases but is no superuser; nobody knows the superuser's password.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from reviewqueue.embedded.accounts import Account
from reviewqueue.embedded.engines import Engine
from reviewqueue.embedded.errors import ServicesError
from reviewqueue.embedded.processes import (
    command_line,
    is_alive,
    processes_working_in,
    start_process,
    stop_process,
    wait_until,
)

ROLE = DATABASE = "reviewqueue"
_PORT = 5432
_START_SECONDS = 600.0
_ORPHAN_SECONDS = 30.0
_BUILTIN_LOCALE_SINCE = 17
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "random_page_cost": "1.1",
    # Where several commit at once, each waits this long (in microseconds) so that one write to the
    # disk serves all: a quarter more single posts a second.
    "commit_delay": "300",
    "commit_siblings": "3",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Its log quotes no rows: they hold payloads.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
_THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass
class Postgres:
    """The server of one cluster folder, listening in `sockets`.

    `durable=False` gives up safety at a crash, for data that is thrown away, such as a test run's.
    """

    engine: Engine
    account: Account
    cluster: Path
    sockets: Path
    log: Path
    durable: bool = True
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def data(self) -> Path:
        """Return PostgreSQL's own data folder."""
        return self.cluster / "data"

    @property
    def url(self) -> str:
        """Return the URL for clients on this machine."""
        password = (self.cluster / "password").read_text().strip()
        return f"postgresql://{ROLE}:{password}@/{DATABASE}?host={self.sockets}"

    def start(self) -> None:
        """Create the cluster if there is none, start the server and wait until it answers."""
        if not self.cluster.exists():
            _create_cluster(self)
        self._clear_stale_start()
        settings = _SETTINGS | {"unix_socket_directories": str(self.sockets)}
        if not self.durable:
            settings |= _THROW_AWAY
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        before = self._status()
        with self.log.open("ab") as log:
            self.process = start_process(
                [self.engine.binary, "-D", self.data, *options],
                env=_environment(),
                cwd=Path("/"),
                output=log,
                account=self.account,
                death_signal=signal.SIGINT,
            )
        self._wait_until_ready(before)

    def stop(self) -> None:
        """Stop the server: connections are cut, data is flushed."""
        if self.process is not None:
            stop_process(
                self.process, (signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)
            )

    def _status(self) -> list[str]:
        """Return the lines of the server's pid file: pid, folder, ..., and `ready` at last."""
        try:
            return (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return []

    def _wait_until_ready(self, before: list[str]) -> None:
        assert self.process is not None  # noqa: S101 - set by start()
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            status = self._status()
            if status != before and len(status) > 7 and status[7].strip() == "ready":
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.stop()
        raise ServicesError(f"PostgreSQL did not start. Its last lines:\n{_last_lines(self.log)}")

    def _clear_stale_start(self) -> None:
        """After a kill -9: stop a server that was left behind, forget the pid of one that died.

        Only called with the keeper's lock held, so no other start can be under way. A number that
        another program has got since would keep PostgreSQL from starting for ever.
        """
        status = self._status()
        pid = int(status[0]) if status and status[0].strip().isdigit() else 0
        ours = pid > 0 and is_alive(pid) and self._is_ours(pid)
        if ours:
            os.kill(pid, signal.SIGINT)
        left = self._left_behind
        if not wait_until(lambda: not left(pid if ours else 0), seconds=_ORPHAN_SECONDS):
            raise ServicesError(
                f"An older PostgreSQL still works in {self.data} (processes "
                f"{', '.join(map(str, left(pid)))}): end it, then try again."
            )
        if status and not (pid > 0 and is_alive(pid) and self._is_ours(pid)):
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _left_behind(self, pid: int) -> list[int]:
        working = processes_working_in(self.data, program="postgres")
        return [*working, pid] if pid and pid not in working and is_alive(pid) else working

    def _is_ours(self, pid: int) -> bool:
        words = command_line(pid)
        return "postgres" in words and str(self.data) in words


def _environment() -> dict[str, str]:
    """Return an environment free of the caller's PG* variables and locale."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _create_cluster(server: Postgres) -> None:
    """Build the cluster in a folder beside its place, then give it its name in one step."""
    parent = server.cluster.parent
    for unfinished in parent.glob(f"{server.cluster.name}.new-*"):
        shutil.rmtree(unfinished)
    building = Path(mkdtemp(prefix=f"{server.cluster.name}.new-", dir=parent))
    password = secrets.token_urlsafe(24)
    owner_password = building / "owner"
    for path, text in ((building / "password", password), (owner_password, secrets.token_hex(24))):
        path.touch(mode=0o600)
        path.write_text(f"{text}\n")
        server.account.take(path)
    server.account.take(building)
    data = building / "data"
    _run_tool(server, _initdb_command(server, data=data, owner_password=owner_password))
    owner_password.unlink()
    # Tests make the lesser role of production, and try the product with it.
    rights = "CREATEDB" if server.durable else "CREATEDB CREATEROLE"
    statements = (
        f"CREATE ROLE {ROLE} LOGIN {rights} PASSWORD '{password}'",
        f"GRANT pg_monitor, pg_checkpoint TO {ROLE}",
        f"CREATE DATABASE {DATABASE} OWNER {ROLE}",
    )
    single: list[str | Path] = [server.engine.binary, "--single", "-D", data, "postgres"]
    _run_tool(server, single, text="".join(f"{line}\n" for line in statements))
    building.rename(server.cluster)


def _initdb_command(server: Postgres, *, data: Path, owner_password: Path) -> list[str | Path]:
    locale = ["--locale-provider=libc", "--locale=C"]
    if server.engine.major >= _BUILTIN_LOCALE_SINCE:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return [
        server.engine.beside("initdb"),
        f"--pgdata={data}",
        "--username=postgres",
        f"--pwfile={owner_password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        *locale,
        *([] if server.durable else ["--no-sync"]),
    ]


def _run_tool(server: Postgres, command: list[str | Path], *, text: str = "") -> None:
    done = subprocess.run(
        command,
        input=text,
        env=_environment(),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        **server.account.run_as(),
    )
    # In single-user mode a failed statement does not show in the exit code.
    if done.returncode != 0 or "ERROR:" in done.stderr:
        raise ServicesError(
            f"A new database could not be created in {server.cluster.parent}:\n"
            f"{done.stderr.strip() or done.stdout.strip()}"
        )


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:])
