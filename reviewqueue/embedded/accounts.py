"""As whom the servers run: PostgreSQL refuses to run as root.

As an ordinary user they run as that user. As root they run as the owner of the project folder if
that is an ordinary user, who can then use the same data without root later; otherwise as an
unprivileged account which every system has. The user's own folders are never changed.
"""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from reviewqueue.embedded.errors import ServicesError

_UNPRIVILEGED = ("postgres", "nobody")


class RunAs(TypedDict, total=False):
    """Keyword arguments of `subprocess.Popen` that change the account."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """A system account. `switch` is true when we are root and must become it."""

    name: str
    uid: int
    gid: int
    switch: bool

    def run_as(self) -> RunAs:
        """Return what `subprocess.Popen` needs to run as this account."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def take(self, path: Path) -> None:
        """Make this account the owner of `path`, a file or folder of our own."""
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Tell whether this account can reach `folder`."""
        if not self.switch:
            return os.access(folder, os.X_OK)
        probe = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
        done = subprocess.run(probe, check=False, capture_output=True, cwd="/", **self.run_as())
        return done.returncode == 0

    def can_run(self, binary: Path) -> bool:
        """Tell whether this account can execute `binary`."""
        try:
            done = subprocess.run(
                [binary, "--version"], check=False, capture_output=True, cwd="/", **self.run_as()
            )
        except OSError:
            return False
        return done.returncode == 0


def choose_account(state_dir: Path, *, cluster: Path | None = None) -> Account:
    """Return the account for the servers of `state_dir`; `ServicesError` when root has none.

    The owner of a `cluster` that exists already comes first.
    """
    if os.geteuid() != 0:
        return Account(_name_of(os.geteuid()) or "", os.geteuid(), os.getegid(), switch=False)
    written_by = [cluster.stat().st_uid] if cluster is not None and cluster.exists() else []
    for uid in (*written_by, *_owners(state_dir), *_unprivileged_uids()):
        name = _name_of(uid)
        if uid != 0 and name is not None:
            return Account(name, uid, pwd.getpwuid(uid).pw_gid, switch=True)
    raise ServicesError(
        "PostgreSQL does not run as root, and this system has no account "
        f"{' or '.join(_UNPRIVILEGED)} to run it as: run as an ordinary user, "
        "or set DATABASE_URL and REDIS_URL."
    )


def share_with_owner(path: Path, *, state_dir: Path) -> None:
    """Give a file that root wrote into an ordinary user's project to that user."""
    owner = next(iter(_owners(state_dir)), 0)
    if os.geteuid() == 0 and owner != 0:
        os.chown(path, owner, pwd.getpwuid(owner).pw_gid)


def _owners(state_dir: Path) -> list[int]:
    """Return the ordinary user who owns the state folder, or where it will be created."""
    existing = next(folder for folder in (state_dir, *state_dir.parents) if folder.exists())
    uid = existing.stat().st_uid
    return [uid] if uid != 0 and _name_of(uid) is not None else []


def _unprivileged_uids() -> list[int]:
    found = []
    for name in _UNPRIVILEGED:
        try:
            found.append(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue
    return found


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
