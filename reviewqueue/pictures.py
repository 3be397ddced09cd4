"""Pages of a stream: in its time zone, with pictures of the hosts that its admin allows."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from csp.decorators import csp_update
from django.http import HttpRequest
from django.utils import timezone

from routing.models import Stream

if TYPE_CHECKING:
    from django.http import HttpResponse


def draw_in_stream(
    request: HttpRequest, stream: Stream, draw: "Callable[[], HttpResponse]"
) -> "HttpResponse":
    """What `draw` renders, with times as the stream has them and its pictures let in."""
    with timezone.override(ZoneInfo(stream.time_zone)):
        page = draw()
    return let_pictures_in(request, page, stream)


def let_pictures_in(
    request: HttpRequest, response: "HttpResponse", stream: Stream
) -> "HttpResponse":
    """Let the browser load pictures of the stream's hosts into this page, and of no other."""
    if not stream.image_hosts:
        return response
    hosts = [f"https://{host}" for host in stream.image_hosts]
    return csp_update({"img-src": hosts})(lambda _request: response)(request)  # type: ignore[return-value]
