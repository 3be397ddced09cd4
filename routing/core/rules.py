"""The rules: from scores and a policy to decisions, each with its reasons.

`decide` is `compute_signals`, then `route`, then the fallback chain for what is left unhandled,
then capacity, then the reasons. It depends on nothing but what it is given, and all of that is
stored with a decision, so every stored decision can be made again.
"""

from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np

from routing.core.chain import Ending, Opinions, RemoteAnswer, follow_chain, turn_away
from routing.core.policy import Policy
from routing.core.reasons import Cause, Facts, Reason, explain
from routing.core.routes import ACTIONS, FLAGGED, HOLD, QUEUES, Routes, apply_maps, route
from routing.core.signals import ScoreMatrix, Signals, compute_signals

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
    matrix: ScoreMatrix,
    *,
    model_versions: Sequence[str],
    opinions: Opinions | None = None,
    full: Sequence[bool] | None = None,
) -> list[Decision]:
    """Decide on every row of `matrix`.

    `model_versions` names the model of each row, "" if unknown; `opinions` what others say on it;
    `full` whether no seat in hold is free for it.

    Raises ValueError when the matrix is not over the policy's categories or the lengths differ.
    """
    signals = compute_signals(matrix)
    routes = route(policy, signals, matrix, model_versions)
    endings = follow_chain(policy, routes, opinions=opinions)
    if full is not None:
        _mind_capacity(routes, endings, full)
    decisions = _describe(policy, signals, routes, matrix, model_versions)
    for place, ending in endings.items():
        decisions[place] = _end(decisions[place], ending)
    return decisions


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
            QUEUES[queue],
            ACTIONS[action],
            (predicted := policy.categories[facts.predicted[item]]),
            raw,
            facts.confidence[item],
            facts.margin[item],
            facts.entropy[item],
            alternatives,
            tuple(compress(watched, watch)) if watched else (),
            explain(facts, item, causes),
            predicted if action <= FLAGGED else None,
            "",
            False,
            is_open,
        )
        for item, (queue, action, raw, alternatives, watch, causes, is_open) in enumerate(columns)
    ]


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
