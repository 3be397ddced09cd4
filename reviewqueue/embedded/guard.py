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
    child = subprocess.Popen(command)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, pass_on)
    while child.poll() is None:
        if os.getppid() != parent:
            child.send_signal(death_signal)
            return child.wait()
        time.sleep(_LOOK_SECONDS)
    return child.returncode


if __name__ == "__main__":
    sys.exit(run_guarded(death_signal=int(sys.argv[1]), command=sys.argv[2:]))
