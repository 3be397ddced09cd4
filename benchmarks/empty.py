"""A WSGI application that does nothing: what the server and the load generator can do at most."""

from collections.abc import Callable

StartResponse = Callable[[str, list[tuple[str, str]]], object]


def application(_environ: object, start_response: StartResponse) -> list[bytes]:
    """Answer two bytes."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
