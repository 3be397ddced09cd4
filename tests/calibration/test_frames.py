"""Frame counts: exact, additive, and folded once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import numpy as np
import pytest
from django.db import connections

from calibration.frames import BIN_WIDTH, confidence_bins, fold_deltas, recount_days
from calibration.models import DayCount, FrameCount, FrameDelta
from reviewqueue.intake import take_in
from routing.items import Post
from routing.models import Decision, Stream
from tests.scenes import KEYS, make_bare_stream, publish_worked_policy

SCORES = {"auto": (0.9, 0.06, 0.04), "hold": (0.576, 0.386, 0.038)}


def post(stream: Stream, queue: str, count: int, *, prefix: str = "t", hour: int = 12) -> None:
    posts = [
        Post(f"{prefix}{queue}{n}", {}, dict(zip(KEYS, SCORES[queue], strict=True)))
        for n in range(count)
    ]
    take_in(stream=stream, posts=posts, received_at=datetime(2026, 11, 21, hour, tzinfo=UTC))


def counts() -> list[tuple[date, str, str, float, int, float]]:
    rows = FrameCount.objects.order_by("day", "queue").values_list(
        "day", "category", "queue", "pi", "count", "raw_sum"
    )
    return [(*row[:5], round(row[5], 6)) for row in rows]


def test_fold_adds_to_what_was_counted(stream: Stream) -> None:
    post(stream, "auto", 3)
    post(stream, "hold", 2)
    assert (fold_deltas(), fold_deltas()) == (2, 0)
    post(stream, "auto", 4, prefix="u")
    assert fold_deltas() == 1

    day = date(2026, 11, 21)
    assert counts() == [
        (day, "account_unlock", "auto", 0.05, 7, 6.3),
        (day, "account_unlock", "hold", 1.0, 2, 1.152),
    ]
    assert FrameDelta.objects.count() == 0


def test_repeated_posts_are_not_counted_again(stream: Stream) -> None:
    post(stream, "auto", 3)
    post(stream, "auto", 3)
    fold_deltas()

    assert [row[4] for row in counts()] == [3]


def test_day_is_the_streams(stream: Stream) -> None:
    Stream.objects.update(time_zone="Asia/Tokyo")
    stream.refresh_from_db()
    post(stream, "auto", 1, hour=16)
    fold_deltas()

    assert counts()[0][0] == date(2026, 11, 22)


def test_bins_are_logit_steps_that_hold_the_ends() -> None:
    raw = np.array([0.0, 1e-9, 0.5, 0.5 + 0.0049, 0.9, 0.99, 0.9999, 1.0])
    bins = confidence_bins(raw)

    assert bins.tolist() == [-600, -600, 0, 1, 110, 230, 461, 600]
    middle = 1 / (1 + np.exp(-bins * BIN_WIDTH))
    inner = slice(2, -1)
    assert np.all(np.abs(middle - raw)[inner] <= BIN_WIDTH / 8)


@pytest.mark.django_db(transaction=True)
def test_racing_intakes_and_folds_lose_nothing() -> None:
    stream = make_bare_stream()
    publish_worked_policy(stream)

    def work(number: int) -> None:
        for turn in range(5):
            post(stream, "auto", 4, prefix=f"{number}-{turn}-")
            fold_deltas()
        connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    fold_deltas()

    assert Decision.objects.count() == 120
    assert [row[4] for row in counts()] == [120]


def day_counts() -> list[tuple[date, int, str, int]]:
    rows = DayCount.objects.order_by("day", "bin", "queue")
    return list(rows.values_list("day", "bin", "queue", "count"))


def test_days_are_summed_up_as_notes_are_folded(stream: Stream) -> None:
    post(stream, "auto", 3)
    post(stream, "hold", 2)
    fold_deltas()
    post(stream, "auto", 4, prefix="u")
    fold_deltas()

    day = date(2026, 11, 21)
    assert day_counts() == [(day, 15, "hold", 2), (day, 110, "auto", 7)]


def test_days_take_back_what_was_decided_again(stream: Stream) -> None:
    post(stream, "hold", 2)
    fold_deltas()
    note = FrameCount.objects.values(
        "stream_id", "day", "policy_id", "model_version", "category", "bin", "queue", "pi"
    ).get()
    FrameDelta.objects.create(**note, count=-1, raw_sum=-0.576)
    FrameDelta.objects.create(**(note | {"queue": "flagged"}), count=1, raw_sum=0.576)
    assert fold_deltas() == 2

    day = date(2026, 11, 21)
    assert day_counts() == [(day, 15, "flagged", 1), (day, 15, "hold", 1)]
    assert [row[4] for row in counts()] == [1, 1]


def test_days_can_be_recounted(stream: Stream) -> None:
    post(stream, "auto", 3)
    fold_deltas()
    FrameCount.objects.update(count=5)
    recount_days(stream.id)

    assert day_counts() == [(date(2026, 11, 21), 110, "auto", 5)]
