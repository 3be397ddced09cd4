"""Web servers are stopped and started one after the other while upstreams post: what is lost?

    python -m benchmarks.rolling [--way balancer|abrupt|shared] [--rounds N]

Two web servers stand behind what a load balancer does: it asks `/readyz` of each four times a
second and sends requests, on connections that it keeps, only where that says 200. Nothing is sent
twice, so each request that is cut or refused counts. `abrupt` leaves out the drain: the process
takes SIGTERM and stops. `shared` has no balancer: old and new server listen on one port, the new
one first. At last, every item that was acknowledged has to be stored, once. Exit code 1 where
anything failed.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.clients import Caller, CutError
from benchmarks.stage import StageError, free_port, open_stage
from reviewqueue.embedded import ServicesError
from reviewqueue.embedded.processes import PROJECT, start_process, stop_process, wait_until

if TYPE_CHECKING:
    from routing.models import Stream

WAYS: Final = ("balancer", "abrupt", "shared")
LOOK_SECONDS: Final = 0.25
DRAIN_SECONDS: Final = 2
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 40.0
SINGLES: Final = 4
BATCH: Final = 200
PAUSE_SECONDS: Final = 0.01
OK: Final = 200
TAKEN: Final = (200, 201)


@dataclass
class Web:
    """A web server on its port; `is_ready` is what was heard at the last look."""

    port: int
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    is_ready: bool = False

    @property
    def url(self) -> str:
        """Its address without a closing slash."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it as the image does."""
        command = [sys.executable, "-m", "reviewqueue.web", "--port", str(self.port)]
        with self.log.open("ab") as output:
            self.process = start_process(
                [*command, "--workers", "1"], env=self.environment, cwd=PROJECT, output=output
            )

    def stop(self) -> None:
        """SIGTERM, and wait for the end. Raises `StageError`."""
        process = self.process
        if process is not None and stop_process(process, (signal.SIGTERM, STOP_SECONDS)) != 0:
            raise StageError(
                f"A web server did not end well ({process.returncode}); see {self.log}."
            )

    def look(self) -> bool:
        """Ask whether requests should come here."""
        caller = Caller(self.url)
        try:
            self.is_ready = caller.ask("GET", "/readyz").status == OK
        except CutError:
            self.is_ready = False
        finally:
            caller.close()
        return self.is_ready


@dataclass
class Rolled:
    """What happened: restarts, requests answered, those that failed and why, the slowest."""

    restarts: int = 0
    answered: int = 0
    slowest_seconds: float = 0.0
    failed: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.restarts} restarts, {self.answered:,} requests answered, "
            f"{len(self.failed)} failed, {len(self.acknowledged):,} items acknowledged, "
            f"slowest answer {self.slowest_seconds * 1000:,.0f} ms"
        )


class Fleet:
    """Two web servers, and the choice among those that are ready."""

    def __init__(self, way: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.way = way
        drain = 0 if way == "abrupt" else DRAIN_SECONDS
        given = {**environment, "DRAIN_SECONDS": str(drain), "STOP_SECONDS": "30"}
        port = free_port()
        ports = [port, port if way == "shared" else free_port()]
        self.webs = [
            Web(port, given, folder / f"web-{number}.log") for number, port in enumerate(ports)
        ]
        self._turn = count()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start what serves at the beginning, and wait until it does. Raises `StageError`."""
        for web in self.webs[: 1 if self.way == "shared" else 2]:
            self._start(web)

    def choose(self) -> Web:
        """The next of the ready ones, in turn; where none is, one of all."""
        ready = [web for web in self.webs if web.is_ready] or self.webs
        with self._lock:
            return ready[next(self._turn) % len(ready)]

    def restart_each(self) -> int:
        """Replace what serves, one after the other; returns how many were."""
        if self.way == "shared":
            old, new = self.webs
            new.start()
            # Either may answer at their port, so ask the kernel how many listen.
            if not wait_until(lambda: count_listeners(new.port) == 2, seconds=START_SECONDS):
                raise StageError(f"A second web server does not listen; see {new.log}.")
            old.stop()
            self.webs.reverse()
            return 1
        for web in self.webs:
            web.stop()
            self._start(web)
            time.sleep(4 * LOOK_SECONDS)
        return len(self.webs)

    def stop(self) -> None:
        """End all that still run."""
        for web in self.webs:
            if web.process is not None:
                stop_process(web.process, (signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at each server's readiness, until the block ends."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(LOOK_SECONDS):
                for web in self.webs:
                    web.look()

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _start(self, web: Web) -> None:
        web.start()
        process = web.process
        assert process is not None
        wait_until(lambda: web.look() or process.poll() is not None, seconds=START_SECONDS)
        if not web.is_ready:
            raise StageError(f"A web server did not become ready; see {web.log}.")


def roll(
    stream: "Stream", *, way: str, rounds: int, folder: Path, environment: Mapping[str, str]
) -> Rolled:
    """Restart the servers `rounds` times under load. Raises `StageError`."""
    fleet, told, over = Fleet(way, folder, environment), Rolled(), threading.Event()
    try:
        fleet.start()
        posters = [Poster(fleet, told, stream, number=number) for number in range(SINGLES)]
        posters.append(Poster(fleet, told, stream, number=SINGLES, size=BATCH))
        with fleet.watched(), ThreadPoolExecutor(len(posters)) as threads:
            running = [threads.submit(poster.run, over) for poster in posters]
            try:
                time.sleep(1.0)
                for _ in range(rounds):
                    told.restarts += fleet.restart_each()
                time.sleep(1.0)
            finally:
                over.set()
            for each in running:
                each.result()
    finally:
        fleet.stop()
    return told


def count_listeners(port: int) -> int:
    """How many sockets listen on a TCP port of this machine (Linux)."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(
        line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines
    )


def find_losses(stream: "Stream", told: Rolled) -> list[str]:
    """Acknowledged items that are not stored once."""
    from routing.models import Item  # noqa: PLC0415 - Django is set up by now

    stored = set(Item.objects.filter(stream=stream).values_list("external_id", flat=True))
    lost = [name for name in told.acknowledged if name not in stored]
    twice = len(told.acknowledged) - len(set(told.acknowledged))
    return [f"{name} was acknowledged and is not stored" for name in lost] + (
        [f"{twice} items were acknowledged twice"] if twice else []
    )


class Poster:
    """A client that keeps a connection to each server and posts `size` items at a time."""

    def __init__(
        self, fleet: Fleet, told: Rolled, stream: "Stream", *, number: int, size: int = 1
    ) -> None:
        from benchmarks.cast import authorise  # noqa: PLC0415 - Django is set up by now

        self.fleet, self.told, self.number, self.size = fleet, told, number, size
        self._headers = authorise(stream)
        self._path = f"/api/v1/streams/{stream.key}/items" + ("/batch" if size > 1 else "")
        self._callers: dict[int, Caller] = {}

    def run(self, over: threading.Event) -> None:
        """Post until it is over."""
        try:
            for turn in count():
                if over.wait(PAUSE_SECONDS):
                    return
                self._post(turn)
        finally:
            for caller in self._callers.values():
                caller.close()

    def _let_go(self) -> None:
        """Close connections to servers that are not ready, as a balancer does."""
        for web in self.fleet.webs if self.fleet.way != "shared" else ():
            if not web.is_ready and web.port in self._callers:
                self._callers[web.port].close()

    def _post(self, turn: int) -> None:
        from benchmarks.cast import encode, make_bodies  # noqa: PLC0415 - as above

        self._let_go()
        bodies = list(make_bodies(f"{self.number}-{turn}", self.size, seed=self.number))
        web = self.fleet.choose()
        caller = self._callers.setdefault(web.port, Caller(web.url, self._headers))
        try:
            answer = caller.ask("POST", self._path, encode(bodies if self.size > 1 else bodies[0]))
        except CutError as error:
            self.told.failed.append(f"{time.monotonic():.2f} port {web.port}: {error}")
            return
        if answer.status not in TAKEN:
            self.told.failed.append(f"{time.monotonic():.2f} port {web.port}: {answer.status}")
            return
        self.told.answered += 1
        self.told.slowest_seconds = max(self.told.slowest_seconds, answer.seconds)
        self.told.acknowledged += [str(body["external_id"]) for body in bodies]


def main(argv: Sequence[str]) -> int:
    """Roll on services of its own. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rolling", description=__doc__)
    parser.add_argument("--way", choices=WAYS, default=WAYS[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    with open_stage(workers=1) as stage:
        from benchmarks.cast import make_stream  # noqa: PLC0415 - Django is set up by now

        stream = make_stream("rolling")
        told = roll(
            stream,
            way=options.way,
            rounds=options.rounds,
            folder=stage.state,
            environment=os.environ,
        )
        broken = told.failed + find_losses(stream, told)
    print(f"{options.way}: {told}", flush=True)
    for line in broken[:20]:
        print(line, flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (StageError, ServicesError) as error:
        sys.exit(str(error))
