"""The chart of reviewers as a Vega-Lite document: a row a person, shares with their intervals."""

from collections.abc import Sequence
from typing import Final

from django.utils.translation import gettext as _

from reviewqueue.insight.charts import Document, as_document
from reviewqueue.insight.drawing import INKS
from reviewqueue.insight.figures import PersonFigures, RateFigures

WIDTH: Final = 230
ROW: Final = 26
LONGEST_NAME: Final = 150


def people_chart(people: Sequence[PersonFigures]) -> Document:
    """Agreement with others and accuracy on known answers, by name and not by rank."""
    names = [person["name"] for person in people]
    agreed = [(person["name"], person["agreed"]) for person in people]
    known = [(person["name"], person["known"]) for person in people]
    return as_document(
        {
            "hconcat": [
                _panel(names, agreed, _("Agrees with others"), has_names=True),
                _panel(names, known, _("Right on known answers"), has_names=False),
            ],
            "spacing": 24,
        }
    )


def _panel(
    names: Sequence[str],
    rates: Sequence[tuple[str, RateFigures]],
    title: str,
    *,
    has_names: bool,
) -> Document:
    values = [
        {"name": name, **rate, "count": f"{rate['n']:,}"} for name, rate in rates if rate["n"]
    ]
    axis = {
        "title": None,
        "domain": False,
        "ticks": False,
        "grid": False,
        "labels": has_names,
        "labelLimit": LONGEST_NAME,
        "labelPadding": 8,
        "labelColor": INKS["text"],
    }
    y = {"field": "name", "type": "nominal", "scale": {"domain": list(names)}, "axis": axis}
    share = {
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"title": title, "format": ".0%", "tickCount": 5},
    }
    return {
        "width": WIDTH,
        "height": ROW * len(names),
        "layer": [_draw_rows(names, y), *_draw_rates(values, y, share)],
    }


def _draw_rows(names: Sequence[str], y: Document) -> Document:
    """A line a person, those without a rate included."""
    return {
        "data": {"values": [{"name": name} for name in names]},
        "mark": {"type": "rule", "color": INKS["grid"]},
        "encoding": {"y": y},
    }


def _draw_rates(values: Sequence[Document], y: Document, share: Document) -> list[Document]:
    """Interval, point and count of each."""
    point = {"type": "point", "filled": True, "size": 60, "opacity": 1, "color": INKS["text"]}
    count = {"type": "text", "align": "left", "dx": 6, "dy": -6, "color": INKS["text-2"]}
    at = {"y": y, "x": {"field": "value", **share}}
    return [
        {
            "data": {"values": values},
            "mark": {"type": "rule", "strokeWidth": 2, "color": INKS["bar"]},
            "encoding": {"y": y, "x": {"field": "low", **share}, "x2": {"field": "high"}},
        },
        {"data": {"values": values}, "mark": point, "encoding": at},
        {
            "data": {"values": values},
            "mark": count,
            "encoding": {**at, "text": {"field": "count"}},
        },
    ]
