"""Routes: the queue of each item by its own signals, as arrays.

Care grows auto < flagged < hold < reject and a rule only ever moves an item up:

    model version not the maps'  at least what the policy says, confidence left uncalibrated
    no map applies               at least what the policy says
    band                         by the predicted category's cut-offs; a lower bound is in its band
    margin, entropy, distrust    at least hold
    mass outside the policy      at least hold, where it is no less than the top's
    mandatory review             at least hold
    watch                        at least flagged, though the flagged band be empty
    escalation                   reject, to an expert, a refusal included
    no source                    reject and refused, where a drafted sentence has a composite of 0

Where a model has at least as much on categories that the policy does not have as on the policy's
best, its answer is, for all it says, none of the policy's, and nothing may be acted on as if it
were. Mostly the gates hold such an item already: its missing mass raises entropy, and p2 where the
vector is truncated. But p2 is never more than the smallest listed p (0.36 on one category, 0.01 on
two more and 0.62 on a retired one leave a margin of 0.35), a policy may have no gate, and a map may
lift a low top over any cut-off. So it is a rule of its own; and no second opinion is asked, which
would be acted on against the first.

Confidences, like signals, are compared at nine decimals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from routing.core.maps import CalibrationMap, FloatArray
from routing.core.policy import FLAGGED, HOLD, REJECT, STREAM_WIDE, Policy
from routing.core.reasons import Cause
from routing.core.signals import (
    DECIMALS,
    BoolArray,
    IndexArray,
    ScoreMatrix,
    Signals,
    round_signal,
)

ACTIONS: Final = ("act", "act_and_review", "wait", "refuse", "escalate")

ACT_AND_REVIEW, WAIT, REFUSE, ESCALATE = 1, 2, 3, 4  # indices into ACTIONS
ENDS_FALLBACK: Final = int(Cause.MANDATORY | Cause.WATCH | Cause.ESCALATION | Cause.NO_SOURCE)
_FLOORS: Final = {"warn": 0, "flagged": FLAGGED, "hold": HOLD}


@dataclass(frozen=True, slots=True)
class Routes:
    """The outcome of n items, an array each.

    queue, action: indices into QUEUES and ACTIONS; band: the queue by confidence alone; confidence:
    calibrated; reporting_band: which reporting band that is in; causes: bits of Cause; watch (n, W)
    and watch_scores (n, W): for the policy's W watched categories, whether and with what
    probability they reached their level; open_to_fallback: at hold or reject by band, gate,
    distrust or mass outside the policy alone.
    """

    queue: IndexArray
    action: IndexArray
    band: IndexArray
    confidence: FloatArray
    reporting_band: IndexArray
    causes: NDArray[np.int64]
    watch: BoolArray
    watch_scores: FloatArray
    open_to_fallback: BoolArray


def route(
    policy: Policy, signals: Signals, matrix: ScoreMatrix | None, model_versions: Sequence[str]
) -> Routes:
    """Route n items by their signals; `matrix` is read for watch levels and what is outside.

    Without a matrix the policy must watch nothing (ValueError), and nothing counts as outside.
    """
    _check_shapes(policy, signals, matrix, model_versions)
    table, predicted = policy.table, signals.predicted
    other = _find_other_models(policy, model_versions)
    confidence = _calibrate(policy, signals, other)
    band = (
        REJECT
        - (confidence >= table.auto[predicted]).astype(np.intp)
        - (confidence >= table.flagged[predicted])
        - (confidence >= table.hold[predicted])
    )
    reporting_band = np.searchsorted(policy.reporting_edges, confidence, side="right")
    watch_scores = _take_watch_scores(policy, signals, matrix)
    watch = watch_scores >= table.watch_levels
    unmapped = _find_unmapped(policy, signals)
    fired: dict[Cause, BoolArray] = {
        Cause.OTHER_MODEL: other,
        Cause.UNCALIBRATED: unmapped,
        Cause.BAND: band > 0,
        **_find_gates(policy, signals),
        Cause.DISTRUST: _find_distrusted(policy, signals, reporting_band),
        Cause.OUTSIDE: _find_outside(signals, matrix),
        Cause.MANDATORY: table.mandatory[predicted],
        Cause.WATCH: np.asarray(watch.any(axis=1), dtype=np.bool_),
        Cause.ESCALATION: _reaches(signals.entropy, policy.escalate_entropy),
        Cause.NO_SOURCE: _find_unsourced(policy, signals),
    }
    queue, causes = band.copy(), np.zeros(len(signals), dtype=np.int64)
    for cause, where in fired.items():
        np.maximum(queue, _find_floor(policy, cause), out=queue, where=where)
        causes += where * int(cause)
    held = other & (_find_floor(policy, Cause.OTHER_MODEL) == HOLD)
    held |= unmapped & (_find_floor(policy, Cause.UNCALIBRATED) == HOLD)
    return Routes(
        queue=queue,
        action=_find_actions(policy, queue, fired),
        band=band,
        confidence=confidence,
        reporting_band=reporting_band,
        causes=causes,
        watch=watch,
        watch_scores=watch_scores,
        open_to_fallback=(queue >= HOLD) & (causes & ENDS_FALLBACK == 0) & ~held,
    )


def apply_maps(
    maps: Mapping[str, CalibrationMap],
    *,
    raw: FloatArray,
    predicted: NDArray[np.integer],
    categories: Sequence[str],
) -> FloatArray:
    """(n,) calibrated confidences: the category's own map, else the stream's, else the raw ones.

    `predicted` (n,) are indices into `categories`. Rounded to nine decimals.
    """
    stream = maps.get(STREAM_WIDE)
    calibrated = raw.copy() if stream is None else stream.apply(raw)
    for index, category in enumerate(categories):
        own = maps.get(category)
        if own is not None:
            here = predicted == index
            calibrated[here] = own.apply(raw[here])
    return round_signal(calibrated)


def _check_shapes(
    policy: Policy, signals: Signals, matrix: ScoreMatrix | None, model_versions: Sequence[str]
) -> None:
    if len(model_versions) != len(signals):
        raise ValueError(
            f"{len(model_versions)} model versions for {len(signals)} items; give one for each"
        )
    if matrix is None:
        if len(policy.table.watched):
            raise ValueError("the policy has watch levels; give the score matrix too")
        return
    if matrix.categories != policy.categories:
        raise ValueError("the matrix has other categories than the policy; build it with those")
    if len(matrix) != len(signals):
        raise ValueError(f"{len(matrix)} rows of scores for {len(signals)} items; give one each")


def _find_floor(policy: Policy, cause: Cause) -> int:
    """The least careful queue that an item on which `cause` fired may be in."""
    if cause is Cause.OTHER_MODEL:
        return _FLOORS[policy.on_other_model]
    if cause is Cause.UNCALIBRATED:
        return _FLOORS[policy.uncalibrated]
    if cause is Cause.BAND:
        return 0
    if cause is Cause.WATCH:
        return FLAGGED
    return REJECT if cause in (Cause.ESCALATION, Cause.NO_SOURCE) else HOLD


def _find_other_models(policy: Policy, model_versions: Sequence[str]) -> BoolArray:
    if not policy.maps:
        return np.zeros(len(model_versions), dtype=np.bool_)
    known = frozenset(policy.model_versions)
    if known.issuperset(model_versions):
        return np.zeros(len(model_versions), dtype=np.bool_)
    return np.array([version not in known for version in model_versions], dtype=np.bool_)


def _find_unmapped(policy: Policy, signals: Signals) -> BoolArray:
    """Where no map applies to the predicted category and the policy makes something of that."""
    if policy.uncalibrated == "warn":
        return np.zeros(len(signals), dtype=np.bool_)
    return policy.uncalibrated_categories()[signals.predicted]


def _calibrate(policy: Policy, signals: Signals, other: BoolArray) -> FloatArray:
    """What the policy's maps say; nothing is calibrated for other models."""
    raw = signals.raw_confidence
    if not policy.maps:
        return raw
    calibrated = apply_maps(
        policy.maps, raw=raw, predicted=signals.predicted, categories=policy.categories
    )
    return np.where(other, raw, calibrated)


def _find_gates(policy: Policy, signals: Signals) -> dict[Cause, BoolArray]:
    nowhere = np.zeros(len(signals), dtype=np.bool_)
    least, most = policy.min_margin, policy.max_entropy
    return {
        Cause.MARGIN: nowhere if least is None else signals.margin < np.round(least, DECIMALS),
        Cause.ENTROPY: nowhere if most is None else signals.entropy > np.round(most, DECIMALS),
    }


def _find_distrusted(policy: Policy, signals: Signals, reporting_band: IndexArray) -> BoolArray:
    inside: BoolArray = policy.table.distrusted[signals.predicted, reporting_band]
    limit = policy.distrust_limit()
    return inside if limit is None else inside & (signals.entropy > np.round(limit, DECIMALS))


def _find_outside(signals: Signals, matrix: ScoreMatrix | None) -> BoolArray:
    """Where categories that the policy does not have come to as much as its best."""
    found = np.zeros(len(signals), dtype=np.bool_)
    for row, outside in (matrix.outside if matrix is not None else {}).items():
        found[row] = outside.mass >= signals.raw_confidence[row]
    return found


def _find_unsourced(policy: Policy, signals: Signals) -> BoolArray:
    """Drafted sentences that nothing speaks for; no map may lift what no block supports."""
    if policy.grounding is None:
        return np.zeros(len(signals), dtype=np.bool_)
    return np.asarray(signals.raw_confidence <= 0.0, dtype=np.bool_)


def _reaches(values: FloatArray, level: float | None) -> BoolArray:
    if level is None:
        return np.zeros(len(values), dtype=np.bool_)
    return np.asarray(values >= np.round(level, DECIMALS), dtype=np.bool_)


def _take_watch_scores(policy: Policy, signals: Signals, matrix: ScoreMatrix | None) -> FloatArray:
    if matrix is None:
        return np.zeros((len(signals), 0))
    return round_signal(matrix.values[:, policy.table.watched])


def _find_actions(
    policy: Policy, queue: IndexArray, fired: Mapping[Cause, BoolArray]
) -> IndexArray:
    """Who is uncertain for want of a source is refused: there is nothing that an expert could
    judge."""
    rejected = ESCALATE if policy.reject_action == "escalate" else REFUSE
    found = np.where(fired[Cause.ESCALATION], ESCALATE, np.where(queue == REJECT, rejected, queue))
    return np.where(fired[Cause.NO_SOURCE], REFUSE, found)
