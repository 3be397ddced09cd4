"""Every address that the product answers, as the resolver has it."""

import re
from collections.abc import Iterator, Sequence

from django.urls import URLPattern, URLResolver, get_resolver

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def list_routes() -> list[str]:
    """The patterns of all addresses, as text; one that stands there twice is listed once."""
    return sorted(set(_walk(get_resolver().url_patterns)))


def _walk(patterns: Sequence[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for each in patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, route)
        else:
            yield route


def parameters_of(route: str) -> list[str]:
    """The names of a route's parameters, in order."""
    return _PARAMETER.findall(route)


def fill(route: str, values: dict[str, str]) -> str:
    """The address of a route with these parameters."""
    return "/" + _PARAMETER.sub(lambda found: values[found.group(1)], route)
