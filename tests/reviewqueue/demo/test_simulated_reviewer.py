"""The simulated reviewer errs as often as told, and where the model is tempted too."""

import random
from collections import Counter

import pytest

from reviewqueue.demo import Prediction, simulate_answer


def make_prediction(*, also: tuple[str, ...] = ()) -> Prediction:
    return Prediction(
        external_id="HD-0001",
        payload={"subject": "s", "body": "b"},
        scores={"red": 0.5, "green": 0.38, "blue": 0.08, "grey": 0.04},
        truth="red",
        also=also,
        model_version="m-1",
    )


def count_answers(prediction: Prediction, error_rate: float) -> Counter[str]:
    rng = random.Random(11)
    return Counter(simulate_answer(prediction, rng, error_rate) for _ in range(10_000))


def test_simulate_answer_without_errors_gives_the_truth() -> None:
    assert count_answers(make_prediction(), 0.0) == {"red": 10_000}


def test_simulate_answer_errs_at_the_rate_and_towards_the_likelier() -> None:
    answers = count_answers(make_prediction(), 0.2)
    # Wrong answers share the 2,000 slips as 0.40 : 0.10 : 0.06 (scores plus the floor of 0.02).
    assert answers["red"] == pytest.approx(8_000, abs=160)
    assert answers["green"] == pytest.approx(2_000 * 40 / 56, abs=150)
    assert answers["blue"] == pytest.approx(2_000 * 10 / 56, abs=80)
    assert answers["grey"] == pytest.approx(2_000 * 6 / 56, abs=60)


def test_simulate_answer_ambiguous_takes_another_reading_at_times() -> None:
    answers = count_answers(make_prediction(also=("blue", "grey")), 0.0)
    assert set(answers) == {"red", "blue", "grey"}
    assert answers["red"] == pytest.approx(6_000, abs=200)
    assert answers["blue"] == pytest.approx(2_000, abs=160)


def test_simulate_answer_always_wrong_never_picks_any_right_reading() -> None:
    assert set(count_answers(make_prediction(also=("green",)), 1.0)) == {"blue", "grey"}


def test_simulate_answer_with_every_category_right_cannot_err() -> None:
    answers = count_answers(make_prediction(also=("green", "blue", "grey")), 1.0)
    assert set(answers) == {"red", "green", "blue", "grey"}


@pytest.mark.parametrize("error_rate", [-0.01, 1.01, float("nan")])
def test_simulate_answer_refuses_a_rate_that_is_no_probability(error_rate: float) -> None:
    with pytest.raises(ValueError, match=r"error_rate is .*; give a probability from 0 to 1\."):
        simulate_answer(make_prediction(), random.Random(1), error_rate)
