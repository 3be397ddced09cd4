"""A service behind a real HTTP server that answers as it is told, one answer after the other."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Say:
    """An answer; status 0 closes the connection instead."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


class MoodyServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers: list[Say]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.asked: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: MoodyServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked.append((self.command, self.path, body))
        say = self.server.answers.pop(0)
        if not say.status:
            return
        raw = say.body if isinstance(say.body, bytes) else json.dumps(say.body).encode()
        self.send_response(say.status)
        for name, value in say.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        self.headers["Content-Length"] = "0"
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def run_moody(*answers: Say) -> Iterator[MoodyServer]:
    server = MoodyServer(list(answers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
