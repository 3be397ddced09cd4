"""Charts as Vega-Lite documents: intervals and counts are drawn, the diagonal is the promise.

Written out instead of built by a library: a document is a dict either way, and nothing has to be
loaded to make one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext as _

from reviewqueue.insight.drawing import INKS
from reviewqueue.insight.figures import Band, BudgetFigures, Step

Document = dict[str, Any]

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
FONT: Final = "-apple-system, Segoe UI, Noto Sans, Helvetica, Arial, sans-serif"
SIDE: Final = 300
SMALL: Final = 132
# The rate of fewer labels would only stretch its interval over the chart.
FEWEST_PRICED: Final = 20
TONES: Final = ("calibrated", "over", "under", "few")
_COLOURS: Final = [INKS["auto"], INKS["flagged"], INKS["watch"], INKS["bar"]]
_SHAPES: Final = ["circle", "triangle-down", "triangle-up", "square"]


def reliability_diagram(points: Sequence[Band], *, floor: float) -> Document:
    """Promise against what was right, by band, over the number of items in each band.

    Both axes begin at `floor`; diagrams side by side share it, or they could not be compared.
    """
    judged = [point for point in points if point["accuracy"] is not None]
    values = [{**point, "count": f"{point['labels']:,}"} for point in judged]
    diagram = {
        "width": SIDE,
        "height": SIDE,
        "layer": [
            _diagonal(floor),
            _diagonal_name(floor),
            *_marks(values, floor, axis=_axis(_("Promised by the confidence")), size=80),
            {
                "data": {"values": values},
                "mark": {"type": "text", "dy": -9, "fontSize": 11, "color": INKS["text-2"]},
                "encoding": {
                    "x": _scaled("confidence", floor, None),
                    "y": _scaled("high", floor, None),
                    "text": {"field": "count"},
                },
            },
        ],
    }
    return as_document({"vconcat": [diagram, _volume(points, floor)], "spacing": 10})


def small_diagram(points: Sequence[Band]) -> Document:
    """The same for one category among many: no counts, which its table has."""
    floor = axis_floor(points)
    judged = [point for point in points if point["accuracy"] is not None]
    ticks = {"values": [floor, 1.0], "format": ".0%", "grid": False, "title": None}
    return as_document(
        {
            "width": SMALL,
            "height": SMALL,
            "layer": [_diagonal(floor), *_marks(judged, floor, axis=ticks, size=50)],
        }
    )


def automation_curve(steps: Sequence[Step], today: Step | None) -> Document:
    """Errors among what is acted on at once, with their interval, by the share acted on."""
    rate = {"type": "quantitative", "axis": _axis(_("Errors among them"), rule=True)}
    share = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": _axis(_("Share of items acted on at once")),
    }
    layers: list[Document] = [
        {
            "data": {"values": list(steps)},
            "mark": {"type": "area", "color": INKS["bar-strong"], "fillOpacity": 0.16},
            "encoding": {"x": share, "y": {"field": "low", **rate}, "y2": {"field": "high"}},
        },
        {
            "data": {"values": list(steps)},
            "mark": {"type": "line", "color": INKS["bar-strong"], "strokeWidth": 2},
            "encoding": {"x": share, "y": {"field": "error", **rate}},
        },
    ]
    if today is not None:
        words = _("today, from %(cut_off)s") % {"cut_off": f"{today['cut_off']:.2f}"}
        here = {"x": share, "y": {"field": "error", **rate}}
        at = {"values": [{**today, "words": words}]}
        layers += [
            {
                "data": at,
                "mark": {
                    "type": "point",
                    "filled": True,
                    "size": 90,
                    "opacity": 1,
                    "color": INKS["text"],
                },
                "encoding": here,
            },
            {
                "data": at,
                "mark": {"type": "text", "dy": -14, "align": "right", "color": INKS["text"]},
                "encoding": {**here, "text": {"field": "words"}},
            },
        ]
    return as_document({"width": 640, "height": 240, "layer": layers})


def price_chart(figures: BudgetFigures) -> Document:
    """By refusal cut-off the share that ships and the wrong ones among it, with their interval.

    The budget is a line across, the cut-off in force one upright. Errors of fewer labels than a
    rate may be told by are left out.
    """
    values: list[Document] = [
        {"cut_off": price["cut_off"], **price["ships"]} for price in figures["prices"]
    ]
    judged = [value for value in values if value["labels"] >= FEWEST_PRICED]
    x: Document = {
        "field": "cut_off",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {**_axis(_("Refused under this confidence")), "format": ".1f", "grid": False},
    }
    share: Document = {"type": "quantitative", "scale": {"domain": [0, 1]}}
    share["axis"] = _axis(_("Share"))
    layers: list[Document] = [
        {
            "data": {"values": judged},
            "mark": {"type": "area", "color": INKS["reject"], "fillOpacity": 0.16},
            "encoding": {"x": x, "y": {"field": "low", **share}, "y2": {"field": "high"}},
        },
        *_named_line(values, x, {"field": "completeness", **share}, _("ship"), INKS["bar-strong"]),
        *_named_line(judged, x, {"field": "rate", **share}, _("wrong of these"), INKS["reject"]),
    ]
    in_force = [value for value in values if value["cut_off"] == figures["cut_off"]]
    words = _("in force: %(cut_off)s") % {"cut_off": f"{figures['cut_off']:.2f}"}
    layers += _rule(in_force, {"x": x}, {"x": x, "y": {"value": 8}}, words, dx=6)
    if figures["budget"] is not None:
        across = {"y": {"field": "budget", **share}}
        at = [{"budget": figures["budget"]}]
        words = _("budget %(share)s") % {"share": f"{100.0 * figures['budget']:.4g}%"}
        layers += _rule(at, across, {**across, "x": {"value": 4}}, words, dy=-8)
    return as_document({"width": 640, "height": 260, "layer": layers})


def axis_floor(points: Sequence[Band]) -> float:
    """Where both axes of a diagram begin: a tenth under all that it shows."""
    shown = [
        value
        for point in points
        for value in (point["confidence"], point["low"])
        if value is not None and point["accuracy"] is not None
    ]
    return max(0.0, min(int(min(shown, default=0.0) * 10.0), 8) / 10.0)


def _marks(
    values: Sequence[Mapping[str, object]], floor: float, *, axis: Document, size: int
) -> list[Document]:
    """Intervals and points: hue and shape both say the verdict."""
    x = _scaled("confidence", floor, axis)
    right = {**axis, "title": _("Right, as judged") if axis.get("title") else None}
    colour = {
        "field": "tone",
        "type": "nominal",
        "scale": {"domain": list(TONES), "range": _COLOURS},
        "legend": None,
    }
    shape = {**colour, "scale": {"domain": list(TONES), "range": _SHAPES}}
    return [
        {
            "data": {"values": list(values)},
            "mark": {"type": "rule", "strokeWidth": 2, "strokeCap": "round", "strokeOpacity": 0.55},
            "encoding": {
                "x": x,
                "y": _scaled("low", floor, right),
                "y2": {"field": "high"},
                "color": colour,
            },
        },
        {
            "data": {"values": list(values)},
            "mark": {"type": "point", "filled": True, "size": size, "opacity": 1},
            "encoding": {
                "x": x,
                "y": _scaled("accuracy", floor, right),
                "color": colour,
                "shape": shape,
            },
        },
    ]


def _diagonal(floor: float) -> Document:
    ends = [{"confidence": end, "accuracy": end} for end in (floor, 1.0)]
    return {
        "data": {"values": ends},
        "mark": {"type": "line", "color": INKS["axis"], "strokeDash": [4, 4], "strokeWidth": 1},
        "encoding": {
            "x": _scaled("confidence", floor, None),
            "y": _scaled("accuracy", floor, None),
        },
    }


def _diagonal_name(floor: float) -> Document:
    at = floor + 0.16 * (1.0 - floor)
    return {
        "data": {"values": [{"confidence": at, "accuracy": at}]},
        "mark": {
            "type": "text",
            "angle": 315,
            "dy": -8,
            "fontSize": 11,
            "color": INKS["text-3"],
            "text": _("promise kept"),
        },
        "encoding": {
            "x": _scaled("confidence", floor, None),
            "y": _scaled("accuracy", floor, None),
        },
    }


def _volume(points: Sequence[Band], floor: float) -> Document:
    """Items by band, under the diagram and in its width."""
    values = [
        {"from": max(point["lower"], floor), "to": point["upper"], "items": point["items"]}
        for point in points
        if point["upper"] > floor
    ]
    scale = {"domain": [floor, 1.0]}
    return {
        "width": SIDE,
        "height": 44,
        "data": {"values": values},
        "mark": {"type": "bar", "color": INKS["bar"], "fillOpacity": 0.45, "binSpacing": 2},
        "encoding": {
            "x": {
                "field": "from",
                "type": "quantitative",
                "bin": {"binned": True},
                "scale": scale,
                "axis": None,
            },
            "x2": {"field": "to"},
            "y": {
                "field": "items",
                "type": "quantitative",
                "axis": {
                    "tickCount": 2,
                    "format": "~s",
                    "grid": False,
                    "title": _("Items"),
                    "domain": False,
                },
            },
        },
    }


def _named_line(
    values: Sequence[Document], x: Document, y: Document, name: str, colour: str
) -> list[Document]:
    """A line with its name at the left end, which a legend would make one look up."""
    known = [value for value in values if value[y["field"]] is not None]
    return [
        {
            "data": {"values": known},
            "mark": {"type": "line", "color": colour, "strokeWidth": 2},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": known[:1]},
            "mark": {
                "type": "text",
                "text": name,
                "align": "left",
                "dx": 6,
                "dy": 14,
                "color": colour,
            },
            "encoding": {"x": x, "y": y},
        },
    ]


def _rule(
    at: Sequence[Document],
    line: Document,
    label: Document,
    words: str,
    *,
    dx: int = 0,
    dy: int = 0,
) -> list[Document]:
    mark = {"type": "rule", "color": INKS["text-2"], "strokeDash": [4, 4], "strokeWidth": 1}
    named = {"type": "text", "text": words, "align": "left", "color": INKS["text-2"]}
    return [
        {"data": {"values": list(at)}, "mark": mark, "encoding": line},
        {
            "data": {"values": list(at)},
            "mark": {**named, "dx": dx, "dy": dy},
            "encoding": label,
        },
    ]


def _scaled(field: str, floor: float, axis: Document | None) -> Document:
    encoding: Document = {
        "field": field,
        "type": "quantitative",
        "scale": {"domain": [floor, 1.0]},
    }
    if axis is not None:
        encoding["axis"] = axis
    return encoding


def _axis(title: str, *, rule: bool = True) -> Document:
    return {"title": title, "format": ".0%", "tickCount": 5, "grid": rule}


def as_document(content: Document) -> Document:
    """A whole document in the product's look."""
    return {
        "$schema": SCHEMA,
        "background": None,
        "padding": 4,
        **content,
        "config": {
            "aria": False,
            "font": FONT,
            "view": {"stroke": None},
            "axis": {
                "labelFontSize": 11,
                "titleFontSize": 11,
                "titleFontWeight": 400,
                "labelColor": INKS["text-3"],
                "titleColor": INKS["text-3"],
                "gridColor": INKS["grid"],
                "domainColor": INKS["axis"],
                "tickColor": INKS["axis"],
                "tickSize": 4,
                "titlePadding": 8,
            },
            "text": {"fontSize": 11},
        },
    }
