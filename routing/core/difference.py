"""What one policy says differently from another, field by field and category by category."""

from dataclasses import dataclass
from typing import Final

from routing.core.grounding import Grounding
from routing.core.keywords import KeywordRule
from routing.core.maps import CalibrationMap
from routing.core.policy import GATES, STREAM_WIDE, CategoryRule, Policy
from routing.core.signals import show_number

RULE_NUMBERS: Final = ("auto", "flagged", "hold", "watch")

_Texts = dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that changed: of `category`, or of the whole stream where that is empty.

    `before` and `after` are texts for people; empty means not set.
    """

    category: str
    field: str
    before: str
    after: str


def find_differences(old: Policy | None, new: Policy) -> list[Difference]:
    """Every field in which `new` differs from `old`, stream first, then categories in order.

    Without `old` everything that `new` sets is listed. Versions are not compared.
    """
    before: _Texts = {} if old is None else _write_out(old)
    after = _write_out(new)
    known = (STREAM_WIDE, *new.categories, *(() if old is None else old.categories))
    rank = {category: place for place, category in reversed(list(enumerate(known)))}
    places = sorted(dict.fromkeys([*after, *before]), key=lambda place: rank[place[0]])
    return [
        Difference(*place, before=before.get(place, ""), after=after.get(place, ""))
        for place in places
        if before.get(place, "") != after.get(place, "")
    ]


def find_lifted(old: Policy | None, new: Policy) -> tuple[str, ...]:
    """Categories of `new` that are reviewed in any case under `old` and no longer under `new`."""
    if old is None:
        return ()
    none = CategoryRule()
    return tuple(
        category
        for category in new.categories
        if old.rules.get(category, none).mandatory_review
        and not new.rules.get(category, none).mandatory_review
    )


def _write_out(policy: Policy) -> _Texts:
    """Each field that is set, by category and name, as text."""
    cut_offs = policy.cut_offs
    stream = {
        "auto": show_number(cut_offs.auto),
        "flagged": show_number(cut_offs.flagged),
        "hold": show_number(cut_offs.hold),
        **{gate: _show(getattr(policy, gate)) for gate in GATES},
        "reject_action": policy.reject_action,
        "on_other_model": policy.on_other_model,
        "uncalibrated": policy.uncalibrated,
        "fallback_steps": ", ".join(policy.fallback.steps),
        "remote_model": policy.fallback.remote_model,
        **{
            f"keyword_rule {rule.id}": _show_keyword_rule(rule)
            for rule in policy.fallback.keyword_rules
        },
        **{
            f"map of {source}": _show_map(own)
            for source, own in policy.fallback.source_maps.items()
        },
        "model_versions": ", ".join(policy.model_versions),
        "categories": ", ".join(policy.categories),
        "reporting_edges": ", ".join(map(show_number, policy.reporting_edges)),
        "map": _show_map(policy.maps.get(STREAM_WIDE)),
        **_show_grounding(policy.grounding),
    }
    texts = {(STREAM_WIDE, field): text for field, text in stream.items()}
    for category in policy.categories:
        rule = policy.rules.get(category, CategoryRule())
        own = {
            **{name: _show(getattr(rule, name)) for name in RULE_NUMBERS},
            "mandatory_review": "yes" if rule.mandatory_review else "",
            "mandatory_reason": rule.mandatory_reason,
            "map": _show_map(policy.maps.get(category)),
            "distrusted": _show_distrusted(policy, category),
        }
        texts |= {(category, field): text for field, text in own.items()}
    return {place: text for place, text in texts.items() if text}


def _show(value: float | None) -> str:
    return "" if value is None else show_number(value)


def _show_grounding(grounding: Grounding | None) -> dict[str, str]:
    if grounding is None:
        return {}
    return {name: show_number(value) for name, value in grounding.to_json().items()}


def _show_keyword_rule(rule: KeywordRule) -> str:
    where = f" in {rule.field}" if rule.field else ""
    return (
        f"{rule.kind} “{rule.pattern}”{where} → {rule.category} at {show_number(rule.confidence)}"
    )


def _show_map(own: CalibrationMap | None) -> str:
    if own is None:
        return ""
    if own.knots:
        knots = ", ".join(f"{show_number(x)} → {show_number(y)}" for x, y in own.knots)
        return f"{own.kind} ({knots})"
    return f"{own.kind} ({', '.join(map(show_number, own.parameters))})"


def _show_distrusted(policy: Policy, category: str) -> str:
    bounds = (0.0, *policy.reporting_edges, 1.0)
    bands = sorted(band for named, band in policy.distrusted if named == category)
    return ", ".join(
        f"{show_number(bounds[band])} to {show_number(bounds[band + 1])}" for band in bands
    )
