"""Sheets: asked for once, made by one worker, made anew when the data moved on."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.insight import making
from reviewqueue.insight.making import LEASE, REST_SECONDS, make_next
from reviewqueue.insight.sheets import PATIENCE, Made, read_sheet
from reviewqueue.insight_models import InsightSheet
from routing.models import Stream
from tests.calibration.cohorts import make_audited_stream, post_labelled
from tests.scenes import publish

pytestmark = pytest.mark.django_db

MONTH = InsightSheet.Kind.MONTH


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The streams that something was made for; nothing is counted or drawn."""
    names: list[str] = []

    def make(stream: Stream, _at: object) -> Made:
        names.append(stream.key)
        return Made({"n": len(names)}, {"one": "<svg></svg>"}, b"\0\1")

    monkeypatch.setattr(making, "MAKERS", dict.fromkeys(InsightSheet.Kind, make))
    return names


def rest() -> None:
    """Let the sheets be old enough to be made anew."""
    earlier = timezone.now() - timedelta(seconds=REST_SECONDS + 1)
    InsightSheet.objects.update(made_at=earlier)


def test_page_that_is_looked_at_first_asks_once(
    stream: Stream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(3):
        first = read_sheet(stream=stream, kind=MONTH)
    assert (first.sheet, first.ready, first.is_newest) == (None, None, False)
    with django_assert_num_queries(2):
        again = read_sheet(stream=stream, kind=MONTH)
    assert (again.ready is not None, again.is_newest) == (False, False)
    assert InsightSheet.objects.count() == 1


def test_sheet_is_made_once_and_read(stream: Stream, made: list[str]) -> None:
    read_sheet(stream=stream, kind=MONTH)
    sheet = make_next()
    assert sheet is not None
    assert make_next() is None
    shown = read_sheet(stream=stream, kind=MONTH, with_arrays=True)
    assert shown.sheet is not None
    assert (shown.ready is not None, shown.is_newest, made) == (True, True, ["helpdesk"])
    assert (shown.sheet.figures, shown.sheet.pictures) == ({"n": 1}, {"one": "<svg></svg>"})
    assert bytes(shown.sheet.arrays) == b"\0\1"


def test_new_label_makes_the_sheet_old_and_the_old_one_stays_shown(
    stream: Stream, made: list[str]
) -> None:
    read_sheet(stream=stream, kind=MONTH)
    make_next()
    post_labelled(stream, 1, right=1, confidence=0.9)
    shown = read_sheet(stream=stream, kind=MONTH)
    assert (shown.ready is not None, shown.is_newest) == (True, False)
    assert make_next() is None  # it rests
    rest()
    assert make_next() is not None
    assert read_sheet(stream=stream, kind=MONTH).is_newest


def test_another_policy_does_not_wait(stream: Stream, made: list[str]) -> None:
    read_sheet(stream=stream, kind=MONTH)
    make_next()
    publish(stream, auto=0.95)
    read_sheet(stream=stream, kind=MONTH)
    assert make_next() is not None


def test_sheet_that_takes_long_rests_longer(stream: Stream, made: list[str]) -> None:
    read_sheet(stream=stream, kind=MONTH)
    make_next()
    InsightSheet.objects.update(seconds=100.0)
    post_labelled(stream, 1, right=1, confidence=0.9)
    read_sheet(stream=stream, kind=MONTH)
    rest()
    assert make_next() is None


def test_failure_is_told_and_tried_again_when_somebody_looks_later(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_stream: Stream, _at: object) -> Made:
        raise ValueError("no such thing")

    monkeypatch.setattr(making, "MAKERS", {MONTH: fail})
    read_sheet(stream=stream, kind=MONTH)
    make_next()
    shown = read_sheet(stream=stream, kind=MONTH)
    assert shown.sheet is not None
    assert shown.sheet.error == "ValueError: no such thing. The worker's log has all."
    assert (shown.ready, make_next()) == (None, None)

    InsightSheet.objects.update(asked_at=timezone.now() - PATIENCE)
    monkeypatch.setattr(making, "MAKERS", {MONTH: lambda *_: Made({"n": 1})})
    assert make_next() is None
    assert not read_sheet(stream=stream, kind=MONTH).is_newest
    assert make_next() is not None
    mended = read_sheet(stream=stream, kind=MONTH)
    assert mended.sheet is not None
    assert (mended.ready is not None, mended.is_newest, mended.sheet.error) == (True, True, "")


def test_worker_that_died_leaves_its_sheet_to_another(stream: Stream, made: list[str]) -> None:
    read_sheet(stream=stream, kind=MONTH)
    InsightSheet.objects.update(leased_until=timezone.now() + LEASE)
    assert make_next() is None
    InsightSheet.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert make_next() is not None


def test_worker_that_was_overtaken_writes_nothing(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(_stream: Stream, _at: object) -> Made:
        InsightSheet.objects.update(token=stream.id)
        return Made({"n": 1})

    monkeypatch.setattr(making, "MAKERS", {MONTH: overtaken})
    read_sheet(stream=stream, kind=MONTH)
    make_next()
    assert InsightSheet.objects.get().figures == {}


def test_each_page_of_each_stream_has_its_own(stream: Stream, made: list[str]) -> None:
    other = make_audited_stream("other")
    for one in (stream, other):
        for kind in InsightSheet.Kind:
            read_sheet(stream=one, kind=kind)
    while make_next():
        pass
    assert sorted(made) == ["helpdesk"] * len(InsightSheet.Kind) + ["other"] * len(
        InsightSheet.Kind
    )
