"""Reasons of a decision as chips: stored as codes and numbers, read with the categories' labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

Numbers = Mapping[str, object]
Label = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class ReasonChip:
    """A reason in words, its own number set apart to be stressed."""

    before: str
    number: str
    after: str
    icon: str = ""


def percent_apart(value: float, *limits: float) -> str:
    """`value` in per cent, with as many decimals as it takes not to be rounded over a limit."""
    for decimals in range(4):
        shown = round(value * 100, decimals)
        if all((shown >= round(limit * 100, 6)) == (value >= limit) for limit in limits):
            return f"{shown:.{decimals}f}"
    return f"{value * 100:.4f}"


def word_reason(reason: Mapping[str, object], *, label_of: Label) -> ReasonChip:
    """A stored reason (code, message, numbers) in the reader's language.

    A code that this screen has no words for is shown with the message it was stored with.
    """
    code = str(reason.get("code", ""))
    found = reason.get("numbers")
    numbers: Mapping[str, object] = found if isinstance(found, Mapping) else {}
    write = _CHIPS.get(code)
    if write is not None:
        try:
            return write(numbers, label_of)
        except (KeyError, TypeError, ValueError):
            pass
    message = str(reason.get("message") or code)
    return ReasonChip(message[:1].upper() + message[1:], "", "")


def _figure(numbers: Numbers, name: str) -> float:
    value = numbers[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(name)
    return float(value)


def _apart(value: float, limit: float) -> str:
    for decimals in range(2, 6):
        shown = f"{value:.{decimals}f}"
        if (float(shown) >= limit) == (value >= limit) and (value == limit or shown != str(limit)):
            return shown
    return f"{value:.6f}"


def _confidence_chip(numbers: Numbers, _label: Label) -> ReasonChip:
    value, limit = _figure(numbers, "confidence"), _figure(numbers, "cut_off")
    after = _(" under %(limit)g%%") % {"limit": round(limit * 100, 4)}
    return ReasonChip(_("Confidence "), f"{percent_apart(value, limit)}%", after)


def _margin_chip(numbers: Numbers, _label: Label) -> ReasonChip:
    value, limit = _figure(numbers, "margin"), _figure(numbers, "min_margin")
    return ReasonChip(
        _("Margin "), _apart(value, limit), _(" under %(limit).2f") % {"limit": limit}
    )


def _entropy_chip(numbers: Numbers, _label: Label) -> ReasonChip:
    value, limit = _figure(numbers, "entropy"), _figure(numbers, "max_entropy")
    return ReasonChip(
        _("Entropy "), _apart(value, limit), _(" over %(limit).2f") % {"limit": limit}
    )


def _watch_chip(numbers: Numbers, label_of: Label) -> ReasonChip:
    value, limit = _figure(numbers, "score"), _figure(numbers, "watch")
    after = _(" reaches %(limit).2f") % {"limit": limit}
    return ReasonChip(f"{label_of(str(numbers['category']))} ", f"{value:.2f}", after, "watch")


def _mandatory_chip(numbers: Numbers, label_of: Label) -> ReasonChip:
    words = _("%(category)s always goes to a person: %(reason)s") % {
        "category": label_of(str(numbers["category"])),
        "reason": str(numbers["reason"]),
    }
    return ReasonChip(words, "", "", "lock")


def _escalation_chip(numbers: Numbers, _label: Label) -> ReasonChip:
    value, limit = _figure(numbers, "entropy"), _figure(numbers, "escalate_entropy")
    after = _(" reaches %(limit).2f, so an expert decides") % {"limit": limit}
    return ReasonChip(_("Entropy "), f"{value:.2f}", after, "escalated")


def _outside_chip(numbers: Numbers, label_of: Label) -> ReasonChip:
    name, more = label_of(str(numbers["category"])), int(_figure(numbers, "more"))
    if more:
        name = _("%(category)s and %(more)d more") % {"category": name, "more": more}
    after = _(" is not in the policy, whose best has %(top).2f") % {"top": _figure(numbers, "top")}
    return ReasonChip(f"{name} ", f"{_figure(numbers, 'outside'):.2f}", after)


def _distrust_chip(numbers: Numbers, label_of: Label) -> ReasonChip:
    before = _("%(category)s at %(lower)g to %(upper)g%% was found overconfident") % {
        "category": label_of(str(numbers["category"])),
        "lower": round(_figure(numbers, "lower") * 100, 4),
        "upper": round(_figure(numbers, "upper") * 100, 4),
    }
    if "distrust_entropy" not in numbers:
        return ReasonChip(before, "", "")
    value, limit = _figure(numbers, "entropy"), _figure(numbers, "distrust_entropy")
    after = _(" over %(limit).2f") % {"limit": limit}
    return ReasonChip(before + _(": entropy "), _apart(value, limit), after)


def _model_chip(numbers: Numbers, _label: Label) -> ReasonChip:
    version = str(numbers["model_version"])
    if not version:
        return ReasonChip(_("No model version was named: confidence is not calibrated"), "", "")
    after = _(" is not one the maps were fitted on: confidence is not calibrated")
    return ReasonChip(_("Model version "), version, after)


def _uncalibrated_chip(numbers: Numbers, label_of: Label) -> ReasonChip:
    words = _("No calibration map for %(category)s yet: its confidence is as the model gave it")
    return ReasonChip(words % {"category": label_of(str(numbers["category"]))}, "", "")


def _capacity_chip(_numbers: Numbers, _label: Label) -> ReasonChip:
    return ReasonChip(_("No seat in hold was free, so it was answered uncertain at once"), "", "")


def _composite_chip(numbers: Numbers, _label: Label) -> ReasonChip:
    """What the raw confidence of a drafted sentence is made of."""
    parts = [_figure(numbers, f"{name}_part") for name in ("entailment", "gap", "claims")]
    before = _("Entailment %(entailment).2f, gap %(gap).2f, claims %(claims).2f: together ")
    names = dict(zip(("entailment", "gap", "claims"), parts, strict=True))
    return ReasonChip(before % names, f"{_figure(numbers, 'composite'):.2f}", "")


def _no_source_chip(_numbers: Numbers, _label: Label) -> ReasonChip:
    return ReasonChip(_("No block supports the sentence"), "", "")


def _stale_chip(numbers: Numbers, _label: Label) -> ReasonChip:
    after = _(" days old, over the limit of %(limit)d")
    after %= {"limit": int(_figure(numbers, "limit_days"))}
    return ReasonChip(_("The cited block is "), f"{_figure(numbers, 'age_days'):.0f}", after)


def _not_found_chip(numbers: Numbers, _label: Label) -> ReasonChip:
    count = int(_figure(numbers, "count"))
    after = ngettext(
        " number of the sentence stands in no block",
        " numbers of the sentence stand in no block",
        count,
    )
    return ReasonChip("", str(count), after)


def _opinion_chip(source: str) -> Callable[[Numbers, Label], ReasonChip]:
    """What one source of a second opinion said, or why it said nothing."""

    def write(numbers: Numbers, label_of: Label) -> ReasonChip:
        name, result = _name_source(source), str(numbers["result"])
        if silent := _word_silence(source, numbers):
            return ReasonChip(silent % {"name": name}, "", "")
        then = _why_ended(numbers) if result == "ended" else _word_outcome(result)
        said = _("%(name)s: %(category)s at ") % {
            "name": name,
            "category": label_of(str(numbers["category"])),
        }
        return ReasonChip(said, f"{_figure(numbers, 'confidence') * 100:.0f}%", then)

    return write


def _name_source(source: str) -> str:
    return {
        "secondary": _("Second opinion"),
        "rules": _("Keyword rules"),
        "remote": _("Remote model"),
    }[source]


def _word_silence(source: str, numbers: Numbers) -> str:
    """Why a source gave no scores; empty where it did. An unknown failure has no words here."""
    result = numbers["result"]
    if result == "failed":
        contradict = _("Keyword rules contradict each other")
        return contradict if "rules" in numbers else f"%(name)s: {numbers['error']}"
    if result == "missing" and source == "rules":
        return _("No keyword rule matches")
    return {
        "missing": _("No second opinion was posted"),
        "asking": _("The remote model is asked for a second opinion"),
        "skipped": _("%(name)s: not asked"),
    }.get(str(result), "")


def _word_outcome(result: str) -> str:
    return {
        "lifted": _(": acted on and reviewed"),
        "stands": _(" is not enough either"),
    }[result]


def _why_ended(numbers: Numbers) -> str:
    return {
        "mandatory_review": _(", which always goes to a person: it stays"),
        "watch": _(", which reaches a watch level: it stays"),
        "escalation": _(", too uncertain, as its entropy shows: it stays"),
    }[str(numbers["by"])]


def _end_chip(numbers: Numbers, _label: Label) -> ReasonChip:
    """The chain's last step: who or what settles an item that no opinion did."""
    if numbers["result"] == "refused":
        return ReasonChip(_("Nothing settled it, so it is answered uncertain at once"), "", "")
    words = _("A person decides") if "instead_of" in numbers else _("An expert decides")
    return ReasonChip(words, "", "")


_CHIPS: Final[Mapping[str, Callable[[Numbers, Label], ReasonChip]]] = {
    "model_version": _model_chip,
    "uncalibrated": _uncalibrated_chip,
    "confidence": _confidence_chip,
    "margin": _margin_chip,
    "entropy": _entropy_chip,
    "distrust": _distrust_chip,
    "outside_policy": _outside_chip,
    "mandatory_review": _mandatory_chip,
    "watch": _watch_chip,
    "escalation": _escalation_chip,
    "composite": _composite_chip,
    "no_source": _no_source_chip,
    "stale_source": _stale_chip,
    "number_not_found": _not_found_chip,
    "fallback_secondary": _opinion_chip("secondary"),
    "fallback_rules": _opinion_chip("rules"),
    "fallback_remote": _opinion_chip("remote"),
    "fallback_person": _end_chip,
    "fallback_uncertain": _end_chip,
    "capacity": _capacity_chip,
}
