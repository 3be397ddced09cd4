"""`make simulate`: whether the statistics keep their promises, by simulation with a seed.

    python -m benchmarks.simulate [--draws 10000] [--seed 1]

Prints a table in Markdown: what is promised, what was found, over how many draws. Every stream
simulated here has a truth that is known, so coverage and broken promises can be counted.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from benchmarks.drift_studies import (
    WEEKS,
    false_alarm_share,
    median_delay,
    naive_alarm_share,
)
from calibration.core.estimates import FloatArray, Stratum, estimate_proportion
from calibration.core.scores import expected_calibration_error
from calibration.core.thresholds import certified_cut_off, fewest_audits

ALPHA: Final = 0.02
DELTA: Final = 0.05
BINS: Final = 15


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table; `kept` is whether what was promised was found."""

    what: str
    promised: str
    found: str
    draws: int
    kept: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A stratum of a band: items routed there, their chance of a label, and how many are right."""

    items: int
    pi: float
    accuracy: float


# Bands that straddle two queues: automatic items at 5% beside held ones that are all reviewed.
STRADDLING: Final = {
    "few held": (Part(4_000, 0.05, 0.93), Part(300, 1.0, 0.60)),
    "half held": (Part(2_000, 0.05, 0.90), Part(2_000, 1.0, 0.70)),
    "near certain": (Part(6_000, 0.05, 0.99), Part(200, 1.0, 0.80)),
    "thin audit": (Part(1_500, 0.05, 0.85), Part(100, 1.0, 0.55)),
    "three chances": (Part(3_000, 0.05, 0.95), Part(1_000, 0.20, 0.88), Part(300, 1.0, 0.70)),
}


def simulate(*, draws: int, seed: int) -> Iterator[Finding]:
    """All simulations, each at `draws` draws, in the order of the table."""
    random = np.random.default_rng(seed)
    for name, parts in STRADDLING.items():
        yield from _cover(name, parts, random, draws)
    yield from _weigh(random, max(draws // 20, 20))
    yield _certify("certified cut-off", random, draws, best_looking=False)
    yield _certify("best-looking cut-off", random, draws, best_looking=True)
    yield from _watch(max(draws // 5, 40), seed)


def _cover(
    name: str, parts: Sequence[Part], random: np.random.Generator, draws: int
) -> Iterator[Finding]:
    """The interval of a band's accuracy, and the one that ignores the chances of a label."""
    size = sum(part.items for part in parts)
    truth = sum(part.items * part.accuracy for part in parts) / size
    covered = naive = 0
    widths = np.empty(draws)
    for draw in range(draws):
        strata, labels, right = [], 0, 0
        for part in parts:
            n = int(random.binomial(part.items, part.pi))
            correct = int(random.binomial(n, part.accuracy))
            weight = 1.0 / part.pi
            strata.append(Stratum(part.items, n, n * weight, n * weight**2, correct * weight))
            labels, right = labels + n, right + correct
        low, high = estimate_proportion(strata, about="future").interval()
        covered += low <= truth <= high
        widths[draw] = high - low
        share = right / labels
        half = 1.96 * sqrt(share * (1.0 - share) / labels)
        naive += share - half <= truth <= share + half
    yield Finding(
        f"95% interval of a straddling band, {name}",
        "at least 94%",
        f"{covered / draws:.1%}, mean width {widths.mean():.3f}",
        draws,
        covered / draws >= 0.94,
    )
    yield Finding(
        f"the same, chances ignored, {name}", "nothing", f"{naive / draws:.1%}", draws, True
    )


def _weigh(random: np.random.Generator, draws: int) -> Iterator[Finding]:
    """Accuracy and calibration error with weights and without, on audits at 5% and full review."""
    items = 20_000
    errors: dict[str, list[tuple[float, float]]] = {"weighted": [], "unweighted": []}
    for _ in range(draws):
        raw = random.beta(6.0, 1.0, items)
        chance = raw**1.5
        right = (random.random(items) < chance).astype(np.float64)
        pi = np.where(raw >= 0.9, 0.05, np.where(raw >= 0.5, 1.0, 0.05))
        taken = random.random(items) < pi
        truth = float(right.mean()), _ece(raw, chance, None)
        for name, weights in (("weighted", 1.0 / pi[taken]), ("unweighted", None)):
            accuracy = float(np.average(right[taken], weights=weights))
            ece = _ece(raw[taken], right[taken], weights)
            errors[name].append((accuracy - truth[0], ece - truth[1]))
    for name, found in errors.items():
        bias = np.mean(found, axis=0)
        standard = np.std(found, axis=0) / sqrt(draws)
        unbiased = abs(float(bias[0])) <= 3.0 * float(standard[0])
        yield Finding(
            f"bias of the {name} accuracy and ECE, 5% audits beside full review",
            "none in the accuracy" if name == "weighted" else "nothing",
            f"{bias[0]:+.4f} and {bias[1]:+.4f}",
            draws,
            unbiased or name == "unweighted",
        )


def _ece(confidence: FloatArray, outcome: FloatArray, weights: FloatArray | None) -> float:
    """ECE by the definition where outcomes may be chances, which `core` refuses."""
    if set(np.unique(outcome)) <= {0.0, 1.0}:
        return expected_calibration_error(confidence=confidence, correct=outcome, weights=weights)
    mass = np.ones(confidence.size) if weights is None else weights
    number = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    excess = np.bincount(number, weights=mass * (outcome - confidence))
    return float(np.abs(excess).sum() / mass.sum())


def _certify(what: str, random: np.random.Generator, draws: int, *, best_looking: bool) -> Finding:
    """How often a cut-off is chosen whose true error is over the budget.

    Confidence rank u is uniform and the error at u is 2.4 alpha u: the budget is met by the best
    83% of the volume, and near there the test is hardest.
    """
    audits = 2_000
    broken = 0
    for _ in range(draws):
        rank = random.random(audits)
        correct = (random.random(audits) >= 2.4 * ALPHA * rank).astype(np.float64)
        chosen = _choose_best(rank, correct) if best_looking else _choose(rank, correct)
        # The mean error of ranks up to r is 1.2 alpha r.
        broken += chosen is not None and 1.2 * chosen > 1.0
    share, limit = broken / draws, DELTA + 2.0 * sqrt(DELTA * (1.0 - DELTA) / draws)
    return Finding(
        f"{what} over its budget of {ALPHA:.0%}",
        "nothing" if best_looking else f"at most {DELTA:.0%}",
        f"{share:.1%}",
        draws,
        best_looking or share <= limit,
    )


def _choose(rank: FloatArray, correct: FloatArray) -> float | None:
    certificate = certified_cut_off(
        confidence=1.0 - rank,
        correct=correct,
        pi=np.full(rank.size, 0.05),
        alpha=ALPHA,
        delta=DELTA,
    )
    return None if certificate.cut_off is None else 1.0 - certificate.cut_off


def _choose_best(rank: FloatArray, correct: FloatArray) -> float | None:
    """The loosest cut-off at which the audits show no more errors than the budget."""
    order = np.argsort(rank)
    seen = np.arange(1, rank.size + 1)
    errors = np.cumsum(1.0 - correct[order])
    enough = seen >= fewest_audits(alpha=ALPHA, delta=DELTA)
    within = np.flatnonzero((errors <= ALPHA * seen) & enough)
    return float(rank[order][within[-1]]) if within.size else None


def _watch(streams: int, seed: int) -> Iterator[Finding]:
    """The drift watch over two years at 60 audits a week, and a weekly test beside it."""
    false = false_alarm_share(streams=streams, weeks=WEEKS, seed=seed)
    limit = DELTA + 2.0 * sqrt(DELTA * (1.0 - DELTA) / streams)
    what, promised = "drift watch, false alarm in two years", f"at most {DELTA:.0%}"
    yield Finding(what, promised, f"{false:.2%}", streams, false <= limit)
    naive = naive_alarm_share(streams=streams, weeks=WEEKS, seed=seed)
    yield Finding(
        "weekly test at p < .05, false alarm in two years", "nothing", f"{naive:.1%}", streams, True
    )
    few = max(streams // 2, 20)
    for factor in (2.0, 3.0, 5.0):
        delay = median_delay(streams=few, factor=factor, seed=seed)
        what = f"drift watch, median delay where errors grow {factor:g}-fold"
        yield Finding(what, "nothing", f"{delay:g} weeks", few, True)


def print_table(findings: Iterator[Finding], write: Callable[[str], object] = print) -> bool:
    """Print findings as they come; whether all promises were kept."""
    kept = True
    write("| what | promised | found | draws | |")
    write("| --- | --- | --- | ---: | --- |")
    for one in findings:
        verdict = "kept" if one.kept else "BROKEN"
        write(f"| {one.what} | {one.promised} | {one.found} | {one.draws:,} | {verdict} |")
        kept &= one.kept
    return kept


def main(arguments: Sequence[str]) -> int:
    """Print the table; exit code 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    return 0 if print_table(simulate(draws=options.draws, seed=options.seed)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
