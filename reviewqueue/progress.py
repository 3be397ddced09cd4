"""One line on the terminal for each step that takes a while."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def timed_step(what: str) -> Iterator[None]:
    """Print `what ...` at the start of the block, and the seconds it took when it ends well."""
    print(f"{what} ...", end=" ", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f"{time.monotonic() - started:.1f} s", flush=True)
