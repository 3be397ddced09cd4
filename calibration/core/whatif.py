"""What a single cut-off would do: the share that is acted on, and the errors in it.

With the labels in falling order of confidence, w = 1/pi and e = 1 - y, at each distinct confidence

    share   sum(w) down to it / sum(w) of all, or the frame's own share where the frame is given
    error   p = sum(w e) / sum(w), both down to it                                 (Hajek)
    v       (sum(w^2 e) (1 - pt)^2 + sum(w^2 (1 - e)) pt^2) / sum(w)^2

all from one sort and cumulative sums. pt = (n p + 1/2) / (n + 1) with the Kish size n keeps v above
0. The interval is Korn and Graubard's with n* = p (1 - p) / v (see `estimates`), a statement about
future items. It holds for one cut-off chosen beforehand; picking the best-looking one of a curve
is optimistic, and `thresholds` is there for a promise.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.core.errors import CalibrationError
from calibration.core.estimates import (
    Draw,
    FloatArray,
    IndexArray,
    as_outcomes,
    as_probabilities,
    as_vector,
    as_weights,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """At one cut-off: the share acted on and, of that, the error rate with its 95% interval.

    ``labels`` are those at or above the cut-off; without any the errors are None.
    """

    cut_off: float
    share: float
    labels: int
    error: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """(m,) each, by falling cut-off: what happens when everything at or above it is acted on.

    ``sums`` (4, m) are sum(w), sum(w e), sum(w^2), sum(w^2 e) down to each cut-off.
    """

    cut_off: FloatArray
    share: FloatArray
    error: FloatArray
    labels: IndexArray
    sums: FloatArray
    _frame: tuple[FloatArray, FloatArray] | None = None

    def at(self, cut_off: float, *, level: float = 0.95) -> Outcome:
        """What a cut-off does, one of the curve's or any other from 0 to 1."""
        if not 0.0 <= cut_off <= 1.0:
            raise CalibrationError("cut_off", f"{cut_off} is not in [0, 1]")
        reached = int(np.searchsorted(-self.cut_off, -cut_off, side="right"))
        share = self.share[reached - 1] if reached else 0.0
        if self._frame is not None:
            share = _share_above(*self._frame, np.array([cut_off]))[0]
        if not reached:
            return Outcome(cut_off, float(share), 0, None, None, None)
        draw = self._draw(reached - 1)
        low, high = draw.interval(level)
        labels = int(self.labels[reached - 1])
        return Outcome(cut_off, float(share), labels, draw.value, low, high)

    def thin(self, points: int = 200, *, level: float = 0.95) -> list[Outcome]:
        """At most ``points`` outcomes at about equal steps of the share, with their intervals."""
        if points < 1:
            raise CalibrationError("points", f"{points} is too few; give 1 or more")
        steps = np.linspace(0.0, 1.0, points) * self.share[-1]
        chosen = np.unique(np.searchsorted(self.share, steps).clip(0, self.share.size - 1))
        return [self.at(float(self.cut_off[number]), level=level) for number in chosen]

    def _draw(self, number: int) -> Draw:
        return _draw_errors(*(float(one) for one in self.sums[:, number]))


@dataclass(frozen=True, slots=True)
class Errors:
    """The error rate among the items of ``labels`` labels, with its 95% interval; None of none."""

    labels: int
    error: float | None
    low: float | None
    high: float | None


def estimate_errors(
    *, correct: npt.ArrayLike, weights: npt.ArrayLike | None, level: float = 0.95
) -> Errors:
    """Errors among whatever (n,) labels with weights w = 1/pi were chosen, not by their answers.

    Raises CalibrationError for what is no outcome or weight.
    """
    size = np.size(correct)
    wrong = 1.0 - as_outcomes("correct", correct, size)
    mass = as_weights("weights", weights, size)
    if not size:
        return Errors(0, None, None, None)
    squares = mass * mass
    draw = _draw_errors(
        float(mass.sum()),
        float(np.dot(mass, wrong)),
        float(squares.sum()),
        float(np.dot(squares, wrong)),
    )
    return Errors(size, draw.value, *draw.interval(level))


def whatif_curve(
    *,
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    frame_confidence: npt.ArrayLike | None = None,
    frame_count: npt.ArrayLike | None = None,
) -> Curve:
    """The curve of (n,) labels with weights w = 1/pi; shares by the (m,) frame where it is given.

    Raises CalibrationError without labels, and for what is no probability, outcome or weight.
    """
    promise = as_probabilities("confidence", confidence)
    if not promise.size:
        raise CalibrationError("confidence", "there are no labels; report 'not enough labels'")
    outcomes = as_outcomes("correct", correct, promise.size)
    mass = as_weights("weights", weights, promise.size)
    frame = _read_frame(frame_confidence, frame_count)
    order = np.argsort(promise)[::-1].copy()
    # One gather for both: the weight, negative where the model was wrong.
    signed = np.take(np.where(outcomes > 0.0, mass, -mass), order)
    falling = np.take(promise, order)
    ends = np.empty(falling.size, dtype=np.bool_)
    np.not_equal(falling[1:], falling[:-1], out=ends[:-1])
    ends[-1] = True
    last = np.flatnonzero(ends)
    w, wrong = np.abs(signed), np.maximum(-signed, 0.0)
    sums = np.empty((4, last.size))
    for row, column in enumerate((w, wrong, w * w, wrong * wrong)):
        reached = np.cumsum(column)
        sums[row] = reached if last.size == reached.size else reached[last]
    cut_off = falling[last]
    share = sums[0] / sums[0, -1] if frame is None else _share_above(*frame, cut_off)
    return Curve(cut_off, share, sums[1] / sums[0], last + 1, sums, frame)


def _draw_errors(total: float, wrong: float, squares: float, wrong_squares: float) -> Draw:
    """The error rate as a draw, from sum(w), sum(w e), sum(w^2) and sum(w^2 e)."""
    # Differences of cumulative sums can leave [0, 1] by a rounding.
    share, n = min(1.0, max(0.0, wrong / total)), total * total / squares
    if not 0.0 < share < 1.0:
        return Draw(share, n)
    mild = (n * share + 0.5) / (n + 1.0)
    spread = wrong_squares * (1.0 - mild) ** 2 + (squares - wrong_squares) * mild**2
    return Draw(share, share * (1.0 - share) * total * total / spread)


def _read_frame(
    confidence: npt.ArrayLike | None, count: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray] | None:
    """Rising confidences and the share of the frame below each, with 1 at the end."""
    if confidence is None or count is None:
        if confidence is not count:
            raise CalibrationError("frame_count", "goes with frame_confidence; give both")
        return None
    routed = as_probabilities("frame_confidence", confidence)
    counts = as_vector("frame_count", count, routed.size)
    if not counts.size or not (counts.min() >= 0.0 and 0.0 < counts.sum() < np.inf):
        raise CalibrationError("frame_count", "must be counts from 0 up, with a sum above 0")
    order = np.argsort(routed)
    below = np.concatenate([[0.0], np.cumsum(counts[order])])
    return routed[order], below / below[-1]


def _share_above(rising: FloatArray, below: FloatArray, cut_off: FloatArray) -> FloatArray:
    return np.asarray(1.0 - below[np.searchsorted(rising, cut_off)], dtype=np.float64)
