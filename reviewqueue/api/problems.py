"""Errors as RFC 9457 problem documents that name the field, the value and what to do."""

import json
from typing import Final

from django.http import HttpResponse
from pydantic import BaseModel, Field

from reviewqueue.refusals import SHOWN_LENGTH, ProblemError, cut, shown

CONTENT_TYPE = "application/problem+json"
DETAIL_LENGTH = 1_000


class ProblemDocument(BaseModel):
    """What every refused request answers (RFC 9457). What does not apply is left out."""

    type: str = Field(
        examples=["urn:reviewqueue:problem:invalid"],
        description="One of the problem types that the description of this API lists.",
    )
    title: str = Field(examples=["Something in the request is not valid"])
    status: int = Field(examples=[422])
    detail: str = Field(
        examples=["scores.vpn_isue is no category of this stream; did you mean vpn_issue?"]
    )
    field: str | None = Field(default=None, examples=["scores.vpn_isue"])
    value: str | None = Field(default=None, examples=["0.97"])
    limit: int | None = Field(
        default=None, description="The limit that was passed, in bytes, items or requests a minute."
    )
    retry_after: int | None = Field(
        default=None, description="Seconds after which to send it again, as in `Retry-After`."
    )
    stored_fingerprint: str | None = Field(
        default=None, description="Of the body that was taken in under this external id."
    )
    posted_fingerprint: str | None = Field(default=None, description="Of this body.")


TITLES: Final = {
    "malformed": (400, "The body cannot be read as JSON"),
    "unauthorised": (401, "The API key is missing or not valid"),
    "not_found": (404, "There is no such thing here"),
    "method_not_allowed": (405, "The address does not take this method"),
    "no_policy": (409, "The stream has no published policy"),
    "too_large": (413, "The body is too large"),
    "invalid": (422, "Something in the request is not valid"),
    "conflict": (422, "The external id is taken"),
    "too_many_requests": (429, "The key asks too often"),
    "internal": (500, "Something is wrong here"),
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
    return document | problem.members


def respond(problem: ProblemError) -> HttpResponse:
    """The problem document, with the headers that belong to it."""
    document = document_of(problem)
    headers = {}
    if problem.code == "unauthorised":
        headers["WWW-Authenticate"] = 'Bearer realm="review queue"'
    if "retry_after" in document:
        headers["Retry-After"] = str(document["retry_after"])
    return HttpResponse(
        json.dumps(document, ensure_ascii=False),
        status=TITLES[problem.code][0],
        content_type=CONTENT_TYPE,
        headers=headers,
    )


# What any call may answer, and what those may that decide or store.
REFUSALS: Final = dict.fromkeys((400, 401, 404, 405, 422, 429, 500, 503), ProblemDocument)
CONFLICTS: Final = {409: ProblemDocument}
POST_REFUSALS: Final = {**REFUSALS, **CONFLICTS, 413: ProblemDocument}
