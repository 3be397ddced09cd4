"""Errors as RFC 9457 problem documents that name the field, the value and what to do."""

import json
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from pydantic import BaseModel, Field

CONTENT_TYPE = "application/problem+json"
SHOWN_LENGTH = 200
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


class ProblemError(Exception):
    """A request that is refused; becomes the response."""

    def __init__(
        self, code: str, detail: str, *, field: str | None = None, value: object = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field
        self.value = value

    def document(self) -> dict[str, object]:
        """The problem as the mapping that is sent, without empty members."""
        status, title = TITLES[self.code]
        document: dict[str, object] = {
            "type": f"urn:reviewqueue:problem:{self.code}",
            "title": title,
            "status": status,
            "detail": _cut(self.detail, DETAIL_LENGTH),
        }
        if self.field is not None:
            document["field"] = _cut(self.field, SHOWN_LENGTH)
        if self.value is not None:
            document["value"] = shown(self.value)
        return document


def shown(value: object) -> str:
    """A value as it stands in a message: text as it is, else JSON, cut to a readable length."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\u0000")
    return _cut(text, SHOWN_LENGTH)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


def respond(request: HttpRequest, problem: ProblemError) -> HttpResponse:  # noqa: ARG001
    document = problem.document()
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
