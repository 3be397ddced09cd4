"""The error budget page of drafted sentences: what shipped wrong, and what less would cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from reviewqueue.htmx import PersonRequest, signed_in
from reviewqueue.insight.figures import BudgetFigures, PricedCutOff, Ships
from reviewqueue.insight.sheets import read_sheet
from reviewqueue.insight_models import InsightSheet
from reviewqueue.views.insight.pages import (
    NOTHING,
    as_percent,
    as_points,
    as_range,
    find_analysed,
    judge_rate,
    send_table,
    show_picture,
    show_sheet,
)
from routing.core.signals import show_number
from routing.models import Stream

TEMPLATE: Final = "insight/budget.html"
BUDGET: Final = InsightSheet.Kind.BUDGET
BADGES: Final = {"auto": gettext_lazy("Green"), "flagged": gettext_lazy("Amber")}
WARNINGS: Final = {
    "stale_source": gettext_lazy("Stale source"),
    "off_topic": gettext_lazy("Off topic"),
    "number_not_found": gettext_lazy("Number found in no block"),
    "none": gettext_lazy("No warning"),
}
# The table has steps of .05 from here; the chart and the file have every hundredth.
FIRST_STEP: Final = 30
STEP: Final = 5


@dataclass(frozen=True, slots=True)
class ShipsRow:
    """What ships, of one badge or in total, in figures; `needed` are the labels wanted still."""

    name: str
    queue: str
    items: str
    share: str
    labels: int
    rate: str
    interval: str
    promised: str
    gap: str
    state: str
    needed: str


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What one refusal cut-off does; `change` is its completeness less that of the one in force."""

    cut_off: str
    completeness: str
    change: str
    rate: str
    interval: str
    wrong: str
    labels: int
    state: str
    is_in_force: bool
    is_kept_from: bool


@dataclass(frozen=True, slots=True)
class WarningRow:
    """How many of the sentences judged wrong, and of those judged right, had a warning."""

    name: str
    wrong: int
    wrong_share: str
    right: int
    right_share: str


@require_safe
@signed_in
def budget(request: PersonRequest, stream_key: str) -> HttpResponse:
    """How much of what shipped was wrong, against the budget, and what refusing more would cost."""
    stream = _find_grounded(request, stream_key)
    return show_sheet(request, stream, BUDGET, TEMPLATE, _describe)


@require_safe
@signed_in
def prices(request: PersonRequest, stream_key: str) -> HttpResponse:
    """Every cut-off of the chart as CSV, numbers as they were counted."""
    stream = _find_grounded(request, stream_key)
    shown = read_sheet(stream=stream, kind=BUDGET)
    columns = ("items", "completeness", "labels", "promised", "rate", "low", "high")
    rows: list[Sequence[object]] = [("cut_off", *columns)]
    if shown.ready is not None:
        figures = cast(BudgetFigures, shown.ready.figures)
        rows += [
            (price["cut_off"], *(dict(price["ships"])[name] for name in columns))
            for price in figures["prices"]
        ]
    return send_table(f"{stream.key}-cut-offs.csv", rows)


def _find_grounded(request: PersonRequest, stream_key: str) -> Stream:
    stream = find_analysed(request, stream_key)
    if not stream.is_grounded:
        raise Http404
    return stream


def _describe(stream: Stream, sheet: InsightSheet) -> dict[str, object]:
    figures = cast(BudgetFigures, sheet.figures)
    spent = figures["spent"]
    total = _draw_ships(_("In total"), "", figures["total"], figures["budget"])
    return {
        "figures": figures,
        "made_at": sheet.made_at,
        "budget": _word_budget(figures["budget"]),
        "total": total,
        "ships": [
            *(
                _draw_ships(str(BADGES[queue]), queue, ships, figures["budget"])
                for queue, ships in figures["bands"].items()
            ),
            total,
        ],
        "advice": _word_advice(figures),
        "prices": _draw_prices(figures),
        "picture": show_picture(
            sheet,
            stream,
            "price",
            title=_("What another refusal cut-off would cost"),
            description=_word_advice(figures),
        ),
        "hours": f"{sum(each['hours'] for each in spent.values()):,.1f}",
        "answers": _word_spent(figures, "answers"),
        "adjudications": _word_spent(figures, "adjudications"),
        "untimed": sum(each["untimed"] for each in spent.values()),
        "warnings": _draw_warnings(figures),
        "prices_address": reverse("insight-budget-prices", args=[stream.key]),
    }


def _draw_ships(name: str, queue: str, ships: Ships, budget: float | None) -> ShipsRow:
    rate, promised = ships["rate"], ships["promised"]
    return ShipsRow(
        name=name,
        queue=queue,
        items=f"{ships['items']:,.0f}",
        share=as_percent(ships["completeness"]),
        labels=ships["labels"],
        rate=as_percent(rate),
        interval=as_range(ships["low"], ships["high"]),
        promised=as_percent(promised),
        gap=NOTHING if rate is None or promised is None else as_points(rate - promised),
        state=judge_rate(budget, ships["low"], ships["high"]),
        needed=_word_needed(ships, budget),
    )


def _word_needed(ships: Ships, budget: float | None) -> str:
    if budget is None or not ships["items"] or ships["needed"] == 0:
        return ""
    if ships["needed"] is None:
        return _("the rate is the budget; no number of labels tells them apart")
    number = f"{ships['needed']:,}"
    if not ships["labels"]:
        return _("%(n)s labels would do, if none is wrong") % {"n": number}
    return _("about %(n)s more labels") % {"n": number}


def _draw_prices(figures: BudgetFigures) -> list[PriceRow]:
    now = next(each for each in figures["prices"] if each["cut_off"] == figures["cut_off"])
    named = {figures["cut_off"], figures["kept_from"]}
    return [
        _draw_price(price, now, figures)
        for price in figures["prices"]
        if price["cut_off"] in named or _is_step(price["cut_off"])
    ]


def _is_step(cut_off: float) -> bool:
    number = round(100.0 * cut_off)
    return number >= FIRST_STEP and number % STEP == 0 and number == round(100.0 * cut_off, 9)


def _draw_price(price: PricedCutOff, now: PricedCutOff, figures: BudgetFigures) -> PriceRow:
    ships, today = price["ships"], now["ships"]
    rate, share, before = ships["rate"], ships["completeness"], today["completeness"]
    is_in_force = price is now
    return PriceRow(
        cut_off=show_number(price["cut_off"]),
        completeness=as_percent(share),
        change="" if is_in_force or share is None or before is None else as_points(share - before),
        rate=as_percent(rate),
        interval=as_range(ships["low"], ships["high"]),
        wrong=NOTHING if rate is None else f"{rate * ships['items']:,.0f}",
        labels=ships["labels"],
        state=judge_rate(figures["budget"], ships["low"], ships["high"]),
        is_in_force=is_in_force,
        is_kept_from=price["cut_off"] == figures["kept_from"],
    )


def _draw_warnings(figures: BudgetFigures) -> list[WarningRow]:
    wrong, right = (cast(dict[str, int], figures["warned"][side]) for side in ("wrong", "right"))
    return [
        WarningRow(
            name=str(name),
            wrong=wrong[key],
            wrong_share=_share_of(wrong[key], wrong["labels"]),
            right=right[key],
            right_share=_share_of(right[key], right["labels"]),
        )
        for key, name in WARNINGS.items()
    ]


def _word_advice(figures: BudgetFigures) -> str:
    """Which cut-off keeps the budget and what it costs, in a sentence."""
    budget, kept = figures["budget"], figures["kept_from"]
    words = {"budget": _word_budget(budget), "cut_off": show_number(kept or 0.0)}
    if budget is None:
        return _("The stream has no error budget, so no cut-off is named.")
    if kept is None:
        met = figures["met_from"]
        if met is None:
            return _("No cut-off with labels enough keeps the budget of %(budget)s.") % words
        return _(
            "No cut-off surely keeps the budget of %(budget)s; from %(cut_off)s up the measured "
            "rate is within it, and the upper end of its interval is not."
        ) % (words | {"cut_off": show_number(met)})
    if kept <= figures["cut_off"]:
        return _("The cut-off in force keeps the budget of %(budget)s; %(cut_off)s would too.") % (
            words
        )
    at, now = (
        next(each["ships"]["completeness"] for each in figures["prices"] if each["cut_off"] == here)
        for here in (kept, figures["cut_off"])
    )
    return _(
        "Refused under %(cut_off)s, the budget of %(budget)s is kept, the whole interval included; "
        "%(after)s ship instead of %(before)s."
    ) % (words | {"after": as_percent(at), "before": as_percent(now)})


def _word_spent(figures: BudgetFigures, which: str) -> str:
    spent = figures["spent"][which]
    return _("%(hours)s h in %(n)s") % {
        "hours": f"{spent['hours']:,.1f}",
        "n": f"{spent['verdicts']:,}",
    }


def _word_budget(budget: float | None) -> str:
    return NOTHING if budget is None else f"{100.0 * budget:.4g}%"


def _share_of(count: int, total: int) -> str:
    return as_percent(count / total, 0) if total else ""
