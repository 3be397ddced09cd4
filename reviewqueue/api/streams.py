"""What a key reaches, and by which policy it is decided there."""

import hashlib
from typing import Final

from django.db.models import Max
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from ninja import Path, Router

from reviewqueue.api.answers import answer_policy, respond_json
from reviewqueue.api.bearer import find_stream, key_of, limits_of_request, refuse_unknown_queries
from reviewqueue.api.document import answers_like
from reviewqueue.api.examples import POLICY, STREAMS
from reviewqueue.api.problems import CONFLICTS, REFUSALS
from reviewqueue.api.schemas import PolicyOut, StreamsOut
from routing.models import Policy
from routing.policies import NoPolicyError

router = Router(tags=["streams"])

ETAG_BYTES: Final = 16
IF_NONE_MATCH: Final[dict[str, object]] = {
    "parameters": [
        {
            "in": "header",
            "name": "If-None-Match",
            "required": False,
            "schema": {"type": "string"},
            "description": "The ETag of an earlier answer.",
        }
    ]
}


@router.get(
    "/streams",
    response={200: StreamsOut, **REFUSALS},
    openapi_extra=answers_like({200: {"two": ("Two streams", STREAMS)}}),
    summary="What this key reaches",
)
def list_streams(request: HttpRequest) -> HttpResponse:
    """The streams that the key may post to, and how much it may send."""
    refuse_unknown_queries(request)
    limits = limits_of_request(request)
    found = key_of(request).streams.annotate(newest=Max("policies__version")).order_by("key")
    return respond_json(
        {
            "streams": [
                {"key": stream.key, "name": stream.name, "policy_version": stream.newest}
                for stream in found
            ],
            "limits": {
                "requests_per_minute": limits.requests_per_minute or None,
                "item_bytes": limits.item_bytes,
                "batch_bytes": limits.batch_bytes,
                "batch_items": limits.batch_items,
            },
        }
    )


@router.get(
    "/streams/{stream}/policy",
    response={200: PolicyOut, 304: None, **REFUSALS, **CONFLICTS},
    by_alias=True,
    openapi_extra={
        **answers_like({200: {"class_aware": ("A class-aware policy", POLICY)}}, etag=True),
        **IF_NONE_MATCH,
    },
    summary="The published policy",
)
def get_policy(request: HttpRequest, stream: Path[str]) -> HttpResponseBase:
    """The cut-offs, gates and categories that the next item is decided by.

    The answer has an `ETag`: sent back as `If-None-Match` it answers 304 until something changes,
    be it a new version or the label of a category.
    """
    found = find_stream(request, stream)
    policy = (
        Policy.objects.published()
        .filter(stream=found)
        .select_related("stream")
        .order_by("-version")
        .first()
    )
    if policy is None:
        raise NoPolicyError(NoPolicyError.__doc__)
    response = respond_json(answer_policy(policy))
    etag = quote_etag(hashlib.sha256(response.content).hexdigest()[: 2 * ETAG_BYTES])
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return get_conditional_response(request, etag=etag, response=response) or response
