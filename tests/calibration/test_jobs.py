"""Jobs that run once a period: names of periods, conflicts, failures."""

from datetime import UTC, datetime

import pytest

from calibration.jobs import month_of, quarter_of, run_once, week_of
from calibration.models import JobRun
from routing.models import Stream
from tests.scenes import make_bare_stream

LATE = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)


@pytest.fixture
def stream(db: None) -> Stream:
    return make_bare_stream()


@pytest.mark.parametrize(
    ("zone", "week", "month", "quarter"),
    [
        ("UTC", "2026-W53", "2026-12", "2026-Q4"),
        ("Europe/Berlin", "2026-W53", "2027-01", "2027-Q1"),
        ("America/New_York", "2026-W53", "2026-12", "2026-Q4"),
    ],
)
def test_periods_are_those_of_the_streams_zone(
    stream: Stream, zone: str, week: str, month: str, quarter: str
) -> None:
    stream.time_zone = zone
    assert week_of(stream, LATE) == week
    assert month_of(stream, LATE) == month
    assert quarter_of(stream, LATE) == quarter


@pytest.mark.parametrize(
    ("month", "quarter"),
    [(1, "Q1"), (3, "Q1"), (4, "Q2"), (6, "Q2"), (7, "Q3"), (9, "Q3"), (10, "Q4"), (12, "Q4")],
)
def test_quarters_begin_in_january_april_july_october(
    stream: Stream, month: int, quarter: str
) -> None:
    assert quarter_of(stream, datetime(2026, month, 15, tzinfo=UTC)) == f"2026-{quarter}"


def test_week_starts_on_monday_of_the_zone(stream: Stream) -> None:
    stream.time_zone = "Pacific/Auckland"
    sunday_noon = datetime(2026, 11, 22, 12, tzinfo=UTC)  # Monday one o'clock in Auckland
    assert week_of(stream, sunday_noon) == "2026-W48"
    stream.time_zone = "UTC"
    assert week_of(stream, sunday_noon) == "2026-W47"


def run(
    stream: Stream, done: list[str], period: str = "2026-W53", job: str = "audit"
) -> JobRun | None:
    def work() -> dict[str, object]:
        done.append(period)
        return {"times": len(done)}

    return run_once(stream=stream, job=job, period=period, at=LATE, work=work)


def test_second_run_of_a_period_does_nothing(stream: Stream) -> None:
    done: list[str] = []
    first = run(stream, done)
    assert first is not None
    assert (first.job, first.period, first.done_at, first.result) == (
        "audit",
        "2026-W53",
        LATE,
        {"times": 1},
    )
    assert run(stream, done) is None
    assert done == ["2026-W53"]
    assert JobRun.objects.get().result == {"times": 1}


def test_other_periods_jobs_and_streams_are_their_own(stream: Stream) -> None:
    done: list[str] = []
    other = make_bare_stream("other")
    runs = [
        run(stream, done),
        run(stream, done, period="2027-W01"),
        run(stream, done, job="table"),
        run(other, done),
    ]
    assert [one.result for one in runs if one] == [{"times": n} for n in (1, 2, 3, 4)]


def test_failed_job_leaves_no_row_and_is_done_next_time(stream: Stream) -> None:
    def fail() -> dict[str, object]:
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError):
        run_once(stream=stream, job="audit", period="2026-W53", at=LATE, work=fail)
    assert not JobRun.objects.exists()
    assert run(stream, []) is not None


def test_job_that_finds_nothing_leaves_the_period_open(stream: Stream) -> None:
    assert (
        run_once(stream=stream, job="audit", period="2026-W53", at=LATE, work=lambda: None) is None
    )
    assert not JobRun.objects.exists()
    assert run(stream, []) is not None
