"""The sender of webhooks is killed again and again; a receiver holds what it got against the log.

Every delivery must arrive, always with the same body, and no more often than it was tried: the log
counts a try before anything is sent, so that what a killed sender sent is in it too.
"""

import random
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SO_LINGER, SOL_SOCKET
from uuid import uuid4

from django.utils import timezone

from benchmarks.stage import StageError
from reviewqueue.sequencer import sequence_stream
from reviewqueue.webhook_models import Delivery, Webhook
from routing.models import Announcement, Stream

FAILED = 0.1
RESET = 0.1
LIFE_SECONDS = 0.4
SECONDS = 120.0
_SENDER = """
import django
django.setup()
from reviewqueue.deliveries import send_due
print("ready", flush=True)
send_due()
"""


@dataclass(frozen=True, slots=True)
class Got:
    """A request as it came in, and whether it was acknowledged."""

    id: str
    body: bytes
    accepted: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a run: how much arrived, in how many requests, and what broke a promise."""

    deliveries: int
    requests: int
    kills: int
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.deliveries:,} deliveries in {self.requests:,} requests, "
            f"the sender killed {self.kills} times"
        )


class Receiver(ThreadingHTTPServer):
    """Keeps what it gets; answers 204, at times 500, and at times it cuts the connection."""

    daemon_threads = True

    def __init__(self, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rng = random.Random(seed)
        self.lock = threading.Lock()
        self.got: list[Got] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def take(self, message_id: str, body: bytes) -> float:
        """Note a request; returns what it is answered by, 0..1."""
        with self.lock:
            drawn = self.rng.random()
            self.got.append(Got(message_id, body, drawn >= FAILED + RESET))
        return drawn

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender that was killed is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # its sender was killed over it, so it is no message yet
            self.close_connection = True
            return
        drawn = self.server.take(self.headers["webhook-id"], body)
        time.sleep(drawn * 0.01)
        with suppress(OSError):
            if drawn < RESET:
                self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
            else:
                self.send_response(500 if drawn < FAILED + RESET else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def open_receiver(seed: int) -> Iterator[Receiver]:
    """A receiver that listens until the end of the block."""
    server = Receiver(seed)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kill_senders(
    stream: Stream, *, seed: int, kills: int, messages: int, environment: Mapping[str, str]
) -> Told:
    """Announce so much to a webhook of its own, kill its sender so often, and let the last end.

    `environment` is a sender's: it names the database and allows private addresses.

    Raises:
        StageError: a sender does not start, or what is due is not sent within two minutes.
    """
    rng = random.Random(seed)
    with open_receiver(seed) as receiver:
        webhook = Webhook.objects.create(stream=stream, url=receiver.url, events=["drift.alarm"])
        _announce(stream, messages)
        for _kill in range(kills):
            sender = _start_sender(environment)
            time.sleep(rng.uniform(0.0, LIFE_SECONDS))
            sender.send_signal(signal.SIGKILL)
            sender.wait()
            _let_leases_run_out(webhook)
        deadline = time.monotonic() + SECONDS
        while Delivery.objects.filter(webhook=webhook, state="due").exists():
            if time.monotonic() > deadline:
                raise StageError("Webhooks are not sent what is due.")
            _start_sender(environment).wait()
            _let_leases_run_out(webhook)
        log = _read_log(webhook)
        return Told(len(log), len(receiver.got), kills, find_losses(log, receiver.got))


def find_losses(log: Mapping[str, tuple[str, int]], got: Sequence[Got]) -> list[str]:
    """What breaks a promise: `log` has the state and the tries of each message by its id."""
    accepted = {one.id for one in got if one.accepted}
    sent = Counter(one.id for one in got)
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for one in got:
        bodies[one.id].add(one.body)
    found = {
        "a message never arrived": set(log) - accepted,
        "a message is given up": {one for one, (state, _) in log.items() if state == "dead"},
        "a message came more often than it was tried": {
            one for one, (_, tries) in log.items() if sent[one] > tries
        },
        "a message came that nobody announced": set(sent) - set(log),
        "a message came with two bodies": {one for one, all_ in bodies.items() if len(all_) > 1},
    }
    return [
        f"{what}: {len(ids)} ({', '.join(sorted(ids)[:3])})" for what, ids in found.items() if ids
    ]


def _announce(stream: Stream, messages: int) -> None:
    Announcement.objects.bulk_create(
        Announcement(
            stream=stream,
            kind=Announcement.Kind.DRIFT_ALARM,
            subject_id=uuid4(),
            data={"stream": stream.key, "number": number},
            due_at=timezone.now(),
        )
        for number in range(messages)
    )
    sequence_stream(stream.id)


def _start_sender(environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    sender = subprocess.Popen(
        [sys.executable, "-c", _SENDER], env=dict(environment), stdout=subprocess.PIPE
    )
    assert sender.stdout is not None
    with sender.stdout as output:
        if output.readline() != b"ready\n":
            sender.wait()
            raise StageError("A sender of webhooks does not start.")
    return sender


def _let_leases_run_out(webhook: Webhook) -> None:
    """And the pauses after what failed: they are minutes."""
    Delivery.objects.filter(webhook=webhook, state="due").update(due_at=timezone.now())


def _read_log(webhook: Webhook) -> dict[str, tuple[str, int]]:
    rows = Delivery.objects.filter(webhook=webhook).values_list("announcement_id", "state", "tries")
    return {str(message): (state, tries) for message, state, tries in rows}
