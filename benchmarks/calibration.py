"""Speed of the calibration scores and fits on a million points, as multiples of one sort.

The limit is `numpy.argsort` of the same confidences, timed in turn with the rest.
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np

from calibration.core.calibrators import fit_platt
from calibration.core.scores import expected_calibration_error
from calibration.core.whatif import whatif_curve

POINTS = 1_000_000
ROUNDS = 5


def run() -> dict[str, float]:
    """Best time of five rounds of each, divided by the best of argsort."""
    random = np.random.default_rng(20)
    raw = random.beta(6.0, 1.0, POINTS)
    correct = random.random(POINTS) < raw**1.5
    weights = np.where(raw >= 0.9, 20.0, 1.0)
    work: dict[str, Callable[[], object]] = {
        "sort": lambda: np.argsort(raw),
        "ece_vs_sort": lambda: expected_calibration_error(
            confidence=raw, correct=correct, weights=weights
        ),
        "platt_vs_sort": lambda: fit_platt(raw=raw, correct=correct, weights=weights),
        "whatif_vs_sort": lambda: whatif_curve(confidence=raw, correct=correct, weights=weights),
    }
    best = dict.fromkeys(work, float("inf"))
    for _ in range(ROUNDS):
        for name, call in work.items():
            start = perf_counter()
            call()
            best[name] = min(best[name], perf_counter() - start)
    sort = best.pop("sort")
    return {name: seconds / sort for name, seconds in best.items()}


if __name__ == "__main__":
    for name, ratio in run().items():
        print(f"{name:16} {ratio:.2f}")
