"""The bands of a policy as one bar: places and widths for an SVG, nothing inline."""

from dataclasses import dataclass

from routing.core.policy import BANDS, CutOffs
from routing.core.signals import show_number

WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Band:
    """One queue's stretch of confidence, in thousandths of the bar."""

    queue: str
    lower: float
    upper: float

    @property
    def x(self) -> int:
        return round(self.lower * WIDTH)

    @property
    def width(self) -> int:
        return round(self.upper * WIDTH) - self.x

    @property
    def range(self) -> str:
        return f"{show_number(self.lower)} – {show_number(self.upper)}"


def list_bands(cut_offs: CutOffs) -> list[Band]:
    """The bands that are not empty, from 0 to 1."""
    bands, upper = [], 1.0
    for queue in BANDS:
        lower = getattr(cut_offs, queue)
        bands.append(Band(queue, lower, upper))
        upper = lower
    bands.append(Band("reject", 0.0, upper))
    return [band for band in reversed(bands) if band.upper > band.lower]
