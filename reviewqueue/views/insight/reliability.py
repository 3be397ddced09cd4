"""The reliability page: diagrams before and after calibration, by category, and the table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reviewqueue.htmx import PersonRequest, signed_in
from reviewqueue.insight.figures import BROKEN, ReliabilityFigures, Series, find_worst, gap_of
from reviewqueue.insight.figures import Band as Cell
from reviewqueue.insight.sheets import read_sheet
from reviewqueue.insight_models import InsightSheet
from reviewqueue.views.insight.pages import (
    NOTHING,
    VERDICTS,
    Picture,
    as_percent,
    as_points,
    as_range,
    find_analysed,
    read_labels_by_key,
    send_table,
    show_picture,
    show_sheet,
)
from routing.core.signals import show_number
from routing.models import Stream

Kind = InsightSheet.Kind

PERIODS: Final = {Kind.MONTH: 30, Kind.QUARTER: 90}
TEMPLATE: Final = "insight/reliability.html"


@dataclass(frozen=True, slots=True)
class Band:
    """One cell of the table, in figures; `address` lists its items where there are labels."""

    band: str
    items: str
    labels: int
    promised: str
    right: str
    interval: str
    gap: str
    verdict: str
    tone: str
    address: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One set of maps: its diagram and the table of all categories."""

    name: str
    title: str
    picture: Picture | None
    bands: Sequence[Band]
    error: str
    floor: str


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """One category: its cells by band, its worst one, and its diagram where it is drawn."""

    label: str
    labels: int
    worst: Band
    cells: Sequence[Band]
    picture: Picture | None


@require_safe
@signed_in
def reliability(request: PersonRequest, stream_key: str) -> HttpResponse:
    """What the confidences promise against what people found, worst first."""
    stream = find_analysed(request, stream_key)
    kind = find_period(request)
    periods = [(days, days == PERIODS[kind]) for days in PERIODS.values()]
    return show_sheet(request, stream, kind, TEMPLATE, _describe, periods=periods)


@require_safe
@signed_in
def table(request: PersonRequest, stream_key: str) -> HttpResponse:
    """All cells of the page as CSV, numbers as they were counted."""
    stream = find_analysed(request, stream_key)
    kind = find_period(request)
    shown = read_sheet(stream=stream, kind=kind)
    columns = ("lower", "upper", "items", "labels", "confidence", "accuracy", "low", "high")
    rows: list[Sequence[object]] = [("maps", "category", *columns, "verdict")]
    for series in cast(ReliabilityFigures, shown.ready.figures)["series"] if shown.ready else ():
        tables = {"": series["bands"], **series["categories"]}
        rows += [
            (series["name"], key, *(dict(cell)[name] for name in columns), cell["verdict"])
            for key, cells in tables.items()
            for cell in cells
        ]
    return send_table(f"{stream.key}-reliability-{PERIODS[kind]}.csv", rows)


def find_period(request: HttpRequest) -> Kind:
    """The sheet of the days that the address asks for: 30 unless it says 90."""
    asked = request.GET.get("days", "")
    return next((kind for kind, days in PERIODS.items() if str(days) == asked), Kind.MONTH)


def _describe(stream: Stream, sheet: InsightSheet) -> dict[str, object]:
    figures = cast(ReliabilityFigures, sheet.figures)
    label_of = read_labels_by_key(stream)
    series = figures["series"]
    last = series[-1]
    days = PERIODS[Kind(sheet.kind)]
    return {
        "figures": figures,
        "made_at": sheet.made_at,
        "panels": [_draw_panel(stream, sheet, figures, each) for each in series],
        "edges": [_word_band(cell) for cell in last["bands"]],
        "categories": [
            _draw_category(stream, sheet, last, number=number, label_of=label_of)
            for number in range(len(figures["worst"]))
        ],
        "broken": sum(
            cell["verdict"] in BROKEN for cells in last["categories"].values() for cell in cells
        ),
        "table_address": f"{reverse('insight-reliability-table', args=[stream.key])}?days={days}",
    }


def _draw_panel(
    stream: Stream, sheet: InsightSheet, figures: ReliabilityFigures, series: Series
) -> Panel:
    name = series["name"]
    title = {
        "raw": _("Raw confidence, as the model gave it"),
        "in_force": _("Calibrated by policy %(version)s") % {"version": figures["version"]},
        "draft": _("Calibrated as the newest draft proposes"),
    }[name]
    bands = [_draw_band(stream, sheet, cell, name) for cell in series["bands"]]
    said = [
        _("promised %(promised)s, right %(right)s of %(n)s")
        % {"promised": band.promised, "right": band.right, "n": band.labels}
        for band in bands
        if band.labels
    ]
    return Panel(
        name=name,
        title=title,
        picture=show_picture(
            sheet,
            stream,
            name,
            title=_("Reliability diagram: %(of)s") % {"of": title},
            description="; ".join(said),
        ),
        bands=bands,
        error=NOTHING if series["ece"] is None else f"{series['ece']:.3f}",
        floor=NOTHING if series["floor"] is None else f"{series['floor']:.3f}",
    )


def _draw_category(
    stream: Stream,
    sheet: InsightSheet,
    series: Series,
    *,
    number: int,
    label_of: Mapping[str, str],
) -> CategoryRow:
    """The category in the place `number` of the worst ones."""
    key = sheet.figures["worst"][number]
    label = label_of.get(key, key)
    cells = series["categories"][key]
    bands = [_draw_band(stream, sheet, cell, series["name"], key) for cell in cells]
    worst = bands[find_worst(cells)]
    return CategoryRow(
        label=label,
        labels=sum(cell["labels"] for cell in cells),
        worst=worst,
        cells=bands,
        picture=show_picture(
            sheet,
            stream,
            f"category-{number}",
            title=_("Reliability diagram of %(category)s") % {"category": label},
            description=_("At %(band)s: promised %(promised)s, right %(right)s, %(verdict)s")
            % {
                "band": worst.band,
                "promised": worst.promised,
                "right": worst.right,
                "verdict": worst.verdict,
            },
        ),
    )


def _draw_band(
    stream: Stream, sheet: InsightSheet, cell: Cell, maps: str, category: str = ""
) -> Band:
    days = PERIODS[Kind(sheet.kind)]
    query: dict[str, object] = {
        "days": days,
        "maps": maps,
        "lower": cell["lower"],
        "upper": cell["upper"],
    }
    if category:
        query["category"] = category
    address = reverse("insight-reliability-items", args=[stream.key])
    return Band(
        band=_word_band(cell),
        items=f"{cell['items']:,.0f}",
        labels=cell["labels"],
        promised=as_percent(cell["confidence"]),
        right=as_percent(cell["accuracy"]),
        interval=as_range(cell["low"], cell["high"]),
        gap=as_points(gap_of(cell)),
        verdict=str(VERDICTS[cell["verdict"]]),
        tone=cell["tone"],
        address=f"{address}?{urlencode(query)}" if cell["labels"] else "",
    )


def _word_band(cell: Cell) -> str:
    return f"{show_number(cell['lower'])} – {show_number(cell['upper'])}"
