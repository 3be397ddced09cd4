"""A published policy as values: cut-offs, gates, category rules and calibration maps.

Checked when it is made, so a Policy that exists can be routed with. Every number is on the scale
of the signal that it is compared with, 0..1.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from routing.core.fallback import NO_FALLBACK, SOURCES, Fallback
from routing.core.grounding import ANSWERS, Grounding
from routing.core.maps import CalibrationMap, FloatArray, PolicyError
from routing.core.reach import least_confidence_by_entropy, least_confidence_by_margin
from routing.core.signals import BoolArray, IndexArray, round_signal, show_number, show_value

__all__ = ["BANDS", "CategoryRule", "CutOffs", "Policy", "PolicyError", "PolicyTable"]

BANDS: Final = ("auto", "flagged", "hold")
QUEUES: Final = (*BANDS, "reject")
FLAGGED, HOLD, REJECT = 1, 2, 3  # indices into QUEUES, by growing care
STREAM_WIDE: Final = ""
REJECT_ACTIONS: Final = ("refuse", "escalate")
OTHER_MODEL: Final = ("warn", "flagged", "hold")
UNCALIBRATED: Final = OTHER_MODEL
DEFAULT_EDGES: Final = (0.5, 0.6, 0.7, 0.8, 0.9)
GATES: Final = ("min_margin", "max_entropy", "distrust_entropy", "escalate_entropy")


@dataclass(frozen=True, slots=True)
class CutOffs:
    """Lower bounds of the auto, flagged and hold bands; under `hold` is the reject band."""

    auto: float
    flagged: float
    hold: float


@dataclass(frozen=True, slots=True)
class CategoryRule:
    """What one category has of its own; None means that the stream's value holds."""

    auto: float | None = None
    flagged: float | None = None
    hold: float | None = None
    mandatory_review: bool = False
    mandatory_reason: str = ""
    watch: float | None = None


@dataclass(frozen=True, slots=True)
class PolicyTable:
    """A policy laid out by category, K rows in policy order, for indexing by predicted category.

    auto, flagged, hold (K,) effective cut-offs; mandatory (K,); distrusted (K, bands);
    watched (W,) the indices of categories with a watch level and watch_levels (W,) the levels.
    """

    auto: FloatArray
    flagged: FloatArray
    hold: FloatArray
    mandatory: BoolArray
    distrusted: BoolArray
    watched: IndexArray
    watch_levels: FloatArray


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a stream's policy; raises PolicyError when it breaks a rule, by name.

    `rules` and `maps` are by category key, `maps[""]` is the stream's. `distrusted` holds
    (category, index of reporting band): band 0 is under `reporting_edges[0]`, the last from the
    last edge up. `on_other_model` says how far an item of a model version not in `model_versions`
    may go, and matters only where there are maps; `uncalibrated` the same of an item predicted as a
    category that no map applies to. `alternatives` is how many categories a decision lists. Numbers
    are compared at nine decimals, as signals are. `grounding` makes it a policy for drafted
    sentences: its categories are the two answers, and what reads scores has no place in it.
    """

    version: int
    categories: tuple[str, ...]
    cut_offs: CutOffs
    min_margin: float | None = None
    max_entropy: float | None = None
    distrust_entropy: float | None = None
    escalate_entropy: float | None = None
    reject_action: str = "refuse"
    rules: Mapping[str, CategoryRule] = field(default_factory=dict, hash=False)
    maps: Mapping[str, CalibrationMap] = field(default_factory=dict, hash=False)
    model_versions: tuple[str, ...] = ()
    on_other_model: str = "warn"
    uncalibrated: str = "warn"
    distrusted: frozenset[tuple[str, int]] = frozenset()
    reporting_edges: tuple[float, ...] = DEFAULT_EDGES
    alternatives: int = 5
    fallback: Fallback = NO_FALLBACK
    grounding: Grounding | None = None
    table: PolicyTable = field(init=False, repr=False, compare=False)
    opinions: Mapping[str, "Policy"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", MappingProxyType(dict(self.rules)))
        object.__setattr__(self, "maps", MappingProxyType(dict(self.maps)))
        _check_names(self)
        _check_numbers(self)
        _check_distrusted(self)
        if self.grounding is not None:
            _check_grounded(self)
        self.fallback.check_categories(self.categories)
        for category in self.categories:
            _check_order(self, category)
        object.__setattr__(self, "table", _tabulate(self))
        opinions = {source: _for_opinion(self, source) for source in self.fallback.sources}
        object.__setattr__(self, "opinions", MappingProxyType(opinions))

    def effective(self, category: str) -> CutOffs:
        """The cut-offs of `category`, its overrides merged into the stream's."""
        rule = self.rules.get(category)
        if rule is None:
            return self.cut_offs
        stream = self.cut_offs
        return CutOffs(
            auto=stream.auto if rule.auto is None else rule.auto,
            flagged=stream.flagged if rule.flagged is None else rule.flagged,
            hold=stream.hold if rule.hold is None else rule.hold,
        )

    def map_for(self, category: str) -> CalibrationMap | None:
        """The category's own map, else the stream's, else None."""
        return self.maps.get(category, self.maps.get(STREAM_WIDE))

    def distrust_limit(self) -> float | None:
        """The entropy up to which a distrusted cell is acted on; None: never acted on."""
        if self.distrust_entropy is not None:
            return self.distrust_entropy
        return None if self.max_entropy is None else self.max_entropy / 2.0

    def uncalibrated_categories(self) -> BoolArray:
        """(K,) whether no map applies to what is predicted as a category."""
        return np.array([self.map_for(key) is None for key in self.categories], dtype=np.bool_)

    def warnings(self) -> list[str]:
        """What is allowed but idle: cut-offs that cannot bind or be reached, with the number.

        The numbers hold for scores that sum to 1.
        """
        found = _find_idle_gates(self)
        for category in (STREAM_WIDE, *self.categories):
            if category == STREAM_WIDE or _has_own_numbers(self, category):
                found += _find_idle_cut_offs(self, category)
        return found


def _check_names(policy: Policy) -> None:
    if not policy.categories:
        raise PolicyError("a policy needs at least one category", field="categories")
    known = set(policy.categories)
    if len(known) < len(policy.categories) or STREAM_WIDE in known:
        raise PolicyError("categories must be different and not empty", field="categories")
    for category in policy.rules:
        if category not in known:
            raise _unknown(category, f"rules.{category}")
    for category in policy.maps:
        if category not in known and category != STREAM_WIDE:
            raise _unknown(category, f"maps.{category}")
    if policy.maps and not policy.model_versions:
        raise PolicyError(
            "maps are set but model_versions is empty; list the versions they were fitted on",
            field="model_versions",
        )
    _check_choice(policy.reject_action, REJECT_ACTIONS, place="reject_action")
    _check_choice(policy.on_other_model, OTHER_MODEL, place="on_other_model")
    _check_choice(policy.uncalibrated, UNCALIBRATED, place="uncalibrated")


def _check_choice(value: str, choices: Sequence[str], *, place: str) -> None:
    if value not in choices:
        raise PolicyError(f"{place} is {value!r}; use one of {', '.join(choices)}", field=place)


def _unknown(category: str, place: str) -> PolicyError:
    return PolicyError(
        f"{place}: {category!r} is no category of this policy; add it or remove what names it",
        field=place,
    )


def _check_numbers(policy: Policy) -> None:
    for band in BANDS:
        _check_share(getattr(policy.cut_offs, band), place=f"cut_offs.{band}")
    for gate in GATES:
        value = getattr(policy, gate)
        if value is not None:
            _check_share(value, place=gate)
    for category, rule in policy.rules.items():
        for name in (*BANDS, "watch"):
            value = getattr(rule, name)
            if value is not None:
                _check_share(value, place=f"rules.{category}.{name}")
        if rule.mandatory_review and not rule.mandatory_reason.strip():
            raise PolicyError(
                f"{category}: mandatory review needs a reason; say in mandatory_reason why",
                field=f"rules.{category}.mandatory_reason",
            )
    if policy.alternatives < 1:
        raise PolicyError(
            f"alternatives is {policy.alternatives}; list at least 1", field="alternatives"
        )


def _check_share(value: float, *, place: str) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0.0 <= value <= 1.0:
        raise PolicyError(f"{place} is {show_value(value)}; give a number from 0 to 1", field=place)


def _check_distrusted(policy: Policy) -> None:
    edges = policy.reporting_edges
    rising = all(low < high for low, high in itertools.pairwise(edges))
    if not rising or not all(0.0 < edge < 1.0 for edge in edges):
        raise PolicyError(
            f"reporting_edges {edges} must rise and lie between 0 and 1", field="reporting_edges"
        )
    for category, band in policy.distrusted:
        if category not in policy.categories:
            raise _unknown(category, f"distrusted.{category}")
        if not 0 <= band <= len(edges):
            raise PolicyError(
                f"distrusted: {category} names band {band}; bands go from 0 to {len(edges)}",
                field=f"distrusted.{category}",
            )


def _check_grounded(policy: Policy) -> None:
    """Nothing that needs the probabilities of several categories."""
    if policy.categories != ANSWERS:
        raise PolicyError(
            f"a grounded policy has the categories {' and '.join(ANSWERS)}, in this order, "
            "and no others",
            field="categories",
        )
    for gate in GATES:
        if getattr(policy, gate) is not None:
            raise PolicyError(
                f"{gate} is set, but drafted sentences have neither margin nor entropy; "
                "leave it empty",
                field=gate,
            )
    for category, rule in policy.rules.items():
        for name in ("watch", "mandatory_review"):
            value = getattr(rule, name)
            if value is not None and value is not False:
                raise PolicyError(
                    f"{category}: {name} is set, but every drafted sentence is predicted to be "
                    f"{ANSWERS[0]}; move the cut-offs instead",
                    field=f"rules.{category}.{name}",
                )
    for step in policy.fallback.steps:
        if step in SOURCES:
            raise PolicyError(
                f"the fallback asks {step} for scores, which drafted sentences do not have; "
                "use person or uncertain",
                field="fallback_steps",
            )


def _check_order(policy: Policy, category: str) -> None:
    effective = policy.effective(category)
    for upper, lower in (("auto", "flagged"), ("flagged", "hold")):
        high, low = getattr(effective, upper), getattr(effective, lower)
        if low > high:
            rule = policy.rules.get(category, CategoryRule())
            own = [band for band in (lower, upper) if getattr(rule, band) is not None]
            place = f"rules.{category}.{own[0]}" if own else f"cut_offs.{lower}"
            raise PolicyError(
                f"{category}: {lower} {show_number(low)} is over {upper} {show_number(high)}; "
                "cut-offs must not increase from auto to hold: "
                f"lower {lower} to {show_number(high)} or raise {upper}",
                field=place,
            )


def _tabulate(policy: Policy) -> PolicyTable:
    order = {category: index for index, category in enumerate(policy.categories)}
    effective = [policy.effective(category) for category in policy.categories]
    rules = [policy.rules.get(category, CategoryRule()) for category in policy.categories]
    watched = [index for index, rule in enumerate(rules) if rule.watch is not None]
    distrusted = np.zeros((len(order), len(policy.reporting_edges) + 1), dtype=np.bool_)
    for category, band in policy.distrusted:
        distrusted[order[category], band] = True
    return PolicyTable(
        auto=round_signal(np.array([each.auto for each in effective], dtype=np.float64)),
        flagged=round_signal(np.array([each.flagged for each in effective], dtype=np.float64)),
        hold=round_signal(np.array([each.hold for each in effective], dtype=np.float64)),
        mandatory=np.array([rule.mandatory_review for rule in rules], dtype=np.bool_),
        distrusted=distrusted,
        watched=np.array(watched, dtype=np.intp),
        watch_levels=round_signal(np.array([rules[i].watch for i in watched], dtype=np.float64)),
    )


def _for_opinion(policy: Policy, source: str) -> Policy:
    """The policy by which a second opinion is routed: its gates and cut-offs, the source's map.

    Distrusted cells and model versions are about the first model's confidence.
    """
    own = policy.fallback.source_maps.get(source)
    return replace(
        policy,
        maps={} if own is None else {STREAM_WIDE: own},
        model_versions=() if own is None else ("",),
        uncalibrated="warn",
        distrusted=frozenset(),
        fallback=NO_FALLBACK,
    )


def _has_own_numbers(policy: Policy, category: str) -> bool:
    return category in policy.maps or policy.effective(category) != policy.cut_offs


def _find_idle_gates(policy: Policy) -> list[str]:
    found = []
    gate, escalate, distrust = policy.max_entropy, policy.escalate_entropy, policy.distrust_entropy
    if gate is not None and escalate is not None and escalate <= gate:
        found.append(
            f"max_entropy {show_number(gate)} cannot bind: "
            f"escalation at {show_number(escalate)} takes the item first"
        )
    if gate is not None and distrust is not None and distrust >= gate:
        found.append(
            f"distrust_entropy {show_number(distrust)} cannot bind: "
            f"max_entropy is {show_number(gate)}"
        )
    return found


def _find_idle_cut_offs(policy: Policy, category: str) -> list[str]:
    """Warnings on one category's cut-offs, or on the stream's where `category` is empty."""
    effective = policy.effective(category) if category else policy.cut_offs
    prefix = f"{category}: " if category else ""
    own_map = policy.map_for(category)
    found = []
    for band in ("auto", "flagged"):
        cut_off = getattr(effective, band)
        if band == "flagged" and cut_off == effective.auto:
            continue
        for gate, least in _find_least_confidences(policy):
            bound = _calibrate_bound(own_map, least)
            if cut_off < math.floor(bound * 1000.0) / 1000.0:
                found.append(
                    f"{prefix}{band} {show_number(cut_off)} cannot bind: "
                    f"with {len(policy.categories)} categories and {gate} "
                    f"nothing under {math.floor(bound * 1000) / 1000:.3f} can pass the gate"
                )
        most = 1.0 if own_map is None else float(np.max(own_map.apply(np.array([0.0, 1.0]))))
        if cut_off > most:
            found.append(
                f"{prefix}{band} {show_number(cut_off)} cannot be reached: "
                f"the map gives {most:.3f} at most"
            )
    return found


def _find_least_confidences(policy: Policy) -> list[tuple[str, float]]:
    count = len(policy.categories)
    found = []
    if policy.max_entropy is not None:
        least = least_confidence_by_entropy(categories=count, max_entropy=policy.max_entropy)
        found.append((f"entropy at most {show_number(policy.max_entropy)}", least))
    if policy.min_margin is not None:
        least = least_confidence_by_margin(categories=count, min_margin=policy.min_margin)
        found.append((f"margin at least {show_number(policy.min_margin)}", least))
    return found


def _calibrate_bound(own_map: CalibrationMap | None, least: float) -> float:
    """The least confidence from `least` up; at an end, since every map is monotone."""
    if own_map is None:
        return least
    return float(np.min(own_map.apply(np.array([least, 1.0]))))
