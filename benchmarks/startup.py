"""From nothing to the first page, and the memory of the whole tree, as `make run` starts it.

Packages are installed, the state folder is empty. Memory is read when the demo is loaded and
nothing changes any more: supervisor, web server, worker, beat, PostgreSQL and Valkey.
"""

import os
import time

from benchmarks.stage import Stage, start_product, stop_product, temporary_state
from benchmarks.tree import descendants, memory_mib
from reviewqueue.embedded.processes import command_line, wait_until

_LOADING_SECONDS = 120.0


def run() -> dict[str, float]:
    """The figures by name: first_page_s, memory_mib."""
    with temporary_state() as state:
        began = time.perf_counter()
        stage = start_product(state)
        try:
            stage.wait_for_page()
            seconds = time.perf_counter() - began
            stage.wait_for_background()
            wait_until(lambda: not _loads(stage), seconds=_LOADING_SECONDS, step=0.5)
            time.sleep(1.0)
            tree = [stage.process.pid, *descendants(stage.process.pid)]
            return {"first_page_s": seconds, "memory_mib": memory_mib(tree)}
        finally:
            stop_product(stage)


def _loads(stage: Stage) -> bool:
    return any("demo" in command_line(pid) for pid in descendants(stage.process.pid))


if __name__ == "__main__":
    os.environ.pop("REVIEWQUEUE_STATE_DIR", None)
    for name, value in run().items():
        print(f"{name} {value:.1f}")
