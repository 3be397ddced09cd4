"""Drawing charts: Vega-Lite documents into SVG that lives in a page under a strict CSP.

The drawing program runs as a child process and ends, so that neither the web nor the worker keeps
its 100 MB. What it draws has no style and no script; colours are the light theme's until a page
shows them, where each becomes the token of the same role and follows the theme.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SECONDS: Final = 60.0
LONGEST_ERROR: Final = 300
PROGRAM: Final = Path(__file__).with_name("painter.py")
# Roles of tokens.css with their light values; no two are alike, so a value names its role.
INKS: Final = {
    "surface": "#ffffff",
    "text": "#16191f",
    "text-2": "#464d59",
    "text-3": "#606875",
    "grid": "#eceef1",
    "axis": "#868d9a",
    "track": "#e8eaee",
    "bar": "#7d8696",
    "bar-strong": "#3a55c5",
    "auto": "#1b6f45",
    "flagged": "#8f5200",
    "hold": "#4a6079",
    "reject": "#b02d25",
    "watch": "#0b6a77",
}
_TOKENS: Final = {light: f"var(--{role})" for role, light in INKS.items()}
_INK: Final = re.compile(r'"(#[0-9a-f]{6})"')
# What says nothing here: the page names the whole drawing, which is one image to a reader.
_NOISE: Final = re.compile(
    r' (?:role|class|aria-[a-z]+|pointer-events|opacity|stroke-miterlimit|cursor)="[^"]*"'
)
_NOTHING: Final = re.compile(r'<path(?: d="(?:M0,0h0v0h0Z)?"| display="none"| )*/>')
_FONT: Final = re.compile(r' font-family="[^"]*"')
_SIZE: Final = re.compile(r'<svg [^>]*?width="([0-9.]+)" height="([0-9.]+)"[^>]*>')


class DrawingError(RuntimeError):
    """The drawing program failed or took too long; the message holds what it said."""


def draw(documents: Mapping[str, object]) -> dict[str, str]:
    """SVG by name of the Vega-Lite documents, in light colours.

    Raises:
        DrawingError: nothing was drawn.
    """
    if not documents:
        return {}
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(PROGRAM)],
            input=json.dumps(documents),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DrawingError(str(error)) from error
    if done.returncode:
        raise DrawingError(done.stderr.strip()[:LONGEST_ERROR] or f"exit code {done.returncode}")
    drawn: dict[str, str] = json.loads(done.stdout)
    return {name: _NOTHING.sub("", _NOISE.sub("", svg)) for name, svg in drawn.items()}


def for_page(svg: str) -> str:
    """What stands inside a page's own `svg` element: colours by token, the page's font."""
    inside = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    return _INK.sub(lambda found: f'"{_TOKENS.get(found[1], found[1])}"', _FONT.sub("", inside))


def size_of(svg: str) -> tuple[float, float]:
    """Width and height of a drawing, in its own units."""
    found = _SIZE.match(svg)
    if found is None:
        raise DrawingError("the drawing has no size")
    return float(found[1]), float(found[2])
