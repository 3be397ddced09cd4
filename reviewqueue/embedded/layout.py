"""Where things lie: the state folder, its lock files, the servers' data, the sockets' folder."""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from reviewqueue.embedded.accounts import Account, choose_account, share_with_owner
from reviewqueue.embedded.errors import ServicesError

# `sun_path` holds 104 bytes on macOS and 108 on Linux, the closing zero included.
_SOCKET_BYTES = 103 if sys.platform == "darwin" else 107
_LONGEST_SOCKET = "/rq-12345678/.s.PGSQL.5432"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._/-]+")
_HIDDEN_DATA = Path("/var/lib/review-queue")
_LOG_BYTES = 10_000_000


@dataclass(frozen=True)
class Services:
    """The URLs of what runs: PostgreSQL for libpq and Django, Valkey for redis-py."""

    database_url: str
    redis_url: str


@dataclass(frozen=True)
class StateFolder:
    """One project's state folder. `open_state_folder` makes it."""

    path: Path

    @property
    def owner_lock(self) -> Path:
        """Held by the keeper alone."""
        return self.path / "services.lock"

    @property
    def users_lock(self) -> Path:
        """Shared by the users; the keeper stops when it can have it for itself."""
        return self.path / "services.users"

    @property
    def note(self) -> Path:
        """Tells users where the running services are; gone when they are."""
        return self.path / "services.json"

    @property
    def logs(self) -> Path:
        """The servers' logs."""
        return self.path / "logs"

    def open_lock(self, path: Path) -> int:
        """Open a lock file; `ServicesError` when it belongs to somebody else."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _not_ours(self.path, error) from error
        share_with_owner(path, state_dir=self.path)
        return descriptor

    def write_note(self, services: Services, sockets: Path) -> None:
        """Publish the running services, readable by the owner alone."""
        write_privately(self.note, json.dumps(asdict(services) | {"sockets": str(sockets)}))

    def read_note(self) -> tuple[Services, Path] | None:
        """Return the published services and their sockets' folder, if any."""
        try:
            told = json.loads(self.note.read_text())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _not_ours(self.path, error) from error
        return Services(told["database_url"], told["redis_url"]), Path(told["sockets"])


def write_privately(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner alone."""
    building = path.with_suffix(".new")
    building.unlink(missing_ok=True)
    building.touch(mode=0o600)
    building.write_text(text)
    share_with_owner(building, state_dir=path.parent)
    building.replace(path)


def make_log(path: Path) -> Path:
    """Create a log that its owner alone may read; one that has grown large is set aside."""
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    path.touch(mode=0o600)
    share_with_owner(path, state_dir=path.parent)
    return path


def open_state_folder(path: Path) -> StateFolder:
    """Create the state folder and its log folder where they are missing."""
    state = StateFolder(path.absolute())
    try:
        for folder in (state.path, state.logs):
            if not folder.exists():
                folder.mkdir(parents=True, exist_ok=True)
                # An account that a server runs as has to pass through; it cannot list.
                folder.chmod(0o711)
                share_with_owner(folder, state_dir=state.path.parent)
    except OSError as error:
        raise _not_ours(state.path, error) from error
    return state


def place_data(state: StateFolder) -> tuple[Path, Account]:
    """Return the folder for the servers' data, and the account that they run as.

    That is the state folder, unless we are root and the account cannot reach it.
    """
    account = choose_account(state.path, cluster=state.path / "postgres")
    if account.can_enter(state.path):
        return state.path, account
    hidden = _HIDDEN_DATA / hashlib.sha256(os.fsencode(state.path)).hexdigest()[:16]
    hidden.mkdir(parents=True, exist_ok=True)
    for folder in (_HIDDEN_DATA, hidden):
        folder.chmod(0o711)
    account = choose_account(state.path, cluster=hidden / "postgres")
    if not account.can_enter(hidden):
        raise ServicesError(
            f"The account {account.name} can enter neither {state.path} nor {hidden}: set "
            "REVIEWQUEUE_STATE_DIR to a folder that it can enter."
        )
    return hidden, account


def make_sockets_folder(account: Account) -> Path:
    """Create a private folder whose path is short and plain enough for sockets and URLs."""
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp")):  # noqa: S108 - the last resort
        fits = len(os.fsencode(parent + _LONGEST_SOCKET)) <= _SOCKET_BYTES
        if fits and _PLAIN_PATH.fullmatch(parent) and account.can_enter(Path(parent)):
            folder = Path(tempfile.mkdtemp(prefix="rq-", dir=parent))
            account.take(folder)
            return folder
    raise ServicesError(
        f"The temporary folder {tempfile.gettempdir()} is too long or holds unusual characters, "
        "and /tmp cannot be used: set TMPDIR to a short, plain path."
    )


def remove_sockets_folder(folder: Path) -> None:
    """Remove a sockets' folder, this run's or one that a killed run left."""
    if folder.name.startswith("rq-") and folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)


def _not_ours(path: Path, error: OSError) -> ServicesError:
    return ServicesError(
        f"The state folder {path} cannot be used ({error.strerror}: {error.filename}). If another "
        f"account made it, run as that account or take it over with `sudo chown -R $USER "
        f"'{path}'`; or set REVIEWQUEUE_STATE_DIR to a folder of your own."
    )
