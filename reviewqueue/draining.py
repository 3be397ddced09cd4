"""That this web server is about to stop, told by its own process to those that answer requests.

The sign is a file, since workers may be forked or started afresh, and each looks for it at each
answer: a load balancer has to hear of it from all of them.
"""

import os
import tempfile
from pathlib import Path
from typing import Final

_PLACE: Final = "REVIEWQUEUE_DRAIN_SIGN"


def name_sign() -> None:
    """Decide where the sign will be, before workers start; it is not there yet."""
    sign = Path(tempfile.gettempdir()) / f"reviewqueue-draining-{os.getpid()}"
    sign.unlink(missing_ok=True)
    os.environ[_PLACE] = str(sign)


def begin() -> None:
    """Put the sign up."""
    Path(os.environ[_PLACE]).touch(mode=0o600)


def end() -> None:
    """Take the sign down: the process is gone."""
    Path(os.environ[_PLACE]).unlink(missing_ok=True)


def is_draining() -> bool:
    """Whether the sign is up; never where no such server runs us."""
    sign = os.environ.get(_PLACE)
    return sign is not None and os.path.exists(sign)  # noqa: PTH110 - at each answer
