"""Run a command that ends when the parent ends, where the kernel cannot see to that.

    python guard.py SIGNAL COMMAND...

Needs nothing but the standard library, so that any account can run it.
"""

import os
import signal
import subprocess
import sys
import time
from types import FrameType

_LOOK_SECONDS = 0.2


def run_guarded(*, death_signal: int, command: list[str]) -> int:
    """Run `command`, passing signals on; send it `death_signal` when our parent dies."""
    parent = os.getppid()
    passed = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, passed)

    # Held back until there is a child to pass them to; the child itself must not inherit that.
    signal.pthread_sigmask(signal.SIG_BLOCK, passed)
    child = subprocess.Popen(command, preexec_fn=unblock)  # noqa: PLW1509 - no threads here

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in passed:
        signal.signal(number, pass_on)
    unblock()
    while child.poll() is None:
        if os.getppid() != parent:
            child.send_signal(death_signal)
            return child.wait()
        time.sleep(_LOOK_SECONDS)
    return child.returncode


if __name__ == "__main__":
    sys.exit(run_guarded(death_signal=int(sys.argv[1]), command=sys.argv[2:]))
