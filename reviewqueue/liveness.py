"""That worker and beat are alive: each touches `ALIVE_MARK` as its main loop turns.

    python -m reviewqueue.liveness

Exit code 0 while the file was touched lately: a health check that starts no Celery. A worker whose
loop hangs, or a beat that waits for the database for ever, would else look alive for days.
"""

import sys
import time
from pathlib import Path
from typing import Final

from reviewqueue import variables

TOUCH_SECONDS: Final = 5.0
# Beat looks every fifteen seconds, and a loaded machine may be late.
PATIENCE_SECONDS: Final = 60.0


def touch() -> None:
    """Say that this process lives, where anybody wants to know."""
    if place := variables.text("ALIVE_MARK"):
        Path(place).touch()


def is_alive(now: float) -> bool:
    """Whether the file was touched within the last minute before `now`, in Unix seconds."""
    try:
        touched = Path(variables.text("ALIVE_MARK")).stat().st_mtime
    except OSError:
        return False
    return now - touched < PATIENCE_SECONDS


if __name__ == "__main__":
    sys.exit(0 if is_alive(time.time()) else 1)
