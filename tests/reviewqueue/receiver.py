"""A receiver of webhooks behind a real HTTP server: does as told, and keeps what it was sent."""

import base64
import hashlib
import hmac
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[["Handler"], None]


@dataclass(frozen=True)
class Received:
    """A request as it came in, and the status it was answered with; None where there was none."""

    id: str
    timestamp: str
    signature: str
    body: bytes
    path: str


class Handler(BaseHTTPRequestHandler):
    """Answers by the server's `behave`."""

    server: "Receiver"
    received: Received

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received = Received(
            self.headers["webhook-id"],
            self.headers["webhook-timestamp"],
            self.headers["webhook-signature"],
            body,
            self.path,
        )
        self.server.requests.append(self.received)
        with suppress(OSError):  # the sender may have given up
            self.server.behave(self)

    def do_GET(self) -> None:
        self.server.followed += 1
        self.reply(200)

    def reply(self, status: int, **headers: str) -> None:
        if 200 <= status < 300:
            self.server.accepted.append(self.received)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def reset(self) -> None:
        """End the connection the hard way."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Received] = []
        self.accepted: list[Received] = []
        self.followed = 0
        self.behave: Behaviour = answers(200)
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that was reset is no news."""


def answers(status: int, **headers: str) -> Behaviour:
    """Answers with this status."""
    return lambda handler: handler.reply(status, **headers)


def stalls(handler: Handler) -> None:
    """Answers nothing until the receiver is released."""
    handler.server.released.wait(30)
    handler.close_connection = True


def resets(handler: Handler) -> None:
    handler.reset()


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def verify(secret: str, received: Received) -> bool:
    """Whether a signature is the secret's, as a receiver in docs/webhooks.md finds out."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{received.id}.{received.timestamp}.".encode() + received.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [part.partition(",")[2] for part in received.signature.split(" ")]
    return any(hmac.compare_digest(expected, one) for one in given)
