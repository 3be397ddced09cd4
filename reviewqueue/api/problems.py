"""Errors as RFC 9457 problem documents that name the field, the value and what to do."""

import json
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from pydantic import BaseModel, Field

from reviewqueue.refusals import SHOWN_LENGTH, ProblemError, cut, shown

CONTENT_TYPE = "application/problem+json"
DETAIL_LENGTH = 1_000


class ProblemDocument(BaseModel):
    """What every refused request answers (RFC 9457)."""

    type: str = Field(examples=["urn:reviewqueue:problem:invalid"])
    title: str = Field(examples=["The item cannot be taken in"])
    status: int = Field(examples=[422])
    detail: str = Field(
        examples=["scores.vpn_isue is no category of this stream; did you mean vpn_issue?"]
    )
    field: str | None = Field(default=None, examples=["scores.vpn_isue"])
    value: str | None = Field(default=None, examples=["0.97"])


TITLES = {
    "malformed": (400, "The body cannot be read as JSON"),
    "unauthorised": (401, "The API key is missing or not valid"),
    "not_found": (404, "There is no such thing here"),
    "no_policy": (409, "The stream has no published policy"),
    "too_large": (413, "The body is too large"),
    "invalid": (422, "The item cannot be taken in"),
    "conflict": (422, "The external id is taken"),
    "unavailable": (503, "The service cannot store anything right now"),
}


def document_of(problem: ProblemError) -> dict[str, object]:
    """The problem as the mapping that is sent, without empty members."""
    status, title = TITLES[problem.code]
    document: dict[str, object] = {
        "type": f"urn:reviewqueue:problem:{problem.code}",
        "title": title,
        "status": status,
        "detail": cut(problem.detail, DETAIL_LENGTH),
    }
    if problem.field is not None:
        document["field"] = cut(problem.field, SHOWN_LENGTH)
    if problem.value is not None:
        document["value"] = shown(problem.value)
    return document


def respond(request: HttpRequest, problem: ProblemError) -> HttpResponse:  # noqa: ARG001
    document = document_of(problem)
    headers: Mapping[str, str] = {}
    if problem.code == "unauthorised":
        headers = {"WWW-Authenticate": 'Bearer realm="review queue"'}
    elif problem.code == "unavailable":
        headers = {"Retry-After": "5"}
    return HttpResponse(
        json.dumps(document, ensure_ascii=False),
        status=TITLES[problem.code][0],
        content_type=CONTENT_TYPE,
        headers=dict(headers),
    )
