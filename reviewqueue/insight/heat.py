"""The heat map of categories that get mixed up, as a Vega-Lite document."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.utils.translation import gettext as _

from reviewqueue.insight.charts import Document, as_document
from reviewqueue.insight.drawing import INKS

# Pixels: a small map's cells are larger, so that its words come out no larger than a large one's.
SMALLEST_CELL: Final = 34
LARGEST_CELL: Final = 64
WIDTH: Final = 470
DARKEST: Final = 0.55
LONGEST_NAME: Final = 190


def heat_map(names: Sequence[str], cells: Sequence[Mapping[str, object]]) -> Document:
    """What people said by row and what the model said by column, of `names` in their order.

    A cell has `people`, `said` and the `share` of all errors that it holds; deeper is more.
    """
    axis = {"domain": False, "ticks": False, "labelLimit": LONGEST_NAME, "labelPadding": 6}
    people = {
        "field": "people",
        "type": "nominal",
        "scale": {"domain": list(names)},
        "axis": {**axis, "title": _("People said"), "labelColor": INKS["text-2"]},
    }
    said = {
        "field": "said",
        "type": "nominal",
        "scale": {"domain": list(names)},
        "axis": {
            **axis,
            "title": _("The model said"),
            "orient": "top",
            "labelAngle": -45,
            "labelColor": INKS["text-2"],
        },
    }
    grounds = [{"people": row, "said": column} for row in names for column in names]
    cell = max(SMALLEST_CELL, min(LARGEST_CELL, WIDTH // max(1, len(names))))
    size = cell * len(names)
    return as_document(
        {
            "width": size,
            "height": size,
            "layer": [
                {
                    "data": {"values": grounds},
                    "transform": [{"filter": "datum.people != datum.said"}],
                    "mark": {"type": "rect", "fill": INKS["grid"], "stroke": INKS["surface"]},
                    "encoding": {"x": said, "y": people},
                },
                {
                    "data": {"values": grounds},
                    "transform": [{"filter": "datum.people == datum.said"}],
                    "mark": {"type": "point", "size": 6, "filled": True, "color": INKS["axis"]},
                    "encoding": {"x": said, "y": people},
                },
                *_draw_shares(cells, {"x": said, "y": people}),
            ],
        }
    )


def _draw_shares(cells: Sequence[Mapping[str, object]], place: Document) -> list[Document]:
    """Each cell as deep as its share, with the share in words."""
    return [
        {
            "data": {"values": list(cells)},
            "mark": {
                "type": "rect",
                "fill": INKS["bar-strong"],
                "stroke": INKS["surface"],
            },
            "encoding": {
                **place,
                "fillOpacity": {
                    "field": "share",
                    "type": "quantitative",
                    "scale": {"domainMin": 0, "range": [0.08, DARKEST]},
                    "legend": None,
                },
            },
        },
        {
            "data": {"values": list(cells)},
            "mark": {"type": "text", "fontSize": 11, "color": INKS["text"]},
            "encoding": {
                **place,
                "text": {"field": "share", "type": "quantitative", "format": ".1%"},
            },
        },
    ]
