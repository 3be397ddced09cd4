"""Drift: a test of the promised confidence that stays valid however often one looks at it.

For each audited item in order of settlement, e = 1 where the model erred and, with a slack s,

    more errors than promised:    d = e - q,  q = min(1, 1 - confidence + s),  lambda < 1 / max q
    fewer errors than promised:   d = q - e,  q = max(0, 1 - confidence - s),  lambda < 1
    capital of one lambda         M = (M + w_t) (1 + lambda d),  w_t = 1 / (t (t + 1))
    evidence                      E = mean of M over ten geometric lambdas + 1 / (t + 1)

While the promise holds, 1 + lambda d has a mean of at most 1, so E is at most 1 on average at any
time, and by Ville's inequality P(E ever reaches c) <= 1 / c. Each side has half of alpha: alarm at
E >= 2 / alpha. w_t puts fresh capital on a change that begins at item t, and 1 / (t + 1) is what is
not spent yet; so a late change is found nearly as soon as an early one. (Shin, Ramdas and Rinaldo,
"E-detectors", arXiv 2203.03532; Waudby-Smith and Ramdas, "Estimating means of bounded random
variables by betting", JRSS B 86, 2024.) The slack is there because a fitted promise is never exact,
and a test of the exact promise alarms in the end.

An item with a larger q than was expected at the start gets a lambda of its own below 1 / q, known
before its label is, so that the test stays valid.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Self

import numpy as np
import numpy.typing as npt

from calibration.core.errors import CalibrationError
from calibration.core.estimates import FloatArray, as_outcomes, as_probabilities

ALPHA = 0.05
SLACK = 0.01
# Shares of the largest lambda that cannot lose everything at once.
_STAKES: FloatArray = np.geomspace(0.01, 0.5, 10)
_LARGEST_STAKE = 0.99
_SMALLEST_RISK = 1e-9
# Beyond any alarm, and small enough to multiply further and to be stored as JSON.
_MOST_CAPITAL = 1e200


@dataclass(frozen=True, slots=True)
class Side:
    """One direction of the test: ``capital`` by lambda (10,), its ``evidence`` now and at its
    ``peak``, and the number of the audit that first took it to the threshold, None for no alarm."""

    capital: tuple[float, ...]
    evidence: float
    peak: float
    alarm_at: int | None

    def to_json(self) -> dict[str, object]:
        """The side as a JSON object."""
        return {
            "capital": list(self.capital),
            "evidence": self.evidence,
            "peak": self.peak,
            "alarm_at": self.alarm_at,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Self:
        """The side of a JSON object."""
        capital, alarm_at = document["capital"], document["alarm_at"]
        if not isinstance(capital, list) or len(capital) != _STAKES.size:
            raise CalibrationError("capital", f"must be a list of {_STAKES.size} numbers")
        return cls(
            tuple(_read_number("capital", value) for value in capital),
            _read_number("evidence", document["evidence"]),
            _read_number("peak", document["peak"]),
            None if alarm_at is None else int(_read_number("alarm_at", alarm_at)),
        )


@dataclass(frozen=True, slots=True)
class DriftState:
    """All that the test remembers: it may be stored and resumed after any item.

    ``alpha`` is the chance of ever a false alarm on either side, ``largest_risk`` the largest
    promised error rate that was expected at the start, ``errors`` and ``promised_errors`` what the
    ``audits`` so far found and what the confidences had promised.
    """

    alpha: float
    largest_risk: float
    audits: int
    errors: int
    promised_errors: float
    more: Side
    fewer: Side

    @property
    def threshold(self) -> float:
        """The evidence at which either side raises its alarm."""
        return 2.0 / self.alpha

    @property
    def evidence(self) -> float:
        """That of the stronger side."""
        return max(self.more.evidence, self.fewer.evidence)

    def to_json(self) -> dict[str, object]:
        """The state as a JSON object; `from_json` reads it back equal."""
        return {
            "alpha": self.alpha,
            "largest_risk": self.largest_risk,
            "audits": self.audits,
            "errors": self.errors,
            "promised_errors": self.promised_errors,
            "more": self.more.to_json(),
            "fewer": self.fewer.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Self:
        """The state of a JSON object; CalibrationError naming what is wrong or missing."""
        more, fewer = document.get("more"), document.get("fewer")
        if not isinstance(more, Mapping) or not isinstance(fewer, Mapping):
            raise CalibrationError("state", "has no side; start the test anew")
        try:
            return cls(
                alpha=_read_number("alpha", document["alpha"]),
                largest_risk=_read_number("largest_risk", document["largest_risk"]),
                audits=int(_read_number("audits", document["audits"])),
                errors=int(_read_number("errors", document["errors"])),
                promised_errors=_read_number("promised_errors", document["promised_errors"]),
                more=Side.from_json(more),
                fewer=Side.from_json(fewer),
            )
        except KeyError as error:
            raise CalibrationError("state", f"has no {error}; start the test anew") from None


def start_drift_test(*, largest_risk: float, alpha: float = ALPHA) -> DriftState:
    """A test that has seen nothing: evidence 1 on either side.

    ``largest_risk`` in (0, 1] is one minus the lowest confidence to be expected; it only tunes
    how fast the test is. CalibrationError outside its range or for alpha outside (0, 1).
    """
    if not 0.0 < alpha < 1.0:
        raise CalibrationError("alpha", f"{alpha} is no chance; give a number between 0 and 1")
    if not 0.0 < largest_risk <= 1.0:
        raise CalibrationError("largest_risk", f"{largest_risk} is not in (0, 1]")
    nothing = Side((0.0,) * _STAKES.size, 1.0, 1.0, None)
    return DriftState(alpha, largest_risk, 0, 0, 0.0, nothing, nothing)


def observe_audits(
    state: DriftState,
    *,
    correct: npt.ArrayLike,
    confidence: npt.ArrayLike,
    slack: float = SLACK,
) -> DriftState:
    """The state after (n,) further audits in their order; the same in one go or in many.

    Raises CalibrationError for what is no probability or outcome.
    """
    promise = as_probabilities("confidence", confidence)
    error = 1.0 - as_outcomes("correct", correct, promise.size)
    more, fewer = _bet(error, promise, largest_risk=state.largest_risk, slack=slack)
    return replace(
        state,
        audits=state.audits + promise.size,
        errors=state.errors + int(error.sum()),
        # One after the other, so that the sum does not depend on where the labels are cut.
        promised_errors=float(np.cumsum([state.promised_errors, *(1.0 - promise)])[-1]),
        more=_play(state.more, more, state),
        fewer=_play(state.fewer, fewer, state),
    )


def trace_evidence(
    *,
    correct: npt.ArrayLike,
    confidence: npt.ArrayLike,
    largest_risk: float,
    slack: float = SLACK,
) -> tuple[FloatArray, FloatArray]:
    """(n,) evidence of more and of fewer errors than promised after each of n audits.

    The last ones are those of `observe_audits` from a start with this largest risk.
    """
    promise = as_probabilities("confidence", confidence)
    error = 1.0 - as_outcomes("correct", correct, promise.size)
    sides = []
    for factors in _bet(error, promise, largest_risk=largest_risk, slack=slack):
        capital = np.zeros(_STAKES.size)
        course = np.zeros(promise.size)
        for number, factor in enumerate(factors, 1):
            capital, course[number - 1] = _advance(capital, number, factor)
        sides.append(course)
    return sides[0], sides[1]


def first_alarms(
    *,
    correct: npt.ArrayLike,
    confidence: npt.ArrayLike,
    largest_risk: float,
    alpha: float = ALPHA,
    slack: float = SLACK,
) -> npt.NDArray[np.int64]:
    """(r,) number of the audit at which each of r streams (r, n) first alarms, 0 for never.

    For studies of the test by simulation; `observe_audits` is one stream of it.
    """
    promise = np.asarray(confidence, dtype=np.float64)
    error = 1.0 - np.asarray(correct, dtype=np.float64)
    found = np.zeros(promise.shape[0], dtype=np.int64)
    for gains in _bet(error, promise, largest_risk=largest_risk, slack=slack):
        capital = np.zeros((promise.shape[0], _STAKES.size))
        for step in range(promise.shape[1]):
            capital, evidence = _advance(capital, step + 1, gains[:, step])
            sooner = (evidence >= 2.0 / alpha) & ((found == 0) | (step + 1 < found))
            found[sooner] = step + 1
    return found


def _bet(
    error: FloatArray, promise: FloatArray, *, largest_risk: float, slack: float
) -> tuple[FloatArray, FloatArray]:
    """Factors (..., 10) by which each item multiplies the capital of either side."""
    risk = np.minimum(1.0, 1.0 - promise + slack)[..., None]
    most = 1.0 / min(1.0, largest_risk + slack)
    stakes = np.minimum(_STAKES * most, _LARGEST_STAKE / np.maximum(risk, _SMALLEST_RISK))
    more = 1.0 + stakes * (error[..., None] - risk)
    floor = np.maximum(0.0, 1.0 - promise - slack)[..., None]
    fewer = 1.0 + _STAKES * (floor - error[..., None])
    return more, fewer


def _advance(
    capital: FloatArray, number: int, factor: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    """Capital (..., 10) and evidence (...) after item ``number``, counted from 1."""
    grown = (capital + 1.0 / (number * (number + 1.0))) * factor
    grown = np.minimum(grown, _MOST_CAPITAL)
    return grown, grown.mean(axis=-1) + 1.0 / (number + 1.0)


def _play(side: Side, factors: FloatArray, state: DriftState) -> Side:
    capital, evidence = np.array(side.capital), side.evidence
    peak, alarm_at = side.peak, side.alarm_at
    for number, factor in enumerate(factors, state.audits + 1):
        capital, reached = _advance(capital, number, factor)
        evidence = float(reached)
        peak = max(peak, evidence)
        if alarm_at is None and evidence >= state.threshold:
            alarm_at = number
    return Side(tuple(capital.tolist()), evidence, peak, alarm_at)


def _read_number(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise CalibrationError(field, f"{value!r} is no finite number; start the test anew")
    return float(value)
