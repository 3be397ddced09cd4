"""Charts of how much there was, period by period, as Vega-Lite documents: stacked shares and work.

The queues' names stand at the end of their stripes; how much was routed, and the hours, stand in a
strip below.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from django.utils.translation import gettext as _

from reviewqueue.insight.charts import Document, as_document
from reviewqueue.insight.drawing import INKS
from reviewqueue.insight.figures import PeriodFigures
from routing.models import Decision

WIDTH: Final = 560
HEIGHT: Final = 220
STRIP: Final = 44
# What a well-designed taxonomy routes to auto.
HEALTHY_AUTO: Final = (0.80, 0.90)
QUEUES: Final = tuple(Decision.Queue.values)
# The largest stripe is the quietest: it is the small ones that are read.
DEPTHS: Final = {"auto": 0.22, "flagged": 0.75, "hold": 0.75, "reject": 0.85}
# Of the height; closer together two names would touch.
APART: Final = 0.062


def share_chart(periods: Sequence[PeriodFigures]) -> Document:
    """Shares of the queues, stacked by period, with the range that is healthy for auto."""
    drawn = [period for period in periods if period["items"]]
    stripes = [stripe for period in drawn for stripe in _stack(period)]
    y = {
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"title": _("Share of items"), "format": ".0%", "tickCount": 5, "grid": False},
    }
    colour = {
        "field": "queue",
        "type": "nominal",
        "scale": {"domain": list(QUEUES), "range": [INKS[queue] for queue in QUEUES]},
        "legend": None,
    }
    depth = {
        "field": "queue",
        "type": "nominal",
        "scale": {"domain": list(QUEUES), "range": [DEPTHS[queue] for queue in QUEUES]},
        "legend": None,
    }
    chart = {
        "width": WIDTH,
        "height": HEIGHT,
        "layer": [
            {
                "data": {"values": stripes},
                "mark": {"type": "rect", "stroke": INKS["surface"], "strokeWidth": 1},
                "encoding": {
                    **_span(periods, labels=False),
                    "y": {"field": "low", **y},
                    "y2": {"field": "high"},
                    "color": colour,
                    "fillOpacity": depth,
                },
            },
            *_healthy_range(y),
            *_name_stripes(_stack(drawn[-1]), y),
        ],
    }
    bars = [{**_ends(period), "items": period["items"]} for period in drawn]
    below = _strip(periods, bars, "items", _("Items"), colour=INKS["bar"], form="~s")
    return as_document({"vconcat": [chart, below], "spacing": 8})


def work_chart(periods: Sequence[PeriodFigures]) -> Document:
    """Answers and, on top of them, rows of batches by period; active hours in a strip below."""
    values = [
        {**_ends(period), "low": low, "high": high, "kind": kind}
        for period in periods
        for kind, low, high in (
            ("answers", 0, period["answers"]),
            ("batch", period["answers"], period["answers"] + period["batch_rows"]),
        )
        if high > low
    ]
    kinds = ["answers", "batch"]
    chart = {
        "width": WIDTH,
        "height": 140,
        "data": {"values": values},
        "mark": {"type": "rect", "stroke": INKS["surface"], "strokeWidth": 1},
        "encoding": {
            **_span(periods, labels=False),
            "y": {
                "field": "low",
                "type": "quantitative",
                "axis": {"title": _("Verdicts"), "tickCount": 4, "format": "~s"},
            },
            "y2": {"field": "high"},
            "color": {
                "field": "kind",
                "type": "nominal",
                "scale": {"domain": kinds, "range": [INKS["bar-strong"], INKS["bar"]]},
                "legend": None,
            },
        },
    }
    bars = [{**_ends(period), "hours": period["hours"]} for period in periods if period["hours"]]
    below = _strip(periods, bars, "hours", _("Hours"), colour=INKS["bar-strong"], form=",.1~f")
    return as_document({"vconcat": [chart, below], "spacing": 8})


def _stack(period: PeriodFigures) -> list[Document]:
    """A stripe for each queue that was used, in order of care from the ground up."""
    found: list[Document] = []
    below = 0
    for queue in QUEUES:
        count = period["queues"][queue]
        if count:
            low, below = below, below + count
            whole = period["items"]
            found.append(
                {**_ends(period), "queue": queue, "low": low / whole, "high": below / whole}
            )
    return found


def _ends(period: PeriodFigures) -> Document:
    """Where a period begins and ends on the axis: in the midnights of local days."""
    last = date.fromisoformat(period["last"]) + timedelta(days=1)
    return {"from": f"{period['first']}T00:00:00", "to": f"{last.isoformat()}T00:00:00"}


def _span(periods: Sequence[PeriodFigures], *, labels: bool) -> Document:
    """The time axis, the same in a chart and in its strip."""
    ends = [_ends(periods[0])["from"], _ends(periods[-1])["to"]]
    axis = {"title": None, "grid": False, "tickCount": 7, "format": "%-d %b"} if labels else None
    return {
        "x": {"field": "from", "type": "temporal", "scale": {"domain": ends}, "axis": axis},
        "x2": {"field": "to"},
    }


def _strip(
    periods: Sequence[PeriodFigures],
    bars: Sequence[Document],
    field: str,
    title: str,
    *,
    colour: str,
    form: str,
) -> Document:
    """Bars of a field under a chart; `form` is how its axis writes numbers."""
    return {
        "width": WIDTH,
        "height": STRIP,
        "data": {"values": list(bars)},
        "mark": {
            "type": "rect",
            "color": colour,
            "fillOpacity": 0.55,
            "stroke": INKS["surface"],
            "strokeWidth": 1,
        },
        "encoding": {
            **_span(periods, labels=True),
            "y": {
                "field": field,
                "type": "quantitative",
                "scale": {"zero": True},
                "axis": {
                    "title": title,
                    "tickCount": 2,
                    "format": form,
                    "grid": False,
                    "domain": False,
                },
            },
            "y2": {"datum": 0},
        },
    }


def _healthy_range(y: Document) -> list[Document]:
    """The two ends of the healthy range across, and what they are in words under the lower one."""
    ends = [{"at_y": end} for end in HEALTHY_AUTO]
    words = _("healthy: auto ends between these")
    label = {"type": "text", "text": words, "align": "left", "dy": 11}
    line = {"type": "rule", "color": INKS["text-2"], "strokeDash": [4, 4], "strokeWidth": 1}
    return [
        {
            "data": {"values": ends},
            "mark": line,
            "encoding": {"y": {**y, "field": "at_y"}},
        },
        # Over the stripes, so with a rim of the ground.
        *(
            {
                "data": {"values": ends[:1]},
                "mark": {**label, **ink},
                "encoding": {"x": {"value": 6}, "y": {**y, "field": "at_y"}},
            }
            for ink in (
                {"color": INKS["surface"], "stroke": INKS["surface"], "strokeWidth": 3},
                {"color": INKS["text-2"]},
            )
        ),
    ]


def _name_stripes(stripes: Sequence[Document], y: Document) -> list[Document]:
    """The queues' names with their newest shares beside the last period, kept apart."""
    names = dict(Decision.Queue.choices)
    values = []
    lowest = 0.0
    for stripe in stripes:
        at = max((stripe["low"] + stripe["high"]) / 2.0, lowest)
        lowest = at + APART
        share = f"{100.0 * (stripe['high'] - stripe['low']):.0f}%"
        values.append(
            {"at_y": at, "queue": stripe["queue"], "words": f"{names[stripe['queue']]} {share}"}
        )
    # Many thin stripes at the top would be named above the chart: all move down by as much.
    over = max(0.0, lowest - APART - 1.0)
    for value in values:
        value["at_y"] -= over
    return [
        {
            "data": {"values": values},
            "mark": {"type": "text", "align": "left", "dx": 8, "color": INKS["text-2"]},
            "encoding": {
                "x": {"value": WIDTH},
                "y": {**y, "field": "at_y"},
                "text": {"field": "words"},
            },
        }
    ]
