"""The rules: from signals and a policy to queues, each with its reasons.

Care grows auto < flagged < hold < reject and a rule only ever moves an item up:

    model version not the maps'  at least what the policy says, confidence left uncalibrated
    band                         by the predicted category's cut-offs; a lower bound is in its band
    margin, entropy, distrust    at least hold
    mass outside the policy      at least hold, where it is no less than the top's
    mandatory review             at least hold
    watch                        at least flagged, though the flagged band be empty
    escalation                   reject, to an expert, a refusal included

Where a model has at least as much on categories that the policy does not have as on the policy's
best, its answer is, for all it says, none of the policy's, and nothing may be acted on as if it
were. Mostly the gates hold such an item already: its missing mass raises entropy, and p2 where the
vector is truncated. But p2 is never more than the smallest listed p (0.35 on one category, 0.01 on
the rest and 0.62 on a retired one leave a margin of 0.34), a policy may have no gate, and a map may
lift a low top over any cut-off. So it is a rule of its own; it ends the fallback too, since a
second opinion would be acted on against the first.

`decide` is `compute_signals`, then `route`, then the reasons. `route` alone answers for stored
signals. Confidences, like signals, are compared at nine decimals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from routing.core.maps import CalibrationMap, FloatArray
from routing.core.policy import STREAM_WIDE, Policy
from routing.core.reasons import Cause, Facts, Reason, explain
from routing.core.signals import (
    DECIMALS,
    BoolArray,
    IndexArray,
    ScoreMatrix,
    Signals,
    compute_signals,
    round_signal,
)

__all__ = [
    "ACTIONS",
    "QUEUES",
    "Cause",
    "Decision",
    "Reason",
    "Routes",
    "apply_maps",
    "decide",
    "route",
]

QUEUES: Final = ("auto", "flagged", "hold", "reject")
ACTIONS: Final = ("act", "act_and_review", "wait", "refuse", "escalate")

_FLAGGED, _HOLD, _REJECT = 1, 2, 3
_REFUSE, _ESCALATE = 3, 4
_OTHER_MODEL_FLOOR: Final = {"warn": 0, "flagged": _FLAGGED, "hold": _HOLD}
_ENDS_FALLBACK: Final = int(Cause.MANDATORY | Cause.WATCH | Cause.ESCALATION | Cause.OUTSIDE)


@dataclass(frozen=True, slots=True)
class Routes:
    """The outcome of n items, an array each.

    queue, action: indices into QUEUES and ACTIONS; band: the queue by confidence alone; confidence:
    calibrated; reporting_band: which reporting band that is in; causes: bits of Cause; watch (n, W)
    and watch_scores (n, W): for the policy's W watched categories, whether and with what
    probability they reached their level; open_to_fallback: at hold or reject by band, gate or
    distrust alone.
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


@dataclass(frozen=True, slots=True)
class Decision:
    """What the machine decided on one item, with all that shaped it.

    `predicted` and `watch` are category keys; `alternatives` the top categories with their scores
    as posted, best first; `open_to_fallback` as in Routes.
    """

    queue: str
    action: str
    predicted: str
    raw_confidence: float
    confidence: float
    margin: float
    entropy: float
    alternatives: tuple[tuple[str, float], ...]
    watch: tuple[str, ...]
    reasons: tuple[Reason, ...]
    open_to_fallback: bool

    @property
    def category(self) -> str | None:
        """The predicted category where the action acts on it, else None."""
        return self.predicted if self.action in ("act", "act_and_review") else None


def decide(policy: Policy, matrix: ScoreMatrix, *, model_versions: Sequence[str]) -> list[Decision]:
    """Decide on every row of `matrix`; `model_versions` names the model of each, "" if unknown.

    Raises ValueError when the matrix is not over the policy's categories or the lengths differ.
    """
    signals = compute_signals(matrix)
    routes = route(policy, signals, matrix, model_versions)
    return _describe(policy, signals, routes, matrix, model_versions)


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
        _REJECT
        - (confidence >= table.auto[predicted]).astype(np.intp)
        - (confidence >= table.flagged[predicted])
        - (confidence >= table.hold[predicted])
    )
    reporting_band = np.searchsorted(policy.reporting_edges, confidence, side="right")
    watch_scores = _take_watch_scores(policy, signals, matrix)
    watch = watch_scores >= table.watch_levels
    fired: dict[Cause, BoolArray] = {
        Cause.OTHER_MODEL: other,
        Cause.BAND: band > 0,
        **_find_gates(policy, signals),
        Cause.DISTRUST: _find_distrusted(policy, signals, reporting_band),
        Cause.OUTSIDE: _find_outside(signals, matrix),
        Cause.MANDATORY: table.mandatory[predicted],
        Cause.WATCH: np.asarray(watch.any(axis=1), dtype=np.bool_),
        Cause.ESCALATION: _reaches(signals.entropy, policy.escalate_entropy),
    }
    queue = band
    for cause, where in fired.items():
        queue = np.where(where, np.maximum(queue, _find_floor(policy, cause)), queue)
    causes = np.zeros(len(signals), dtype=np.int64)
    for cause, where in fired.items():
        causes |= np.where(where, int(cause), 0)
    held = other & (_find_floor(policy, Cause.OTHER_MODEL) == _HOLD)
    return Routes(
        queue=queue,
        action=_find_actions(policy, queue, fired[Cause.ESCALATION]),
        band=band,
        confidence=confidence,
        reporting_band=reporting_band,
        causes=causes,
        watch=watch,
        watch_scores=watch_scores,
        open_to_fallback=(queue >= _HOLD) & (causes & _ENDS_FALLBACK == 0) & ~held,
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
        return _OTHER_MODEL_FLOOR[policy.on_other_model]
    if cause is Cause.BAND:
        return 0
    if cause is Cause.WATCH:
        return _FLAGGED
    return _REJECT if cause is Cause.ESCALATION else _HOLD


def _find_other_models(policy: Policy, model_versions: Sequence[str]) -> BoolArray:
    if not policy.maps:
        return np.zeros(len(model_versions), dtype=np.bool_)
    known = frozenset(policy.model_versions)
    return np.array([version not in known for version in model_versions], dtype=np.bool_)


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


def _reaches(values: FloatArray, level: float | None) -> BoolArray:
    if level is None:
        return np.zeros(len(values), dtype=np.bool_)
    return np.asarray(values >= np.round(level, DECIMALS), dtype=np.bool_)


def _take_watch_scores(policy: Policy, signals: Signals, matrix: ScoreMatrix | None) -> FloatArray:
    if matrix is None:
        return np.zeros((len(signals), 0))
    return round_signal(matrix.values[:, policy.table.watched])


def _find_actions(policy: Policy, queue: IndexArray, escalated: BoolArray) -> IndexArray:
    rejected = _ESCALATE if policy.reject_action == "escalate" else _REFUSE
    return np.where(escalated, _ESCALATE, np.where(queue == _REJECT, rejected, queue))


def _describe(
    policy: Policy,
    signals: Signals,
    routes: Routes,
    matrix: ScoreMatrix,
    model_versions: Sequence[str],
) -> list[Decision]:
    facts = Facts(
        policy=policy,
        model_versions=list(model_versions),
        predicted=signals.predicted.tolist(),
        confidence=routes.confidence.tolist(),
        margin=signals.margin.tolist(),
        entropy=signals.entropy.tolist(),
        band=routes.band.tolist(),
        reporting_band=routes.reporting_band.tolist(),
        watch_scores=routes.watch_scores.tolist(),
        raw_confidence=signals.raw_confidence.tolist(),
        outside=matrix.outside,
    )
    watched = [policy.categories[column] for column in policy.table.watched]
    columns = zip(
        routes.queue.tolist(),
        routes.action.tolist(),
        facts.raw_confidence,
        _rank(matrix, policy.alternatives),
        routes.watch.tolist(),
        routes.causes.tolist(),
        routes.open_to_fallback.tolist(),
        strict=True,
    )
    return [
        Decision(
            queue=QUEUES[queue],
            action=ACTIONS[action],
            predicted=policy.categories[facts.predicted[item]],
            raw_confidence=raw,
            confidence=facts.confidence[item],
            margin=facts.margin[item],
            entropy=facts.entropy[item],
            alternatives=alternatives,
            watch=tuple(key for key, reached in zip(watched, watch, strict=True) if reached),
            reasons=explain(facts, item, causes),
            open_to_fallback=is_open,
        )
        for item, (queue, action, raw, alternatives, watch, causes, is_open) in enumerate(columns)
    ]


def _rank(matrix: ScoreMatrix, most: int) -> list[tuple[tuple[str, float], ...]]:
    """The best `most` listed categories of each row with their scores, ties in category order."""
    ranked = np.where(matrix.listed, matrix.posted, -1.0)
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :most]
    scores = np.take_along_axis(ranked, order, axis=1)
    counts = matrix.listed.sum(axis=1).tolist()
    name = matrix.categories.__getitem__
    return [
        tuple(zip(map(name, keys[:count]), values[:count], strict=True))
        for keys, values, count in zip(order.tolist(), scores.tolist(), counts, strict=True)
    ]
