"""Accuracy of the whole population: unbiased, covered and tight, by simulation with seeds."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit, logit

from calibration.core.errors import CalibrationError
from calibration.core.estimates import clopper_pearson_interval, hajek_mean, wilson_interval
from calibration.core.population import PopulationAccuracy, estimate_population
from tests.calibration.core.test_real_streams import banking77, cifar10, needs_data

FloatArray = npt.NDArray[np.float64]

TRUTH = 0.7171  # of `draw_stream`, by 400,000 items


def draw_stream(random: np.random.Generator, size: int) -> tuple[FloatArray, FloatArray]:
    """An overconfident model: raw confidences, and whether it is right."""
    raw = random.beta(1.5, 0.5, size)
    risk = expit(0.6 * logit(np.clip(raw, 1e-9, 1 - 1e-9)) + 0.1)
    return raw, (random.random(size) < risk).astype(np.float64)


def audit(
    random: np.random.Generator, raw: FloatArray, correct: FloatArray, pi: FloatArray
) -> tuple[PopulationAccuracy, float, float]:
    """The estimate of one sample, Hajek's of the same, and the unweighted mean."""
    seen = random.random(raw.size) < pi
    found = estimate_population(
        raw=raw[seen],
        correct=correct[seen],
        pi=pi[seen],
        fold=random.integers(0, 2, int(seen.sum())),
        frame_raw=raw,
        frame_pi=pi,
        frame_count=np.ones(raw.size),
    )
    return found, hajek_mean(correct[seen], 1.0 / pi[seen]), float(correct[seen].mean())


@pytest.mark.filterwarnings("ignore::calibration.core.estimates.LargeWeightWarning")
@pytest.mark.parametrize(("rate", "seed", "naive_gap"), [(0.05, 3, 0.10), (None, 3, 0.0)])
def test_population_is_unbiased_covered_and_tighter_than_hajek(
    rate: float | None, seed: int, naive_gap: float
) -> None:
    random = np.random.default_rng(seed)
    found, plain, naive, covered = [], [], [], 0
    for _ in range(400):
        raw, correct = draw_stream(random, 3000)
        pi = np.full(raw.size, 0.1) if rate is None else np.where(raw >= 0.9, rate, 1.0)
        estimate, hajek, unweighted = audit(random, raw, correct, pi)
        covered += estimate.low <= TRUTH <= estimate.high
        found.append(estimate.value)
        plain.append(hajek)
        naive.append(unweighted)
    assert np.mean(found) == pytest.approx(TRUTH, abs=0.005)
    assert abs(np.mean(naive) - TRUTH) >= naive_gap
    assert covered / 400 >= 0.94
    assert 0.05 <= 1.0 - np.std(found) / np.std(plain) <= 0.23


@needs_data
@pytest.mark.parametrize("name", ["cifar10", "banking77"])
def test_population_is_tighter_than_hajek_on_real_streams(name: str) -> None:
    raw, correct = cifar10() if name == "cifar10" else banking77()[:2]
    random = np.random.default_rng(4)
    pi = np.full(raw.size, 0.1)
    draws = [audit(random, raw, correct, pi) for _ in range(200)]
    truth = float(correct.mean())
    assert np.mean([one.value for one, _, _ in draws]) == pytest.approx(truth, abs=0.003)
    assert np.mean([one.low <= truth <= one.high for one, _, _ in draws]) >= 0.94
    gain = 1.0 - np.std([one.value for one, _, _ in draws]) / np.std([two for _, two, _ in draws])
    assert 0.05 <= gain <= 0.23


def estimate(
    right: int, labels: int, pi: float, *, items: int, frame_pi: float | None = None
) -> PopulationAccuracy:
    return estimate_population(
        raw=np.full(labels, 0.9),
        correct=np.arange(labels) < right,
        pi=np.full(labels, pi),
        fold=np.arange(labels) % 2,
        frame_raw=np.array([0.9]),
        frame_pi=np.array([pi if frame_pi is None else frame_pi]),
        frame_count=np.array([float(items)]),
    )


def test_population_fully_labelled_is_wilson() -> None:
    found = estimate(149, 287, 1.0, items=287)
    assert found.value == 149 / 287
    assert (found.low, found.high) == pytest.approx(wilson_interval(149, 287), abs=1e-12)
    assert (found.labels, found.items, found.note) == (287, 287.0, "")


def test_population_all_right_says_what_the_labels_alone_can() -> None:
    found = estimate(60, 60, 0.05, items=1200)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(clopper_pearson_interval(60, 60)[0], abs=1e-12)
    assert found.note == "the sampled labels all say the same: the estimate is theirs alone"


def test_population_without_a_label_in_the_sampled_part_leaves_it_open() -> None:
    found = estimate_population(
        raw=np.full(100, 0.6),
        correct=np.arange(100) < 80,
        pi=np.ones(100),
        fold=np.arange(100) % 2,
        frame_raw=np.array([0.6, 0.95]),
        frame_pi=np.array([1.0, 0.05]),
        frame_count=np.array([100.0, 100.0]),
    )
    assert found.value == pytest.approx(0.8, abs=1e-12)
    # The half without a label may be anything from 0 to 1.
    assert found.low <= 0.4
    assert found.high >= 0.9
    assert found.note == "no sampled item has a label"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: estimate(0, 0, 0.5, items=10), "raw: there are no labels"),
        (lambda: estimate(5, 10, 0.5, items=9), "frame_count: 9 items for 10 labels"),
        (lambda: estimate(5, 10, 0.5, items=20, frame_pi=0.0), "frame_pi: 20 items had no chance"),
        (lambda: estimate(5, 10, 0.0, items=20), "pi"),
        (lambda: estimate(5, 10, 0.5, items=20, frame_pi=float("nan")), "frame_pi"),
    ],
)
def test_population_degenerate_input_is_refused(call: object, words: str) -> None:
    assert callable(call)
    with pytest.raises(CalibrationError, match=words):
        call()


def test_population_fold_must_be_a_half() -> None:
    with pytest.raises(CalibrationError, match="fold"):
        estimate_population(
            raw=[0.9, 0.8],
            correct=[1, 0],
            pi=[1, 1],
            fold=np.array([0, 2]),
            frame_raw=[0.85],
            frame_pi=[1.0],
            frame_count=[2.0],
        )
