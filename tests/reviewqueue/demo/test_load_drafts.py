"""The demo's drafted sentences are judged by two, calibrated by Platt's map, and retried."""

from collections import Counter
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from calibration.models import CalibrationRun, GroundTruth
from reviewqueue.demo.load import load_demo
from reviewqueue.demo.logins import prepare_demo
from reviewqueue.models import Membership, ReviewTask, Verdict
from reviewqueue.retry_models import RetryRequest
from routing.models import Decision, Item, Policy, Stream
from routing.replays import Replay, replay_decisions

SENTENCES = 284


@pytest.mark.django_db(transaction=True)
def test_drafts_are_loaded_whole_and_once(live_server: LiveServer, tmp_path: Path) -> None:
    note = prepare_demo(path=tmp_path / "demo.json", url=live_server.url)
    stream = Stream.objects.get(key="drafts")
    assert (stream.is_grounded, stream.double_rate, stream.is_demo) == (True, 1.0, True)
    people = Membership.objects.filter(stream=stream, user__is_active=True)
    assert people.values("user").distinct().count() == 5

    load_demo(url=live_server.url, api_key=note["api_key"], only="drafts")
    retries = RetryRequest.objects.filter(stream=stream).count()
    assert retries > 10
    assert Item.objects.filter(stream=stream).count() == SENTENCES + retries
    assert set(Decision.objects.filter(stream=stream).values_list("queue", flat=True)) == {
        *("auto", "flagged", "reject")
    }
    check_policy(stream)
    check_people(stream)
    check_retries(stream)
    assert replay_decisions(stream=stream) == Replay(SENTENCES + retries, 0)

    before = (Item.objects.count(), Verdict.objects.count(), CalibrationRun.objects.count())
    load_demo(url=live_server.url, api_key=note["api_key"], only="drafts")
    after = (Item.objects.count(), Verdict.objects.count(), CalibrationRun.objects.count())
    assert after == before


def check_policy(stream: Stream) -> None:
    """The first refit's map was published, and keeps its promises better."""
    refit = CalibrationRun.objects.filter(stream=stream, kind="refit").earliest("created_at")
    published = Policy.objects.get(stream=stream, version=2)
    assert published.id == refit.draft_id
    assert published.maps[""]["kind"] == "platt"
    assert (published.grounding or {})["gap_high"] == 0.2
    assert refit.ece_before is not None
    assert refit.ece_after is not None
    assert refit.ece_after < refit.ece_before


def check_people(stream: Stream) -> None:
    """Two people judged each label apart; some of each kind of work is left to be done."""
    tasks = ReviewTask.objects.filter(stream=stream)
    settled = GroundTruth.objects.filter(stream=stream, decision__queue__in=("auto", "reject"))
    judges = Counter(
        Verdict.objects.filter(stream=stream, task__seat__lte=2).values_list("item", flat=True)
    )
    assert {judges[item] for item in settled.values_list("item", flat=True)} == {2}
    open_by_queue = Counter(tasks.filter(state="open", seat=1).values_list("queue", flat=True))
    assert open_by_queue["audit"] > 0
    assert open_by_queue["flagged"] > 5
    assert tasks.filter(state="open", queue="adjudication").count() > 0
    said = Verdict.objects.filter(stream=stream, kind="category")
    assert said.filter(categories=["supported"], block="").count() == 0
    assert said.filter(categories=["not_supported"]).exclude(block="").count() == 0


def check_retries(stream: Stream) -> None:
    again = Item.objects.filter(stream=stream, retry_of__isnull=False)
    queues = Counter(Decision.objects.filter(item__in=again).values_list("queue", flat=True))
    assert queues["flagged"] > 0
    asked = RetryRequest.objects.filter(stream=stream)
    assert set(asked.values_list("how", flat=True)) == {"rewrite", "widen"}
    assert set(asked.values_list("item", flat=True)) == set(
        again.values_list("retry_of", flat=True)
    )
    refused = Decision.objects.filter(stream=stream, action="refuse").values_list("item", flat=True)
    assert len(set(refused) - set(asked.values_list("item", flat=True))) > 10
