"""Charts become SVG that a strict policy and both themes can live with."""

import re

import pytest

from reviewqueue.insight import drawing
from reviewqueue.insight.charts import automation_curve, reliability_diagram, small_diagram
from reviewqueue.insight.drawing import INKS, DrawingError, draw, for_page, size_of
from reviewqueue.insight.figures import Band, Step


def band(lower: float, upper: float, accuracy: float | None, tone: str = "calibrated") -> Band:
    middle = (lower + upper) / 2
    return {
        "lower": lower,
        "upper": upper,
        "items": 2_000.0,
        "labels": 1_234,
        "confidence": middle,
        "accuracy": accuracy,
        "low": None if accuracy is None else accuracy - 0.05,
        "high": None if accuracy is None else accuracy + 0.05,
        "tone": tone,
        "verdict": tone,
    }


BANDS = [band(0.0, 0.5, None, "few"), band(0.6, 0.7, 0.52, "over"), band(0.9, 1.0, 0.93)]
STEP: Step = {"cut_off": 0.9, "share": 0.5, "error": 0.02, "low": 0.01, "high": 0.05}


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return draw(
        {
            "diagram": reliability_diagram(BANDS, floor=0.4),
            "small": small_diagram(BANDS),
            "curve": automation_curve([STEP, {**STEP, "share": 0.9, "error": 0.2}], STEP),
        }
    )


def test_drawings_hold_no_style_script_or_foreign_address(drawn: dict[str, str]) -> None:
    for svg in drawn.values():
        assert re.findall(r"style=|class=|<style|<script|href|\son\w+=|url\(", svg) == []
        assert size_of(svg) > (150.0, 150.0)


def test_counts_and_words_are_drawn(drawn: dict[str, str]) -> None:
    words = re.findall(r">([^<]+)</text>", drawn["diagram"])
    assert words.count("1,234") == 2
    assert {"promise kept", "Promised by the confidence", "Right, as judged"} <= set(words)
    assert "today, from 0.90" in drawn["curve"]


def test_every_colour_of_a_page_is_a_token(drawn: dict[str, str]) -> None:
    for svg in drawn.values():
        inside = for_page(svg)
        assert re.findall(r"#[0-9a-fA-F]{3,6}|rgb|font-family", inside) == []
        used = set(re.findall(r'"var\(--([\w-]+)\)"', inside))
        assert used <= set(INKS)
    assert {"auto", "flagged"} <= set(re.findall(r"var\(--([\w-]+)\)", for_page(drawn["diagram"])))


def test_inks_are_the_light_tokens_and_differ() -> None:
    tokens = (drawing.PROGRAM.parents[2] / "static/css/tokens.css").read_text()
    light = dict(re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}),", tokens))
    assert {role: light.get(role) for role in INKS} == INKS
    assert len(set(INKS.values())) == len(INKS)


def test_document_that_cannot_be_drawn_is_told() -> None:
    with pytest.raises(DrawingError, match="conversion failed"):
        draw({"broken": {"mark": {"type": "nothing"}, "encoding": 3}})


def test_nothing_to_draw_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "PROGRAM", "/nowhere.py")
    assert draw({}) == {}
    with pytest.raises(DrawingError):
        draw({"diagram": small_diagram(BANDS)})


def test_axes_begin_a_tenth_under_what_is_shown() -> None:
    diagram = small_diagram([band(0.6, 0.7, 0.72), band(0.9, 1.0, 0.95)])
    scale = diagram["layer"][1]["encoding"]["x"]["scale"]
    assert scale == {"domain": [0.6, 1.0]}
