"""Why an item is not simply acted on: a code, a short sentence and the numbers, rule by rule.

A reason is given for every rule that fired, in the order in which the rules are applied: each would
by itself have kept the item from `auto` (or, for `model_version` under *warn*, must be known).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntFlag
from functools import lru_cache
from typing import Final, NamedTuple

from routing.core.policy import Policy
from routing.core.signals import DECIMALS, Outside, show_number


class Cause(IntFlag):
    """The rules that fired on an item, as bits in the order of application."""

    OTHER_MODEL = 1
    BAND = 2
    MARGIN = 4
    ENTROPY = 8
    DISTRUST = 16
    MANDATORY = 32
    WATCH = 64
    ESCALATION = 128
    UNCALIBRATED = 256
    OUTSIDE = 1024


class Reason(NamedTuple):
    """One rule's part in a decision: a stable code, English for people, the numbers compared."""

    code: str
    message: str
    numbers: Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the reasons of a batch are read from: plain lists, one entry an item.

    predicted: category index; band: 0 auto .. 3 reject, by confidence alone; reporting_band: index
    among the reporting bands; watch_scores: a row of the probabilities of the watched categories;
    outside: by item, where its scores name categories that the policy does not have.
    """

    policy: Policy
    model_versions: list[str]
    predicted: list[int]
    confidence: list[float]
    margin: list[float]
    entropy: list[float]
    band: list[int]
    reporting_band: list[int]
    watch_scores: list[list[float]]
    raw_confidence: list[float]
    outside: Mapping[int, Outside]


def explain(facts: Facts, item: int, causes: int) -> tuple[Reason, ...]:
    """The reasons of one item of the batch, for the bits in `causes`."""
    if not causes:
        return ()
    return tuple(
        reason for bit, build in _BUILDERS if causes & bit for reason in build(facts, item)
    )


def _explain_model(facts: Facts, item: int) -> Iterator[Reason]:
    version = facts.model_versions[item]
    shown = version if len(version) <= 60 else version[:57] + "..."
    named = f'model version "{shown}"' if version else "an unnamed model version"
    yield Reason(
        "model_version",
        f"{named} is not one the maps were fitted on: confidence is not calibrated",
        {"model_version": version, "policy_says": facts.policy.on_other_model},
    )


def _explain_uncalibrated(facts: Facts, item: int) -> Iterator[Reason]:
    category = facts.policy.categories[facts.predicted[item]]
    yield Reason(
        "uncalibrated",
        f"no calibration map for {category} yet: its confidence is as the model gave it",
        {"category": category, "policy_says": facts.policy.uncalibrated},
    )


def _explain_band(facts: Facts, item: int) -> Iterator[Reason]:
    table, category = facts.policy.table, facts.predicted[item]
    confidence, band = facts.confidence[item], facts.band[item]
    # A rejected item is measured by the bound it missed; any other by what would have made it auto.
    limit = float((table.hold if band == 3 else table.auto)[category])
    yield Reason(
        "confidence",
        f"confidence {_show_under(confidence, limit)}",
        {"confidence": confidence, "cut_off": limit, "band": _BAND_NAMES[band]},
    )


def _explain_margin(facts: Facts, item: int) -> Iterator[Reason]:
    value, limit = facts.margin[item], facts.policy.min_margin or 0.0
    yield Reason(
        "margin", f"margin {_show_under(value, limit)}", {"margin": value, "min_margin": limit}
    )


def _explain_entropy(facts: Facts, item: int) -> Iterator[Reason]:
    value, limit = facts.entropy[item], facts.policy.max_entropy or 0.0
    yield Reason(
        "entropy", f"entropy {_show_over(value, limit)}", {"entropy": value, "max_entropy": limit}
    )


def _explain_distrust(facts: Facts, item: int) -> Iterator[Reason]:
    category = facts.policy.categories[facts.predicted[item]]
    edges = (0.0, *facts.policy.reporting_edges, 1.0)
    low, high = edges[facts.reporting_band[item]], edges[facts.reporting_band[item] + 1]
    entropy, limit = facts.entropy[item], facts.policy.distrust_limit()
    numbers: dict[str, float | str] = {
        "category": category,
        "confidence": facts.confidence[item],
        "lower": low,
        "upper": high,
        "entropy": entropy,
    }
    message = f"{category} at {show_number(low)}-{show_number(high)} was found overconfident"
    if limit is not None:
        numbers["distrust_entropy"] = limit
        message += f": entropy {_show_over(entropy, limit)}"
    yield Reason("distrust", message, numbers)


def _explain_mandatory(facts: Facts, item: int) -> Iterator[Reason]:
    category = facts.policy.categories[facts.predicted[item]]
    why = facts.policy.rules[category].mandatory_reason
    yield Reason(
        "mandatory_review",
        f"{category} always goes to a person: {why}",
        {"category": category, "reason": why},
    )


def _explain_watch(facts: Facts, item: int) -> Iterator[Reason]:
    table = facts.policy.table
    for column, score in enumerate(facts.watch_scores[item]):
        level = float(table.watch_levels[column])
        if score >= level:
            category = facts.policy.categories[table.watched[column]]
            yield Reason(
                "watch",
                f"{category} {_show_reaching(score, level)}",
                {"category": category, "score": score, "watch": level},
            )


def _explain_escalation(facts: Facts, item: int) -> Iterator[Reason]:
    value, limit = facts.entropy[item], facts.policy.escalate_entropy or 0.0
    yield Reason(
        "escalation",
        f"entropy {_show_reaching(value, limit)}, so an expert decides",
        {"entropy": value, "escalate_entropy": limit},
    )


def _explain_outside(facts: Facts, item: int) -> Iterator[Reason]:
    outside, top = facts.outside[item], facts.raw_confidence[item]
    key, more = outside.keys[0], len(outside.keys) - 1
    shown = key if len(key) <= 60 else key[:57] + "..."
    named = f"{shown} and {more} more" if more else shown
    yield Reason(
        "outside_policy",
        f"{outside.mass:.2f} on {named}, which this policy does not have; "
        f"its own best has {top:.2f}",
        {"category": key, "more": more, "outside": outside.mass, "top": top},
    )


Build = Callable[[Facts, int], Iterator[Reason]]

_BAND_NAMES: Final = ("auto", "flagged", "hold", "reject")
_BUILDERS: Final[tuple[tuple[int, Build], ...]] = (
    (int(Cause.OTHER_MODEL), _explain_model),
    (int(Cause.UNCALIBRATED), _explain_uncalibrated),
    (int(Cause.BAND), _explain_band),
    (int(Cause.MARGIN), _explain_margin),
    (int(Cause.ENTROPY), _explain_entropy),
    (int(Cause.DISTRUST), _explain_distrust),
    (int(Cause.OUTSIDE), _explain_outside),
    (int(Cause.MANDATORY), _explain_mandatory),
    (int(Cause.WATCH), _explain_watch),
    (int(Cause.ESCALATION), _explain_escalation),
)


def _show_under(value: float, limit: float) -> str:
    shown, text = _show_apart(value, limit)
    return f"{shown} under {text}"


def _show_over(value: float, limit: float) -> str:
    shown, text = _show_apart(value, limit)
    return f"{shown} over {text}"


def _show_reaching(value: float, limit: float) -> str:
    text, decimals, _ = _show_limit(limit)
    return f"{value:.{decimals}f} reaches {text}"


def _show_apart(value: float, limit: float) -> tuple[str, str]:
    """Both as text, the value with as many decimals as it takes to differ from the limit."""
    text, decimals, rounded = _show_limit(limit)
    shown = f"{value:.{decimals}f}"
    while decimals < DECIMALS and float(shown) == rounded:
        decimals += 1
        shown = f"{value:.{decimals}f}"
    return shown, text


@lru_cache(maxsize=4096)
def _show_limit(limit: float) -> tuple[str, int, float]:
    text = show_number(limit)
    return text, len(text.partition(".")[2]), float(text)
