"""Handwritten digits, scored by a Gaussian naive Bayes: famously sure, and wrong on 18 in 100.

The images are the 1,797 of 8 x 8 pixels that scikit-learn carries (Alpaydin and Kaynak, 1998,
"Optical recognition of handwritten digits", UCI). The model sees the means of 2 x 2 blocks and
takes them for independent; they are not, so it counts the same evidence many times over.
"""

import base64
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reviewqueue.demo import Category, Prediction
from reviewqueue.demo.crossfit import cross_fit

MODEL_VERSION = "digits-naive-bayes-1"
FOLDS = 2
INK_LEVELS = 16
PIXEL_SIZE = 20

CATEGORIES = (
    Category("0", "Zero", "One closed loop with an empty middle and no tail."),
    Category("1", "One", "A single upright stroke, with or without a flag or a foot."),
    Category("2", "Two", "An open arch on top that runs into a base line or a small loop."),
    Category("3", "Three", "Two bows, both open to the left. If one of them closes, see 8 and 9."),
    Category("4", "Four", "An open or pointed top, a crossbar, and a stem that goes through it."),
    Category("5", "Five", "A flat top, a stem on the left, and one bow open to the left."),
    Category("6", "Six", "A closed lower loop under a long stroke from the upper left."),
    Category("7", "Seven", "A flat top and one slanting stem; a bar across it changes nothing."),
    Category("8", "Eight", "Two loops, one on the other, both closed or very nearly."),
    Category(
        "9",
        "Nine",
        "A closed upper loop with a tail, straight or curved. If the lower part closes too, "
        "it is an 8.",
    ),
)


def predictions(*, seed: int = 7) -> Iterator[Prediction]:
    """Train on each half, and yield a prediction for every image of the other half.

    The order is that of the halves, which `seed` draws; the set is always all 1,797 images.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415
    from sklearn.naive_bayes import GaussianNB  # noqa: PLC0415

    bundle = load_digits()
    images: NDArray[np.float64] = bundle.images
    labels = bundle.target.astype(str)
    blocks = block_means(images)
    for index, scores in cross_fit(GaussianNB, blocks, labels, folds=FOLDS, seed=seed):
        yield Prediction(
            external_id=f"DG-{index + 1:04d}",
            payload={"image": draw_image(images[index])},
            scores=scores,
            truth=str(labels[index]),
            also=(),
            model_version=MODEL_VERSION,
        )


def block_means(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of the 2 x 2 blocks of each image: (n, 8, 8) in, (n, 16) out."""
    means: NDArray[np.float64] = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4))
    return means.reshape(-1, 16)


def draw_image(image: NDArray[np.float64]) -> str:
    """Return an (8, 8) image of ink levels 0..16 as a PNG data URL, dark ink on white.

    Each pixel becomes a square of `PIXEL_SIZE`, so that browsers have nothing to smooth.
    """
    grey = np.rint(255 - image * (255 / INK_LEVELS)).astype(np.uint8)
    large = grey.repeat(PIXEL_SIZE, axis=0).repeat(PIXEL_SIZE, axis=1)
    return "data:image/png;base64," + base64.b64encode(encode_png(large)).decode("ascii")


def encode_png(grey: NDArray[np.uint8]) -> bytes:
    """Return a (height, width) array of grey values 0..255 as a PNG file.

    PNG (Portable Network Graphics) Specification, third edition, W3C: 8-bit greyscale, and filter
    type 0 (none) in front of each row.
    """
    height, width = grey.shape
    rows = np.zeros((height, width + 1), dtype=np.uint8)
    rows[:, 1:] = grey
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
