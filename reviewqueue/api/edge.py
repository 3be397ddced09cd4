"""What every answer under /api/ has in common, whoever gave it: programs never read a page.

Django answers some requests before the API sees them, and django-ninja some others: unknown
methods, addresses and hosts, and what went wrong in here. They become problem documents.
"""

from collections.abc import Callable, Mapping
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from reviewqueue.api.problems import CONTENT_TYPE, respond
from reviewqueue.failures import RETRY_SECONDS
from reviewqueue.refusals import ProblemError

PREFIX: Final = "/api/"
# Joined from its parts an address may lose its last slash.
BARE: Final = "/api"
ROOT: Final = "/api/v1"
NOTED: Final = "reviewqueue.headers"


def note_headers(request: HttpRequest, headers: Mapping[str, object]) -> None:
    """Headers for the answer to this request, be it a refusal or not."""
    request.META.setdefault(NOTED, {}).update(headers)


def answer_programs(get_response: Callable[[HttpRequest], HttpResponse]) -> object:
    """Problem documents for every refusal, HEAD wherever there is GET, and noted headers."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX) and request.path_info != BARE:
            return get_response(request)
        method = request.method
        # The server leaves the body of an answer to HEAD out.
        request.method = "GET" if method == "HEAD" else method
        response = get_response(request)
        request.method = method
        if response.status_code >= 400 and response.get("Content-Type") != CONTENT_TYPE:
            _rewrite(request, response)
        for name, value in request.META.get(NOTED, {}).items():
            response[name] = str(value)
        return response

    return middleware


def _rewrite(request: HttpRequest, response: HttpResponse) -> None:
    """Make a problem document of a page; the response stays the one that Django has logged."""
    problem = _problem_of(request, response)
    if problem is not None:
        answered = respond(problem)
        response.content = answered.content
        response.headers["Content-Type"] = answered.headers["Content-Type"]
        response.headers["Content-Length"] = str(len(answered.content))


def _problem_of(request: HttpRequest, response: HttpResponse) -> ProblemError | None:
    if response.status_code == 405:
        allowed = {part.strip() for part in response.get("Allow", "").split(",")}
        allow = ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))
        response["Allow"] = allow
        return ProblemError("method_not_allowed", f"{request.method} is not taken; use {allow}.")
    if response.status_code == 404:
        return unknown_address(request)
    if response.status_code == 400:
        return ProblemError(
            "malformed",
            "The address or a header cannot be read; leave out NUL characters (%00) and use "
            "a host name that this service answers to.",
        )
    if response.status_code == 500:
        return ProblemError("internal", "Nothing was stored; the fault is in the service's log.")
    if response.status_code == 503:
        return database_in_trouble()
    return None


def only_read(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Other methods than GET and HEAD answer 405; Django's CSRF page would come before it."""
    return csrf_exempt(require_safe(view))


@csrf_exempt
def refuse_root(request: HttpRequest) -> HttpResponse:
    """The API's own address, slash or none: Django would redirect, or ask for a token."""
    return respond(unknown_address(request))


def unknown_address(request: HttpRequest) -> ProblemError:
    """The problem of an address that leads nowhere."""
    path = request.path_info
    leads_on = path.endswith("/") and path.count("/") > ROOT.count("/") + 1
    slash = " Perhaps without the slash at its end?" if leads_on else ""
    return ProblemError("not_found", f"There is no such address; /api/v1/docs lists all.{slash}")


def database_in_trouble() -> ProblemError:
    """The problem of a database that cannot be reached, or stores nothing."""
    return ProblemError(
        "unavailable",
        "Send the request again: what was stored of it all the same counts once.",
        members={"retry_after": RETRY_SECONDS},
    )
