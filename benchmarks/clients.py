"""HTTP clients that keep their connection, and driving several of them at once.

Threads of one process: the server is what gets busy, and 16 people wait more than they ask. On the
machine of the server every millisecond of a client is missing there, so answers are read from the
socket and of their heads only what says where they end.
"""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 60.0
_WITHOUT_BODY = (204, 304)


class CutError(ConnectionError):
    """The connection broke before the answer was whole: nobody knows whether it was done."""


class UnexpectedAnswerError(RuntimeError):
    """The answer has a status that the measurement did not ask for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and how long it took in seconds."""

    status: int
    body: bytes
    seconds: float


class Caller:
    """One connection to one server, opened when needed and kept."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._place = urlsplit(url).netloc
        self._headers = dict(headers or {})
        self._connection: _Connection | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and read the whole answer. Raises `CutError`."""
        started = time.perf_counter()
        try:
            if self._connection is None:
                self._connection = _Connection(self._place)
            given = self._headers | dict(headers or {})
            status, content = self._connection.exchange(method, path, body, given)
        except (OSError, ValueError) as error:
            self.close()
            raise CutError(f"{method} {path}: {error!r}") from error
        if self._connection.ended:
            self.close()
        return Answer(status, content, time.perf_counter() - started)

    def expect(
        self,
        status: int,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Like `ask`. Raises `UnexpectedAnswerError` when the answer has another status."""
        answer = self.ask(method, path, body, headers)
        if answer.status != status:
            raise UnexpectedAnswerError(
                f"{method} {path} was answered {answer.status}, not {status}: {answer.body[:500]!r}"
            )
        return answer

    def close(self) -> None:
        """Let the connection go; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Connection:
    """A socket and what was read from it; `ended` when the server will say no more."""

    def __init__(self, place: str) -> None:
        host, _colon, port = place.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=_TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")
        self._place = place
        self.ended = False

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError or ValueError where it is cut."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._place}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self._socket.sendall(head + (body or b""))
        _version, code, _words = self._line().split(b" ", 2)
        told = {}
        while line := self._line().rstrip(b"\r\n"):
            name, _colon, value = line.partition(b":")
            told[name.lower()] = value.strip().lower()
        self.ended = told.get(b"connection") == b"close"
        return int(code), self._body(int(code), told)

    def _body(self, status: int, told: Mapping[bytes, bytes]) -> bytes:
        if status in _WITHOUT_BODY:
            return b""
        if b"content-length" in told:
            return self._read(int(told[b"content-length"]))
        if told.get(b"transfer-encoding") != b"chunked":
            self.ended = True
            return self._answers.read()
        chunks = []
        while size := int(self._line().split(b";")[0], 16):
            chunks.append(self._read(size))
            self._line()
        while self._line().rstrip(b"\r\n"):
            pass
        return b"".join(chunks)

    def _line(self) -> bytes:
        line = self._answers.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the answer ended within its head")
        return line

    def _read(self, size: int) -> bytes:
        content = self._answers.read(size)
        if len(content) < size:
            raise ConnectionError(f"{len(content)} of {size} bytes came")
        return content


def percentile(values: Sequence[float], share: float) -> float:
    """One of the values: at most so large a share of them (0..1) are below it."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Load:
    """What a drive measured: how many steps a second, and how long each took."""

    seconds: float
    latencies: Sequence[float] = field(repr=False)

    @property
    def rate(self) -> float:
        """Steps a second, of all clients together."""
        return len(self.latencies) / self.seconds

    def percentile_ms(self, share: float) -> float:
        """The time in milliseconds within which `share` (0..1) of the steps were done."""
        return percentile(self.latencies, share) * 1000

    def mean_ms(self, seconds: float) -> float:
        """What `seconds` of something come to for each step, in milliseconds."""
        return seconds / len(self.latencies) * 1000


Step = Callable[[], float | None]


def drive(steps: Sequence[Step], *, seconds: float, warm_up: float = 0.0) -> Load:
    """Repeat each step in a thread of its own for `seconds` after `warm_up`.

    A step returns how long its request took, None when it has nothing more to do. An error of
    any step ends the drive and is raised.
    """
    began = time.perf_counter() + warm_up
    failed = Event()

    def repeat(step: Step) -> tuple[list[float], float]:
        latencies: list[float] = []
        now = time.perf_counter()
        try:
            while now < began + seconds and not failed.is_set():
                started, took, now = now, step(), time.perf_counter()
                if took is None:
                    break
                if started >= began:
                    latencies.append(took)
        except BaseException:
            failed.set()
            raise
        return latencies, now

    with ThreadPoolExecutor(len(steps)) as threads:
        done = list(threads.map(repeat, steps))
    ended = max(now for _latencies, now in done)
    return Load(ended - began, [took for latencies, _now in done for took in latencies])


def offer(steps: Sequence[Step], *, rate: float, seconds: float) -> Load:
    """Begin `rate` steps a second, all clients together, however long the answers take.

    Each latency counts from when its step was due: what waits for a slow answer is late as well.
    """
    began = time.perf_counter() + 0.1
    gap = len(steps) / rate

    def paced(step: Step, first: float) -> Step:
        due = iter(range(int(seconds / gap) + 1))

        def take() -> float | None:
            number = next(due, None)
            if number is None:
                return None
            at = first + number * gap
            time.sleep(max(0.0, at - time.perf_counter()))
            return None if step() is None else time.perf_counter() - at

        return take

    return drive(
        [paced(step, began + number / rate) for number, step in enumerate(steps)],
        seconds=10 * seconds,
    )
