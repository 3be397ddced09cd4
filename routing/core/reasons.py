"""Why an item is not simply acted on: a code, a short sentence and the numbers, rule by rule.

A reason is given for every rule that fired, in the order in which the rules are applied: each would
by itself have kept the item from `auto` (or, for `model_version` under *warn*, must be known).

A batch is explained rule by rule, each over all of the items on which it fired.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from functools import lru_cache
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routing.core.maps import FloatArray
from routing.core.policy import QUEUES, REJECT, Policy
from routing.core.signals import (
    DECIMALS,
    BoolArray,
    IndexArray,
    Outside,
    Signals,
    shorten,
    show_number,
)


class Cause(IntFlag):
    """The rules that fired on an item, as bits in the order of application; never stored."""

    OTHER_MODEL = 1
    UNCALIBRATED = 2
    BAND = 4
    MARGIN = 8
    ENTROPY = 16
    DISTRUST = 32
    OUTSIDE = 64
    MANDATORY = 128
    WATCH = 256
    ESCALATION = 512
    NO_SOURCE = 1024


class Reason(NamedTuple):
    """One rule's part in a decision: a stable code, English for people, the numbers compared."""

    code: str
    message: str
    numbers: Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the reasons of n items are read from.

    confidence, band, reporting_band, causes, watch and watch_scores as `route` found them; outside:
    by item, where its scores name categories that the policy does not have.
    """

    policy: Policy
    model_versions: Sequence[str]
    signals: Signals
    confidence: FloatArray
    band: IndexArray
    reporting_band: IndexArray
    causes: NDArray[np.int64]
    watch: BoolArray
    watch_scores: FloatArray
    outside: Mapping[int, Outside]

    def predicted(self, items: IndexArray) -> list[str]:
        """Keys of the categories that these items are predicted as."""
        keys = self.policy.categories
        return [keys[place] for place in self.signals.predicted[items].tolist()]


def explain(facts: Facts) -> list[tuple[Reason, ...]]:
    """The reasons of every item of the batch."""
    found: list[tuple[Reason, ...]] = [()] * len(facts.causes)
    for cause, (code, build) in _RULES.items():
        items = np.flatnonzero(facts.causes & int(cause))
        for part in build(facts, items) if len(items) else ():
            for item, reason in zip(part.items.tolist(), part.reasons(code), strict=True):
                found[item] += (reason,)
    return found


@dataclass(frozen=True, slots=True)
class _Part:
    """One rule's reasons on some items: a message and the numbers for each of them."""

    items: IndexArray
    messages: Iterable[str]
    numbers: Iterable[Mapping[str, float | str]]

    def reasons(self, code: str) -> Iterator[Reason]:
        parts = zip(repeat(code), self.messages, self.numbers, strict=False)
        # Without the call in Python that Reason(...) makes.
        return map(tuple.__new__, repeat(Reason), parts)


def _explain_model(facts: Facts, items: IndexArray) -> Iterator[_Part]:
    says = facts.policy.on_other_model
    versions = [facts.model_versions[item] for item in items.tolist()]
    then = "is not one the maps were fitted on: confidence is not calibrated"
    yield _Part(
        items,
        [f"{_name_version(version)} {then}" for version in versions],
        [{"model_version": version, "policy_says": says} for version in versions],
    )


def _explain_uncalibrated(facts: Facts, items: IndexArray) -> Iterator[_Part]:
    keys, says = facts.predicted(items), facts.policy.uncalibrated
    then = "its confidence is as the model gave it"
    yield _Part(
        items,
        [f"no calibration map for {key} yet: {then}" for key in keys],
        [{"category": key, "policy_says": says} for key in keys],
    )


def _explain_band(facts: Facts, items: IndexArray) -> Iterator[_Part]:
    table, predicted = facts.policy.table, facts.signals.predicted[items]
    band, values = facts.band[items], facts.confidence[items]
    # A rejected item is measured by the bound it missed; any other by what would have made it auto.
    limits = np.where(band == REJECT, table.hold[predicted], table.auto[predicted]).tolist()
    yield _Part(
        items,
        _say(values, limits, _Words("confidence", "under")),
        [
            {"confidence": value, "cut_off": limit, "band": QUEUES[place]}
            for value, limit, place in zip(values.tolist(), limits, band.tolist(), strict=True)
        ],
    )


def _explain_margin(facts: Facts, items: IndexArray) -> Iterator[_Part]:
    values, limit = facts.signals.margin[items], facts.policy.min_margin or 0.0
    yield _Part(
        items,
        _say(values, [limit] * len(items), _Words("margin", "under")),
        [{"margin": value, "min_margin": limit} for value in values.tolist()],
    )


def _explain_entropy(facts: Facts, items: IndexArray) -> Iterator[_Part]:
    values, limit = facts.signals.entropy[items], facts.policy.max_entropy or 0.0
    yield _Part(
        items,
        _say(values, [limit] * len(items), _Words("entropy", "over")),
        [{"entropy": value, "max_entropy": limit} for value in values.tolist()],
    )


def _explain_distrust(facts: Facts, items: IndexArray) -> Iterator[_Part]:
    edges, limit = (0.0, *facts.policy.reporting_edges, 1.0), facts.policy.distrust_limit()
    for item, category in enumerate(facts.predicted(items)):
        place, band = items[item], int(facts.reporting_band[items[item]])
        entropy = float(facts.signals.entropy[place])
        numbers: dict[str, float | str] = {
            "category": category,
            "confidence": float(facts.confidence[place]),
            "lower": edges[band],
            "upper": edges[band + 1],
            "entropy": entropy,
        }
        cell = f"{category} at {show_number(edges[band])}-{show_number(edges[band + 1])}"
        message = f"{cell} was found overconfident"
        if limit is not None:
            numbers["distrust_entropy"] = limit
            message += f": {_Words('entropy', 'over').say(entropy, limit)}"
        yield _Part(items[item : item + 1], [message], [numbers])


def _explain_outside(facts: Facts, items: IndexArray) -> Iterator[_Part]:
    for place, item in enumerate(items.tolist()):
        outside, top = facts.outside[item], float(facts.signals.raw_confidence[item])
        key, more = outside.keys[0], len(outside.keys) - 1
        named = f"{shorten(key)} and {more} more" if more else shorten(key)
        message = (
            f"{outside.mass:.2f} on {named}, which this policy does not have; "
            f"its own best has {top:.2f}"
        )
        numbers: dict[str, float | str] = {
            "category": key,
            "more": more,
            "outside": outside.mass,
            "top": top,
        }
        yield _Part(items[place : place + 1], [message], [numbers])


def _explain_mandatory(facts: Facts, items: IndexArray) -> Iterator[_Part]:
    rules = facts.policy.rules
    found = [(key, rules[key].mandatory_reason) for key in facts.predicted(items)]
    yield _Part(
        items,
        [f"{category} always goes to a person: {why}" for category, why in found],
        [{"category": category, "reason": why} for category, why in found],
    )


def _explain_watch(facts: Facts, _items: IndexArray) -> Iterator[_Part]:
    table = facts.policy.table
    for column, level in enumerate(table.watch_levels.tolist()):
        category = facts.policy.categories[table.watched[column]]
        items = np.flatnonzero(facts.watch[:, column])
        scores = facts.watch_scores[items, column]
        yield _Part(
            items,
            _say(scores, [level] * len(items), _Words(category, "reaches")),
            [{"category": category, "score": score, "watch": level} for score in scores.tolist()],
        )


def _explain_escalation(facts: Facts, items: IndexArray) -> Iterator[_Part]:
    values, limit = facts.signals.entropy[items], facts.policy.escalate_entropy or 0.0
    words = _Words("entropy", "reaches", ", so an expert decides")
    yield _Part(
        items,
        _say(values, [limit] * len(items), words),
        [{"entropy": value, "escalate_entropy": limit} for value in values.tolist()],
    )


def _explain_no_source(_facts: Facts, items: IndexArray) -> Iterator[_Part]:
    yield _Part(items, ["no block supports the sentence"] * len(items), [{}] * len(items))


Build = Callable[[Facts, IndexArray], Iterator[_Part]]

# Each rule's stable code and what explains it, in the order of the reasons.
_RULES: Final[Mapping[Cause, tuple[str, Build]]] = {
    Cause.OTHER_MODEL: ("model_version", _explain_model),
    Cause.UNCALIBRATED: ("uncalibrated", _explain_uncalibrated),
    Cause.BAND: ("confidence", _explain_band),
    Cause.MARGIN: ("margin", _explain_margin),
    Cause.ENTROPY: ("entropy", _explain_entropy),
    Cause.DISTRUST: ("distrust", _explain_distrust),
    Cause.OUTSIDE: ("outside_policy", _explain_outside),
    Cause.MANDATORY: ("mandatory_review", _explain_mandatory),
    Cause.WATCH: ("watch", _explain_watch),
    Cause.ESCALATION: ("escalation", _explain_escalation),
    Cause.NO_SOURCE: ("no_source", _explain_no_source),
}
CODES: Final[Mapping[Cause, str]] = {cause: code for cause, (code, _build) in _RULES.items()}


class _Words(NamedTuple):
    """What stands around a value and its limit, as in "margin 0.19 under 0.30"."""

    name: str
    word: str
    then: str = ""

    def say(self, value: float, limit: float) -> str:
        """The value with as many decimals as its limit; with more, where it must differ from it."""
        text, decimals = _show_limit(limit)
        shown = f"{value:.{decimals}f}"
        while shown == text and self.word != "reaches" and decimals < DECIMALS:
            decimals += 1
            text = f"{limit:.{decimals}f}"
            shown = f"{value:.{decimals}f}"
        return f"{self.name} {shown} {self.word} {_show_limit(limit)[0]}{self.then}"


def _say(values: FloatArray, limits: Sequence[float], words: _Words) -> list[str]:
    """The sentence on each of the values, which are rounded to nine decimals and in 0..1."""
    places, rest = np.divmod(np.rint(values * 1e9).astype(np.int64) + 5_000_000, 10_000_000)
    # What lies halfway between two hundredths is rounded by the last bit of its double.
    places[rest == 0] = 101
    sentences = {limit: _list_sentences(words, limit) for limit in set(limits)}
    return [
        sentences[limit][place] or words.say(value, limit)
        for value, limit, place in zip(values.tolist(), limits, places.tolist(), strict=True)
    ]


@lru_cache(maxsize=1024)
def _list_sentences(words: _Words, limit: float) -> tuple[str, ...]:
    """A limit of two decimals makes no more than 101 sentences, by the hundredths of the value.

    Empty where the value has to be looked at, and for 101.
    """
    if _show_limit(limit)[1] > 2:
        return ("",) * 102
    said = [words.say(place / 100, limit) for place in range(101)]
    if words.word != "reaches":
        said[round(limit * 100)] = ""
    return (*said, "")


@lru_cache(maxsize=4096)
def _show_limit(limit: float) -> tuple[str, int]:
    """The limit as text, and the decimals that it has there."""
    text = show_number(limit)
    return text, len(text.partition(".")[2])


def _name_version(version: str) -> str:
    return f'model version "{shorten(version)}"' if version else "an unnamed model version"
