"""`make bench-compare REV=v1.2`: the figures of this checkout over those of another revision.

    python -m benchmarks.compare REV [PART ...] [--rounds 3]

Both are measured in turn, REV first, so that what else the machine does falls on both alike. REV is
checked out into a folder of its own, with this checkout's packages, and removed afterwards. Printed
are the ratios (this over REV): their geometric mean with a 95% interval by Student's t on the
logarithms. What the interval leaves no doubt about is marked as better or worse; exit code 1 where
anything is worse.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scipy import stats

from benchmarks.run import PARTS, RESULTS
from reviewqueue.embedded.processes import PROJECT

DEFAULT: Final = ("decide", "calibration", "intake", "review")
# What is better when there is more of it; of everything else there should be less.
MORE_IS_BETTER: Final = ("_items_s", "_req_s", "_s_1", "_s_2", "_vs_copy", "_ratio")
NEITHER: Final = ("limit_", "cpu_avx", "backlog_", "growth_items")
LEAST: Final = 0.05


@dataclass(frozen=True, slots=True)
class Ratio:
    """This checkout over the other: geometric mean of all rounds, and its 95% interval."""

    name: str
    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or nothing where the interval or the size leaves a doubt."""
        if self.name.startswith(NEITHER) or self.low <= 1.0 <= self.high:
            return ""
        if abs(math.log(self.mean)) < math.log1p(LEAST):
            return ""
        grew = self.mean > 1.0
        return "better" if grew == self.name.endswith(MORE_IS_BETTER) else "worse"


def compare(
    before: Sequence[Mapping[str, float]], after: Sequence[Mapping[str, float]]
) -> list[Ratio]:
    """The ratios of all figures that every round has, round by round."""
    shared = set.intersection(*(set(one) for one in (*before, *after)))
    return [_ratio(name, before, after) for name in sorted(shared)]


def _ratio(
    name: str, before: Sequence[Mapping[str, float]], after: Sequence[Mapping[str, float]]
) -> Ratio:
    logs = [
        math.log(new[name] / old[name])
        for old, new in zip(before, after, strict=True)
        if old[name] > 0.0 and new[name] > 0.0
    ]
    if not logs:
        return Ratio(name, 1.0, 0.0, math.inf)
    mean = math.fsum(logs) / len(logs)
    if len(logs) < 2:
        return Ratio(name, math.exp(mean), 0.0, math.inf)
    spread = math.sqrt(math.fsum((one - mean) ** 2 for one in logs) / (len(logs) - 1))
    reach = float(stats.t.ppf(0.975, len(logs) - 1)) * spread / math.sqrt(len(logs))
    return Ratio(name, math.exp(mean), math.exp(mean - reach), math.exp(mean + reach))


def draw_ratios(ratios: Sequence[Ratio], *, revision: str) -> str:
    """A table in Markdown."""
    lines = [f"| figure | this over {revision} | 95% interval | |", "| --- | ---: | --- | --- |"]
    for one in ratios:
        interval = "" if math.isinf(one.high) else f"{one.low:.3f} to {one.high:.3f}"
        lines.append(f"| `{one.name}` | {one.mean:.3f} | {interval} | {one.verdict} |")
    return "\n".join(lines)


def measure(folder: Path, parts: Sequence[str]) -> dict[str, float]:
    """Run the parts in a checkout; its kept results and their table stay as they were."""
    results = folder / RESULTS.relative_to(PROJECT)
    kept = {
        path: path.read_bytes() for path in (results, results.with_suffix(".md")) if path.exists()
    }
    try:
        results.write_text("{}\n")
        subprocess.run(
            [sys.executable, "-m", "benchmarks.run", *parts],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        found: dict[str, float] = json.loads(results.read_text())
        return found
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """A folder with the revision, this checkout's packages linked into it."""
    with tempfile.TemporaryDirectory(prefix="rq-compare-", ignore_cleanup_errors=True) as parent:
        Path(parent).chmod(0o711)
        folder = Path(parent) / "revision"
        _git("worktree", "add", "--detach", "--quiet", str(folder), revision)
        try:
            (folder / ".venv").symlink_to(PROJECT / ".venv")
            yield folder
        finally:
            _git("worktree", "remove", "--force", str(folder))


def _git(*words: str) -> None:
    subprocess.run(["git", *words], cwd=PROJECT, check=True)


def main(argv: Sequence[str]) -> int:
    """Measure both in turn and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("revision")
    parser.add_argument("parts", nargs="*", metavar="part", help=" ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    parts = options.parts or list(DEFAULT)
    before: list[dict[str, float]] = []
    after: list[dict[str, float]] = []
    with checked_out(options.revision) as folder:
        for number in range(options.rounds):
            for place, found in ((folder, before), (PROJECT, after)):
                name = options.revision if place == folder else "this checkout"
                print(f"round {number + 1} of {options.rounds}: {name} ...", flush=True)
                found.append(measure(place, parts))
    ratios = compare(before, after)
    print(draw_ratios(ratios, revision=options.revision))
    return int(any(one.verdict == "worse" for one in ratios))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
