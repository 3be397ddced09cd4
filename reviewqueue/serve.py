"""The whole product under one supervisor: services, database, web, worker and beat.

    python -m reviewqueue.serve [--host HOST] [--port PORT] [--workers N] [--no-demo]

Ctrl-C or SIGTERM stops everything. The supervisor loads neither Django nor Celery.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from reviewqueue import env, variables
from reviewqueue.children import Child, keep_all_up, stop_children
from reviewqueue.embedded import Membership, ServicesError
from reviewqueue.embedded.layout import write_privately
from reviewqueue.embedded.processes import PROJECT, stop_with_parent
from reviewqueue.progress import timed_step

_LOOK_SECONDS = 0.25
_FIRST_PAGE_SECONDS = 90.0

_WEB = [sys.executable, "-m", "reviewqueue.web"]
# Threads, since the tasks mostly wait for PostgreSQL; forked processes cost 90 MB more.
_WORKER = [
    *(sys.executable, "-m", "celery", "-A", "reviewqueue", "worker", "--loglevel", "INFO"),
    *("--pool", "threads", "--concurrency", "2", "--prefetch-multiplier", "1"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
]
_BEAT = [
    *(sys.executable, "-m", "celery", "-A", "reviewqueue", "beat", "--loglevel", "INFO"),
    "--pidfile=",
]


class StartError(Exception):
    """The product cannot start; the message says what to do."""


class StopRequestedError(BaseException):
    """Raised by SIGINT and SIGTERM, wherever the supervisor is."""


class Supervisor:
    """Holds the services and the children of one run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.began = time.monotonic()
        self.state = env.state_dir()
        self.given = {name: variables.is_given(name) for name in ("DATABASE_URL", "REDIS_URL")}
        self.membership: Membership | None = None
        self.children: list[Child] = []
        self.url = address(options.host, options.port)
        os.environ["REVIEWQUEUE_URL"] = self.url

    def run(self) -> None:
        """Start everything in order, then look after it until told to stop."""
        check_port_is_free(self.options.host, self.options.port)
        self._join()
        self._prepare()
        self._start_web()
        with timed_step("Starting the web server"):
            self._wait_for_first_page()
        print(self._introduce(), flush=True)
        self._start_background()
        if not self.options.no_demo:
            command = [sys.executable, "manage.py", "demo", "--load"]
            self._start(Child("Loading the demo", command, self._log("demo"), once=True))
        while True:
            keep_all_up(self.children)
            if self.membership is not None and self.membership.is_lost():
                self._begin_again()
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """Stop all children, then need the services no longer."""
        stop_children(self.children)
        self.children.clear()
        if self.membership is not None:
            self.membership.leave()
            self.membership = None

    def _begin_again(self) -> None:
        """The services were killed from outside: their address changes, so all start again."""
        print("PostgreSQL and Valkey are gone: starting everything again", flush=True)
        self.stop()
        for name, is_given in self.given.items():
            if not is_given:
                os.environ.pop(name, None)
        self._join()
        self._start_web()
        self._start_background()

    def _join(self) -> None:
        if all(self.given.values()):
            return
        with timed_step("Starting PostgreSQL and Valkey"):
            self.membership = env.ensure_services()

    def _prepare(self) -> None:
        options = ["--no-demo"] if self.options.no_demo else []
        command = [sys.executable, "manage.py", "prepare", *options]
        code = self._start(Child("Preparing", command, once=True)).wait()
        if code != 0:
            raise StartError(f"Preparing failed (exit code {code}); the reason stands above.")
        self.children.clear()

    def _start_web(self) -> None:
        options = self.options
        place = ("--host", options.host, "--port", str(options.port))
        command = [*_WEB, *place, "--workers", str(options.workers)]
        self._start(Child("The web server", command))

    def _start_background(self) -> None:
        self._start(Child("The worker", _WORKER, self._log("worker")))
        self._start(Child("Beat", _BEAT, self._log("beat")))

    def _start(self, child: Child) -> Child:
        self.children.append(child)
        child.start()
        return child

    def _log(self, name: str) -> Path:
        return self.state / "logs" / f"{name}.log"

    def _wait_for_first_page(self) -> None:
        deadline = time.monotonic() + _FIRST_PAGE_SECONDS
        status = 0
        while time.monotonic() < deadline:
            status = ask_for_page(self.url)
            if 0 < status < http.client.INTERNAL_SERVER_ERROR:
                return
            if not self.children[0].is_up():
                raise StartError("The web server ended; the reason stands above.")
            time.sleep(0.05)
        answer = f"with status {status}" if status else "not at all"
        raise StartError(f"{self.url} answers {answer} after {_FIRST_PAGE_SECONDS:g} s.")

    def _introduce(self) -> str:
        """Return what a newcomer needs: the address, and the demo's accounts and key."""
        seconds = time.monotonic() - self.began
        lines = ["", f"Review Queue answers at {self.url}/ after {seconds:.1f} s", ""]
        note = self.state / "demo.json"
        if note.exists() and not self.options.no_demo:
            demo = json.loads(note.read_text()) | {"url": self.url}
            write_privately(note, json.dumps(demo, indent=2) + "\n")
            for role, login in demo["users"].items():
                shown = role.replace("_", " ")
                lines.append(f"  {shown:16} {login['username']:16} password {login['password']}")
            lines += [f"  {'API key':16} {demo['api_key']}", f"  (all of this is in {note})"]
        return "\n".join([*lines, f"  Logs: {self.state / 'logs'}    Stop: Ctrl-C", ""])


def address(host: str, port: int) -> str:
    """Return the address at which a browser on this machine finds the product."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only compared
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


def check_port_is_free(host: str, port: int) -> None:
    """Raise `StartError` if the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise StartError(
                f"Port {port} of {host} cannot be used ({error}): choose another, for example "
                f"`make run PORT={port + 1 if 1023 < port < 65535 else 8001}`."
            ) from error


def ask_for_page(url: str) -> int:
    """Return the status of the first page, 0 while nothing answers."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _request_stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise StopRequestedError


def _handle_signals(handler: signal.Handlers | Callable[[int, FrameType | None], object]) -> None:
    # Set explicitly: a shell starts background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def read_options(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; `PORT` and `WEB_WORKERS` may stand in the environment."""
    parser = argparse.ArgumentParser(prog="python -m reviewqueue.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=variables.number("PORT"))
    parser.add_argument("--workers", type=int, default=variables.number("WEB_WORKERS"))
    parser.add_argument("--no-demo", action="store_true", help="create no demo data")
    parser.add_argument("--with-parent", action="store_true", help="stop when the parent ends")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Serve until told to stop. Returns the exit code."""
    try:
        options = read_options(argv)
    except variables.ConfigurationError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    if options.with_parent:
        stop_with_parent()
    _handle_signals(_request_stop)
    os.chdir(PROJECT)
    supervisor = Supervisor(options)
    code = 0
    try:
        supervisor.run()
    except StopRequestedError:
        print("\nStopping", flush=True)
    except (StartError, ServicesError, variables.ConfigurationError) as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        code = 1
    finally:
        _handle_signals(signal.SIG_IGN)
        supervisor.stop()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
