"""The bar of bands: from 0 to 1 without a gap, empty bands left out."""

import pytest

from routing.admin.bands import list_bands
from routing.core.policy import CutOffs


@pytest.mark.parametrize(
    ("cut_offs", "expected"),
    [
        (
            (0.9, 0.7, 0.5),
            [
                ("reject", 0, 500, "0.00 – 0.50"),
                ("hold", 500, 200, "0.50 – 0.70"),
                ("flagged", 700, 200, "0.70 – 0.90"),
                ("auto", 900, 100, "0.90 – 1.00"),
            ],
        ),
        ((0.85, 0.85, 0.0), [("hold", 0, 850, "0.00 – 0.85"), ("auto", 850, 150, "0.85 – 1.00")]),
        ((1.0, 1.0, 1.0), [("reject", 0, 1000, "0.00 – 1.00")]),
        (
            (0.9902, 0.0, 0.0),
            [("flagged", 0, 990, "0.00 – 0.9902"), ("auto", 990, 10, "0.9902 – 1.00")],
        ),
    ],
)
def test_bands_fill_the_bar(
    cut_offs: tuple[float, float, float], expected: list[tuple[str, int, int, str]]
) -> None:
    bands = list_bands(CutOffs(*cut_offs))
    assert [(band.queue, band.x, band.width, band.range) for band in bands] == expected
    assert sum(band.width for band in bands) == 1000
