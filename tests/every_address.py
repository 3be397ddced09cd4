"""Every address that the product answers to, filled in with what leads to nothing."""

import re
from collections.abc import Iterator, Sequence

from django.urls import URLPattern, URLResolver, get_resolver

NOTHING = "00000000-0000-7000-8000-000000000000"
FILLINGS = {"uuid": NOTHING, "int": "1", "slug": "nothing", "str": "nothing", "path": "nothing"}
_HOLE = re.compile(r"<(?:(\w+):)?\w+>")
_GROUP = re.compile(r"\(\?P<\w+>[^)]*\)")


def list_addresses() -> list[str]:
    """All paths, sorted, each once."""
    return sorted(set(_walk(get_resolver().url_patterns, "/")))


def _walk(patterns: Sequence[URLPattern | URLResolver], before: str) -> Iterator[str]:
    for pattern in patterns:
        path = before + _fill(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield path


def _fill(route: str) -> str:
    filled = _HOLE.sub(lambda found: FILLINGS[found[1] or "str"], _GROUP.sub("nothing", route))
    return filled.removeprefix("^").removesuffix("$").replace("\\Z", "").replace("\\", "")
