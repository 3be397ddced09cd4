"""Run pytest on real services and a real browser: `python -m tests.run [PYTEST OPTIONS]`.

pytest-django reads the settings before any fixture runs, so the services start around pytest.
They live in a temporary folder and are thrown away, therefore without fsync; tests of durability
start services of their own. `DATABASE_URL` and `REDIS_URL` replace them.

Two tests run at once, each in a test database of its own; `-n 0` runs one after the other.

Real predictions with their truth (`banking77/`, `cifar10/`) are used where a folder `*/data` beside
the checkout holds them, or where `REVIEWQUEUE_DATA` says; their tests are skipped elsewhere.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from reviewqueue import env
from reviewqueue.embedded import ServicesError, services
from reviewqueue.embedded.processes import PROJECT, start_process, stop_process

# A file at a time: what its tests share is made once.
_AT_ONCE = ("-n", "2", "--dist", "loadfile")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str:
    """Return a Chromium: the system's, else one installed now, as the system or Playwright can."""
    if found := _on_path():
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium ...", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "chromium"],
        ):
            subprocess.run(command, check=False, env=quiet, stdout=subprocess.DEVNULL)
        if found := _on_path():
            return found
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - slow, and seldom needed

    with sync_playwright() as playwright:
        found = playwright.chromium.executable_path
    if not Path(found).exists():
        raise ServicesError(
            "No Chromium was found on PATH and none could be installed: install the package "
            "chromium, or set CHROMIUM to a browser's path."
        )
    return found


def _on_path() -> str | None:
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)


@contextlib.contextmanager
def temporary_services() -> Iterator[None]:
    """Set `DATABASE_URL` and `REDIS_URL` to services that are thrown away, if not set."""
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="rq-tests-") as folder:
        # An account that the servers run as has to pass through.
        Path(folder).chmod(0o711)
        with services(Path(folder) / "state", durable=False) as running:
            env.export_services(running)
            yield


def find_data() -> str:
    """Return a folder beside the checkout that holds real predictions, else an empty text."""
    found = sorted(PROJECT.parent.glob("*/data/banking77/test.jsonl.gz"))
    return str(found[0].parent.parent) if found else ""


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def main(arguments: Sequence[str]) -> int:
    """Run pytest with `arguments`. Returns its exit code."""
    os.chdir(PROJECT)
    signal.signal(signal.SIGTERM, _stop)
    os.environ["CHROMIUM"] = os.environ.get("CHROMIUM") or find_chromium()
    os.environ.setdefault("REVIEWQUEUE_DATA", find_data())
    with temporary_services():
        pytest = start_process(
            [sys.executable, "-m", "pytest", "-p", "tests.lanes", *_AT_ONCE, *arguments]
        )
        try:
            return pytest.wait()
        finally:
            # On Ctrl-C pytest sums up what it has done so far.
            stop_process(pytest, (signal.SIGINT, 10), (signal.SIGTERM, 5), (signal.SIGKILL, 5))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ServicesError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
