"""The drift test by simulation: false alarms, delays, and the naive test beside them.

`make simulate` does the full study; the tests run a smaller one. A stream is 60 audits a week of
items that each promise an error rate of 5%.
"""

from math import inf
from statistics import median

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from calibration.core.drift import ALPHA, SLACK, first_alarms

WEEKS = 104
A_WEEK = 60
PROMISED = 0.05
CHANGE_WEEK = 13

IndexArray = npt.NDArray[np.int64]


def draw_streams(
    *, streams: int, weeks: int, seed: int, factor: float = 1.0, change_week: int = 0
) -> npt.NDArray[np.float64]:
    """(streams, weeks x 60) outcomes whose error rate is the promised one, later `factor` times."""
    random = np.random.default_rng(seed)
    risk = np.where(np.arange(weeks * A_WEEK) < change_week * A_WEEK, 1.0, factor) * PROMISED
    return np.asarray(random.random((streams, risk.size)) >= risk, dtype=np.float64)


def false_alarm_share(
    *, streams: int, weeks: int, seed: int, slack: float = SLACK, alpha: float = ALPHA
) -> float:
    """Share of streams that keep their promise exactly and alarm at some time all the same."""
    correct = draw_streams(streams=streams, weeks=weeks, seed=seed)
    return float((alarm_weeks(correct, slack=slack, alpha=alpha) > 0).mean())


def median_delay(*, streams: int, factor: float, seed: int, weeks: int = WEEKS) -> float:
    """Weeks from the change to the alarm, the change after 13 quiet weeks; infinite for never."""
    correct = draw_streams(
        streams=streams, weeks=weeks, seed=seed, factor=factor, change_week=CHANGE_WEEK
    )
    found = alarm_weeks(correct)
    changed = found[(found == 0) | (found > CHANGE_WEEK)]
    return median(float(week - CHANGE_WEEK) if week else inf for week in changed.tolist())


def naive_alarm_share(*, streams: int, weeks: int, seed: int) -> float:
    """Share of streams that keep their promise where some week has a p under .05 all the same.

    The exact binomial test for more errors than promised, looked at every week.
    """
    correct = draw_streams(streams=streams, weeks=weeks, seed=seed)
    errors = (1.0 - correct).reshape(streams, weeks, A_WEEK).sum(axis=2)
    p_values = binom.sf(errors - 1, A_WEEK, PROMISED)
    return float((p_values < 0.05).any(axis=1).mean())


def alarm_weeks(
    correct: npt.NDArray[np.float64], *, slack: float = SLACK, alpha: float = ALPHA
) -> IndexArray:
    """(streams,) week of the first alarm, counted from 1; 0 for never."""
    found = first_alarms(
        correct=correct,
        confidence=np.full(correct.shape, 1.0 - PROMISED),
        largest_risk=PROMISED,
        slack=slack,
        alpha=alpha,
    )
    return np.asarray(np.ceil(found / A_WEEK), dtype=np.int64)
