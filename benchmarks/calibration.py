"""Speed of the calibration scores and fits on a million points, as multiples of one sort.

The limit is `numpy.argsort` of the same confidences, timed in turn with the rest, all in processor
time of one thread. How fast a sort is hangs on the vector instructions that numpy finds more than
the rest does, so the run records them: `cpu_avx2` and `cpu_avx512`, 1 or 0, and the sort in ms.
"""

from collections.abc import Callable
from time import thread_time

import numpy as np
from numpy.lib import introspect
from threadpoolctl import threadpool_limits

from calibration.core.calibrators import fit_beta, fit_platt
from calibration.core.isotonic import fit_isotonic
from calibration.core.scores import adaptive_calibration_error, expected_calibration_error
from calibration.core.smooth import smooth_calibration_error
from calibration.core.whatif import whatif_curve

POINTS = 1_000_000
ROUNDS = 7
Score = Callable[..., object]


def run() -> dict[str, float]:
    """Best time of seven rounds of each, divided by the best of argsort."""
    random = np.random.default_rng(20)
    raw = random.beta(6.0, 1.0, POINTS)
    correct = random.random(POINTS) < raw**1.5
    weights = np.where(raw >= 0.9, 20.0, 1.0)

    def score(function: Score) -> Callable[[], object]:
        return lambda: function(confidence=raw, correct=correct, weights=weights)

    def fit(function: Callable[..., object]) -> Callable[[], object]:
        return lambda: function(raw=raw, correct=correct, weights=weights)

    work: dict[str, Callable[[], object]] = {
        "sort": lambda: np.argsort(raw),
        "ece_vs_sort": score(expected_calibration_error),
        "adaptive_ece_vs_sort": score(adaptive_calibration_error),
        "smooth_ece_vs_sort": score(smooth_calibration_error),
        "platt_vs_sort": fit(fit_platt),
        "beta_vs_sort": fit(fit_beta),
        "isotonic_vs_sort": fit(fit_isotonic),
        "whatif_vs_sort": score(whatif_curve),
    }
    best = dict.fromkeys(work, float("inf"))
    with threadpool_limits(1):
        for _ in range(ROUNDS):
            for name, call in work.items():
                start = thread_time()
                call()
                best[name] = min(best[name], thread_time() - start)
    sort = best.pop("sort")
    found = {name: seconds / sort for name, seconds in best.items()}
    return found | {"argsort_ms": 1000.0 * sort} | find_vector_instructions()


def find_vector_instructions() -> dict[str, float]:
    """`cpu_avx2` and `cpu_avx512`: 1 where numpy computes with them on this machine."""
    used = str(introspect.opt_func_info(func_name="^exp$", signature="float64"))
    wide = "X86_V4" in used or "AVX512" in used
    return {
        "cpu_avx2": float(wide or "X86_V3" in used or "AVX2" in used),
        "cpu_avx512": float(wide),
    }


if __name__ == "__main__":
    for name, ratio in run().items():
        print(f"{name:22} {ratio:.2f}")
