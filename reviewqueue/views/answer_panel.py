"""The right side of the review screen as values: the choices and the machine's answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from reviewqueue.views.badges import SHOWN_APART, Grounds, describe_grounds
from reviewqueue.views.reason_chips import ReasonChip, percent_apart, word_reason
from routing.core.policy import CutOffs, Policy
from routing.models import Category, Decision

SHOWN_FIRST = 5
ALL_SHOWN_UP_TO = 10
HOT_KEYS = "123456789"
UNCALIBRATED_BY = ("model_version", "uncalibrated")
QUEUES_RISING = ("reject", "hold", "flagged", "auto")


@dataclass(frozen=True, slots=True)
class Choice:
    """One category to choose; `hotkey`, `score` and `width` are empty where there is none."""

    key: str
    label: str
    definition: str
    hotkey: str = ""
    score: str = ""
    width: str = ""
    checked: bool = False

    @property
    def with_bar(self) -> bool:
        return bool(self.width)


@dataclass(frozen=True, slots=True)
class Choices:
    """All categories: those in sight with keys and bars, and the rest behind the search."""

    first: tuple[Choice, ...]
    rest: tuple[Choice, ...]

    @property
    def all(self) -> tuple[Choice, ...]:
        return self.first + self.rest

    @property
    def total(self) -> int:
        return len(self.first) + len(self.rest)

    @property
    def chosen(self) -> tuple[Choice, ...]:
        return tuple(choice for choice in self.all if choice.checked)

    @property
    def has_definitions(self) -> bool:
        return any(choice.definition for choice in self.all)


@dataclass(frozen=True, slots=True)
class Band:
    """One band of the scale, in per cent of its width."""

    queue: str
    x: float
    width: float
    here: bool


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    words: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Scale:
    """The bands of confidence with their cut-offs, and where this item stands."""

    bands: tuple[Band, ...]
    ticks: tuple[Tick, ...]
    here: float
    words: str


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine's answer. Blind screens never hold one. `grounds` are those of a sentence.

    `retired_at`: since when nobody can choose its category any more.
    """

    key: str
    label: str
    figure: str
    raw: str
    calibrated: bool
    support: str
    bands: Scale
    reasons: tuple[ReasonChip, ...]
    retired_at: datetime | None = None
    grounds: Grounds | None = None

    @property
    def offered(self) -> str:
        """The key of what a reviewer may confirm; empty for a sentence that it refused."""
        refused = self.grounds is not None and not self.grounds.badge.ships
        return "" if refused else self.key


def arrange_choices(
    categories: Sequence[Category],
    *,
    scores: Mapping[str, float] | None,
    chosen: Sequence[str],
    keys_taken: str = "",
) -> Choices:
    """Categories by score where `scores` may be seen, else in the taxonomy's order.

    `categories` are in the taxonomy's order, `chosen` their keys. Without scores (blind) nothing
    of the order or the keys depends on the machine. Categories that are digits keep their order
    and are pressed by their own key. Keys in `keys_taken` press something else. What the model did
    not list has a dash, not a score of 0.
    """
    digits = len(categories) <= ALL_SHOWN_UP_TO and all(
        len(category.key) == 1 and category.key.isdigit() for category in categories
    )
    ordered = list(categories)
    if scores is not None and not digits:
        ordered.sort(key=lambda category: -scores.get(category.key, 0.0))
    in_sight = len(ordered) if len(ordered) <= ALL_SHOWN_UP_TO else SHOWN_FIRST
    if scores is None and len(ordered) > ALL_SHOWN_UP_TO:
        in_sight = len(HOT_KEYS)

    def draw(index: int, category: Category) -> Choice:
        hot = category.key if digits else HOT_KEYS[index : index + 1]
        score = None if scores is None else scores.get(category.key, 0.0)
        listed = scores is not None and category.key in scores
        return Choice(
            key=category.key,
            label=category.label,
            definition=category.definition,
            hotkey=hot if index < in_sight and hot not in keys_taken else "",
            score="" if score is None else f"{score:.2f}" if listed else "–",
            width="" if score is None or index >= in_sight else f"{score * 100:.1f}%",
            checked=category.key in chosen,
        )

    drawn = [draw(index, category) for index, category in enumerate(ordered)]
    return Choices(tuple(drawn[:in_sight]), tuple(drawn[in_sight:]))


def describe_machine(
    decision: Decision,
    *,
    policy: Policy,
    label_of: Callable[[str], str],
    retired_at: datetime | None = None,
) -> Machine:
    """What the machine said of an item, by the policy that it was decided under."""
    cut_offs = policy.effective(decision.predicted)
    has_map = policy.map_for(decision.predicted) is not None
    calibrated = is_calibrated(decision, has_map=has_map)
    return Machine(
        key=decision.predicted,
        label=label_of(decision.predicted),
        figure=percent_apart(decision.confidence, cut_offs.auto, cut_offs.flagged, cut_offs.hold),
        raw=f"{decision.raw_confidence:.2f}",
        calibrated=calibrated,
        support=_("policy %(version)d") % {"version": policy.version},
        bands=draw_scale(decision.confidence, cut_offs),
        reasons=tuple(
            word_reason(reason, label_of=label_of)
            for reason in decision.reasons
            if reason.get("code") not in SHOWN_APART
        ),
        retired_at=retired_at,
        grounds=describe_grounds(decision, policy.grounding) if policy.grounding else None,
    )


def is_calibrated(decision: Decision, *, has_map: bool) -> bool:
    """Whether the confidence went through a map; with some reasons it did not.

    `has_map`: the policy has one for the predicted category, its own or the stream's.
    """
    codes = {reason.get("code") for reason in decision.reasons}
    return has_map and codes.isdisjoint(UNCALIBRATED_BY)


def draw_scale(confidence: float, cut_offs: CutOffs) -> Scale:
    """The scale from 0 to 100 per cent; a band that two equal cut-offs make empty is left out."""
    edges = (0.0, cut_offs.hold, cut_offs.flagged, cut_offs.auto, 1.0)
    bands: list[Band] = []
    ticks: list[Tick] = []
    inside, gap = (QUEUES_RISING[0], 0.0, 1.0), 0.6
    for queue, low, high in zip(QUEUES_RISING, edges, edges[1:], strict=False):
        if high <= low:
            continue
        here = low <= confidence < high or (queue == "auto" and confidence >= low)
        if here:
            inside = (queue, low, high)
        left = low * 100 + (gap / 2 if low > 0 else 0)
        right = high * 100 - (gap / 2 if high < 1 else 0)
        bands.append(Band(queue, round(left, 2), round(max(right - left, 0.2), 2), here))
        if low > 0 and (not ticks or low * 100 - ticks[-1].x >= 6):
            anchor = "end" if low > 0.97 else "middle"
            ticks.append(Tick(round(low * 100, 2), f"{low * 100:g}", anchor))
    words = _(
        "%(here)s per cent: in the %(band)s band, which runs from %(low)g to %(high)g; "
        "auto starts at %(auto)g"
    ) % {
        "here": percent_apart(confidence, *edges[1:4]),
        "band": inside[0],
        "low": round(inside[1] * 100, 4),
        "high": round(inside[2] * 100, 4),
        "auto": round(cut_offs.auto * 100, 4),
    }
    return Scale(tuple(bands), tuple(ticks), round(confidence * 100, 2), words)
