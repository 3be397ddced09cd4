"""A user's side: join the running services, or have them started, for as long as one needs them."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reviewqueue.embedded.errors import ServicesError
from reviewqueue.embedded.keeper import ANOTHER_SERVES, try_lock
from reviewqueue.embedded.layout import Services, StateFolder, open_state_folder
from reviewqueue.embedded.processes import PROJECT, wait_until

_STEP_SECONDS = 0.03
_PATIENCE_SECONDS = 600.0
_OTHERS_SECONDS = 0.4
_STOP_SECONDS = 30.0
# Keepers that we started and others still use; held, because a dropped Popen warns.
_left_to_others: list[subprocess.Popen[bytes]] = []


@dataclass
class Membership:
    """One command's use of the services; they run until the last membership is left."""

    services: Services
    _state: StateFolder
    _users: int
    _keeper: subprocess.Popen[bytes] | None
    _pid: int

    def is_lost(self) -> bool:
        """Tell whether the keeper died, and the services with it: leave, then join again."""
        return not _has_keeper(self._state)

    def leave(self) -> None:
        """Need the services no longer. If they stop with us, return when they have stopped."""
        # A forked child inherits the lock and this object, and neither is its own to give up.
        if self._users < 0 or os.getpid() != self._pid:
            return
        os.close(self._users)
        self._users = -1
        if self._keeper is None:
            return
        keeper, note = self._keeper, self._state.note

        def gone() -> bool:
            return keeper.poll() is not None

        if wait_until(lambda: gone() or not note.exists(), seconds=_OTHERS_SECONDS):
            wait_until(gone, seconds=_STOP_SECONDS)
        else:
            _left_to_others.append(keeper)


def join_services(state_dir: Path, *, durable: bool = True) -> Membership:
    """Join the services of `state_dir`, starting them where none run.

    `durable` counts only where this call starts them. Raises `ServicesError`.
    """
    state = open_state_folder(state_dir)
    users = state.open_lock(state.users_lock)
    try:
        _wait_for_lock(users)
        services, keeper = _find_or_start(state, durable=durable)
    except BaseException:
        os.close(users)
        raise
    return Membership(services, state, users, keeper, os.getpid())


@contextmanager
def services(state_dir: Path, *, durable: bool = True) -> Iterator[Services]:
    """Yield running services, joined or started; leave them at the end."""
    membership = join_services(state_dir, durable=durable)
    try:
        yield membership.services
    finally:
        membership.leave()


def _wait_for_lock(users: int) -> None:
    """Become a user; a keeper that is about to stop holds the lock until it has stopped."""
    if not wait_until(lambda: try_lock(users, fcntl.LOCK_SH), seconds=_STOP_SECONDS):
        raise ServicesError(
            "The services of an earlier command do not stop: look for processes named postgres "
            "and valkey-server and end them."
        )


def _find_or_start(
    state: StateFolder, *, durable: bool
) -> tuple[Services, subprocess.Popen[bytes] | None]:
    keeper: subprocess.Popen[bytes] | None = None
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        told = state.read_note()
        if told is not None and _has_keeper(state) and _listens(told[1]):
            if keeper is not None and keeper.stderr is not None:
                keeper.stderr.close()
            return told[0], keeper
        if keeper is None:
            keeper = _start_keeper(state, durable=durable)
        elif keeper.poll() is not None:
            if keeper.returncode != ANOTHER_SERVES:
                raise ServicesError(_reason(keeper))
            keeper.communicate()
            keeper = None
        time.sleep(_STEP_SECONDS)
    raise ServicesError(f"The services did not start; see the logs in {state.logs}.")


def _start_keeper(state: StateFolder, *, durable: bool) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "reviewqueue.embedded.keeper",
            str(state.path),
            *([] if durable else ["--throw-away"]),
        ],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _reason(keeper: subprocess.Popen[bytes]) -> str:
    said = keeper.communicate()[1].decode(errors="replace").strip()
    return said.partition(" ERROR ")[2] or said or f"The keeper ended with {keeper.returncode}."


def _has_keeper(state: StateFolder) -> bool:
    """Tell whether a keeper lives; a killed one's servers listen a moment longer."""
    owner = state.open_lock(state.owner_lock)
    try:
        return not try_lock(owner, fcntl.LOCK_SH)
    finally:
        os.close(owner)


def _listens(sockets: Path) -> bool:
    """Tell whether both servers listen; one that fell may be on its way back."""
    for name in (".s.PGSQL.5432", "valkey.sock"):
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(sockets / name))
        except OSError:
            return False
    return True
