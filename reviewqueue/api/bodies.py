"""Reading the bodies of requests, never more than is taken."""

from typing import BinaryIO, Final, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError

from reviewqueue.refusals import ProblemError

CHUNK_BYTES: Final = 64 * 1024


def read_body(request: HttpRequest, *, limit: int) -> bytes:
    """The request's body.

    Raises:
        ProblemError: it is longer than `limit` bytes, or the connection broke.
    """
    size = int(request.META.get("CONTENT_LENGTH") or 0)
    if size > limit:
        _refuse_size(size, limit)
    try:
        body = _read_chunks(request, limit) if _is_chunked(request) else request.body
    except RequestDataTooBig:
        _refuse_size(size, limit)
    except UnreadablePostError as error:
        raise ProblemError("malformed", "The body ended early; send it again.") from error
    if len(body) > limit:
        _refuse_size(len(body), limit)
    return body


def _is_chunked(request: HttpRequest) -> bool:
    return request.headers.get("Transfer-Encoding", "").lower() == "chunked"


def _read_chunks(request: HttpRequest, limit: int) -> bytes:
    """A body that came without its length, which Django takes to be empty."""
    source: BinaryIO = request.META["wsgi.input"]
    parts, size = [], 0
    while size <= limit and (part := source.read(CHUNK_BYTES)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _refuse_size(size: int, limit: int) -> NoReturn:
    raise ProblemError(
        "too_large",
        f"The body has {size:,} bytes and at most {limit:,} are taken; send smaller ones.",
        members={"limit": limit},
    )
