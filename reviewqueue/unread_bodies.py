"""The rest of a body that was refused, so that its sender gets to read why.

Most clients write the whole body before they read. An answer that comes before its end closes the
connection on them, and they see a broken pipe instead of the answer. So what is left of the body
of a refused request is read and dropped before the answer goes out, up to a bound in bytes and in
time; whoever sends more than that is cut off, as anybody was before.
"""

from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MOST_BYTES: Final = 128 * 1024 * 1024
MOST_SECONDS: Final = 10.0
CHUNK_BYTES: Final = 256 * 1024
FIRST_REFUSAL: Final = 400


def read_what_is_refused(application: "WSGIApplication") -> "WSGIApplication":
    """The application, whose refusals of requests with a body wait for the end of that."""

    def serve(asked: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if not _has_body(asked):
            return application(asked, start_response)
        statuses: list[str] = []

        def note_status(status: str, *given: object) -> Callable[[bytes], object]:
            statuses.append(status)
            return start_response(status, *given)  # type: ignore[arg-type]

        answer = application(asked, note_status)
        if statuses and int(statuses[-1][:3]) >= FIRST_REFUSAL:
            _drop_rest(asked["wsgi.input"])
        return answer

    return serve


def _has_body(asked: "WSGIEnvironment") -> bool:
    """Whether somebody writes one without asking first; who asks (curl) is answered at once."""
    sends = asked.get("CONTENT_LENGTH") not in (None, "", "0")
    sends = sends or "HTTP_TRANSFER_ENCODING" in asked
    return sends and asked.get("HTTP_EXPECT", "").lower() != "100-continue"


def _drop_rest(source: BinaryIO) -> None:
    until, left = monotonic() + MOST_SECONDS, MOST_BYTES
    try:
        while left > 0 and monotonic() < until and (part := source.read(CHUNK_BYTES)):
            left -= len(part)
    except OSError:  # whoever sent it is gone
        return
