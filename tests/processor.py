"""Processor time of a piece of work."""

import gc
import time
from collections.abc import Callable


def spend(work: Callable[[], object]) -> float:
    """Seconds of processor time that the work takes.

    Without the search for garbage, which takes as long as all that other tests have left is large.
    """
    gc.disable()
    try:
        began = time.process_time()
        work()
        return time.process_time() - began
    finally:
        gc.enable()
