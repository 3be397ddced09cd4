"""One stream at 100,000, a million and ten million items: what each piece of work costs.

    make bench ARGS="growth"                      a million items, about 5 minutes
    make bench ARGS="growth --items 10000000"     needs about 40 GB of disk

The stream grows backwards in time at a steady 27,397 items a day (ten million a year), a fifth of
them judged, so that a larger one is an older one. After each case the figures so far are written
to `benchmarks/growth.json` and `benchmarks/growth.md`.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from benchmarks.stage import open_services, require_durable

TEMPLATES: Final = 2_000
PER_DAY: Final = 10_000_000 / 365
PERIOD: Final = timedelta(days=TEMPLATES / PER_DAY)
SIZES: Final = (100_000, 1_000_000, 10_000_000)
SEED: Final = 11
FOLDER: Final = Path(__file__).parent
GIB: Final = 1024.0**3

# By size, by case: elapsed_ms and the like of one unit.
Found = dict[int, dict[str, dict[str, float | str | bool]]]


def run(*, items: int, folder: Path = FOLDER) -> dict[str, float]:
    """Measure at each size up to `items`; returns the figures for `results.json` by name."""
    found: Found = {}
    sizes = [size for size in SIZES if size < items] + [items]
    with open_services(migrated=True):
        require_durable()
        _measure(sizes, found, folder)
    return summarise(found)


def _measure(sizes: Sequence[int], found: Found, folder: Path) -> None:
    # Django is set up with the services.
    from django.db import connection  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from benchmarks.growth_cases import Scene, make_cases  # noqa: PLC0415
    from benchmarks.growth_past import make_past  # noqa: PLC0415
    from benchmarks.growth_rows import Shift, grow, keep_past  # noqa: PLC0415
    from benchmarks.meters import meter  # noqa: PLC0415

    # So that the connection whose costs are read stays the same.
    connection.settings_dict["CONN_MAX_AGE"] = None
    _say("the past of which the stream is made")
    end = timezone.now() - timedelta(minutes=1)
    past = make_past("grown", items=TEMPLATES, span=PERIOD, end=end, seed=SEED)
    shift = Shift(past, PERIOD, most=sizes[-1] // TEMPLATES)
    keep_past(shift)
    clones = 0
    for size in sizes:
        began = time.monotonic()
        wanted = size // TEMPLATES - 1
        grow(shift, first=clones + 1, last=wanted)
        clones = wanted
        seconds = time.monotonic() - began
        rows = found.setdefault(size, {})
        rows[FILLED] = {"unit": "stream", "flat": False, "elapsed_ms": seconds * 1000}
        rows[DISK] = {"unit": "stream", "flat": False, "gib": _read_size(connection) / GIB}
        _say(f"{size:,} items are there after {seconds:.0f} s, {rows[DISK]['gib']:.1f} GiB")
        for case in make_cases(Scene(shift, clones, size)):
            began = time.monotonic()
            cost = meter(case.act, times=case.times, warm_up=case.warm_up)
            rows[case.name] = {
                "unit": case.unit,
                "flat": case.flat,
                "elapsed_ms": cost.elapsed_ms,
                "python_ms": cost.python_ms,
                "database_ms": cost.database_ms,
                "pages": cost.pages,
                "fetched": cost.fetched,
            }
            write_down(found, folder)
            _say(
                f"{size:>11,} {case.name}: {cost.elapsed_ms:.3f} ms, CPU {cost.python_ms:.3f} + "
                f"{cost.database_ms:.3f} ms, {cost.pages:,.1f} pages a {case.unit} "
                f"({time.monotonic() - began:.1f} s)"
            )


FILLED: Final = "filled"
DISK: Final = "disk"


def _say(line: str) -> None:
    print(line, flush=True)


def _read_size(connection: object) -> int:
    with connection.cursor() as cursor:  # type: ignore[attr-defined]  # Django's
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def write_down(found: Found, folder: Path) -> None:
    """The figures so far, as JSON and as a table."""
    document = {str(size): cases for size, cases in found.items()}
    for name, text in (
        ("growth.json", json.dumps(document, indent=1) + "\n"),
        ("growth.md", draw_table(found)),
    ):
        building = folder / f"{name}.{os.getpid()}"
        building.write_text(text)
        building.replace(folder / name)


def draw_table(found: Found) -> str:
    """Markdown: each case with its costs at each size, and what that is of the smallest."""
    sizes = sorted(found)
    heads = [f"at {size:,}" for size in sizes]
    lines = [
        "| case | a | flat | "
        + " | ".join(f"CPU ms {head}" for head in heads)
        + " | times | "
        + " | ".join(f"pages {head}" for head in heads)
        + " | times | elapsed ms |",
        "| --- | --- | --- |" + " ---: |" * (2 * len(sizes) + 3),
    ]
    for name, first in found[sizes[0]].items() if sizes else ():
        rows = [found[size].get(name, {}) for size in sizes]
        if name in (FILLED, DISK):
            continue
        cpu = [_add(row) for row in rows]
        pages = [_number(row.get("pages")) for row in rows]
        elapsed = " → ".join(_word(_number(row.get("elapsed_ms"))) for row in rows)
        lines.append(
            f"| {name} | {first['unit']} | {'yes' if first['flat'] else ''} | "
            + " | ".join(map(_word, cpu))
            + f" | {_times(cpu)} | "
            + " | ".join(map(_word, pages))
            + f" | {_times(pages)} | {elapsed} |"
        )
    filled = [
        f"{size:,} items: there after {float(rows[FILLED]['elapsed_ms']) / 1000:,.0f} s, "
        f"{float(rows[DISK]['gib']):.1f} GiB"
        for size in sizes
        for rows in [found[size]]
        if DISK in rows
    ]
    return "\n".join([*lines, "", *(f"- {line}" for line in filled), ""])


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _add(row: Mapping[str, object]) -> float | None:
    python, database = _number(row.get("python_ms")), _number(row.get("database_ms"))
    return None if python is None or database is None else python + database


def _word(value: float | None) -> str:
    return "" if value is None else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def _times(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < 2 or not known[0]:
        return ""
    return f"{known[-1] / known[0]:.2f}"


def summarise(found: Found) -> dict[str, float]:
    """Figures by name: how intake and the next task grow, what an insight page takes."""
    sizes = sorted(found)
    small, large = found[sizes[0]], found[sizes[-1]]
    pages = [
        _number(row.get("elapsed_ms")) or 0.0
        for name, row in large.items()
        if name.endswith(" page") and not name.startswith("first ")
    ]
    moved = _number(large.get("a cut-off moved", {}).get("elapsed_ms"))
    figures = {
        "growth_items": float(sizes[-1]),
        # Speed over speed: below 1 where a larger stream takes longer.
        "intake_batch_growth": _ratio(small, large, "intake, batches of 1,000"),
        "next_growth_cpu": _ratio(large, small, "next task"),
        "verdict_growth_cpu": _ratio(large, small, "verdict with the next task"),
        "page_p95_ms": sorted(pages)[int(0.95 * (len(pages) - 1))] if pages else None,
        "whatif_p95_ms": moved,
    }
    return {name: value for name, value in figures.items() if value is not None}


def _ratio(
    above: Mapping[str, Mapping[str, object]], below: Mapping[str, Mapping[str, object]], name: str
) -> float | None:
    first, second = _add(above.get(name, {})), _add(below.get(name, {}))
    return None if first is None or not second else first / second
