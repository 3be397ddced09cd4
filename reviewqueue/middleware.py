"""What no page has to think of."""

from collections.abc import Callable
from functools import cached_property

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from reviewqueue.stream_admins import opens_admin


def refuse_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> object:
    """400 for a NUL character in the query: PostgreSQL cannot compare with one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("The address holds a NUL character (%00); leave it out.")
        return get_response(request)

    return middleware


def refuse_large_forms(get_response: Callable[[HttpRequest], HttpResponse]) -> object:
    """413 for a body that no form of a page has; the API takes larger ones, and the admin.

    Otherwise Django reads the form of anybody, signed in or not.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length[:20]) > settings.FORM_MAX_BYTES:
            path = request.path_info
            is_import = path.startswith("/admin/") and opens_admin(request.user)
            if not is_import and not path.startswith("/api/"):
                return render(request, "413.html", status=413)
        return get_response(request)

    return middleware


class PolicyMiddleware(CSPMiddleware):
    """django-csp's header, composed once for all answers that do not change their own policy."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """The answer with the header."""
        if settings.DEBUG or any(name.startswith("_csp") for name in vars(response)):
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self._ours)
        return response

    @cached_property
    def _ours(self) -> str:
        return build_policy()
