"""The fallback chain at work: what becomes of the items that their own signals leave unhandled.

An item at hold or reject by band, gate or distrust alone goes down its policy's chain. So does one
whose scores outside the policy come to as much as its best inside, but past the second opinions,
which would be acted on against its own model.

A second opinion is routed by the policy's own cut-offs and gates with its source's map: where it
would be acted on, the item is acted on as the opinion says and reviewed, `flagged` at most; where
it meets mandatory review, a watch level or escalation, the chain ends; in every other case, one
that errs included, the next step follows. Where no step settles it, the first queue stands.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from routing.core.fallback import SOURCES
from routing.core.policy import FLAGGED, HOLD, QUEUES, REJECT, Policy
from routing.core.reasons import Cause, Reason
from routing.core.routes import (
    ACT_AND_REVIEW,
    ACTIONS,
    ENDS_FALLBACK,
    REFUSE,
    WAIT,
    Routes,
    route,
)
from routing.core.signals import Signals, compute_signals, score_matrix

LARGEST: Final = 10**300  # no whole number under it is too large for a float
_WORDS: Final = {"secondary": "second opinion", "rules": "keyword rules"}
_MISSING: Final = {
    "secondary": "no second opinion was posted",
    "rules": "no keyword rule matches",
}
_SKIPPED: Final = "no second opinion is asked: its own scores point outside the policy"
_ENDED_BY: Final = (
    (int(Cause.MANDATORY), "mandatory_review", "which always goes to a person"),
    (int(Cause.WATCH), "watch", "which reaches a watch level"),
    (int(Cause.ESCALATION), "escalation", "too uncertain, as its entropy shows"),
)


@dataclass(frozen=True, slots=True)
class RemoteAnswer:
    """What a model said when asked: its scores by category, or the error that came instead."""

    scores: Mapping[str, float] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Opinions:
    """What others say on n items, an entry each.

    secondary: scores posted with the item, empty where none; matched: ids of the rules that match
    its payload; remote: the asked model's answer, None where it was not asked yet.
    """

    secondary: Sequence[Mapping[str, float]]
    matched: Sequence[Sequence[str]]
    remote: Sequence[RemoteAnswer | None]


@dataclass(slots=True)
class Ending:
    """What became of one item in the chain: numbers as in Routes, and each step's reason.

    `source` and `category` name the opinion that is acted on and what it says; `asks` that the
    item waits for the remote model.
    """

    queue: int
    action: int
    source: str = ""
    category: str = ""
    watch: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    asks: bool = False


@dataclass(frozen=True, slots=True)
class _Second:
    """A source's opinions on some of the items, routed; `name` is the source in words."""

    source: str
    name: str
    policy: Policy
    signals: Signals
    routes: Routes


def follow_chain(policy: Policy, routes: Routes, *, opinions: Opinions | None) -> dict[int, Ending]:
    """The ending of every item that goes down the chain, by its place in the batch."""
    steps = policy.fallback.steps
    if not steps:
        return {}
    going = np.flatnonzero(routes.open_to_fallback).tolist()
    endings = {
        place: Ending(int(routes.queue[place]), int(routes.action[place])) for place in going
    }
    strange = {place for place in going if int(routes.causes[place]) & Cause.OUTSIDE}
    for step in steps:
        if step in SOURCES:
            for place in strange:
                endings[place].reasons += (_step(step, "skipped", _SKIPPED),)
            asked = [place for place in going if place not in strange]
            going = sorted([*_ask(policy, step, asked, endings, opinions), *strange])
        else:
            _settle(step, [endings[place] for place in going])
            break
    return endings


def turn_away(ending: Ending) -> None:
    """Answer "uncertain" at once where the item would have waited and no seat is free."""
    ending.queue, ending.action, ending.asks = REJECT, REFUSE, False
    ending.reasons = tuple(map(_not_asking, ending.reasons))
    reason = Reason("capacity", "no seat in hold is free, so it is answered uncertain at once", {})
    ending.reasons += (reason,)


def _ask(
    policy: Policy,
    source: str,
    going: Sequence[int],
    endings: Mapping[int, Ending],
    opinions: Opinions | None,
) -> list[int]:
    """Ask one source about the items still going; returns those that go on."""
    asked: list[int] = []
    rows: list[Mapping[str, float]] = []
    goes_on: list[int] = []
    for place in going:
        said = _listen(policy, source, place, opinions)
        if isinstance(said, Reason):
            endings[place].reasons += (said,)
            if said.numbers["result"] == "asking":
                _keep_waiting(endings[place])
            else:
                goes_on.append(place)
        else:
            asked.append(place)
            rows.append(_put_in_order(said))
    matrix, errors = score_matrix(policy.categories, rows)
    signals = compute_signals(matrix)
    routes = route(policy.opinions[source], signals, matrix, [""] * len(matrix))
    second = _Second(source, _name(policy, source), policy, signals, routes)
    for number, error in errors.items():
        text = f"{second.name} cannot be used: {error}"
        endings[asked[number]].reasons += (_step(source, "failed", text),)
        goes_on.append(asked[number])
    for row, number in enumerate(matrix.index.tolist()):
        if _take(second, row, endings[asked[number]]):
            goes_on.append(asked[number])
    return sorted(goes_on)


def _listen(
    policy: Policy, source: str, place: int, opinions: Opinions | None
) -> Mapping[str, float] | Reason:
    """The scores of one source on one item, or the reason why there are none."""
    if source == "remote":
        answer = opinions.remote[place] if opinions else None
        if answer is None:
            name = policy.fallback.remote_model
            return _step(source, "asking", f"{name} is asked for a second opinion", model=name)
        if answer.error:
            text = f"{policy.fallback.remote_model} gave no second opinion: {answer.error}"
            return _step(source, "failed", text, error=answer.error)
        return answer.scores
    if opinions is None:
        return _step(source, "missing", _MISSING[source])
    if source == "secondary":
        scores = opinions.secondary[place]
        return scores or _step(source, "missing", _MISSING[source])
    matched = opinions.matched[place]
    scores = policy.fallback.compiled.scores(matched)
    if len(scores) > 1:
        text = f"keyword rules contradict each other: {' and '.join(scores)}"
        return _step(source, "failed", text, rules=", ".join(matched))
    return scores or _step(source, "missing", _MISSING[source])


def _put_in_order(scores: Mapping[str, float]) -> Mapping[str, float]:
    """The same scores in the form that they have however often they were stored as JSON.

    The database keeps no order of keys and no difference between 1e22 and a whole number, and
    the error of bad scores names the first of them.
    """
    if not isinstance(scores, dict):
        return scores
    return {
        key: float(value) if type(value) is int and abs(value) < LARGEST else value
        for key, value in sorted(scores.items())
    }


def _take(second: _Second, row: int, ending: Ending) -> bool:
    """Let one opinion act on its item or end its chain; whether the chain goes on."""
    policy, source, signals, routes = second.policy, second.source, second.signals, second.routes
    category = policy.categories[signals.predicted[row]]
    confidence, queue = float(routes.confidence[row]), int(routes.queue[row])
    said = f"{second.name}: {category} at {confidence:.2f}"
    numbers: dict[str, float | str] = {
        "category": category,
        "confidence": confidence,
        "raw_confidence": float(signals.raw_confidence[row]),
        "margin": float(signals.margin[row]),
        "entropy": float(signals.entropy[row]),
        "queue": QUEUES[queue],
    }
    causes = int(routes.causes[row]) & ENDS_FALLBACK
    if causes:
        by, why = next((code, why) for bit, code, why in _ENDED_BY if causes & bit)
        watched = (policy.categories[column] for column in policy.table.watched)
        reached = routes.watch[row].tolist()
        ending.watch = tuple(key for key, here in zip(watched, reached, strict=True) if here)
        reason = _step(source, "ended", f"{said}, {why}: it stays", by=by, **numbers)
    elif queue <= FLAGGED:
        ending.queue, ending.action = FLAGGED, ACT_AND_REVIEW
        ending.source, ending.category = source, category
        reason = _step(source, "lifted", f"{said}: acted on and reviewed", **numbers)
    else:
        reason = _step(source, "stands", f"{said} is not enough either", **numbers)
    ending.reasons += (reason,)
    return not causes and queue > FLAGGED


def _settle(step: str, endings: Iterable[Ending]) -> None:
    """The chain's end: a person instead of a refusal, or a refusal instead of waiting.

    An item that goes to an expert in any case is left to the expert.
    """
    for ending in endings:
        was = ACTIONS[ending.action]
        if was == "escalate":
            reason = _step(step, "waits", "an expert decides")
        elif step == "person":
            ending.queue, ending.action = HOLD, WAIT
            reason = _step(step, "waits", "a person decides", instead_of=was)
        else:
            ending.queue, ending.action = REJECT, REFUSE
            text = "nothing settled it, so it is answered uncertain at once"
            reason = _step(step, "refused", text, instead_of=was)
        ending.reasons += (reason,)


def _keep_waiting(ending: Ending) -> None:
    """Hold the item until the remote model has answered; one for an expert stays there."""
    ending.asks = True
    if ending.action == REFUSE:
        ending.queue, ending.action = HOLD, WAIT


def _not_asking(reason: Reason) -> Reason:
    """The reason, or that nobody is asked where it says that somebody is."""
    if reason.numbers.get("result") != "asking":
        return reason
    return _step("remote", "skipped", "no second opinion is asked: it would come too late")


def _step(step: str, result: str, message: str, **numbers: float | str) -> Reason:
    return Reason(f"fallback_{step}", message, {"result": result, **numbers})


def _name(policy: Policy, source: str) -> str:
    return _WORDS.get(source, policy.fallback.remote_model)
