"""A preview in words and bars: what share goes where under two policies, and what moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

from routing.core.reasons import Cause
from routing.core.rules import ACTIONS
from routing.models import Category, Stream
from routing.previews import Example, Preview

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

WIDTH: Final = 1000
OUTCOMES: Final[dict[str, "_StrPromise"]] = {
    "act": _("auto"),
    "act_and_review": _("flagged"),
    "wait": _("hold"),
    "refuse": _("reject, refused"),
    "escalate": _("reject, to an expert"),
}
TONES: Final = {
    "act": "auto",
    "act_and_review": "flagged",
    "wait": "hold",
    "refuse": "reject",
    "escalate": "escalated",
}
CAUSES: Final[dict[Cause, "_StrPromise"]] = {
    Cause.OTHER_MODEL: _("model version"),
    Cause.UNCALIBRATED: _("no calibration map"),
    Cause.BAND: _("confidence"),
    Cause.MARGIN: _("margin"),
    Cause.ENTROPY: _("entropy"),
    Cause.DISTRUST: _("found overconfident"),
    Cause.OUTSIDE: _("outside the policy"),
    Cause.MANDATORY: _("mandatory review"),
    Cause.WATCH: _("watch level"),
    Cause.ESCALATION: _("escalation"),
    Cause.NO_SOURCE: _("no source"),
}


@dataclass(frozen=True, slots=True)
class Share:
    """One outcome's items under both policies, with bars in thousandths of all."""

    action: str
    before: int
    after: int
    items: int

    @property
    def name(self) -> str:
        return str(OUTCOMES[self.action])

    @property
    def tone(self) -> str:
        return TONES[self.action]

    @property
    def percent_before(self) -> str:
        return show_percent(self.before, self.items)

    @property
    def percent_after(self) -> str:
        return show_percent(self.after, self.items)

    @property
    def width_before(self) -> int:
        return round(WIDTH * self.before / self.items)

    @property
    def width_after(self) -> int:
        return round(WIDTH * self.after / self.items)

    @property
    def points(self) -> str:
        """The change in percentage points, signed; empty where nothing changes."""
        points = 100.0 * (self.after - self.before) / self.items
        return f"{points:+.1f}".replace("-", "−") if self.after != self.before else ""


@dataclass(frozen=True, slots=True)
class ShownChange:
    """Items that go from one outcome to another, with what accounts for it."""

    before: str
    after: str
    tone: str
    items: int
    why: Sequence[tuple[str, int]]
    examples: Sequence[Example]


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """From one outcome: the items that stay or go, in the order of the columns."""

    name: str
    cells: Sequence[tuple[int, bool]]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A category that always goes to a person, and why."""

    label: str
    reason: str


def list_shares(preview: Preview) -> list[Share]:
    """The outcomes that occur under either policy; the first three always."""
    shares = [
        Share(action, preview.before[action], preview.after[action], preview.items)
        for action in ACTIONS
    ]
    return [share for share in shares if share.before or share.after or share.action in ACTIONS[:3]]


def list_changes(preview: Preview) -> list[ShownChange]:
    return [
        ShownChange(
            before=str(OUTCOMES[change.before]),
            after=str(OUTCOMES[change.after]),
            tone=TONES[change.after],
            items=change.items,
            why=[(str(CAUSES[cause]), count) for cause, count in change.causes],
            examples=change.examples,
        )
        for change in preview.changes
    ]


def list_matrix(preview: Preview) -> tuple[list[str], list[MatrixRow]]:
    """Names of the columns, and rows from each outcome to each; a flag marks what stays."""
    shown = [share.action for share in list_shares(preview)]
    counts = {(change.before, change.after): change.items for change in preview.changes}
    rows = []
    for before in shown:
        gone = sum(counts.get((before, after), 0) for after in ACTIONS)
        counts[before, before] = preview.before[before] - gone
        cells = [(counts.get((before, after), 0), before == after) for after in shown]
        rows.append(MatrixRow(str(OUTCOMES[before]), cells))
    return [str(OUTCOMES[action]) for action in shown], rows


def list_reviewed(stream: Stream, reasons: Mapping[str, str]) -> list[Reviewed]:
    """The categories under mandatory review, by key with the reason, in taxonomy order."""
    if not reasons:
        return []
    found = Category.objects.filter(stream=stream, key__in=list(reasons))
    labels = found.order_by("position", "key").values_list("key", "label")
    return [Reviewed(label, reasons[key]) for key, label in labels]


def show_percent(count: int, items: int) -> str:
    """A share with one decimal; what is not nothing and not all is never shown as such."""
    percent = 100.0 * count / items
    if 0.0 < percent < 0.05:
        return "< 0.1%"
    if 99.95 <= percent < 100.0:
        return "> 99.9%"
    return f"{percent:.1f}%"
