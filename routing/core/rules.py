"""The rules: from scores and a policy to decisions, each with its reasons.

`decide` is `compute_signals`, then `route`, then the fallback chain for what is left unhandled,
then capacity, then the reasons. Drafted sentences have evidence instead of scores, and their
signals are made from that; all the rest is the same.

Both depend on nothing but what they are given, and all of that is stored with a decision, so every
stored decision can be made again.
"""

from collections.abc import Sequence
from functools import partial
from itertools import compress, repeat
from typing import Final, NamedTuple

import numpy as np

from routing.core.chain import Ending, Opinions, RemoteAnswer, follow_chain, turn_away
from routing.core.evidence import EvidenceTable, ground_signals
from routing.core.grounded_reasons import explain_composites, explain_warnings
from routing.core.maps import FloatArray
from routing.core.policy import HOLD, QUEUES, Policy
from routing.core.reasons import Cause, Facts, Reason, explain
from routing.core.routes import ACT_AND_REVIEW, ACTIONS, Routes, apply_maps, route
from routing.core.signals import IndexArray, ScoreMatrix, Signals, compute_signals, rank_listed

__all__ = [
    "ACTIONS",
    "QUEUES",
    "Cause",
    "Decision",
    "Opinions",
    "Reason",
    "RemoteAnswer",
    "Routes",
    "apply_maps",
    "decide",
    "route",
]


# Up to so many categories a sort of all costs less than taking the best one by one.
_SORTED: Final = 32
_QUEUE_NAMES: Final = np.array(QUEUES, dtype=object)
_ACTION_NAMES: Final = np.array(ACTIONS, dtype=object)


class Decision(NamedTuple):
    """What the machine decided on one item, with all that shaped it.

    `predicted` and `watch` are category keys; `alternatives` the top categories with their scores
    as posted, best first. `category` is what is acted on, None where nothing is: the prediction,
    or what the second opinion `source` says ("" where the item's own scores decided). `asks` tells
    that the item waits for the policy's remote model; `open_to_fallback` as in Routes.
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
    category: str | None
    source: str
    asks: bool
    open_to_fallback: bool


def decide(
    policy: Policy,
    matrix: ScoreMatrix | EvidenceTable,
    *,
    model_versions: Sequence[str],
    opinions: Opinions | None = None,
    full: Sequence[bool] | None = None,
) -> list[Decision]:
    """Decide on every row of `matrix`.

    `model_versions` names the model of each row, "" if unknown; `opinions` what others say on it;
    `full` whether no seat in hold is free for it.

    Raises ValueError when the matrix is not over the policy's categories, when a grounded policy
    gets scores or another one evidence, or the lengths differ.
    """
    if isinstance(matrix, EvidenceTable):
        return _decide_grounded(policy, matrix, model_versions, opinions=opinions, full=full)
    if policy.grounding is not None:
        raise ValueError("a grounded policy decides from evidence; give it no scores")
    signals = compute_signals(matrix)
    routes = route(policy, signals, matrix, model_versions)
    endings = follow_chain(policy, routes, opinions=opinions)
    if full is not None:
        _mind_capacity(routes, endings, full)
    decisions = _describe(policy, signals, routes, matrix, model_versions)
    for place, ending in endings.items():
        decisions[place] = _end(decisions[place], ending)
    return decisions


def _decide_grounded(
    policy: Policy,
    table: EvidenceTable,
    model_versions: Sequence[str],
    *,
    opinions: Opinions | None,
    full: Sequence[bool] | None,
) -> list[Decision]:
    """Decide on drafted sentences: what a composite is made of comes first among the reasons, the
    warnings, which move nothing, come last."""
    if policy.grounding is None:
        raise ValueError("the policy is not grounded; give it scores")
    signals, composite = ground_signals(policy.grounding, table)
    routes = route(policy, signals, None, model_versions)
    endings = follow_chain(policy, routes, opinions=opinions)
    if full is not None:
        _mind_capacity(routes, endings, full)
    decisions = _describe(policy, signals, routes, None, model_versions)
    for place, ending in endings.items():
        decisions[place] = _end(decisions[place], ending)
    first = explain_composites(policy.grounding, table, composite)
    return [
        made._replace(reasons=(*made_of, *made.reasons, *explain_warnings(row)))
        for made, made_of, row in zip(decisions, first, table.rows, strict=True)
    ]


def _mind_capacity(routes: Routes, endings: dict[int, Ending], full: Sequence[bool]) -> None:
    """Turn away what would wait without a free seat, whichever rule holds it."""
    for place in np.flatnonzero(np.asarray(full, dtype=np.bool_)).tolist():
        own = Ending(int(routes.queue[place]), int(routes.action[place]))
        ending = endings.get(place, own)
        if ending.queue == HOLD:
            turn_away(ending)
            endings[place] = ending


def _describe(
    policy: Policy,
    signals: Signals,
    routes: Routes,
    matrix: ScoreMatrix | None,
    model_versions: Sequence[str],
) -> list[Decision]:
    reasons = explain(
        Facts(
            policy=policy,
            model_versions=model_versions,
            signals=signals,
            confidence=routes.confidence,
            band=routes.band,
            reporting_band=routes.reporting_band,
            causes=routes.causes,
            watch=routes.watch,
            watch_scores=routes.watch_scores,
            outside=matrix.outside if matrix is not None else {},
        )
    )
    columns = (
        _QUEUE_NAMES[routes.queue].tolist(),
        _ACTION_NAMES[routes.action].tolist(),
        np.array(policy.categories, dtype=object)[signals.predicted].tolist(),
        signals.raw_confidence.tolist(),
        routes.confidence.tolist(),
        signals.margin.tolist(),
        signals.entropy.tolist(),
        repeat(()) if matrix is None else _rank(matrix, policy.alternatives),
        _list_watched(policy, routes),
        reasons,
        _list_acted_on(policy, signals, routes),
        repeat(""),
        repeat(False),
        routes.open_to_fallback.tolist(),
    )
    # Without the call in Python that Decision(...) makes.
    return list(map(partial(tuple.__new__, Decision), zip(*columns, strict=False)))


def _list_acted_on(policy: Policy, signals: Signals, routes: Routes) -> list[str | None]:
    """What the items' own scores let be acted on."""
    keys = np.array([*policy.categories, None], dtype=object)
    found: list[str | None] = keys[
        np.where(routes.action <= ACT_AND_REVIEW, signals.predicted, -1)
    ].tolist()
    return found


def _end(first: Decision, ending: Ending) -> Decision:
    return first._replace(
        queue=QUEUES[ending.queue],
        action=ACTIONS[ending.action],
        watch=(*first.watch, *ending.watch),
        reasons=first.reasons + ending.reasons,
        category=ending.category or None,
        source=ending.source,
        asks=ending.asks,
    )


def _list_watched(policy: Policy, routes: Routes) -> list[tuple[str, ...]]:
    """Keys of the categories on whose watch list each item is."""
    found: list[tuple[str, ...]] = [()] * len(routes.watch)
    keys = [policy.categories[column] for column in policy.table.watched]
    items = np.flatnonzero(routes.causes & Cause.WATCH)
    for item, reached in zip(items.tolist(), routes.watch[items].tolist(), strict=True):
        found[item] = tuple(compress(keys, reached))
    return found


def _rank(matrix: ScoreMatrix, most: int) -> list[tuple[tuple[str, float], ...]]:
    """The best `most` listed categories of each row with their scores, ties in category order."""
    most = min(most, len(matrix.categories))
    ranked = rank_listed(matrix)
    order = _find_best(ranked, most)
    names = np.array(matrix.categories, dtype=object)[order.ravel()].tolist()
    scores = np.take_along_axis(ranked, order, axis=1).ravel().tolist()
    found = list(zip(*[zip(names, scores, strict=True)] * most, strict=True))
    counts = matrix.listed.sum(axis=1)
    for row in np.flatnonzero(counts < most).tolist():
        found[row] = found[row][: counts[row]]
    return found


def _find_best(ranked: FloatArray, most: int) -> IndexArray:
    """(n, most) columns of the largest values of each row, the first of equals first."""
    if ranked.shape[1] <= _SORTED:
        return np.argsort(-ranked, axis=1, kind="stable")[:, :most]
    left, rows = ranked.copy(), np.arange(len(ranked))
    order = np.empty((len(ranked), most), dtype=np.intp)
    for place in range(most):
        order[:, place] = best = left.argmax(axis=1)
        left[rows, best] = -2.0
    return order
