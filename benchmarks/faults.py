"""`make faults`: web workers and PostgreSQL are killed while people work; nothing may be lost.

    python -m benchmarks.faults [--seed N] [--items N]

On durable services of its own, upstreams post items one by one and in batches and send again what
was cut; reviewers answer, close tables of flagged items and take both back, two tabs of one
account racing for each task and table. Meanwhile
web workers and PostgreSQL (now the postmaster, now one of its backends) are killed with SIGKILL.
Then the checker holds what the clients were told against what is stored; before, it has to see
damage that is done on purpose. At last the sender of webhooks is killed again and again, beside the
worker that sends too. Exit code 1 at a violation.
"""

import argparse
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Queue
from threading import Event
from typing import TYPE_CHECKING

from benchmarks.ledger import Ledger
from benchmarks.stage import Stage, StageError, drop_connections, open_stage
from benchmarks.tree import children_of
from reviewqueue.embedded import ServicesError
from reviewqueue.embedded.processes import wait_until

if TYPE_CHECKING:
    from benchmarks.actors import Gate, Work
    from benchmarks.cast import Reviewer
    from routing.models import Stream

WORKERS = 4
UPSTREAMS = 6
ACCOUNTS = 4
TABS = 2
ITEMS = 6_000
ITEMS_A_WEB_KILL = 150
ITEMS_A_DATABASE_KILL = 1_500
ITEMS_A_SENDER_KILL = 200
MESSAGES_A_SENDER_KILL = 25
QUIET_ITEMS = 120
QUIET_ANSWERS = 3
RACED = 0.03
# The server takes a worker that falls within 5.5 s of its start for a crash loop, and gives up.
_OLD_ENOUGH_SECONDS = 6.0
_VICTIM_SECONDS = 60.0
_CALM_SECONDS = 60.0


@dataclass
class Killer:
    """Ends processes of the stage the hard way, chosen by `rng`."""

    stage: Stage
    rng: random.Random
    web: int = 0
    postmasters: int = 0
    backends: int = 0
    _seen: dict[int, float] = field(default_factory=dict)

    def kill_web_worker(self) -> None:
        """End one web worker that is not too young. Raises `StageError` when none turns up."""
        if not wait_until(self._try_web_worker, seconds=_VICTIM_SECONDS):
            raise StageError(f"No web worker came up again:\n{self.stage.last_words()}")
        self.web += 1

    def _try_web_worker(self) -> bool:
        now = time.monotonic()
        self._seen = {pid: self._seen.get(pid, now) for pid in self.stage.web_workers()}
        old = [pid for pid, since in self._seen.items() if now - since >= _OLD_ENOUGH_SECONDS]
        return bool(old) and _kill(self.rng.choice(sorted(old)))

    def kill_database(self) -> None:
        """End the postmaster or one of its children. Raises `StageError` when it stays down."""
        if not wait_until(self._try_database, seconds=_VICTIM_SECONDS):
            raise StageError("PostgreSQL did not come up again.")

    def _try_database(self) -> bool:
        postmaster = self.stage.postmaster()
        if postmaster is None:
            return False
        if self.rng.random() < 0.5:
            children = children_of(postmaster)
            self.backends += 1
            return bool(children) and _kill(self.rng.choice(sorted(children)))
        self.postmasters += 1
        return _kill(postmaster)


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def run_faults(*, seed: int, items: int) -> bool:
    """One whole run, told on the terminal. Returns whether every promise was kept."""
    os.environ["ALLOW_PRIVATE_ADDRESSES"] = "true"  # the receiver of webhooks is on this machine
    with open_stage(workers=WORKERS, settled=False) as stage:
        from benchmarks.checker import CHECKS, find_violations  # noqa: PLC0415 - after the set-up

        began = time.monotonic()
        ledger = Ledger()
        killer = Killer(stage, random.Random(seed))
        scene = _make_scene(stage, ledger, items=items, seed=seed)
        _prove(scene)
        _run_under_fire(scene, killer)
        _wait_until_calm(stage)
        violations = [str(each) for each in find_violations(ledger)]
        print(_describe(ledger, killer, seconds=time.monotonic() - began), flush=True)
        violations += _kill_senders(seed=seed, items=items)
        for violation in violations:
            print(f"  BROKEN  {violation}")
        if not violations:
            print(f"  {len(CHECKS)} checks, 0 violations")
        return not violations


@dataclass
class _Scene:
    stage: Stage
    ledger: Ledger
    stream: "Stream"
    headers: dict[str, str]
    reviewers: "list[Reviewer]"
    bodies: "Iterator[dict[str, object]]"
    items: int
    seed: int


def _make_scene(stage: Stage, ledger: Ledger, *, items: int, seed: int) -> _Scene:
    from benchmarks import cast  # noqa: PLC0415 - after the set-up

    stream = cast.make_stream("faults", undo_seconds=3600)
    return _Scene(
        stage,
        ledger,
        stream,
        cast.authorise(stream),
        cast.make_reviewers("reviewer", ACCOUNTS, streams=[stream], role="expert"),
        cast.make_bodies("f", QUIET_ITEMS + items, seed=seed),
        items,
        seed,
    )


def _prove(scene: _Scene) -> None:
    """Work a little without any fault, then show that the checker sees damage."""
    from benchmarks.actors import Gate  # noqa: PLC0415 - after the set-up
    from benchmarks.damage import prove_checker  # noqa: PLC0415

    print("Proving the checker ...", end=" ", flush=True)
    works = _cut(scene, QUIET_ITEMS, random.Random(scene.seed))
    with ThreadPoolExecutor(UPSTREAMS + ACCOUNTS * TABS) as threads:
        stop = Event()
        _finish(_start_upstreams(scene, threads, works, Gate(float("inf")), stop))
        _finish(_start_tabs(scene, threads, stop, rounds=QUIET_ANSWERS))
    _close_and_undo_table(scene)
    seen = prove_checker(scene.ledger)
    print(f"{len(seen)} kinds of damage, each seen", flush=True)


def _kill_senders(*, seed: int, items: int) -> list[str]:
    from benchmarks import cast  # noqa: PLC0415 - after the set-up
    from benchmarks.senders import kill_senders  # noqa: PLC0415

    kills = max(2, items // ITEMS_A_SENDER_KILL)
    began = time.monotonic()
    told = kill_senders(
        cast.make_stream("told"),
        seed=seed,
        kills=kills,
        messages=kills * MESSAGES_A_SENDER_KILL,
        environment=os.environ,
    )
    print(f"{told}; {time.monotonic() - began:.0f} s")
    return told.violations


def _close_and_undo_table(scene: _Scene) -> None:
    """Judge the drawn share of what is flagged, close the rest as a table and take that back."""
    from benchmarks.actors import Tab  # noqa: PLC0415 - after the set-up
    from reviewqueue.models import ReviewTask  # noqa: PLC0415

    flagged = ReviewTask.objects.filter(stream=scene.stream, queue="flagged", state="open")
    drawn = flagged.filter(pi__isnull=False).count()
    if flagged.filter(pi=None).exists():
        url, key = scene.stage.url, scene.stream.key
        reviewer = scene.reviewers[0]
        for rounds, whim in ((drawn, 0.0), (1, 1.0)):
            Tab(url, key, reviewer, scene.ledger, scene.seed, Event(), ("flagged",), whim).run(
                rounds
            )


def _run_under_fire(scene: _Scene, killer: Killer) -> None:
    from benchmarks.actors import Gate  # noqa: PLC0415 - after the set-up

    works = _cut(scene, scene.items, killer.rng)
    begin = len(scene.ledger.posted)
    gate = Gate(begin)
    with ThreadPoolExecutor(UPSTREAMS + ACCOUNTS * TABS) as threads, _stopping() as stop:
        posting = _start_upstreams(scene, threads, works, gate, stop)
        answering = _start_tabs(scene, threads, stop)
        for at, kill in _plan(scene.items, killer):
            gate.limit = begin + at
            _wait_for(lambda: len(scene.ledger.posted) >= gate.limit, posting)
            time.sleep(killer.rng.uniform(0.0, 0.3))
            kill()
        gate.limit = float("inf")
        _finish(posting)
        stop.set()
        _finish(answering)


def _plan(items: int, killer: Killer) -> list[tuple[int, Callable[[], None]]]:
    """After how many items what is killed, in order; each at least once."""
    web = max(2, items // ITEMS_A_WEB_KILL)
    database = max(1, items // ITEMS_A_DATABASE_KILL)
    kills = [killer.kill_web_worker] * web + [killer.kill_database] * database
    places = [killer.rng.randint(1, max(1, int(items * 0.95))) for _ in kills]
    killer.rng.shuffle(kills)
    return list(zip(sorted(places), kills, strict=True))


def _cut(scene: _Scene, items: int, rng: random.Random) -> "Queue[Work]":
    """Pieces of work: single items and batches of up to 40; a few are given to two upstreams."""
    works: Queue[Work] = Queue()
    left = items
    while left:
        size = 1 if rng.random() < 0.8 else rng.randint(2, 40)
        work = [next(scene.bodies) for _ in range(min(size, left))]
        left -= len(work)
        for _ in range(2 if rng.random() < RACED else 1):
            works.put(work)
    return works


def _start_upstreams(
    scene: _Scene, threads: ThreadPoolExecutor, works: "Queue[Work]", gate: "Gate", stop: Event
) -> list[Future[None]]:
    from benchmarks.actors import Upstream  # noqa: PLC0415 - after the set-up

    return [
        threads.submit(
            Upstream(
                scene.stage.url,
                scene.stream.key,
                scene.headers,
                scene.ledger,
                gate,
                scene.seed + number,
                stop,
            ).run,
            works,
        )
        for number in range(UPSTREAMS)
    ]


def _start_tabs(
    scene: _Scene, threads: ThreadPoolExecutor, stop: Event, rounds: int | None = None
) -> list[Future[None]]:
    from benchmarks.actors import QUEUES, Tab  # noqa: PLC0415 - after the set-up

    # With rounds in a queue that surely has enough, and with every whim soon.
    queues, whim = (QUEUES, 0.10) if rounds is None else (QUEUES[:1], 0.5)
    return [
        threads.submit(
            Tab(
                scene.stage.url,
                scene.stream.key,
                reviewer,
                scene.ledger,
                scene.seed + number,
                stop,
                queues,
                whim,
            ).run,
            rounds,
        )
        for reviewer in scene.reviewers
        for number in range(TABS)
    ]


@contextmanager
def _stopping() -> Iterator[Event]:
    """An event that is set at the end, however it comes, so that every thread ends."""
    stop = Event()
    try:
        yield stop
    finally:
        stop.set()


def _wait_for(reached: Callable[[], bool], posting: Sequence[Future[None]]) -> None:
    while not reached() and not all(each.done() for each in posting):
        time.sleep(0.01)


def _finish(started: Sequence[Future[None]]) -> None:
    for each in started:
        each.result()


def _wait_until_calm(stage: Stage) -> None:
    """Wait until PostgreSQL takes connections again; ours are cut."""
    from django.db import Error, connection  # noqa: PLC0415 - after the set-up

    def answers() -> bool:
        drop_connections()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Error:
            return False
        return True

    if not wait_until(answers, seconds=_CALM_SECONDS, step=0.2):
        raise StageError(f"PostgreSQL does not answer after the run:\n{stage.last_words()}")


def _describe(ledger: Ledger, killer: Killer, *, seconds: float) -> str:
    return (
        f"{len(ledger.acknowledged):,} items acknowledged, {len(ledger.confirmed):,} verdicts "
        f"and {len(ledger.closed):,} rows of tables accepted, {len(ledger.refused):,} refused, "
        f"{len(ledger.undone):,} undone, {len(ledger.undone_tables):,} tables undone whole; "
        f"{ledger.retries:,} requests sent again; killed: {killer.web} web workers, "
        f"{killer.postmasters} postmasters, {killer.backends} backends; {seconds:.0f} s"
    )


def main(argv: Sequence[str]) -> int:
    """Run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--items", type=int, default=ITEMS)
    options = parser.parse_args(argv)
    if options.items < 1:
        parser.error(f"--items is {options.items}; post at least one")
    print(f"Seed {options.seed}, {options.items:,} items", flush=True)
    return 0 if run_faults(seed=options.seed, items=options.items) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (StageError, ServicesError) as error:
        sys.exit(str(error))
