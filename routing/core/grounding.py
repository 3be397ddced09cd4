"""The confidence of a drafted sentence, composed from the signals that came with it.

    composite = w_e * entailment_probability + w_g * g + w_c / max(1, claim_count)

    g = (gap - low) / (high - low), cut to 0..1

where the gap is the reranker's score of the top block minus that of the fifth, or of the last where
there are fewer; of a single block there is none to compare it with, so the gap is 0, as it is where
all score the same. Without a block nothing supports the sentence: the composite is 0, whatever the
other signals say, and the sentence is refused.

The weights and the range belong to the policy. The composite is a raw confidence: what it is worth
is for calibration to say.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from routing.core.maps import FloatArray, PolicyError
from routing.core.signals import DECIMALS, round_signal, show_number, show_value

SUPPORTED: Final = "supported"
NOT_SUPPORTED: Final = "not_supported"
# The taxonomy of every grounded stream; the machine always predicts the first.
ANSWERS: Final = (SUPPORTED, NOT_SUPPORTED)
WEIGHTS: Final = ("entailment_weight", "gap_weight", "claims_weight")
GAP_RANGE: Final = ("gap_low", "gap_high")
BADGES: Final = ("green", "amber", "refused")
_BADGE_OF: Final = {"auto": "green", "flagged": "amber"}
LARGEST_SCORE: Final = 1e9  # of a block; beyond it a difference would lose its digits


def badge_of(queue: str) -> str:
    """The badge of a sentence in this queue; what is held does not ship until it is judged."""
    return _BADGE_OF.get(queue, "refused")


@dataclass(frozen=True, slots=True)
class Composite:
    """n composites and the part that each signal has in them; all (n,), 0 without a block.

    share: the gap on the policy's range, 0..1; entailment, gap, claims: the parts, which sum to
    `total` but for rounding.
    """

    share: FloatArray
    entailment: FloatArray
    gap: FloatArray
    claims: FloatArray
    total: FloatArray


@dataclass(frozen=True, slots=True)
class Grounding:
    """How a policy weighs the signals of a sentence; raises PolicyError, by name.

    The weights sum to 1 at nine decimals and none is negative; `gap_low` is under `gap_high`, both
    on the reranker's own scale.
    """

    entailment_weight: float = 0.60
    gap_weight: float = 0.25
    claims_weight: float = 0.15
    gap_low: float = 0.0
    gap_high: float = 1.0

    def __post_init__(self) -> None:
        for name in (*WEIGHTS, *GAP_RANGE):
            _check_finite(getattr(self, name), place=name)
        for name in WEIGHTS:
            if getattr(self, name) < 0.0:
                raise PolicyError(
                    f"{name} is {show_value(getattr(self, name))}; a weight is 0 or more",
                    field=f"grounding.{name}",
                )
        total = round(math.fsum(getattr(self, name) for name in WEIGHTS), DECIMALS)
        if total != 1.0:
            raise PolicyError(
                f"the weights of entailment, gap and claims sum to {show_number(total)}; "
                "make them sum to 1",
                field="grounding.weights",
            )
        if not self.gap_low < self.gap_high:
            raise PolicyError(
                f"gap_low {self.gap_low:g} is not under gap_high {self.gap_high:g}; give the "
                "smallest and the largest difference that the reranker's scores make",
                field="grounding.gap_low",
            )

    def combine(
        self,
        *,
        entailment: FloatArray,
        gap: FloatArray,
        claims: NDArray[np.integer],
        blocks: NDArray[np.integer],
    ) -> Composite:
        """The composites of n sentences.

        entailment (n,) probabilities; gap (n,) on the reranker's scale; claims and blocks (n,)
        counts.
        """
        found = blocks > 0
        share = np.clip((gap - self.gap_low) / (self.gap_high - self.gap_low), 0.0, 1.0)
        share = np.where(found, share, 0.0)
        parts = [
            self.entailment_weight * entailment,
            self.gap_weight * share,
            self.claims_weight / np.maximum(claims, 1),
        ]
        total = np.minimum(parts[0] + parts[1] + parts[2], 1.0)
        rounded = [round_signal(np.where(found, part, 0.0)) for part in (share, *parts, total)]
        return Composite(*rounded)

    def to_json(self) -> dict[str, float]:
        """The numbers by name; `from_json` reads them back equal."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The numbers of a JSON object; what is left out has its usual value.

        Raises:
            PolicyError: names the number that is wrong or unknown.
        """
        if not isinstance(document, Mapping):
            raise PolicyError(
                f"grounding is {show_value(document)}; give an object of weights and range",
                field="grounding",
            )
        known = {field.name for field in fields(cls)}
        for name in document:
            if name not in known:
                raise PolicyError(
                    f"grounding has no {show_value(name)}; known are {', '.join(sorted(known))}",
                    field="grounding",
                )
        return cls(**document)


def _check_finite(value: object, *, place: str) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # Asked before any conversion: an integer may be too large for a float.
    if not is_number or not -LARGEST_SCORE <= value <= LARGEST_SCORE:  # type: ignore[operator]
        raise PolicyError(
            f"{place} is {show_value(value)}; give a finite number", field=f"grounding.{place}"
        )


DEFAULT_GROUNDING: Final = Grounding()
