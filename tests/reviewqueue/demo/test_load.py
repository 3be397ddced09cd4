"""The demo fills its streams over HTTP, tells a plausible past, and survives being killed."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection
from django.db.models import F, Max, Min
from pytest_django.live_server_helper import LiveServer

from calibration.courses import read_course
from calibration.models import AuditDraw, CalibrationRun, GroundTruth, JobRun
from calibration.watches import find_watch
from reviewqueue.demo import Prediction
from reviewqueue.demo.backfill import EVE, WEEKS, Past, last_whole_day, plan_arrivals, plan_eve
from reviewqueue.demo.known import MARKED, mark_some_known
from reviewqueue.demo.load import load_demo
from reviewqueue.demo.logins import prepare_demo
from reviewqueue.demo.upstream import UpstreamError, post_predictions, wait_for_answer
from reviewqueue.embedded.processes import PROJECT
from reviewqueue.intake import take_in
from reviewqueue.models import KnownAnswer, ReviewTask, Verdict
from routing.items import Post
from routing.models import Decision, Event, Item, Policy, Stream
from routing.replays import Replay, replay_decisions

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)  # a Sunday
DAY = timedelta(days=1)
DIGITS_TOTAL = 1797


def make_predictions(count: int) -> list[Prediction]:
    """Predictions of digits, spread over all bands; every fifth is wrong."""
    made = []
    for number in range(count):
        top = 0.45 + 0.55 * (number % 50) / 50
        made.append(
            Prediction(
                external_id=f"DG-{number:04d}",
                payload={"image": "data:,"},
                scores={"7": top, "1": (1 - top) * 0.9},
                truth="1" if number % 5 == 0 else "7",
                also=("7",) if number % 50 == 0 else (),
                model_version="digits-test",
            )
        )
    return made


@pytest.fixture
def digits(db: None, tmp_path: Path) -> Stream:
    prepare_demo(path=tmp_path / "demo.json", url="")
    return Stream.objects.get(key="digits")


def unfold(stream: Stream, predictions: list[Prediction], *, eve: int = 0) -> None:
    rng = Random(3)
    Past(
        stream,
        now=NOW,
        arrivals=plan_arrivals(predictions[eve:], now=NOW, rng=rng),
        eve=plan_eve(predictions[:eve], now=NOW, rng=rng),
        pace_seconds=3.0,
    ).unfold(range(WEEKS + 1))


def count_rows() -> dict[str, int]:
    models = (Item, Decision, ReviewTask, Verdict, GroundTruth, AuditDraw, Event, CalibrationRun)
    return {model.__name__: model.objects.count() for model in models}


def test_plan_arrivals_keeps_to_working_hours_of_the_weeks_before_the_eve() -> None:
    arrivals = plan_arrivals(make_predictions(400), now=NOW, rng=Random(1))
    assert sum(len(arrival.predictions) for arrival in arrivals) == 400
    assert [arrival.at for arrival in arrivals] == sorted({arrival.at for arrival in arrivals})
    assert {arrival.at.weekday() for arrival in arrivals} == {0, 1, 2, 3, 4}
    assert {arrival.at.hour for arrival in arrivals} == {9, 12, 15}
    assert arrivals[0].at >= NOW - 56 * DAY
    assert arrivals[-1].at < NOW - EVE[0]


def test_plan_eve_spreads_over_the_last_day() -> None:
    arrivals = plan_eve(make_predictions(100), now=NOW, rng=Random(1))
    assert [NOW - arrival.at for arrival in arrivals] == list(EVE)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 11, 22, 9, 30, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC)),
        (datetime(2026, 11, 23, 9, 30, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC)),
        (datetime(2026, 11, 23, 10, 30, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)),
    ],
)
def test_last_whole_day_is_the_one_before_the_last_audit(now: datetime, expected: datetime) -> None:
    assert last_whole_day(now) == expected


def test_past_is_dated_back_in_order(digits: Stream) -> None:
    unfold(digits, make_predictions(200), eve=20)
    assert Item.objects.count() == 200
    assert Item.objects.aggregate(last=Max("received_at"))["last"] == NOW - EVE[-1]
    assert Decision.objects.exclude(decided_at=F("item__received_at")).count() == 0
    verdicts = Verdict.objects.all()
    assert verdicts.filter(opened_at__lt=F("task__opened_at")).count() == 0
    assert verdicts.filter(answered_at__lte=F("opened_at")).count() == 0
    assert verdicts.filter(active_ms=0).count() == 0
    assert verdicts.aggregate(last=Max("answered_at"))["last"] < NOW
    events = Event.objects.filter(kind="verdict.recorded")
    assert events.count() == verdicts.count() > 0
    assert events.aggregate(last=Max("happened_at"))["last"] < NOW
    assert GroundTruth.objects.aggregate(last=Max("settled_at"))["last"] < NOW


def test_past_is_settled_and_the_eve_waits(digits: Stream) -> None:
    unfold(digits, make_predictions(200), eve=20)
    waiting = ReviewTask.objects.filter(queue="hold").open()
    assert waiting.count() > 0
    assert waiting.aggregate(first=Min("opened_at"))["first"] >= NOW - EVE[0]
    held = ReviewTask.objects.filter(queue="hold", opened_at__lt=NOW - EVE[0])
    assert set(held.values_list("state", flat=True)) == {"answered"}
    assert set(held.values_list("item__state", flat=True)) <= {"settled", "waiting"}
    audits = ReviewTask.objects.filter(queue="audit")
    # Every 7 is audited; the few that were opened on the last Monday are left for people.
    last_monday = datetime(2026, 11, 16, 6, 0, tzinfo=UTC)
    assert set(audits.values_list("opened_at", "state")) == {
        *((last_monday - weeks * 7 * DAY, "answered") for weeks in range(1, 7)),
        (last_monday, "open"),
    }
    assert set(audits.values_list("blind", flat=True)) == {True}
    people = set(Verdict.objects.values_list("reviewer__username", flat=True))
    assert {"simulated-amal", "simulated-bela"} <= people
    assert people <= {"simulated-amal", "simulated-bela", "simulated-chidi"}
    assert Verdict.objects.filter(reviewer__is_active=True).count() == 0


def test_past_is_watched_for_drift_day_by_day(digits: Stream) -> None:
    unfold(digits, make_predictions(200), eve=20)
    watch, stretch = find_watch(stream=digits)
    assert watch is not None
    assert stretch is not None
    watched = AuditDraw.objects.filter(watched_at__isnull=False)
    assert watched.count() >= watch.audits > 0
    assert watched.aggregate(last=Max("watched_at"))["last"] < NOW
    course = read_course(watch=watch, stretch=stretch)
    assert course is not None
    assert len(course.at) == watch.audits
    days = JobRun.objects.filter(stream=digits, job="drift_watch")
    assert days.count() == watched.values("watched_at").distinct().order_by().count()


def test_past_of_items_judged_twice_is_adjudicated_too(digits: Stream) -> None:
    Stream.objects.filter(id=digits.id).update(double_rate=1.0)
    digits.refresh_from_db()
    unfold(digits, make_predictions(200))
    pairs = ReviewTask.objects.filter(seat=2, queue="hold")
    assert pairs.count() > 0
    assert set(pairs.values_list("state", flat=True)) == {"answered"}
    assert GroundTruth.objects.filter(source="adjudication").count() > 0
    disputes = ReviewTask.objects.filter(queue="adjudication", holder__isnull=False)
    assert set(disputes.values_list("holder__username", flat=True)) == {"simulated-dara"}


def test_past_told_twice_is_told_once(digits: Stream) -> None:
    predictions = make_predictions(100)
    unfold(digits, predictions, eve=10)
    before = count_rows()
    unfold(digits, predictions, eve=10)
    assert count_rows() == before


def test_past_leaves_alone_what_somebody_posted_into_it(digits: Stream) -> None:
    theirs = Post(external_id="mine", payload={"image": "data:,"}, scores={"7": 0.6, "1": 0.1})
    take_in(stream=digits, posts=[theirs], received_at=NOW - 57 * DAY)
    unfold(digits, make_predictions(60))
    assert Verdict.objects.count() > 0
    task = ReviewTask.objects.get(item__external_id="mine")
    assert (task.state, task.verdicts.count()) == ("open", 0)


def test_load_from_nowhere_says_what_to_do(digits: Stream) -> None:
    with pytest.raises(UpstreamError, match=r"Nothing answers at http://127\.0\.0\.1:9 .*make run"):
        wait_for_answer("http://127.0.0.1:9", seconds=0.0)


def test_post_with_a_wrong_key_shows_the_answer(digits: Stream, live_server: LiveServer) -> None:
    with pytest.raises(UpstreamError, match=r"answered 401: .*not revoked"):
        post_predictions(
            url=live_server.url,
            api_key="rq_wrong",
            stream_key="digits",
            predictions=make_predictions(1),
        )


@pytest.fixture
def killed_load(live_server: LiveServer, tmp_path: Path) -> tuple[str, str]:
    """Where a load was killed in its third week: the product's address and its key."""
    note = prepare_demo(path=tmp_path / "demo.json", url=live_server.url)
    place = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(place._replace(path=f"/{connection.settings_dict['NAME']}"))
    load = subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--load", "--only", "digits"],
        cwd=PROJECT,
        env={**os.environ, "DATABASE_URL": database, "REVIEWQUEUE_STATE_DIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert load.stderr is not None
    said = []
    for line in load.stderr:
        said.append(line)
        if "week 2" in line:
            break
    load.kill()
    load.wait()
    load.stderr.close()
    assert said, "the load said nothing"
    assert "week 2" in said[-1], said
    return live_server.url, note["api_key"]


@pytest.mark.django_db(transaction=True)
def test_load_killed_and_run_again_is_whole_and_has_no_duplicates(
    killed_load: tuple[str, str],
) -> None:
    url, key = killed_load
    assert 200 < Item.objects.count() < DIGITS_TOTAL
    load_demo(url=url, api_key=key, only="digits")
    assert Item.objects.count() == Decision.objects.count() == DIGITS_TOTAL
    weeks = JobRun.objects.filter(job="demo", period__startswith="week")
    assert sorted(weeks.values_list("period", flat=True)) == [f"week {n}" for n in range(1, 10)]
    answered = ReviewTask.objects.filter(state="answered").count()
    assert Verdict.objects.count() == answered > 500
    assert 5 <= ReviewTask.objects.filter(queue="hold").open().count() <= 60
    assert ReviewTask.objects.filter(queue="audit").open().count() == 12
    assert ReviewTask.objects.filter(queue="flagged").open().count() > 5
    refit = CalibrationRun.objects.filter(kind="refit").earliest("created_at")
    assert CalibrationRun.objects.filter(kind="table").count() == 2
    assert refit.ece_before is not None
    assert refit.ece_after is not None
    assert refit.ece_after < refit.ece_before
    published = Policy.objects.get(version=2)
    assert (published.id, published.stream.key) == (refit.draft_id, "digits")
    assert published.maps[""]["kind"] == "platt"
    calibrated = Decision.objects.filter(policy=published)
    assert calibrated.count() > 300
    assert calibrated.filter(confidence__lt=F("raw_confidence")).count() > calibrated.count() / 2
    replays = {stream.key: replay_decisions(stream=stream) for stream in Stream.objects.all()}
    assert replays["digits"] == Replay(DIGITS_TOTAL, 0)
    assert {replay.differing for replay in replays.values()} == {0}
    before = count_rows()
    load_demo(url=url, api_key=key, only="digits")
    assert count_rows() == before


def test_held_items_whose_label_is_their_authors_are_marked_once(digits: Stream) -> None:
    predictions = make_predictions(120)
    unfold(digits, predictions)
    assert mark_some_known(digits, predictions) == 0
    digits.known_rate = 0.5
    assert mark_some_known(digits, predictions) == MARKED
    assert mark_some_known(digits, predictions) == MARKED
    truths = {each.external_id: [each.truth] for each in predictions}
    for known in KnownAnswer.objects.select_related("item", "decision"):
        assert known.categories == truths[known.item.external_id]
        assert known.decision.action == "wait"
