"""Microseconds an item in `decide`, reasons included, and in `score_matrix` before it.

1,000 items of 10 and of 150 categories, under a policy with every rule in use, best of several.
"""

import time

import numpy as np

from routing.core.maps import CalibrationMap
from routing.core.policy import CategoryRule, CutOffs, Policy
from routing.core.rules import decide
from routing.core.signals import score_matrix

ITEMS = 1000
ROUNDS = 7


def run() -> dict[str, float]:
    """The figures by name: decide_us_10, decide_us_150, score_matrix_us_10, score_matrix_us_150."""
    results: dict[str, float] = {}
    for count in (10, 150):
        policy, rows = make_policy(count), make_rows(count, seed=11)
        versions = ["v1"] * ITEMS
        matrix, errors = score_matrix(policy.categories, rows)
        if errors:
            raise RuntimeError(f"{len(errors)} rows refused, first: {errors[min(errors)]}")
        spent_on_matrix, spent = [], []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            matrix, _errors = score_matrix(policy.categories, rows)
            parsed = time.perf_counter()
            decide(policy, matrix, model_versions=versions)
            spent.append(time.perf_counter() - parsed)
            spent_on_matrix.append(parsed - started)
        results[f"decide_us_{count}"] = round(min(spent) / ITEMS * 1e6, 2)
        results[f"score_matrix_us_{count}"] = round(min(spent_on_matrix) / ITEMS * 1e6, 2)
    return results


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
