"""The JSON API under /api/v1/: bearer keys, problem documents, one transaction per post."""

from typing import Any, Final

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Path, Router

from reviewqueue.api.bearer import BearerKey
from reviewqueue.api.document import DESCRIPTION, complete_document
from reviewqueue.api.edge import database_in_trouble, only_read, unknown_address
from reviewqueue.api.items import router as items
from reviewqueue.api.outcomes import router as outcomes
from reviewqueue.api.problems import respond
from reviewqueue.api.streams import router as streams
from reviewqueue.refusals import ProblemError
from routing.policies import NoPolicyError


class DescribedApi(NinjaAPI):
    """With what the routes alone do not say in the OpenAPI document."""

    def get_openapi_schema(self, **options: Any) -> Any:
        document = super().get_openapi_schema(**options)
        complete_document(document)
        return document

    def get_openapi_operation_id(self, operation: Any) -> str:
        """The name of the function: short enough to be a method of a generated client."""
        return str(operation.view_func.__name__)


api = DescribedApi(
    title="Review Queue",
    version="1",
    description=DESCRIPTION,
    auth=BearerKey(),
    urls_namespace="api",
    docs_decorator=only_read,
)
api.add_router("", items)
api.add_router("", streams)
api.add_router("", outcomes)

METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]
nowhere = Router()
api.add_router("", nowhere, auth=None)


@nowhere.api_operation(METHODS, "/{path:address}", include_in_schema=False)
def refuse_unknown_address(request: HttpRequest, address: Path[str]) -> HttpResponse:  # noqa: ARG001
    """The last address to be tried: a program that mistyped another reads a problem, no page."""
    raise Http404


@api.exception_handler(ProblemError)
def on_problem(request: HttpRequest, error: ProblemError) -> HttpResponse:  # noqa: ARG001
    return respond(error)


@api.exception_handler(NoPolicyError)
def on_no_policy(request: HttpRequest, error: NoPolicyError) -> HttpResponse:  # noqa: ARG001
    return respond(ProblemError("no_policy", str(error)))


@api.exception_handler(Http404)
def on_unknown_address(request: HttpRequest, error: Http404) -> HttpResponse:  # noqa: ARG001
    return respond(unknown_address(request))


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def on_database_down(request: HttpRequest, error: Exception) -> HttpResponse:  # noqa: ARG001
    return respond(database_in_trouble())
