"""One Valkey (or Redis) for Celery: start, stop, and begin afresh when its log is broken.

What it holds is losable: every piece of pending work is a row in PostgreSQL.
"""

import secrets
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from reviewqueue.embedded.accounts import Account
from reviewqueue.embedded.engines import Engine
from reviewqueue.embedded.errors import ServicesError
from reviewqueue.embedded.processes import start_process, stop_process

_START_SECONDS = 60.0


@dataclass
class Valkey:
    """The server working in `folder`, listening in `sockets`, with a password for this run."""

    engine: Engine
    account: Account
    folder: Path
    sockets: Path
    log: Path
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def socket(self) -> Path:
        """Return the socket's path."""
        return self.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        """Return the URL for clients on this machine."""
        return f"unix://:{self.password}@{self.socket}?db=0"

    def start(self) -> None:
        """Start the server and wait until it answers; set a broken log aside."""
        self._make_folder()
        if self._try_start():
            return
        if any(self.folder.iterdir()):
            self.folder.rename(
                self.folder.with_name(f"{self.folder.name}.broken-{time.time():.0f}")
            )
            self._make_folder()
            if self._try_start():
                return
        lines = "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])
        raise ServicesError(f"{self.engine.name} did not start. Its last lines:\n{lines}")

    def stop(self) -> None:
        """Stop the server; its log is flushed first."""
        if self.process is not None:
            stop_process(self.process, (signal.SIGTERM, 5), (signal.SIGKILL, 5))

    def _make_folder(self) -> None:
        if not self.folder.exists():
            self.folder.mkdir(mode=0o700)
            self.account.take(self.folder)

    def _try_start(self) -> bool:
        settings = (
            "port 0",
            f"unixsocket {self.socket}",
            "unixsocketperm 700",
            f"requirepass {self.password}",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "daemonize no",
        )
        # The settings come through standard input: a password on the command line is public.
        with self.log.open("ab") as log, tempfile.TemporaryFile() as given:
            given.write("".join(f"{line}\n" for line in settings).encode())
            given.seek(0)
            self.process = start_process(
                [self.engine.binary, "-"],
                cwd=self.folder,
                stdin=given,
                output=log,
                account=self.account,
            )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._answers():
                return True
            time.sleep(0.02)
        self.stop()
        return False

    def _answers(self) -> bool:
        """Log in and ping; false while it is not there or still reads its log."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(str(self.socket))
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\n") < 2 and (part := connection.recv(256)):
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"
