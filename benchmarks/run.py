"""`make bench`: what the work costs, beside what the same machine could do at most.

    python -m benchmarks.run [decide] [calibration] [intake] [review] [recalibrate]
        [import] [export] [pages] [startup] [processes] [--full]
    python -m benchmarks.run growth [--items 10000000]

Without parts all of them but `growth`, which makes one stream and lets it grow. `--full` measures
the queue at a million open tasks instead of 100,000. Everything runs on durable services of its
own. The figures are written to `benchmarks/results.json`; a run of some parts replaces theirs and
keeps the others.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks import calibration, decide, growth, startup
from benchmarks.stage import (
    Stage,
    StageError,
    open_services,
    open_stage,
    require_durable,
)
from reviewqueue.embedded import ServicesError


def _run_processes() -> dict[str, float]:
    """In a process of its own: Django is set up once in each, and here on the others' services."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure_processes).result()


def _measure_processes() -> dict[str, float]:
    with open_services(migrated=True) as state:
        # Its models can only be loaded once Django is set up.
        from benchmarks import processes  # noqa: PLC0415

        require_durable()
        return processes.run(state)


RESULTS = Path(__file__).with_name("results.json")
ALONE: Mapping[str, Callable[[], dict[str, float]]] = {
    "decide": decide.run,
    "calibration": calibration.run,
    "startup": startup.run,
    "processes": _run_processes,
}
SERVED = ("intake", "review", "recalibrate", "import", "export", "pages")
PARTS = (*ALONE, *SERVED)
GROWTH = "growth"

# A figure and the limit that it is a share of.
LIMITS: Mapping[str, str] = {
    "intake_batch_items_s": "limit_copy_items_s",
    "intake_single_req_s": "limit_single_commits_s",
    "import_items_s": "limit_import_items_s",
    "export_items_s": "limit_json_items_s",
    "next_req_s": "limit_claims_s",
    "verdict_req_s": "limit_empty_view_req_s",
}


def run_parts(parts: Sequence[str], *, full: bool) -> dict[str, float]:
    """Run the parts; returns their figures by name."""
    found: dict[str, float] = {}
    for name, run in ALONE.items():
        if name in parts:
            found |= _timed(name, run)
    served = [name for name in SERVED if name in parts]
    if served:
        with open_stage() as stage:
            require_durable()
            for name in served:
                found |= _timed(name, _served(name, stage, full=full))
    return found


def _served(name: str, stage: Stage, *, full: bool) -> Callable[[], dict[str, float]]:
    # Django is set up with the stage.
    from benchmarks import export, imports, intake, pages, recalibrate, review  # noqa: PLC0415

    if name == "intake":
        return lambda: intake.run(stage)
    if name == "import":
        return lambda: imports.run(stage)
    if name == "export":
        return lambda: export.run(stage)
    if name == "pages":
        return lambda: pages.run(stage)
    if name == "recalibrate":
        return lambda: recalibrate.run(stage)
    return lambda: review.run(stage, full=full)


def _timed(name: str, run: Callable[[], dict[str, float]]) -> dict[str, float]:
    print(f"{name} ...", end=" ", flush=True)
    began = time.perf_counter()
    found = run()
    print(f"{time.perf_counter() - began:.0f} s", flush=True)
    return found


def write_results(found: Mapping[str, float], *, whole: bool, path: Path = RESULTS) -> None:
    """Write the figures, four digits each; of a run that was not `whole` beside the older ones."""
    kept = {} if whole or not path.exists() else json.loads(path.read_text())
    new = {name: float(f"{value:.4g}") for name, value in found.items()}
    path.write_text(json.dumps(dict(sorted((kept | new).items())), indent=2) + "\n")
    path.with_suffix(".md").write_text(draw_shares(kept | new))


def draw_shares(found: Mapping[str, float]) -> str:
    """Every figure as Markdown, with its limit and its share of it where there is one."""
    lines = [
        "| figure | measured | limit in the same run | share |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, value in sorted(found.items()):
        limit = found.get(LIMITS.get(name, ""))
        beside = " | |" if limit is None else f" {limit:,.4g} | {value / limit:.1%} |"
        lines.append(f"| `{name}` | {value:,.4g} |{beside}")
    return "\n".join(lines) + "\n"


def draw_table(found: Mapping[str, float]) -> str:
    """The figures as lines, each with its limit and its share of it where there is one."""
    lines = [f"{'figure':26} {'measured':>12} {'limit':>12} {'share':>7}"]
    for name, value in found.items():
        limit = found.get(LIMITS.get(name, ""))
        beside = "" if limit is None else f" {limit:12,.1f} {value / limit:7.1%}"
        lines.append(f"{name:26} {value:12,.2f}{beside}")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Measure, print and write. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=" ".join(PARTS))
    parser.add_argument("--full", action="store_true", help="a backlog of a million")
    parser.add_argument("--items", type=int, default=1_000_000, help="of growth: the most items")
    options = parser.parse_args(argv)
    unknown = [part for part in options.parts if part not in (*PARTS, GROWTH)]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; choose from {', '.join((*PARTS, GROWTH))}")
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f} before the run", flush=True)
    found = run_parts(options.parts or PARTS, full=options.full)
    if GROWTH in options.parts:
        found |= growth.run(items=options.items)
    print(f"\n{draw_table(found)}")
    write_results(found, whole=not options.parts)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (StageError, ServicesError) as error:
        sys.exit(str(error))
