"""Where the demo's items come from: real classifiers, their real predictions, a fallible reviewer.

`helpdesk` and `digits` each offer `CATEGORIES`, `MODEL_VERSION` and `predictions(seed=...)`;
`drafts` offers sentences with what was found for them, scored as of a day.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from routing.items import Grounds

# Of the readings an ambiguous item allows, the one its writer meant is picked this often.
INTENDED_READING_RATE = 0.6
# Added to every wrong category's score, so that a slip can land anywhere, if rarely.
SLIP_FLOOR = 0.02


class Category(NamedTuple):
    """A class of a demo stream: what the API calls it, what people call it, what it means."""

    key: str
    label: str
    definition: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """One item as a model that never saw it scores it, with the truth that upstream won't know.

    `scores` holds every category of the stream, cut (not rounded) to 6 decimals, so that they
    never sum to more than 1 but for the last bit of a float. `also` names the other categories
    that would be right where the item is ambiguous.

    A drafted sentence has `signals` and `grounds` too, and its scores only say how likely upstream
    thinks each answer. `block` is the id of the one that supports it, "" if none does; `off_topic`,
    that it is supported in something that was not asked.
    """

    external_id: str
    payload: dict[str, str]
    scores: dict[str, float]
    truth: str
    also: tuple[str, ...]
    model_version: str
    signals: Mapping[str, float] = field(default_factory=dict)
    grounds: Grounds | None = None
    block: str = ""
    off_topic: bool = False

    @property
    def text(self) -> str:
        """What it comes in with: the draft of a sentence, the item by itself."""
        return self.grounds.draft if self.grounds else self.external_id

    @property
    def retry_of(self) -> str:
        """The id of the sentence in whose place it is posted, "" for all else."""
        return self.grounds.retry_of if self.grounds else ""


def simulate_answer(prediction: Prediction, rng: random.Random, error_rate: float) -> str:
    """Return the category a careful but fallible reviewer would choose.

    With probability `error_rate` it is one that is not right, the likelier the closer the model
    thinks it, since people and models trip over the same likenesses. Otherwise it is the truth,
    or for an ambiguous item sometimes another of those that would do.

    Raises ValueError if `error_rate` is outside 0..1.
    """
    if not 0 <= error_rate <= 1:
        raise ValueError(f"error_rate is {error_rate}; give a probability from 0 to 1.")
    right = {prediction.truth, *prediction.also}
    wrong = [key for key in prediction.scores if key not in right]
    if wrong and rng.random() < error_rate:
        weights = [prediction.scores[key] + SLIP_FLOOR for key in wrong]
        return rng.choices(wrong, weights)[0]
    if prediction.also and rng.random() >= INTENDED_READING_RATE:
        return rng.choice(prediction.also)
    return prediction.truth
