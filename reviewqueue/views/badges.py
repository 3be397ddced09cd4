"""What the machine's confidence in a drafted sentence is made of, as values for the screens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from reviewqueue.views.reason_chips import ReasonChip, word_reason
from routing.core.evidence import WARNINGS
from routing.core.grounded_reasons import COMPOSITE
from routing.core.grounding import Grounding, badge_of
from routing.models import Decision

# The icon of the queue that a badge stands for; each has a shape of its own.
ICONS: Final = {"green": "auto", "amber": "flagged", "refused": "reject"}
SHOWN_APART: Final = (COMPOSITE, *WARNINGS)


@dataclass(frozen=True, slots=True)
class Badge:
    """What the sentence's author sees; `words` say what it means for the sentence."""

    key: str
    icon: str
    label: str
    words: str

    @property
    def ships(self) -> bool:
        return self.key != "refused"


@dataclass(frozen=True, slots=True)
class Part:
    """What one signal contributed: `figure` of at most `weight`; `width` is its share of that."""

    name: str
    detail: str
    figure: str
    weight: str
    width: str


@dataclass(frozen=True, slots=True)
class Grounds:
    """Badge, contributions and warnings of one decision. Blind screens never hold any."""

    badge: Badge
    parts: tuple[Part, ...]
    warnings: tuple[ReasonChip, ...]


def describe_grounds(decision: Decision, grounding: Grounding) -> Grounds:
    """What a decision on a sentence rests on, by the weights of its policy.

    There are no parts where no block was retrieved.
    """
    numbers = numbers_of(decision, COMPOSITE)
    return Grounds(
        badge=draw_badge(decision),
        parts=_draw_parts(numbers, grounding) if numbers else (),
        warnings=tuple(
            word_reason(reason, label_of=str)
            for reason in decision.reasons
            if reason.get("code") in WARNINGS
        ),
    )


def draw_badge(decision: Decision) -> Badge:
    """The badge of a decision, in words and with its own shape."""
    key = badge_of(decision.queue)
    labels = {"green": _("Green"), "amber": _("Amber"), "refused": _("Refused")}
    words = {
        "green": _("ships with its source"),
        "amber": _("ships, and a person checks it"),
        "refused": _("does not ship: no confident source"),
    }
    return Badge(key, ICONS[key], labels[key], words[key])


def numbers_of(decision: Decision, code: str) -> Mapping[str, object]:
    """The numbers of the decision's reason with this code; nothing where it has none."""
    for reason in decision.reasons:
        found = reason.get("numbers")
        if reason.get("code") == code and isinstance(found, Mapping):
            return found
    return {}


def _draw_parts(numbers: Mapping[str, object], grounding: Grounding) -> tuple[Part, ...]:
    def figure(name: str) -> float:
        value = numbers.get(name)
        return float(value) if isinstance(value, int | float) else 0.0

    claims = int(figure("claim_count"))
    one_of = _("1 claim") if claims <= 1 else _("1 of %(n)d claims") % {"n": claims}
    return (
        _draw_part(
            _("Entailment"),
            f"{figure('entailment_probability'):.2f}",
            figure("entailment_part"),
            grounding.entailment_weight,
        ),
        _draw_part(
            _("Retrieval gap"),
            f"{figure('gap'):.2f}",
            figure("gap_part"),
            grounding.gap_weight,
        ),
        _draw_part(_("Claims"), one_of, figure("claims_part"), grounding.claims_weight),
    )


def _draw_part(name: str, detail: str, part: float, weight: float) -> Part:
    share = part / weight if weight else 0.0
    return Part(name, detail, f"{part:.2f}", f"{weight:.2f}", f"{min(share, 1.0) * 100:.1f}%")
