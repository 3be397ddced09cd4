"""Insight pages of one stream, warm: how long each takes, and how many queries it asks.

    python -m benchmarks.pages STREAM

measures a stream of the database at `DATABASE_URL`, whatever its size; as a part of `make bench` a
stream of 10,000 labelled items is made first. Sheets are made beforehand, as by the worker, and how
long that takes is a figure too. Pages are asked for in this process, so that what is measured is
the page and not the server; a what-if move asks for another cut-off each time.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from benchmarks.clients import percentile
from benchmarks.stage import Stage

if TYPE_CHECKING:
    from django.test import Client

ITEMS: Final = 10_000
TURNS: Final = 20
SHARE: Final = 0.95
MOVES: Final = 40
CATEGORIES: Final = 77
KIND_PAGES: Final = (
    "reliability/",
    "reliability/?days=90",
    "what-if/",
    "health/",
    "health/?by=days",
    "ambiguity/",
    "drift/",
    "reviewers/",
    "runs/",
)
ALL_STREAMS: Final = ("/insight/budgets/", "/insight/health/")
WHAT_IF: Final = "what-if/"
NAME: Final = "bench-pages"


def run(stage: Stage, *, items: int = ITEMS) -> dict[str, float]:
    """The figures by name, of a stream that is made for it."""
    del stage  # it has set up Django and the database
    from benchmarks.recalibrate import make_labelled_stream  # noqa: PLC0415 - after the set-up

    stream = make_labelled_stream("paged", labels=items, categories=CATEGORIES)
    return measure(stream.key)


def measure(key: str) -> dict[str, float]:
    """slowest_page_p95_ms and page_queries are of the worst page; move_p95_ms of what-if moves."""
    from django.contrib.auth.models import User  # noqa: PLC0415 - after the set-up
    from django.test import Client  # noqa: PLC0415

    person, _made = User.objects.get_or_create(username=NAME, defaults={"is_superuser": True})
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(person)
    root = f"/streams/{key}/insight/"
    pages = [*(root + page for page in KIND_PAGES), *ALL_STREAMS]
    try:
        sheets = make_sheets(client, pages, key)
        figures = {page: time_page(client, page) for page in pages}
        moves = time_moves(client, root + WHAT_IF)
    finally:
        person.delete()
    print_pages(figures, sheets)
    return {
        "slowest_page_p95_ms": max(p95 for p95, _queries in figures.values()),
        "page_queries": max(queries for _p95, queries in figures.values()),
        "move_p95_ms": moves,
        "sheet_s": max(sheets.values()),
    }


def make_sheets(client: "Client", pages: Sequence[str], key: str) -> dict[str, float]:
    """Ask for every page's sheet and make them; the seconds that each took, by kind."""
    from reviewqueue.insight.making import make_next  # noqa: PLC0415 - after the set-up
    from reviewqueue.insight_models import InsightSheet  # noqa: PLC0415

    InsightSheet.objects.filter(stream__key=key).delete()
    for page in pages:
        fetch(client, page)
    while make_next():
        pass
    found = InsightSheet.objects.filter(stream__key=key)
    failed = found.exclude(error="").values_list("kind", "error")
    if failed:
        raise RuntimeError(f"sheets could not be made: {dict(failed)}")
    return dict(found.values_list("kind", "seconds"))


def time_page(client: "Client", page: str) -> tuple[float, int]:
    """The 95th percentile of a warm page in milliseconds, and its queries."""
    from django.db import connection  # noqa: PLC0415 - after the set-up
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    fetch(client, page)
    with CaptureQueriesContext(connection) as queries:
        fetch(client, page)
    count = len(queries)  # read now: the log begins anew with the next request
    return percentile([fetch(client, page) for _ in range(TURNS)], SHARE), count


def time_moves(client: "Client", page: str) -> float:
    """The 95th percentile in milliseconds of trying one cut-off after another."""
    fetch(client, f"{page}?auto=0.9")
    steps = [0.70 + 0.29 * step / MOVES for step in range(MOVES)]
    moves = [fetch(client, f"{page}?auto={step:.4f}", moves=True) for step in steps]
    return percentile(moves, SHARE)


def fetch(client: "Client", page: str, *, moves: bool = False) -> float:
    """Milliseconds until the page is there."""
    headers = {"HX-Request": "true", "HX-Target": "outlook"} if moves else {}
    began = time.perf_counter()
    response = client.get(page, headers=headers)
    elapsed = 1000.0 * (time.perf_counter() - began)
    if response.status_code != 200:
        raise RuntimeError(f"{page} answers {response.status_code}")
    return elapsed


def print_pages(pages: Mapping[str, tuple[float, int]], sheets: Mapping[str, float]) -> None:
    """Each page and each sheet on a line."""
    print()
    for page, (p95, queries) in pages.items():
        print(f"  {page:56} {p95:7.1f} ms {queries:4} queries")
    for kind, seconds in sheets.items():
        print(f"  sheet {kind:50} {seconds:7.2f} s")


def main(argv: Sequence[str]) -> int:
    """Measure a stream of the database that is set in the environment."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("stream", help="the key of a stream")
    options = parser.parse_args(argv)
    import django  # noqa: PLC0415 - the settings read the environment at import
    from django.core.management import call_command  # noqa: PLC0415

    django.setup()
    call_command("collectstatic", interactive=False, verbosity=0)  # pages name its files
    for name, value in measure(options.stream).items():
        print(f"{name:26} {value:12,.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
