"""Pictures of foreign hosts, where the stream's admin allows them."""

from typing import TYPE_CHECKING

from csp.decorators import csp_update
from django.http import HttpRequest

from routing.models import Stream

if TYPE_CHECKING:
    from django.http import HttpResponse


def let_pictures_in(
    request: HttpRequest, response: "HttpResponse", stream: Stream
) -> "HttpResponse":
    """Let the browser load pictures of the stream's hosts into this page, and of no other."""
    if not stream.image_hosts:
        return response
    hosts = [f"https://{host}" for host in stream.image_hosts]
    return csp_update({"img-src": hosts})(lambda _request: response)(request)  # type: ignore[return-value]
