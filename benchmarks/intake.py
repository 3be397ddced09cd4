"""Taking items in over HTTP: batches of 1,000 from four clients, single posts from eight.

The limits write what was stored once more: by COPY in transactions of the same size from as many
connections, with nothing parsed, checked or decided.
"""

import re
from collections.abc import Callable, Iterator

from benchmarks.backlog import settle_tables
from benchmarks.cast import authorise, encode, make_bodies, make_stream
from benchmarks.clients import Caller, drive
from benchmarks.limits import copy_rate
from benchmarks.stage import Stage

BATCH = 1_000
BATCHES = 60
BATCH_CLIENTS = 4
SINGLE_CLIENTS = 8
SINGLE_SECONDS = 10.0
SINGLE_BODIES = 20_000
SEED = 7
TAKEN_WHOLE = re.compile(rb'"taken": ?%d\b' % BATCH)


def run(stage: Stage) -> dict[str, float]:
    """The intake figures and their limits by name."""
    return _run_batches(stage) | _run_singles(stage)


def _run_batches(stage: Stage) -> dict[str, float]:
    stream = make_stream("batches")
    headers = authorise(stream)
    bodies = list(make_bodies("b", BATCH * BATCHES, seed=SEED))
    ready = [encode(bodies[first : first + BATCH]) for first in range(0, len(bodies), BATCH)]
    path = f"/api/v1/streams/{stream.key}/items/batch"

    def poster(share: Iterator[bytes]) -> Callable[[], float | None]:
        caller = Caller(stage.url, headers)

        def post() -> float | None:
            body = next(share, None)
            if body is None:
                return None
            answer = caller.expect(200, "POST", path, body)
            # Searched, not parsed: on the same two cores that would be a tenth of the work.
            if not TAKEN_WHOLE.search(answer.body):
                raise RuntimeError(f"A batch was not taken whole: {answer.body[:500]!r}")
            return answer.seconds

        return post

    # Each worker's first requests load what later ones find loaded.
    warm = [encode(list(make_bodies(f"w{n}", 100, seed=n))) for n in range(8)]
    for body in warm:
        Caller(stage.url, headers).expect(200, "POST", path, body)
    steps = [poster(iter(ready[number::BATCH_CLIENTS])) for number in range(BATCH_CLIENTS)]
    with stage.metered() as cpu:
        rate = drive(steps, seconds=600).rate * BATCH
    limit = copy_rate(stream, items_a_commit=BATCH, commits=BATCHES, writers=BATCH_CLIENTS)
    return {
        "intake_batch_items_s": rate,
        "limit_copy_items_s": limit,
        "intake_batch_vs_copy": rate / limit,
        "intake_batch_cpu_us": cpu() / (BATCH * BATCHES) * 1e6,
    }


def _run_singles(stage: Stage) -> dict[str, float]:
    stream = make_stream("singles")
    # The batches were some minutes ago.
    settle_tables()
    headers = authorise(stream)
    path = f"/api/v1/streams/{stream.key}/items"
    ready = [encode(body) for body in make_bodies("s", SINGLE_BODIES, seed=SEED)]

    def poster(share: Iterator[bytes]) -> Callable[[], float | None]:
        caller = Caller(stage.url, headers)

        def post() -> float | None:
            body = next(share, None)
            return None if body is None else caller.expect(201, "POST", path, body).seconds

        return post

    steps = [poster(iter(ready[number::SINGLE_CLIENTS])) for number in range(SINGLE_CLIENTS)]
    drive(steps, seconds=2.0)
    with stage.metered() as cpu:
        load = drive(steps, seconds=SINGLE_SECONDS)
    limit = copy_rate(stream, items_a_commit=1, commits=1_000, writers=SINGLE_CLIENTS)
    return {
        "intake_single_req_s": load.rate,
        "intake_single_p50_ms": load.percentile_ms(0.50),
        "intake_single_p99_ms": load.percentile_ms(0.99),
        "intake_single_cpu_ms": load.mean_ms(cpu()),
        "limit_single_commits_s": limit,
    }
