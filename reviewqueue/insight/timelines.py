"""Charts over time as Vega-Lite documents: what is watched, its lines, and numbered events."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.utils.translation import gettext as _

from reviewqueue.insight.charts import Document, as_document
from reviewqueue.insight.drawing import INKS
from reviewqueue.insight.figures import DriftEvent, WeekFigures

WIDTH: Final = 640
HEIGHT: Final = 220
MOVED: Final = 0.10
SHIFTED: Final = 0.25
# Under this evidence speaks for the promise, and how much so is not what the chart is for.
LEAST_EVIDENCE: Final = 0.1
# Times the alarm's: beyond it nothing more is learnt, and the line would be pressed to the floor.
MOST_EVIDENCE: Final = 1000.0


def evidence_timeline(
    course: Sequence[tuple[str, float, float]], threshold: float, events: Sequence[DriftEvent]
) -> Document:
    """Evidence of more and of fewer errors than promised, on a log scale, with the alarm line."""
    sides = (("more", _("more errors"), 1), ("fewer", _("fewer errors"), 2))
    most = max(value for row in course for value in row[1:])
    top = min(max(2.0 * threshold, most), MOST_EVIDENCE * threshold)
    values = [
        {"at": row[0], "evidence": min(max(row[place], LEAST_EVIDENCE), top), "side": side}
        for side, _words, place in sides
        for row in course
    ]
    ends = [
        {
            "at": course[-1][0],
            "evidence": min(max(course[-1][place], LEAST_EVIDENCE), top),
            "words": words,
        }
        for _side, words, place in sides
    ]
    scale = {"type": "log", "domain": [LEAST_EVIDENCE, top], "clamp": True}
    y = {
        "field": "evidence",
        "type": "quantitative",
        "scale": scale,
        "axis": {"title": _("Evidence"), "tickCount": 4, "format": ",~g"},
    }
    colour = {
        "field": "side",
        "type": "nominal",
        "scale": {"domain": ["more", "fewer"], "range": [INKS["flagged"], INKS["watch"]]},
        "legend": None,
    }
    inside = [each for each in events if course[0][0] <= each["at"] <= course[-1][0]]
    return as_document(
        {
            "width": WIDTH,
            "height": HEIGHT,
            "layer": [
                *_mark_events(inside),
                *_line_at(threshold, _("alarm at %(n)s") % {"n": f"{threshold:.0f}"}, scale),
                {
                    "data": {"values": values},
                    "mark": {"type": "line", "strokeWidth": 2},
                    "encoding": {"x": _time(), "y": y, "color": colour},
                },
                *_name_lines(ends, y),
            ],
        }
    )


def shift_timeline(weeks: Sequence[WeekFigures], events: Sequence[DriftEvent]) -> Document:
    """The index of scores and of queue shares by week, with the lines of moved and shifted."""
    measured = [week for week in weeks if week["scores"] is not None]
    values = [
        {"at": week["first"], "index": index, "of": of}
        for week in measured
        for of, index in (("scores", week["scores"]), ("queues", week["queues"]))
        if index is not None
    ]
    top = max(1.2 * SHIFTED, *(float(str(each["index"])) for each in values))
    scale = {"domain": [0, top]}
    y = {
        "field": "index",
        "type": "quantitative",
        "scale": scale,
        "axis": {"title": _("Shift index"), "tickCount": 4},
    }
    colour = {
        "field": "of",
        "type": "nominal",
        "scale": {"domain": ["scores", "queues"], "range": [INKS["bar-strong"], INKS["bar"]]},
        "legend": None,
    }
    shape = {**colour, "scale": {"domain": ["scores", "queues"], "range": ["circle", "square"]}}
    words = {"scores": _("scores"), "queues": _("queue shares")}
    last = [{**each, "words": words[str(each["of"])]} for each in values[-2:]]
    inside = [
        each for each in events if measured[0]["first"] <= each["at"] <= measured[-1]["first"]
    ]
    return as_document(
        {
            "width": WIDTH,
            "height": HEIGHT,
            "layer": [
                *_mark_events(inside),
                *_line_at(MOVED, _("moved"), scale),
                *_line_at(SHIFTED, _("shifted"), scale),
                {
                    "data": {"values": values},
                    "mark": {"type": "line", "strokeWidth": 2},
                    "encoding": {"x": _time(), "y": y, "color": colour},
                },
                {
                    "data": {"values": values},
                    "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1},
                    "encoding": {"x": _time(), "y": y, "color": colour, "shape": shape},
                },
                *_name_lines(last, y),
            ],
        }
    )


def _name_lines(last: Sequence[Mapping[str, object]], y: Document) -> list[Document]:
    """The lines' names at their ends."""
    return [
        {
            "data": {"values": [each]},
            "mark": {"type": "text", "align": "left", "dx": 8, "dy": dy, "color": INKS["text-2"]},
            "encoding": {"x": _time(), "y": y, "text": {"field": "words"}},
        }
        for each, dy in zip(last, _apart(last, str(y["field"])), strict=True)
    ]


def _apart(last: Sequence[Mapping[str, object]], field: str) -> list[int]:
    """How far to move each name up or down, the higher line's up: the ends may lie together."""
    order = sorted(range(len(last)), key=lambda place: float(str(last[place][field])))
    return [-7 if place == order[-1] else 7 for place in range(len(last))]


def _time() -> Document:
    return {
        "field": "at",
        "type": "temporal",
        "axis": {"title": None, "grid": False, "tickCount": 7, "format": "%-d %b"},
    }


def _line_at(value: float, words: str, scale: Document) -> list[Document]:
    """A dashed line across with its name at the left end."""
    y = {"field": "at_y", "type": "quantitative", "scale": scale}
    data = {"values": [{"at_y": value, "words": words}]}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "color": INKS["reject"], "strokeDash": [4, 4]},
            "encoding": {"y": y},
        },
        {
            "data": data,
            "mark": {
                "type": "text",
                "align": "left",
                "x": 4,
                "dy": -7,
                "color": INKS["reject"],
            },
            "encoding": {"y": y, "text": {"field": "words"}},
        },
    ]


def _mark_events(events: Sequence[DriftEvent]) -> list[Document]:
    """An upright line for each event with its number in the list above it."""
    if not events:
        return []
    data = {"values": [{"at": each["at"], "number": str(each["number"])} for each in events]}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "color": INKS["axis"], "strokeWidth": 1},
            "encoding": {"x": _time()},
        },
        {
            "data": data,
            "mark": {"type": "text", "y": -8, "color": INKS["text-2"], "fontWeight": 600},
            "encoding": {"x": _time(), "text": {"field": "number"}},
        },
    ]
