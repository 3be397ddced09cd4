"""One id for each request: in its answer, in the lines it writes, in the tasks it rings for."""

import logging
import re
import time
from collections.abc import Callable
from typing import Final

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from reviewqueue import draining, logs
from reviewqueue.access import KeyAndStream
from reviewqueue.probes import PROBES
from routing.ids import uuid7

logger = logging.getLogger("reviewqueue.requests")

HEADER: Final = "X-Request-ID"
WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._:-]{8,128}")
# The names under which addresses hold what lines are searched for.
_STREAMS: Final = ("stream", "stream_key")
_ITEMS: Final = ("item_id", "external_id")


def log_requests(get_response: Callable[[HttpRequest], HttpResponse]) -> object:
    """Binds and returns the request's id, writes its line, and lets go when draining."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        request_id = given if WELL_FORMED.fullmatch(given) else uuid7().hex
        began = time.perf_counter()
        with logs.bound_anew(request_id=request_id):
            response = get_response(request)
            response.headers[HEADER] = request_id
            if draining.is_draining():
                # Whoever kept this connection asks another process next.
                response.headers["Connection"] = "close"
            # Probes come every second or so, and say nothing of anybody's work.
            if logger.isEnabledFor(logging.INFO) and request.path_info not in PROBES:
                _write_line(request, response, seconds=time.perf_counter() - began)
        return response

    return middleware


def _write_line(request: HttpRequest, response: HttpResponse, *, seconds: float) -> None:
    match = request.resolver_match
    given = {} if match is None else match.kwargs
    fields: dict[str, object] = {
        "method": request.method,
        # The pattern, not the address: that may hold a search or a name of somebody's.
        "route": "" if match is None else match.route,
        "status": response.status_code,
        "ms": round(seconds * 1000, 1),
        **_who(request),
    }
    for field, names in (("stream", _STREAMS), ("item", _ITEMS)):
        if found := next((str(given[name]) for name in names if name in given), ""):
            fields[field] = found
    logger.info("answered", extra={"fields": fields})


def _who(request: HttpRequest) -> dict[str, object]:
    """The person or key, where the request has been asked for it already."""
    found = getattr(request, "auth", None)
    if isinstance(found, KeyAndStream):
        return {"key": found.key.prefix}
    person = getattr(request, "_cached_user", None)
    return {"user": person.pk} if isinstance(person, User) else {}
