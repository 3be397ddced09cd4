"""How what can be certified grows with the verdicts: a table and a chart.

    python -m benchmarks.loop_growth PAST FUTURE CHART.svg [--budget 0.02] [--seeds 20]

The files are those of `manage.py simulate_loop`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")

VERDICTS: Final = (250, 500, 1_000, 1_500, 2_000, 3_000, 4_000, 6_000, 8_000)


@dataclass(frozen=True, slots=True)
class Point:
    """What `verdicts` bought over the seeds: quantiles of the auto share, and the rest."""

    verdicts: int
    low: float
    median: float
    high: float
    error: float
    certified: float
    broken: float


def main(arguments: Sequence[str]) -> int:
    """Print the table and write the chart."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop_growth", description=__doc__)
    parser.add_argument("past")
    parser.add_argument("future")
    parser.add_argument("chart")
    parser.add_argument("--budget", type=float, default=0.02)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args(arguments)

    import django  # noqa: PLC0415 - after the settings are named

    django.setup()
    from calibration.simulations import find_reference, play_loop  # noqa: PLC0415
    from reviewqueue.management.commands.simulate_loop import read_files  # noqa: PLC0415

    past, future = read_files(options.past, options.future)
    reference = find_reference(future, alpha=options.budget)
    points = []
    print(
        "| verdicts | auto share, median (10% to 90%) | of the oracle | auto error | certified "
        "| over the budget |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for verdicts in VERDICTS:
        last = [
            play_loop(past=past, future=future, alpha=options.budget, verdicts=verdicts, seed=seed)[
                -1
            ]
            for seed in range(options.seeds)
        ]
        shares = [one.auto_share for one in last]
        low, median, high = (float(np.quantile(shares, q)) for q in (0.1, 0.5, 0.9))
        point = Point(
            verdicts,
            low,
            median,
            high,
            float(np.median([one.auto_error for one in last])),
            sum(one.certified is not None for one in last) / len(last),
            sum(one.auto_error > options.budget for one in last) / len(last),
        )
        points.append(point)
        print(
            f"| {verdicts:,} | {median:.1%} ({low:.1%} to {high:.1%}) "
            f"| {median / max(reference.oracle_share, 1e-9):.0%} | {point.error:.2%} "
            f"| {point.certified:.0%} | {point.broken:.0%} |",
            flush=True,
        )
    draw(points, oracle=reference.oracle_share, budget=options.budget, path=options.chart)
    return 0


def draw(points: Sequence[Point], *, oracle: float, budget: float, path: str) -> None:
    """Write the chart as SVG."""
    import matplotlib as mpl  # noqa: PLC0415 - slow, and for this alone

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    verdicts = [point.verdicts for point in points]
    figure, axes = plt.subplots(figsize=(7.2, 3.8), layout="constrained")
    axes.axhline(oracle, color="#5b6472", linewidth=1.2, linestyle=(0, (5, 3)))
    axes.text(
        verdicts[-1], oracle + 0.012, "the best cut-off in hindsight", ha="right", color="#5b6472"
    )
    axes.fill_between(
        verdicts,
        [point.low for point in points],
        [point.high for point in points],
        color="#2f49b0",
        alpha=0.15,
        linewidth=0,
    )
    axes.plot(
        verdicts, [point.median for point in points], color="#2f49b0", marker="o", markersize=4
    )
    axes.set(
        xlabel="verdicts",
        ylabel="acted on alone",
        ylim=(0.0, 1.0),
        title=f"Share certified for at most {budget:.0%} errors: median, 10% to 90% of seeds",
    )
    axes.title.set_fontsize(10)
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dfe3e8", linewidth=0.8)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
