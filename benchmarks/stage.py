"""The product as `make run` starts it, on durable services that are thrown away afterwards.

`DATABASE_URL` and `REDIS_URL` of the caller are never used: what happens here fills or kills them.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import Caller, CutError
from benchmarks.tree import children_of, cpu_seconds, descendants
from reviewqueue import env
from reviewqueue.embedded import services
from reviewqueue.embedded.processes import (
    PROJECT,
    command_line,
    start_process,
    stop_process,
    wait_until,
)

_START_SECONDS = 120.0
# The first page sends those without a session here.
_FIRST_PAGE = "/accounts/login/"
_OWN_SERVICES = {"DATABASE_URL": "", "REDIS_URL": ""}
STOP_SIGNALS = (signal.SIGTERM, signal.SIGKILL)


class StageError(RuntimeError):
    """The product did not come up; the message holds its last lines."""


@dataclass
class Stage:
    """A running product: its state folder, its port, its supervisor."""

    state: Path
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """The address without a closing slash."""
        return f"http://127.0.0.1:{self.port}"

    def postmaster(self) -> int | None:
        """The process number of PostgreSQL, None while it is down."""
        for pid in descendants(os.getpid()):
            if "/bin/postgres -D " in command_line(pid):
                return pid
        return None

    def web_workers(self) -> list[int]:
        """The process numbers of the web server's workers."""
        for pid in children_of(self.process.pid):
            if " reviewqueue.web " in command_line(pid):
                return [
                    child
                    for child in children_of(pid)
                    if command_line(child) and "resource_tracker" not in command_line(child)
                ]
        return []

    def wait_for_page(self) -> None:
        """Wait until the page that a newcomer sees is there. Raises `StageError`."""
        answered = wait_until(
            lambda: self._shows_page() or self.process.poll() is not None,
            seconds=_START_SECONDS,
            step=0.02,
        )
        if not answered or self.process.poll() is not None:
            raise StageError(f"The product did not start:\n{self.last_words()}")

    def _shows_page(self) -> bool:
        try:
            return Caller(self.url).ask("GET", _FIRST_PAGE).status == http.client.OK
        except CutError:
            return False

    def wait_for_background(self) -> None:
        """Wait until the Celery worker and beat have started and stopped costing."""
        log = self.state / "logs" / "worker.log"
        wait_until(lambda: log.exists() and " ready." in log.read_text(), seconds=60.0)
        time.sleep(2.0)

    @contextmanager
    def metered(self) -> Iterator[Callable[[], float]]:
        """Measure the processor time of everything that serves, from here to the block's end.

        Yields a function that returns it in seconds. Unlike the elapsed time it hardly depends
        on what else the machine does.
        """
        began = cpu_seconds(descendants(os.getpid()))
        ended: list[float] = []
        yield lambda: ended[0] - began
        ended.append(cpu_seconds(descendants(os.getpid())))

    def last_words(self) -> str:
        """The end of what the supervisor and the web server said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def temporary_state() -> Iterator[Path]:
    """A state folder that does not exist yet, below a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="rq-bench-", ignore_cleanup_errors=True) as folder:
        # An account that the servers run as has to pass through.
        Path(folder).chmod(0o711)
        yield Path(folder) / "state"


def start_product(state: Path, *options: str, given: Mapping[str, str] | None = None) -> Stage:
    """Start the supervisor on `state`; `given` replaces variables of the environment."""
    port = free_port()
    log = state.with_name("serve.log")
    with log.open("ab") as output:
        process = start_process(
            [sys.executable, "-m", "reviewqueue.serve", "--port", str(port), *options],
            env=os.environ
            | _OWN_SERVICES
            | {"REVIEWQUEUE_STATE_DIR": str(state)}
            | dict(given or {}),
            cwd=PROJECT,
            output=output,
        )
    return Stage(state, port, process, log)


def stop_product(stage: Stage) -> None:
    """Stop the supervisor and everything under it."""
    stop_process(stage.process, *((number, 15.0) for number in STOP_SIGNALS))


@contextmanager
def open_stage(*, workers: int = 2, settled: bool = True) -> Iterator[Stage]:
    """Run the product without demo data, with Django in this process set up on its database.

    `settled` waits until what starts in the background has started, so that it costs nothing more.
    """
    with open_services() as state:
        urls = {name: os.environ[name] for name in _OWN_SERVICES}
        stage = start_product(state, "--no-demo", "--workers", str(workers), given=urls)
        try:
            stage.wait_for_page()
            if settled:
                stage.wait_for_background()
            yield stage
        finally:
            stop_product(stage)


@contextmanager
def open_services(*, migrated: bool = False) -> Iterator[Path]:
    """Run durable services alone, with Django in this process set up on them.

    Yields the state folder. `migrated` makes the tables, which `open_stage` leaves to the product.
    """
    with temporary_state() as state:
        os.environ["REVIEWQUEUE_STATE_DIR"] = str(state)
        os.environ.update(_OWN_SERVICES)
        with services(state, durable=True) as running:
            env.export_services(running)
            _set_up_django()
            try:
                if migrated:
                    _migrate()
                yield state
            finally:
                drop_connections()


def _migrate() -> None:
    from django.core.management import call_command  # noqa: PLC0415 - after the set-up

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


def require_durable() -> None:
    """Raise `StageError` unless a commit is on disk before it is answered."""
    from django.db import connection  # noqa: PLC0415 - Django is set up with the stage

    with connection.cursor() as cursor:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"SHOW {name}")
            if cursor.fetchone() != ("on",):
                raise StageError(f"{name} is not on, so the figures would not be true.")


def _set_up_django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")
    import django  # noqa: PLC0415 - the settings read the environment at import

    django.setup()


def drop_connections() -> None:
    """Close this process's connections to the database, also those that the server cut."""
    from django.db import connection  # noqa: PLC0415 - after the set-up

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's own
