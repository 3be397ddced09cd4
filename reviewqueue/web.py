"""The web server: granian with our application, which lets go of its clients before it stops.

    python -m reviewqueue.web [--host HOST] [--port PORT] [--workers N]

On SIGTERM or SIGINT it first says so: `/readyz` answers 503, every answer closes its connection,
and all requests are still served. After `DRAIN_SECONDS` its workers take nothing new, end what is
under way, and are ended themselves after `STOP_SECONDS` more. A second signal skips the wait. A
worker that falls is started again; where one falls again at once the server ends, and whoever
started it (`make run`, Docker, systemd) tries again, later each time.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from threading import Timer

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from reviewqueue import draining, logs, variables
from reviewqueue.embedded.processes import PROJECT

TARGET = "reviewqueue.wsgi:application"


class DrainingServer(Server):  # type: ignore[misc,valid-type]  # granian is untyped
    """Granian, whose first signal to stop only begins the end."""

    drain_seconds = 0
    is_told = False

    def signal_handler_interrupt(self, *_signal: object) -> None:
        """Say that we are about to stop, and stop later; at once when told again."""
        draining.begin()
        if self.is_told or not self.drain_seconds:
            self._stop()
            return
        self.is_told = True
        timer = Timer(self.drain_seconds, self._stop)
        timer.daemon = True
        timer.start()

    def _stop(self) -> None:
        super().signal_handler_interrupt()


def make_server(options: argparse.Namespace) -> DrainingServer:
    """The server of a command line. Raises `ConfigurationError`."""
    server = DrainingServer(
        TARGET,
        address=options.host,
        port=options.port,
        interface=Interfaces.WSGI,
        workers=options.workers,
        blocking_threads=variables.number("WEB_THREADS"),
        respawn_failed_workers=True,
        workers_kill_timeout=max(1, variables.number("STOP_SECONDS")),
        log_level=LogLevels.warning,
        log_dictconfig=logs.configure(logs.read_format()),
    )
    server.drain_seconds = variables.number("DRAIN_SECONDS")
    return server


def read_options(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; `PORT` and `WEB_WORKERS` may stand in the environment."""
    parser = argparse.ArgumentParser(prog="python -m reviewqueue.web", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=variables.number("PORT"))
    parser.add_argument("--workers", type=int, default=variables.number("WEB_WORKERS"))
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Serve until told to stop. Returns the exit code."""
    os.chdir(PROJECT)
    try:
        server = make_server(read_options(argv))
    except variables.ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    draining.name_sign()
    try:
        server.serve()
    finally:
        draining.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
