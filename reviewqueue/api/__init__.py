"""The JSON API under /api/v1/: bearer keys, problem documents, one transaction per post."""

from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Path, Router
from ninja.security import HttpBearer

from reviewqueue.access import find_api_key
from reviewqueue.api.items import router as items
from reviewqueue.api.outcomes import router as outcomes
from reviewqueue.api.problems import respond
from reviewqueue.models import ApiKey
from reviewqueue.refusals import ProblemError
from routing.policies import NoPolicyError


class BearerKey(HttpBearer):
    """`Authorization: Bearer rq_…`."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:  # noqa: ARG002
        return find_api_key(token)

    def __call__(self, request: HttpRequest) -> ApiKey:
        key = super().__call__(request)
        if not isinstance(key, ApiKey):
            raise ProblemError(
                "unauthorised", "Send a key that is not revoked: Authorization: Bearer rq_…"
            )
        return key


api = NinjaAPI(
    title="Review Queue",
    version="1",
    description="Post predictions, be told what to do with them, and what people found.",
    auth=BearerKey(),
    urls_namespace="api",
)
api.add_router("", items)
api.add_router("", outcomes)

METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]
nowhere = Router()
api.add_router("", nowhere, auth=None)


@nowhere.api_operation(METHODS, "/{path:address}", include_in_schema=False)
def refuse_unknown_address(request: HttpRequest, address: Path[str]) -> HttpResponse:  # noqa: ARG001
    """The last address to be tried: a program that mistyped another reads a problem, no page."""
    raise Http404


@api.exception_handler(ProblemError)
def on_problem(request: HttpRequest, error: ProblemError) -> HttpResponse:
    return respond(request, error)


@api.exception_handler(NoPolicyError)
def on_no_policy(request: HttpRequest, error: NoPolicyError) -> HttpResponse:
    return respond(request, ProblemError("no_policy", str(error)))


@api.exception_handler(Http404)
def on_unknown_address(request: HttpRequest, error: Http404) -> HttpResponse:  # noqa: ARG001
    return respond(
        request, ProblemError("not_found", "There is no such address; /api/v1/docs lists all.")
    )


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def on_database_down(request: HttpRequest, error: Exception) -> HttpResponse:  # noqa: ARG001
    return respond(
        request, ProblemError("unavailable", "Nothing was stored; send the request again.")
    )
