"""The rules once more, slowly: one item at a time, plain Python, no numpy, nothing imported.

Written from the requirements alone, as the thing to compare the vectorised rules with. It takes a
policy as any object with the attributes of `Policy`, and answers with a plain dict.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

CARE = ["auto", "flagged", "hold", "reject"]


def signals_of(categories: Sequence[str], scores: Mapping[str, float]) -> dict[str, Any]:
    total = math.fsum(scores.values())
    if total > 1:
        scores = {key: value / total for key, value in scores.items()}
    listed = [key for key in categories if key in scores]
    outside = [scores[key] for key in scores if key not in categories]
    predicted = listed[0] if listed else categories[0]
    for key in listed:
        if scores[key] > scores[predicted]:
            predicted = key
    top = scores.get(predicted, 0.0)
    rest = [scores[key] for key in listed if key != predicted]
    second = max(rest) if rest else 0.0
    unlisted = len(categories) - len(listed)
    masses = [scores[key] for key in listed]
    if unlisted or outside:
        missing = max(0.0, 1 - math.fsum(masses))
        second = max(second, min(missing, top, *masses))
        parts = max(unlisted, 1)
        masses += [missing / parts] * parts
    entropy = 0.0
    if len(categories) > 1:
        entropy = -math.fsum(p * math.log(p) for p in masses if p > 0) / math.log(len(categories))
    return {
        "scores": scores,
        "predicted": predicted,
        "raw": round(top, 9),
        "margin": round(top - second, 9),
        "outside": bool(outside) and round(math.fsum(outside), 9) >= round(top, 9),
        "entropy": round(min(entropy, 1.0), 9),
    }


def calibrate(calibration_map: Any, p: float) -> float:
    kind, numbers = calibration_map.kind, calibration_map.parameters
    if kind == "identity":
        return p
    if kind == "isotonic":
        return interpolate(calibration_map.knots, p)
    p = min(max(p, 1e-9), 1 - 1e-9)
    log_p, log_q = math.log(p), math.log(1 - p)
    if kind == "platt":
        x = numbers[0] * (log_p - log_q) + numbers[1]
    elif kind == "temperature":
        x = (log_p - log_q) / numbers[0]
    else:
        x = numbers[0] * log_p - numbers[1] * log_q + numbers[2]
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def interpolate(knots: Sequence[tuple[float, float]], p: float) -> float:
    if p <= knots[0][0]:
        return knots[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(knots):
        if p <= x1:
            return y0 + (p - x0) * (y1 - y0) / (x1 - x0)
    return knots[-1][1]


def confidence_of(policy: Any, category: str, raw: float, model_version: str) -> float:
    own = policy.maps.get(category) or policy.maps.get("")
    if own is None or model_version not in policy.model_versions:
        return raw
    return round(calibrate(own, raw), 9)


def band_of(policy: Any, category: str, confidence: float) -> str:
    rule = policy.rules.get(category)
    band = "reject"
    for name in ("hold", "flagged", "auto"):
        own = getattr(rule, name) if rule else None
        if confidence >= (getattr(policy.cut_offs, name) if own is None else own):
            band = name
    return band


def is_distrusted(policy: Any, category: str, confidence: float, entropy: float) -> bool:
    cell = sum(1 for edge in policy.reporting_edges if confidence >= edge)
    if (category, cell) not in policy.distrusted:
        return False
    limit = policy.distrust_entropy
    if limit is None and policy.max_entropy is not None:
        limit = policy.max_entropy / 2
    return limit is None or entropy > limit


def watch_list_of(policy: Any, scores: Mapping[str, float]) -> list[str]:
    found = []
    for key in policy.categories:
        level = policy.rules[key].watch if key in policy.rules else None
        if level is not None and round(scores.get(key, 0.0), 9) >= level:
            found.append(key)
    return found


def decide_slowly(policy: Any, posted: Mapping[str, float], model_version: str) -> dict[str, Any]:
    found = signals_of(policy.categories, posted)
    category, entropy = found["predicted"], found["entropy"]
    rule = policy.rules.get(category)
    confidence = confidence_of(policy, category, found["raw"], model_version)
    band = band_of(policy, category, confidence)
    watch = watch_list_of(policy, found["scores"])
    other = bool(policy.maps) and model_version not in policy.model_versions
    other_floor = "auto" if policy.on_other_model == "warn" else policy.on_other_model
    no_map = policy.maps.get(category) is None and policy.maps.get("") is None
    unmapped = no_map and policy.uncalibrated != "warn"
    escalated = policy.escalate_entropy is not None and entropy >= policy.escalate_entropy
    by_margin = policy.min_margin is not None and found["margin"] < policy.min_margin
    by_entropy = policy.max_entropy is not None and entropy > policy.max_entropy

    fired = [
        ("model_version", other, other_floor),
        ("uncalibrated", unmapped, policy.uncalibrated),
        ("confidence", band != "auto", band),
        ("margin", by_margin, "hold"),
        ("entropy", by_entropy, "hold"),
        ("distrust", is_distrusted(policy, category, confidence, entropy), "hold"),
        ("outside_policy", found["outside"], "hold"),
        ("mandatory_review", bool(rule and rule.mandatory_review), "hold"),
        *(("watch", True, "flagged") for _key in watch),
        ("escalation", escalated, "reject"),
    ]
    codes = [code for code, true, _floor in fired if true]
    queue = max(["auto", *(floor for _code, true, floor in fired if true)], key=CARE.index)
    action = {"auto": "act", "flagged": "act_and_review", "hold": "wait"}.get(queue)
    if action is None:
        action = "escalate" if escalated else policy.reject_action
    ended = {"mandatory_review", "watch", "escalation"} & set(codes)
    held_by_model = (other and other_floor == "hold") or (
        unmapped and policy.uncalibrated == "hold"
    )
    order = sorted(
        posted.keys() & set(policy.categories),
        key=lambda key: (-posted[key], policy.categories.index(key)),
    )
    return {
        "queue": queue,
        "action": action,
        "predicted": category,
        "raw_confidence": found["raw"],
        "confidence": confidence,
        "margin": found["margin"],
        "entropy": entropy,
        "alternatives": tuple((key, posted[key]) for key in order[: policy.alternatives]),
        "watch": tuple(watch),
        "codes": codes,
        "category": category if queue in ("auto", "flagged") else None,
        "source": "",
        "asks": False,
        "open_to_fallback": CARE.index(queue) >= 2 and not ended and not held_by_model,
    }


SOURCES = ["secondary", "rules", "remote"]
CLOSED_BY = ["mandatory_review", "watch", "escalation"]


def is_usable(categories: Sequence[str], scores: Any) -> bool:
    if not isinstance(scores, dict) or not scores or not set(scores) <= set(categories):
        return False
    for value in scores.values():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            return False
    total = round(math.fsum(scores.values()), 9)
    return total <= 1.01 and (total >= 0.99 or len(scores) < len(categories))


def as_second_policy(policy: Any, source: str) -> Any:
    """The policy that a second opinion meets: the same but for what is about the first model."""
    names = ["categories", "cut_offs", "min_margin", "max_entropy", "distrust_entropy", "rules"]
    names += ["escalate_entropy", "reject_action", "on_other_model", "reporting_edges"]
    own = policy.fallback.source_maps.get(source)
    return SimpleNamespace(
        **{name: getattr(policy, name) for name in names},
        maps={"": own} if own else {},
        model_versions=("",),
        uncalibrated="warn",
        distrusted=frozenset(),
        alternatives=5,
    )


def listen_slowly(
    policy: Any, step: str, secondary: Any, matched: Sequence[str], remote: Any
) -> tuple[str, Any]:
    """A step's scores with the result "said", or the result that stands for having none."""
    if step == "secondary":
        return ("said", secondary) if secondary else ("missing", None)
    if step == "remote":
        if remote is None:
            return "asking", None
        return ("failed", None) if remote.error else ("said", remote.scores)
    rules = [rule for rule in policy.fallback.keyword_rules if rule.id in matched]
    if not rules:
        return "missing", None
    if len({rule.category for rule in rules}) > 1:
        return "failed", None
    return "said", {rules[0].category: max(rule.confidence for rule in rules)}


def decide_slowly_with(
    policy: Any,
    posted: Mapping[str, float],
    model_version: str,
    *,
    secondary: Any = None,
    matched: Sequence[str] = (),
    remote: Any = None,
    full: bool = False,
) -> dict[str, Any]:
    """The decision with what others say and whether hold is full, one item."""
    made = decide_slowly(policy, posted, model_version)
    if made["open_to_fallback"]:
        for step in policy.fallback.steps:
            if step not in SOURCES:
                end_slowly(made, step)
                break
            heard = listen_slowly(policy, step, secondary, matched, remote)
            if not take_slowly(policy, made, step, heard):
                break
    if full and made["queue"] == "hold":
        made.update(queue="reject", action="refuse", asks=False)
        made["codes"] = [
            code.replace("remote: asking", "remote: skipped") for code in made["codes"]
        ]
        made["codes"].append("capacity")
    return made


def take_slowly(policy: Any, made: dict[str, Any], step: str, heard: tuple[str, Any]) -> bool:
    """Whether the chain goes on after what this source said."""
    result, scores = heard
    if result == "said" and not is_usable(policy.categories, scores):
        result = "failed"
    if result == "asking":
        made["asks"] = True
        if made["action"] == "refuse":
            made.update(queue="hold", action="wait")
    elif result == "said":
        second = decide_slowly(as_second_policy(policy, step), scores, "")
        if set(second["codes"]) & set(CLOSED_BY):
            result = "ended"
            made["watch"] += second["watch"]
        elif second["queue"] in ("auto", "flagged"):
            result = "lifted"
            made.update(queue="flagged", action="act_and_review")
            made.update(category=second["predicted"], source=step)
        else:
            result = "stands"
    made["codes"].append(f"fallback_{step}: {result}")
    return result in ("missing", "failed", "stands")


def end_slowly(made: dict[str, Any], step: str) -> None:
    """The end of the chain; whoever goes to an expert stays there."""
    result = "waits"
    if made["action"] != "escalate":
        if step == "person":
            made.update(queue="hold", action="wait")
        else:
            made.update(queue="reject", action="refuse")
            result = "refused"
    made["codes"].append(f"fallback_{step}: {result}")
