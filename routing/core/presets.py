"""Ready-made policies to start from. A starting point, not advice: measure, then move them."""

from dataclasses import dataclass
from typing import Final

from routing.core.grounding import DEFAULT_GROUNDING, Grounding
from routing.core.policy import CutOffs


@dataclass(frozen=True, slots=True)
class Preset:
    """Numbers of a policy under a name; `watch` is the level for categories that a person names."""

    key: str
    name: str
    explanation: str
    cut_offs: CutOffs
    min_margin: float | None = None
    max_entropy: float | None = None
    escalate_entropy: float | None = None
    watch: float | None = None
    uncalibrated: str = "warn"
    grounding: Grounding | None = None


PRESETS: Final = (
    Preset(
        "four-bands",
        "Four bands",
        "Acts from 0.90, acts and has it checked from 0.70, asks a person from 0.50 and refuses "
        "the rest. The usual start where errors cost about the same in every category.",
        CutOffs(auto=0.90, flagged=0.70, hold=0.50),
    ),
    Preset(
        "three-buckets",
        "Three buckets",
        "Acts from 0.85, acts and has it checked from 0.60, and a person decides on all the rest. "
        "For streams in which no item may be refused.",
        CutOffs(auto=0.85, flagged=0.60, hold=0.0),
    ),
    Preset(
        "class-aware",
        "Class-aware",
        "Acts from 0.80 where margin and entropy agree that there is one clear answer, and holds "
        "the rest; an expert sees what looks like several answers at once. Categories that you "
        "name are watched: a person sees every item in which they reach 0.34, top-ranked or not.",
        CutOffs(auto=0.80, flagged=0.80, hold=0.0),
        min_margin=0.30,
        max_entropy=0.45,
        escalate_entropy=0.80,
        watch=0.34,
    ),
    Preset(
        "conservative",
        "Conservative",
        "Four bands, but nothing is acted on until a recalibration has shown what the model's "
        "confidence is worth. For a new model, or where a wrong action is costly.",
        CutOffs(auto=0.90, flagged=0.70, hold=0.50),
        uncalibrated="hold",
    ),
)


GROUNDED_PRESETS: Final = (
    Preset(
        "grounded",
        "Green, amber, refused",
        "Ships a sentence from 0.85 with its source, from 0.50 with a control to review it, and "
        "refuses the rest. Weighs entailment by 0.60, the reranker's gap by 0.25 and the number of "
        "claims by 0.15.",
        CutOffs(auto=0.85, flagged=0.50, hold=0.50),
        grounding=DEFAULT_GROUNDING,
    ),
)


def list_presets(*, is_grounded: bool) -> tuple[Preset, ...]:
    """Those for streams of drafted sentences, or those for all others."""
    return GROUNDED_PRESETS if is_grounded else PRESETS


def find_preset(key: str) -> Preset:
    """The preset of this key; KeyError where there is none."""
    return {preset.key: preset for preset in (*PRESETS, *GROUNDED_PRESETS)}[key]
