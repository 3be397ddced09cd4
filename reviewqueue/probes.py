"""What machines ask that watch this service: /healthz, /readyz, /metrics.

Answered before anything else looks at the request, since a probe comes by address instead of by
host name, without TLS, and must cost nothing but what it asks for.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Final

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse

from reviewqueue import exposition, readiness
from reviewqueue.failures import RETRY_SECONDS
from reviewqueue.gauges import read_gauges

# Set by proxies: who asks is then not the peer.
_PASSED_ON: Final = ("X-Forwarded-For", "Forwarded", "X-Real-IP")


def answer_probes(get_response: Callable[[HttpRequest], HttpResponse]) -> object:
    """Answers the three addresses; everything else goes on."""

    def middleware(request: HttpRequest) -> HttpResponse:
        probe = PROBES.get(request.path_info)
        if probe is None:
            return get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        response = probe(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    return middleware


def _tell_life(_request: HttpRequest) -> HttpResponse:
    """200: this process answers."""
    return _tell({"status": "alive"})


def _tell_readiness(_request: HttpRequest) -> HttpResponse:
    """200 while requests should come here, 503 else; what is degraded serves."""
    found = readiness.LOOKOUT.tell()
    response = _tell(
        {
            "status": found.status,
            "database": found.database,
            "migrations": found.migrations,
            "broker": found.broker,
        }
    )
    if not found.is_ready:
        response.status_code = 503
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _tell_metrics(request: HttpRequest) -> HttpResponse:
    """The figures, for those who may read them; to others there is nothing here."""
    if not may_read_metrics(request):
        return HttpResponse(status=404)
    try:
        figures = read_gauges()
    except Error:
        return HttpResponse(status=503, headers={"Retry-After": str(RETRY_SECONDS)})
    return HttpResponse(exposition.write(figures), content_type=exposition.CONTENT_TYPE)


def may_read_metrics(request: HttpRequest) -> bool:
    """Whether the request brings the token, or comes straight from one of the networks."""
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    if token and hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return True
    if any(name in request.headers for name in _PASSED_ON):
        return False
    try:
        peer = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(peer in network for network in settings.METRICS_NETWORKS)


def _tell(told: dict[str, str]) -> HttpResponse:
    return HttpResponse(json.dumps(told) + "\n", content_type="application/json")


PROBES: Final[Mapping[str, Callable[[HttpRequest], HttpResponse]]] = {
    "/healthz": _tell_life,
    "/readyz": _tell_readiness,
    "/metrics": _tell_metrics,
}
