"""Microseconds an item in `decide`, reasons included, and in `score_matrix` before it.

1,000 items of 10 and of 150 categories, under a policy with every rule in use, best of several.
`decide_vs_bare_..` are multiples of what numpy alone takes for the best two and the entropy of the
same array, in the same run.
"""

import time

import numpy as np

from routing.core.maps import CalibrationMap, FloatArray
from routing.core.policy import CategoryRule, CutOffs, Policy
from routing.core.rules import decide
from routing.core.signals import score_matrix

ITEMS = 1000
ROUNDS = 60


def run() -> dict[str, float]:
    """The figures by name: decide_us, decide_vs_bare and score_matrix_us, each _10 and _150."""
    results: dict[str, float] = {}
    for count in (10, 150):
        policy, rows = make_policy(count), make_rows(count, seed=11)
        versions = ["v1"] * ITEMS
        matrix, errors = score_matrix(policy.categories, rows)
        if errors:
            raise RuntimeError(f"{len(errors)} rows refused, first: {errors[min(errors)]}")
        spent_on_matrix, spent, spent_bare = [], [], []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            matrix, _errors = score_matrix(policy.categories, rows)
            parsed = time.perf_counter()
            decisions = decide(policy, matrix, model_versions=versions)
            spent.append(time.perf_counter() - parsed)
            del decisions  # not while the clock runs: who asked for them is who drops them
            spent_on_matrix.append(parsed - started)
            started = time.perf_counter()
            read_barely(matrix.posted)
            spent_bare.append(time.perf_counter() - started)
        results[f"decide_us_{count}"] = round(min(spent) / ITEMS * 1e6, 2)
        results[f"decide_vs_bare_{count}"] = round(min(spent) / min(spent_bare), 1)
        results[f"score_matrix_us_{count}"] = round(min(spent_on_matrix) / ITEMS * 1e6, 2)
    return results


def read_barely(scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Margin and normalised entropy, nothing else: the least that any router has to compute."""
    best_two = np.partition(scores, -2, axis=1)[:, -2:]
    logs = np.log(np.where(scores > 0.0, scores, 1.0))
    entropy = -(scores * logs).sum(axis=1) / np.log(scores.shape[1])
    return best_two[:, 1] - best_two[:, 0], entropy


def make_policy(count: int) -> Policy:
    """A policy over `count` categories with gates, maps, overrides, watch, mandatory, distrust."""
    keys = tuple(f"category_{index:03}" for index in range(count))
    return Policy(
        version=1,
        categories=keys,
        cut_offs=CutOffs(auto=0.9, flagged=0.7, hold=0.5),
        min_margin=0.3,
        max_entropy=0.45,
        escalate_entropy=0.8,
        rules={
            keys[0]: CategoryRule(mandatory_review=True, mandatory_reason="legal wording"),
            keys[1]: CategoryRule(watch=0.1),
            keys[2]: CategoryRule(watch=0.2, auto=0.95),
        },
        maps={
            "": CalibrationMap("platt", (0.8, -0.1)),
            keys[3]: CalibrationMap("temperature", (1.5,)),
        },
        model_versions=("v1",),
        distrusted=frozenset({(keys[4], 4), (keys[5], 3)}),
    )


def make_rows(count: int, *, seed: int) -> list[dict[str, float]]:
    """Score vectors from sharp to flat, rounded to six decimals as models post them."""
    rng = np.random.default_rng(seed)
    keys = [f"category_{index:03}" for index in range(count)]
    logits = rng.normal(size=(ITEMS, count)) * rng.uniform(0.3, 4.0, size=(ITEMS, 1))
    logits[np.arange(ITEMS), rng.integers(0, count, size=ITEMS)] += rng.uniform(0, 9, size=ITEMS)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = np.round(shares / shares.sum(axis=1, keepdims=True), 6)
    return [dict(zip(keys, row, strict=True)) for row in shares.tolist()]


if __name__ == "__main__":
    for name, value in run().items():
        print(f"{name} {value}")
