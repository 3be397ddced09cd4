"""Who asks, how often, and for which stream."""

from collections.abc import Collection

from django.http import HttpRequest
from ninja.security import HttpBearer

from reviewqueue.access import KeyAndStream, find_key_and_stream
from reviewqueue.api.edge import note_headers
from reviewqueue.key_limits import KeyLimits, limits_of, spend_request
from reviewqueue.models import ApiKey
from reviewqueue.refusals import ProblemError
from routing.models import Stream


class BearerKey(HttpBearer):
    """`Authorization: Bearer rq_…`, looked for together with the stream of the address."""

    def authenticate(self, request: HttpRequest, token: str) -> KeyAndStream | None:
        route = request.resolver_match
        return find_key_and_stream(token, route.kwargs.get("stream", "") if route else "")

    def __call__(self, request: HttpRequest) -> KeyAndStream:
        found = super().__call__(request)
        if not isinstance(found, KeyAndStream):
            raise ProblemError(
                "unauthorised", "Send a key that is not revoked: Authorization: Bearer rq_…"
            )
        _count_request(request, found.key)
        return found


def _count_request(request: HttpRequest, key: ApiKey) -> None:
    limit = limits_of(key).requests_per_minute
    left = spend_request(key_id=key.id, limit=limit)
    if left is None:
        return
    note_headers(
        request,
        {
            "RateLimit-Limit": left.limit,
            "RateLimit-Remaining": left.remaining,
            "RateLimit-Reset": left.reset_seconds,
        },
    )
    if left.wait_seconds:
        raise ProblemError(
            "too_many_requests",
            f"This key may ask {limit:,} times a minute; go on in {left.wait_seconds} s, "
            "or send more items in each batch.",
            members={"limit": limit, "retry_after": left.wait_seconds},
        )


def key_of(request: HttpRequest) -> ApiKey:
    """The key that the request came with."""
    return _found(request).key


def _found(request: HttpRequest) -> KeyAndStream:
    found = getattr(request, "auth", None)
    if not isinstance(found, KeyAndStream):
        raise TypeError(f"{request.path} is open to all; give its router the API's auth")
    return found


def limits_of_request(request: HttpRequest) -> KeyLimits:
    return limits_of(key_of(request))


def find_stream(request: HttpRequest, key: str, *, queries: Collection[str] = ()) -> Stream:
    """The stream of an address, if the request's key reaches it; `queries` may follow a `?`.

    Raises:
        ProblemError: it does not, or a query parameter is none of the call's.
    """
    refuse_unknown_queries(request, queries)
    found = _found(request).stream
    if found is None or found.key != key:
        raise ProblemError(
            "not_found",
            f"This key reaches no stream {key!r}; GET /api/v1/streams lists those it reaches.",
            field="stream",
            value=key,
        )
    return found


def refuse_unknown_queries(request: HttpRequest, known: Collection[str] = ()) -> None:
    """A mistyped parameter would change nothing, silently.

    Raises:
        ProblemError: names the parameter.
    """
    for name in request.GET:
        if name not in known:
            hint = f"known are {', '.join(known)}." if known else "there are none; leave it out."
            raise ProblemError(
                "invalid", f"{name!r} is no parameter of this call; {hint}", field=name
            )
