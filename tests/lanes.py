"""Tests that run side by side share one Redis server; each lane gets a database of its own in it.

Loaded as `-p tests.lanes`, thus before anything reads the settings. PostgreSQL's test databases are
named apart by pytest-django.
"""

import os
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit


def redis_of_lane(url: str, lane: str) -> str:
    """`url` with the database of `lane`, such as "gw1"; as it is where `lane` is empty."""
    if not lane:
        return url
    number = lane.removeprefix("gw")
    parts = urlsplit(url)
    if parts.scheme == "unix":
        query = dict(parse_qsl(parts.query)) | {"db": number}
        return f"unix://{parts.netloc}{parts.path}?{urlencode(query)}"
    return urlunsplit(parts._replace(path=f"/{number}"))


os.environ["REDIS_URL"] = redis_of_lane(
    os.environ.get("REDIS_URL", ""), os.environ.get("PYTEST_XDIST_WORKER", "")
)
