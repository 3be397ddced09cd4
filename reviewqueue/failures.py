"""What a request is answered that failed in here."""

import sys
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template
from django.views.defaults import server_error

RETRY_SECONDS: Final = 5


def server_failed(request: HttpRequest) -> HttpResponse:
    """`handler500`: 503 where the database is in trouble, for which sending again is the cure."""
    if not isinstance(sys.exception(), OperationalError | InterfaceError):
        return server_error(request)
    # Without the request, whose context would ask the database.
    page = get_template("503.html").render()
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_SECONDS)})
