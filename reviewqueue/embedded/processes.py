"""Child processes that never outlive their parent.

On Linux the kernel sends a child a signal when its parent dies, even by kill -9. Elsewhere the
child is started through `guard.py`, which looks for its parent and passes signals on.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from reviewqueue.embedded.accounts import Account

PROJECT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1
_libc: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def start_process(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: IO[bytes] | int | None = None,
    stdin: IO[bytes] | int | None = subprocess.DEVNULL,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own; it gets `death_signal` when this process dies.

    The session keeps a terminal's Ctrl-C away from it. Call this from the main thread: the
    kernel counts the death of the starting thread.
    """
    words = [str(word) for word in command]
    if _libc is None:
        words = guard_command(words, death_signal)
    return subprocess.Popen(
        words,
        env=None if env is None else dict(env),
        cwd=cwd,
        stdin=stdin,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_death_setter(death_signal),  # noqa: PLW1509 - two system calls, no locks
        **({} if account is None else account.run_as()),
    )


def guard_command(command: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """Return `command` behind a guard, for systems without a parent-death signal."""
    guard = Path(__file__).resolve().with_name("guard.py")
    return [sys.executable, str(guard), str(int(death_signal)), *command]


def stop_with_parent(death_signal: signal.Signals = signal.SIGTERM) -> None:
    """Have this very process signalled when its parent dies (Linux only)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


def stop_process(
    process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]
) -> int | None:
    """Signal `process`, each time waiting the given seconds, until it is gone.

    Returns its exit code, `None` if it outlived all steps.
    """
    for number, seconds in steps:
        if process.poll() is not None:
            break
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    return process.poll()


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal everything in the session of `process`, also when the process itself is gone."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def is_alive(pid: int) -> bool:
    """Tell whether a process of this number exists, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def command_line(pid: int) -> str:
    """Return the command line of a process; empty when it is gone."""
    if _libc is not None:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return ""
    listed = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(listed, check=False, capture_output=True, text=True).stdout


def processes_working_in(folder: Path, *, program: str) -> list[int]:
    """Return the processes named `program` whose working folder is `folder` (Linux; else none)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            named = (entry / "comm").read_text().strip() == program
            if named and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], *, seconds: float, step: float = 0.05) -> bool:
    """Wait until `condition` holds; return whether it did within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _death_setter(number: signal.Signals) -> Callable[[], None] | None:
    if _libc is None:
        return None
    libc, parent, wanted = _libc, os.getpid(), int(number)

    def set_death_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, wanted, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return set_death_signal
