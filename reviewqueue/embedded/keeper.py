"""The one owner of a state folder's servers.

    python -m reviewqueue.embedded.keeper STATE_DIR [--throw-away]

Started by the first command that needs the servers, it outlives that command if others still use
them, restarts a server that was killed, and stops both when the last user's lock is free.
Exit codes: 0 stopped; 1 could not start, the reason on standard error; 3 another keeper serves.
"""

import argparse
import fcntl
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from reviewqueue.embedded.accounts import share_with_owner
from reviewqueue.embedded.engines import find_postgres, find_valkey, make_reachable
from reviewqueue.embedded.errors import ServicesError
from reviewqueue.embedded.layout import (
    Services,
    StateFolder,
    make_log,
    make_sockets_folder,
    open_state_folder,
    place_data,
    remove_sockets_folder,
)
from reviewqueue.embedded.postgres import Postgres
from reviewqueue.embedded.valkey import Valkey

ANOTHER_SERVES = 3
_LOOK_SECONDS = 0.1
_LOCK_TRIALS = 600
_FEW_TRIALS = 3
_CALM_SECONDS = 60.0
_LONGEST_PAUSE = 5.0

logger = logging.getLogger(__name__)


def try_lock(descriptor: int, kind: int) -> bool:
    """Take a lock without waiting; return whether it was free."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass
class Watched:
    """A server under watch: how often it fell of late, and when it may be started again."""

    server: Postgres | Valkey
    falls: int = 0
    fell_at: float = 0.0
    again_at: float = 0.0

    def look(self, now: float) -> None:
        """Start the server again if it is gone, pausing longer each time."""
        process = self.server.process
        if process is None or process.poll() is None:
            return
        name = type(self.server).__name__
        if self.again_at <= self.fell_at:
            self.falls = self.falls + 1 if now - self.fell_at < _CALM_SECONDS else 1
            self.fell_at = now
            self.again_at = now + min(_LONGEST_PAUSE, 0.05 * 2**self.falls)
            logger.warning("%s is gone (exit code %s): starting it again", name, process.returncode)
        if now >= self.again_at:
            self.server.start()
            self.again_at = 0.0
            logger.warning("%s is back", name)


class Keeper:
    """Holds the servers of one state folder from `start` to `stop`."""

    def __init__(self, state: StateFolder, *, durable: bool) -> None:
        self.state = state
        self.stopping = False
        data, account = place_data(state)
        cluster = data / "postgres"
        version = cluster / "data" / "PG_VERSION"
        wanted = int(version.read_text()) if version.exists() else None
        copies = data / "engines"
        sql = make_reachable(find_postgres(wanted=wanted), account=account, folder=copies)
        broker = make_reachable(find_valkey(), account=account, folder=copies)
        self.sockets = make_sockets_folder(account)
        self.postgres = Postgres(
            sql, account, cluster, self.sockets, self._log("postgres"), durable
        )
        # An older engine cannot read a newer one's log, so each has its own folder.
        folder = data / f"{broker.name}-{broker.major}"
        self.valkey = Valkey(broker, account, folder, self.sockets, self._log("valkey"))

    def start(self) -> None:
        """Start both servers and tell where they are."""
        self.postgres.start()
        self.valkey.start()
        self.state.write_note(Services(self.postgres.url, self.valkey.url), self.sockets)

    def stop(self) -> None:
        """Take the note away, stop both servers, leave no socket behind."""
        self.state.note.unlink(missing_ok=True)
        self.valkey.stop()
        self.postgres.stop()
        remove_sockets_folder(self.sockets)

    def watch(self, users: int) -> None:
        """Restart what falls, until told to stop or until nobody holds the users' lock."""
        watched = [Watched(self.postgres), Watched(self.valkey)]
        while not self.stopping and not try_lock(users, fcntl.LOCK_EX):
            for each in watched:
                each.look(time.monotonic())
            time.sleep(_LOOK_SECONDS)

    def ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        """Handle SIGTERM."""
        self.stopping = True

    def _log(self, name: str) -> Path:
        return make_log(self.state.logs / f"{name}.log")


def _take_over(state: StateFolder) -> bool:
    """Become the owner, waiting while another keeper stops; false when another one serves."""
    lock = state.open_lock(state.owner_lock)
    for refused in range(_LOCK_TRIALS):
        if try_lock(lock, fcntl.LOCK_EX):
            break
        # A user that looks whether a keeper lives has the lock for a moment: ask again.
        if refused > _FEW_TRIALS and state.note.exists():
            return False
        time.sleep(_LOOK_SECONDS)
    else:
        return False
    # With the lock ours, a note can only be that of a keeper which was killed.
    if told := state.read_note():
        state.note.unlink()
        remove_sockets_folder(told[1])
    return True


def _run(state: StateFolder, *, durable: bool) -> int:
    if not _take_over(state):
        return ANOTHER_SERVES
    users = state.open_lock(state.users_lock)
    keeper = Keeper(state, durable=durable)
    signal.signal(signal.SIGTERM, keeper.ask_to_stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        keeper.start()
        _write_to_log(keeper.state)
        keeper.watch(users)
    finally:
        keeper.stop()
    return 0


def _write_to_log(state: StateFolder) -> None:
    """Let go of the standard streams of the command that started us."""
    path = state.logs / "keeper.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    share_with_owner(path, state_dir=state.path)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def main() -> int:
    """Serve one state folder until its last user is gone."""
    parser = argparse.ArgumentParser(prog="keeper")
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("--throw-away", action="store_true", help="do not survive a crash")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        return _run(open_state_folder(options.state_dir), durable=not options.throw_away)
    except ServicesError as error:
        logger.error("%s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
