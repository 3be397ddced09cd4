"""The same work by one process and by two: web workers on one database, senders of webhooks.

On a machine of two cores the load generator and PostgreSQL take their part of both, so that two
web workers cannot give twice what one does; processor time for a request says what a core gives.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

from django.utils import timezone

from benchmarks.backlog import fill_queue, settle_tables
from benchmarks.cast import authorise, encode, make_bodies, make_reviewers, make_stream
from benchmarks.clients import Caller, Load, drive
from benchmarks.intake import TAKEN_WHOLE
from benchmarks.review import read_form
from benchmarks.stage import Stage, start_product, stop_product
from reviewqueue.sequencer import sequence_stream
from reviewqueue.webhook_models import Delivery, Webhook
from routing.models import Announcement, Stream

COUNTS = (1, 2)
BATCH = 1_000
BATCHES = 24
CLIENTS = 4
REVIEWERS = 16
SECONDS = 8.0
BACKLOG = 20_000
MESSAGES = 3_000
WEBHOOKS = 8
_SENDER = """
import django
django.setup()
from reviewqueue.deliveries import send_due
print("ready", flush=True)
while send_due():
    pass
"""


def run(state: Path) -> dict[str, float]:
    """The figures by name, each with the number of processes at its end.

    `state` is the folder of services that run.
    """
    found: dict[str, float] = {}
    urls = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
    for count in COUNTS:
        stage = start_product(state, "--no-demo", "--workers", str(count), given=urls)
        try:
            stage.wait_for_page()
            stage.wait_for_background()
            found |= _take_in(stage, count) | _answer(stage, count)
        finally:
            stop_product(stage)
    for count in COUNTS:
        found |= _send(count)
    for name in ("processes_intake_items_s", "processes_verdict_req_s", "processes_sent_s"):
        found[f"{name}_ratio"] = found[f"{name}_2"] / found[f"{name}_1"]
    return found


def _take_in(stage: Stage, count: int) -> dict[str, float]:
    stream = make_stream(f"batches-{count}")
    headers = authorise(stream)
    path = f"/api/v1/streams/{stream.key}/items/batch"
    bodies = list(make_bodies("b", BATCH * BATCHES, seed=count))
    ready = [encode(bodies[first : first + BATCH]) for first in range(0, len(bodies), BATCH)]
    for number in range(8):
        warm = encode(list(make_bodies(f"w{number}", 100, seed=number)))
        Caller(stage.url, headers).expect(200, "POST", path, warm)

    def poster(share: Iterator[bytes]) -> Callable[[], float | None]:
        caller = Caller(stage.url, headers)

        def post() -> float | None:
            body = next(share, None)
            if body is None:
                return None
            answer = caller.expect(200, "POST", path, body)
            if not TAKEN_WHOLE.search(answer.body):
                raise RuntimeError(f"A batch was not taken whole: {answer.body[:500]!r}")
            return answer.seconds

        return post

    with stage.metered() as cpu:
        load = drive([poster(iter(ready[n::CLIENTS])) for n in range(CLIENTS)], seconds=600)
    return {
        f"processes_intake_items_s_{count}": load.rate * BATCH,
        f"processes_intake_cpu_us_{count}": cpu() / (BATCH * BATCHES) * 1e6,
    }


def _answer(stage: Stage, count: int) -> dict[str, float]:
    stream = make_stream(f"queue-{count}")
    fill_queue(stream, BACKLOG)
    settle_tables()
    reviewers = make_reviewers(f"of-{count}", REVIEWERS, streams=[stream])
    steps = [_answerer(stage, stream, reviewer.headers) for reviewer in reviewers]
    drive(steps, seconds=2.0)
    with stage.metered() as cpu:
        load: Load = drive(steps, seconds=SECONDS)
    return {
        f"processes_verdict_req_s_{count}": load.rate,
        f"processes_verdict_p50_ms_{count}": load.percentile_ms(0.50),
        f"processes_verdict_cpu_ms_{count}": load.mean_ms(cpu()),
    }


def _answerer(stage: Stage, stream: Stream, headers: object) -> Callable[[], float | None]:
    caller = Caller(stage.url, headers)  # type: ignore[arg-type]  # a mapping of texts
    shown = [caller.expect(200, "GET", f"/streams/{stream.key}/hold/").body]
    extra = {"HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded"}

    def answer() -> float | None:
        path, body = read_form(shown[0])
        got = caller.expect(200, "POST", path, body, extra)
        shown[0] = got.body
        return got.seconds

    return answer


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.02)  # a receiver that is some way off
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _send(count: int) -> dict[str, float]:
    """Send a pile of messages to eight webhooks by so many sender processes."""
    stream = make_stream(f"told-{count}")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        webhooks = [
            Webhook.objects.create(stream=stream, url=f"{url}{number}", events=["drift.alarm"])
            for number in range(WEBHOOKS)
        ]
        Announcement.objects.bulk_create(
            Announcement(
                stream=stream,
                kind=Announcement.Kind.DRIFT_ALARM,
                subject_id=uuid4(),
                data={"stream": stream.key, "number": number},
                due_at=timezone.now(),
            )
            for number in range(MESSAGES // WEBHOOKS)
        )
        sequence_stream(stream.id)
        environment = os.environ | {"ALLOW_PRIVATE_ADDRESSES": "true"}
        senders = [
            subprocess.Popen(
                [sys.executable, "-c", _SENDER], env=environment, stdout=subprocess.PIPE
            )
            for _ in range(count)
        ]
        for sender in senders:
            assert sender.stdout is not None
            sender.stdout.readline()
        began = time.perf_counter()
        with ThreadPoolExecutor(count) as threads:
            list(threads.map(lambda sender: sender.wait(), senders))
        seconds = time.perf_counter() - began
        server.shutdown()
    sent = Delivery.objects.filter(webhook__in=webhooks, state="delivered").count()
    wanted = MESSAGES // WEBHOOKS * WEBHOOKS
    if sent != wanted:
        raise RuntimeError(f"{sent} of {wanted} messages were delivered.")
    return {f"processes_sent_s_{count}": sent / seconds}
