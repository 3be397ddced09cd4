"""Retention: items that are over and old enough are erased by themselves."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from calibration.models import AuditDraw, JobRun
from reviewqueue import erasures
from reviewqueue.erasures import erase_expired
from reviewqueue.intake import take_in
from reviewqueue.known_answers import mark_known
from reviewqueue.models import KnownAnswer
from reviewqueue.tasks import erase_expired_items, sweep_retention
from reviewqueue.verdicts import Answer
from routing.items import Post
from routing.models import Event, Item, Stream
from tests.reviewqueue.canary import SAID, answer
from tests.scenes import LIKELY, SURE, make_person, make_stream, post

MONTH = timedelta(days=31)


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream(undo_seconds=0)


@pytest.fixture
def rita(stream: Stream) -> User:
    return make_person("rita", stream, "reviewer", "expert", "stream_admin")


def test_retention_erases_what_is_over_and_old(rita: User, stream: Stream) -> None:
    Stream.objects.update(retention_days=30, audit_rate=0.0)
    stream.refresh_from_db()
    answer(post(stream, "settled", payload=SAID), rita)
    take_in(stream=stream, posts=[Post("acted on", SAID, SURE)])
    answer(post(stream, "known", payload=SAID), rita)
    mark_known(stream=stream, external_id="known", answer=Answer("category", ("vpn_issue",)))
    Stream.objects.update(undo_seconds=3600)
    answer(post(stream, "undoable", payload=SAID), rita)
    post(stream, "waiting", payload=SAID)
    post(stream, "flagged", payload=SAID, scores=LIKELY)
    Stream.objects.update(audit_rate=1.0)
    stream.refresh_from_db()
    take_in(stream=stream, posts=[Post("drawn", SAID, SURE)])
    assert AuditDraw.objects.count() == 1
    now = timezone.now()

    def erased() -> set[str]:
        return set(Item.objects.exclude(erased_at=None).values_list("external_id", flat=True))

    early = erase_expired(stream=stream, at=now + timedelta(days=29))
    assert early is not None
    assert (early.result["erased"], erased()) == (0, set())
    done = erase_expired(stream=stream, at=now + MONTH)
    assert done is not None
    assert (done.result["erased"], erased()) == (2, {"settled", "acted on"})
    assert erase_expired(stream=stream, at=now + MONTH) is None
    KnownAnswer.objects.update(retired_at=now)
    later = erase_expired(stream=stream, at=now + MONTH + timedelta(days=1))
    assert later is not None
    assert (later.result["erased"], erased()) == (1, {"settled", "acted on", "known"})
    assert JobRun.objects.filter(job="retention").count() == 3
    assert set(Event.objects.filter(kind="item.erased").values_list("data__why", flat=True)) == {
        "retention"
    }


def test_retention_goes_through_in_batches(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    Stream.objects.update(retention_days=30)
    stream.refresh_from_db()
    take_in(stream=stream, posts=[Post(f"t{n}", SAID, SURE) for n in range(5)])
    monkeypatch.setattr(erasures, "AT_ONCE", 2)
    at = timezone.now() + MONTH

    assert erase_expired(stream=stream, at=at, patience=0.0) is None
    assert Item.objects.exclude(erased_at=None).count() == 2
    done = erase_expired(stream=stream, at=at)
    assert done is not None
    assert done.result["erased"] == 3
    assert Item.objects.filter(erased_at=None).count() == 0


def test_retention_of_a_hundred_years_keeps_all(stream: Stream) -> None:
    Stream.objects.update(retention_days=36_500)
    stream.refresh_from_db()
    take_in(stream=stream, posts=[Post("t1", SAID, SURE)])
    done = erase_expired(stream=stream, at=timezone.now())
    assert done is not None
    assert done.result["erased"] == 0
    assert Item.objects.get().payload == SAID


def test_stream_without_retention_keeps_all(stream: Stream) -> None:
    take_in(stream=stream, posts=[Post("t1", SAID, SURE)])
    assert erase_expired(stream=stream, at=timezone.now() + 100 * MONTH) is None
    erase_expired_items(str(stream.id))
    sweep_retention()
    assert Item.objects.get().payload == SAID


def test_retention_task_does_the_day_s_work_once(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    Stream.objects.update(retention_days=30)
    for _again in range(2):
        erase_expired_items(str(stream.id))
    assert JobRun.objects.filter(job="retention").count() == 1
    assert caplog.text.count("helpdesk: retention of") == 1
