"""The digits are drawn as they are, and their model's confidence is visibly wrong."""

import base64
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from reviewqueue.demo import Prediction
from reviewqueue.demo.digits import (
    CATEGORIES,
    MODEL_VERSION,
    block_means,
    draw_image,
    encode_png,
    predictions,
)

PREFIX = "data:image/png;base64,"


@pytest.fixture(scope="module")
def scored() -> list[Prediction]:
    return list(predictions(seed=7))


def test_predictions_cover_every_image_once(scored: list[Prediction]) -> None:
    expected = [f"DG-{n:04d}" for n in range(1, 1798)]
    assert sorted(prediction.external_id for prediction in scored) == expected
    targets = load_digits().target
    for prediction in scored:
        assert prediction.truth == str(targets[int(prediction.external_id[3:]) - 1])
        assert prediction.also == ()
        assert prediction.model_version == MODEL_VERSION


def test_truths_are_as_frequent_as_in_the_published_set(scored: list[Prediction]) -> None:
    counts = Counter(prediction.truth for prediction in scored)
    assert [counts[str(digit)] for digit in range(10)] == [
        *(178, 182, 177, 183, 181),
        *(182, 181, 179, 174, 180),
    ]


def test_scores_list_all_digits_in_order_and_sum_to_one(scored: list[Prediction]) -> None:
    keys = [category.key for category in CATEGORIES]
    assert keys == list("0123456789")
    for prediction in scored:
        assert list(prediction.scores) == keys
        assert 1 - 2e-5 < sum(prediction.scores.values()) <= 1 + 1e-12


def test_confidence_exceeds_accuracy_by_a_tenth(scored: list[Prediction]) -> None:
    confidence = np.array([max(prediction.scores.values()) for prediction in scored])
    hit = np.array(
        [
            max(prediction.scores, key=prediction.scores.__getitem__) == prediction.truth
            for prediction in scored
        ]
    )
    assert hit.mean() == pytest.approx(0.82, abs=0.02)
    assert confidence.mean() - hit.mean() > 0.10
    assert confidence[confidence >= 0.9].mean() - hit[confidence >= 0.9].mean() > 0.08


def test_payload_is_a_picture_of_the_scan(scored: list[Prediction]) -> None:
    prediction = scored[0]
    assert list(prediction.payload) == ["image"]
    source = prediction.payload["image"]
    assert source.startswith(PREFIX)
    decoded = Image.open(io.BytesIO(base64.b64decode(source.removeprefix(PREFIX))))
    scan = load_digits().images[int(prediction.external_id[3:]) - 1]
    assert (decoded.format, decoded.mode, decoded.size) == ("PNG", "L", (160, 160))
    centres = np.asarray(decoded)[10::20, 10::20]
    assert np.array_equal(centres, np.rint(255 - scan * 255 / 16))


def test_draw_image_makes_ink_dark_and_pixels_square() -> None:
    image = np.zeros((8, 8))
    image[2, 5] = 16
    source = draw_image(image)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.removeprefix(PREFIX)))))
    expected = np.full((160, 160), 255)
    expected[40:60, 100:120] = 0
    assert np.array_equal(pixels, expected)


def test_encode_png_of_uneven_sides_survives_a_round_trip() -> None:
    grey = np.arange(15, dtype=np.uint8).reshape(3, 5) * 17
    decoded = Image.open(io.BytesIO(encode_png(grey)))
    decoded.verify()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(grey)))), grey)


def test_block_means_average_two_by_two() -> None:
    image = np.zeros((1, 8, 8))
    image[0, 0:2, 0:2] = [[4, 8], [12, 16]]
    image[0, 7, 7] = 8
    expected = np.zeros((1, 16))
    expected[0, 0] = 10
    expected[0, 15] = 2
    assert np.array_equal(block_means(image), expected)
