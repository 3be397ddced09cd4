"""A model behind a real HTTP server: says what it is told to say, and keeps what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers by the server's `answer`; `self.body` is the parsed request."""

    server: "ModelServer"
    body: Any

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((dict(self.headers), self.body))
        self.server.answer(self)

    def reply(self, body: bytes, *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class ModelServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[dict[str, str], Any]] = []
        self.answer: Answer = says({})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/classify"


def says(scores: object, *, status: int = 200) -> Answer:
    """Answers with these scores."""
    return lambda handler: handler.reply(json.dumps({"scores": scores}).encode(), status=status)


def sends(body: bytes, *, status: int = 200, **headers: str) -> Answer:
    """Answers with these very bytes."""
    return lambda handler: handler.reply(body, status=status, **headers)


@contextmanager
def run_model() -> Iterator[ModelServer]:
    server = ModelServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
