"""The one place that knows HTMX: which part of a page it gets, and how it is sent elsewhere.

Every address answers a plain browser too, with the whole page or a redirect.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRedirect, replace_url, retarget
from django_htmx.middleware import HtmxDetails

OVER = 286  # HTMX swaps it in and stops polling
LOST = 409
INVALID = 422

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class PersonRequest(HttpRequest):
    """A request behind `signed_in`."""

    user: User


PersonView = Callable[Concatenate[PersonRequest, P], HttpResponseBase]


def is_htmx(request: HttpRequest) -> bool:
    """Whether HTMX asks and will swap the answer in; it takes the page whole in a history miss."""
    details = HtmxDetails(request)
    return bool(details) and not details.history_restore_request


def aims_at(request: HttpRequest, element: str) -> bool:
    """Whether HTMX asks for the element with this id alone."""
    return is_htmx(request) and HtmxDetails(request).target == element


def respond(
    request: HttpRequest,
    template: str,
    context: Mapping[str, object],
    *,
    part: str,
    status: int = 200,
    address: str = "",
    target: str = "",
) -> HttpResponse:
    """The named partial of `template` for HTMX, the whole template for a plain browser.

    With an `address` HTMX shows it as the page's own, whatever was asked for; with a `target`, a
    selector, it swaps the partial in there, whatever it aimed at.
    """
    name = f"{template}#{part}" if is_htmx(request) else template
    response = render(request, name, dict(context), status=status)
    response.headers["Vary"] = "HX-Request, Cookie"
    if is_htmx(request):
        if address:
            replace_url(response, address)
        if target:
            retarget(response, target)
    return response


def go_to(request: HttpRequest, to: str) -> HttpResponse:
    """Send the browser to the address or view named `to`, with the page loaded anew."""
    address = resolve_url(to)
    if is_htmx(request):
        return HttpResponseClientRedirect(address)
    return HttpResponseRedirect(address, status=303)


def signed_in(view: "PersonView[P]") -> "View[P]":
    """Only for somebody with a session; anybody else goes to the sign-in and comes back after.

    They come back to the page they were on: an address that only takes POST is no place to
    return to.
    """

    @never_cache
    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)  # type: ignore[arg-type]
        login = redirect_to_login(_page_of(request), resolve_url(settings.LOGIN_URL)).url
        address = f"{login}&ended=1" if _was_signed_in(request) else login
        if is_htmx(request):
            return HttpResponseClientRedirect(address)
        return HttpResponseRedirect(address)

    return wrapper


def _was_signed_in(request: HttpRequest) -> bool:
    """Whether a session ended under somebody's hands, whom the sign-in then tells so."""
    from_a_page = is_htmx(request) or request.method != "GET"
    return from_a_page or settings.SESSION_COOKIE_NAME in request.COOKIES


def _page_of(request: HttpRequest) -> str:
    """The path of the page that the person looks at."""
    if request.method == "GET" and not is_htmx(request):
        return request.get_full_path()
    shown = HtmxDetails(request).current_url or request.headers.get("Referer") or ""
    origin = f"{request.scheme}://{request.get_host()}"
    return shown.removeprefix(origin) if shown.startswith(f"{origin}/") else resolve_url("home")
