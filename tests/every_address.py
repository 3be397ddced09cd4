"""Every address that the product answers to, filled in with what leads to nothing."""

import re

from tests.access.routes import list_routes

NOTHING = "00000000-0000-7000-8000-000000000000"
FILLINGS = {"uuid": NOTHING, "int": "1", "slug": "nothing", "str": "nothing", "path": "nothing"}
_HOLE = re.compile(r"<(?:(\w+):)?\w+>")
_GROUP = re.compile(r"\(\?P<\w+>[^)]*\)")


def list_addresses() -> list[str]:
    """All paths, sorted, each once."""
    return sorted({f"/{_fill(route)}" for route in list_routes()})


def _fill(route: str) -> str:
    filled = _HOLE.sub(lambda found: FILLINGS[found[1] or "str"], _GROUP.sub("nothing", route))
    return filled.replace("^", "").removesuffix("$").replace("\\Z", "").replace("\\", "")
