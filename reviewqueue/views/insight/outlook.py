"""What trying a policy found, in rows and words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from reviewqueue.insight.figures import Promise, WhatIfFigures
from reviewqueue.views.insight.pages import NOTHING, as_percent, as_points, as_range
from routing.admin.shares import OUTCOMES, TONES
from routing.core.policy import Policy

if TYPE_CHECKING:
    from reviewqueue.insight.comparisons import Comparison, Errors, Share

WIDTH: Final = 1000
ALWAYS_SHOWN: Final = ("act", "act_and_review", "wait")


@dataclass(frozen=True, slots=True)
class ShareRow:
    """One outcome's share under both policies, with bars in thousandths."""

    name: str
    tone: str
    before: str
    after: str
    interval: str
    points: str
    width_before: int
    width_after: int


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """Errors among what is acted on, under both policies; `is_certified` that they are promised."""

    name: str
    tone: str
    share_before: str
    share_after: str
    before: str
    before_interval: str
    after: str
    interval: str
    labels: int
    is_certified: bool


def describe_comparison(
    comparison: "Comparison",
    figures: WhatIfFigures,
    policy: Policy,
    moved: Policy,
    label_of: Mapping[str, str],
) -> dict[str, object]:
    """The part of the page's context that changes with every move."""
    today, after = comparison.today, comparison.moved
    promise = figures["promise"]
    certified = _is_promised(promise, moved)
    errors = [
        _draw_errors(
            str(OUTCOMES[action]),
            TONES[action],
            (today.shares.get(action), today.errors[action]),
            (after.shares.get(action), after.errors[action]),
            is_certified=certified and action == "act",
        )
        for action in ("act", "act_and_review")
    ]
    own = [
        _draw_errors(label_of.get(key, key), "", today.own[key], after.own[key])
        for key in after.own
    ]
    return {
        "is_moved": moved != policy,
        "headline": _word_headline(comparison),
        "shares": _draw_shares(comparison),
        "errors": errors,
        "own_errors": own,
        "hours_before": _word_hours(today.hours),
        "hours_after": _word_hours(after.hours),
        "hours_change": _word_change(today.hours, after.hours),
        "promise": _word_promise(promise),
        "is_certified": certified,
        "warnings": moved.warnings(),
    }


def _draw_shares(comparison: "Comparison") -> list[ShareRow]:
    rows = []
    for action, after in comparison.moved.shares.items():
        before = comparison.today.shares[action]
        if not before.items and not after.items and action not in ALWAYS_SHOWN:
            continue
        rows.append(
            ShareRow(
                name=str(OUTCOMES[action]),
                tone=TONES[action],
                before=as_percent(before.value),
                after=as_percent(after.value),
                interval=as_range(after.low, after.high),
                points=as_points(after.value - before.value),
                width_before=round(WIDTH * before.value),
                width_after=round(WIDTH * after.value),
            )
        )
    return rows


def _draw_errors(
    name: str,
    tone: str,
    before: "tuple[Share | None, Errors]",
    after: "tuple[Share | None, Errors]",
    *,
    is_certified: bool = False,
) -> ErrorRow:
    (share_before, old), (share_after, new) = before, after
    return ErrorRow(
        name=name,
        tone=tone,
        share_before=as_percent(share_before.value if share_before else None),
        share_after=as_percent(share_after.value if share_after else None),
        before=as_percent(old.error),
        before_interval=as_range(old.low, old.high),
        after=as_percent(new.error),
        interval=as_range(new.low, new.high),
        labels=new.labels,
        is_certified=is_certified,
    )


def _is_promised(promise: Promise | None, policy: Policy) -> bool:
    """Whether everything that the policy acts on lies above the certified cut-off."""
    if promise is None:
        return False
    lowest = min(policy.effective(key).auto for key in policy.categories)
    return lowest >= promise["cut_off"]


def _word_promise(promise: Promise | None) -> str:
    if promise is None:
        return _("No cut-off is certified under this policy's maps yet.")
    return _(
        "Certified: at most %(alpha)s errors among what is acted on at once, at %(sure)s "
        "confidence, of all categories together, from %(cut_off)s up (%(audits)s audits)."
    ) % {
        "alpha": f"{100.0 * promise['alpha']:.4g}%",
        "sure": f"{100.0 * (1.0 - promise['delta']):.4g}%",
        "cut_off": f"{promise['cut_off']:.4g}",
        "audits": f"{promise['audits']:,}",
    }


def _word_headline(comparison: "Comparison") -> str:
    """The page in a sentence, which is also what a screen reader hears after a move."""
    if not comparison.items:
        return _("No items of these 90 days can be routed again.")
    before, after = comparison.today.shares["act"], comparison.moved.shares["act"]
    words = {"before": as_percent(before.value), "after": as_percent(after.value)}
    if before.items == after.items:
        first = _("Acts on %(after)s at once, as today") % words
    else:
        first = _("Acts on %(after)s at once instead of %(before)s") % words
    error = comparison.moved.errors["act"]
    if error.error is None:
        return _("%(first)s; no label says how many of these are errors.") % {"first": first}
    return _("%(first)s, with %(error)s errors (%(interval)s).") % {
        "first": first,
        "error": as_percent(error.error),
        "interval": as_range(error.low, error.high),
    }


def _word_hours(hours: float | None) -> str:
    if hours is None:
        return NOTHING
    shown = f"{hours:,.1f}"
    return ngettext("%(n)s hour", "%(n)s hours", 1 if shown == "1.0" else 2) % {"n": shown}


def _word_change(before: float | None, after: float | None) -> str:
    if before is None or after is None or round(after - before, 1) == 0.0:
        return ""
    return f"{after - before:+.1f} h".replace("-", "−")
