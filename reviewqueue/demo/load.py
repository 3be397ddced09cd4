"""Filling the demo: train, post for now over HTTP, tell the past, calibrate midway, measure.

Each stage is noted as a `JobRun` of its stream, so that an interrupted load goes on where it was
and a finished one costs nothing.
"""

import logging
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Final

from django.utils import timezone

from calibration.jobs import run_once
from calibration.models import JobRun
from calibration.runs import measure
from reviewqueue.demo import Prediction, digits, drafts, helpdesk
from reviewqueue.demo.backfill import JOB, WEEKS, Past, last_whole_day, plan_arrivals, plan_eve
from reviewqueue.demo.disputes import dispute_one
from reviewqueue.demo.known import mark_some_known
from reviewqueue.demo.retrying import retry_some
from reviewqueue.demo.streams import DIGITS, DRAFTS, HELPDESK
from reviewqueue.demo.upstream import post_predictions, wait_for_answer
from reviewqueue.recalibrations import recalibrate_stream
from routing.models import Stream
from routing.policies import publish_policy

_WEB_SECONDS: Final = 60.0
_BEGUN, _POSTED, _CALIBRATED, _FINISHED = "begun", "posted", "calibrated", "finished"
_DISPUTED: Final = "disputed"
_CALIBRATED_AFTER: Final = 6

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a stream is posted for now, and waits since its eve; the rest is past.

    Counted in items, or in drafts of several sentences.
    """

    present: int
    eve: int
    pace_seconds: float


SHARES: Final = {
    HELPDESK.key: Share(present=70, eve=40, pace_seconds=14.0),
    DIGITS.key: Share(present=200, eve=150, pace_seconds=3.0),
    DRAFTS.key: Share(present=12, eve=14, pace_seconds=25.0),
}


def load_demo(*, url: str, api_key: str, only: str = "") -> None:
    """Fill the demo's streams, or `only` one, through the product that answers at `url`.

    Raises:
        UpstreamError: it does not answer, or not as it should.
    """
    keys = [key for key in SHARES if only in ("", key)]
    unfinished = [stream for key in keys if (stream := _find_unfinished(key)) is not None]
    if not unfinished:
        log.info("The demo was loaded before.")
        return
    wait_for_answer(url, seconds=_WEB_SECONDS)
    # Something to review comes first: the past takes longer.
    arriving = [(stream, _post_present(stream, url, api_key)) for stream in unfinished]
    for stream, rest in arriving:
        _fill_past(stream, rest)
        _measure(stream)


def _find_unfinished(key: str) -> Stream | None:
    stream = Stream.objects.filter(key=key, is_demo=True).first()
    if stream is None or _is_done(stream, _FINISHED):
        return None
    return stream


def _is_done(stream: Stream, stage: str) -> bool:
    return JobRun.objects.filter(stream=stream, job=JOB, period=stage).exists()


def _note(stream: Stream, stage: str) -> JobRun:
    return JobRun.objects.get_or_create(stream=stream, job=JOB, period=stage)[0]


def _post_present(stream: Stream, url: str, api_key: str) -> Iterator[list[Prediction]]:
    """Post the first predictions of the model; returns the others, text by text."""
    _note(stream, _BEGUN)
    log.info("%s: training", stream)
    texts = (list(text) for _, text in groupby(_predict(stream), key=attrgetter("text")))
    present = list(chain.from_iterable(islice(texts, SHARES[stream.key].present)))
    if not _is_done(stream, _POSTED):
        posted = post_predictions(
            url=url, api_key=api_key, stream_key=stream.key, predictions=present
        )
        log.info("%s: %d items posted, %d refused", stream, posted.taken, posted.refused)
        _note(stream, _POSTED)
    run_once(
        stream=stream,
        job=JOB,
        period=_DISPUTED,
        at=timezone.now(),
        work=partial(_dispute, stream, present),
    )
    return texts


def _dispute(stream: Stream, present: list[Prediction]) -> dict[str, object]:
    return {"disputed": dispute_one(stream, present)}


def _predict(stream: Stream) -> Iterator[Prediction]:
    if stream.key == DRAFTS.key:  # its sources have an age, told from the day of the load
        return drafts.predictions(today=_note(stream, _BEGUN).done_at.date())
    return helpdesk.predictions() if stream.key == HELPDESK.key else digits.predictions()


def _fill_past(stream: Stream, rest: Iterable[list[Prediction]]) -> None:
    everything = list(rest)
    retries = [each for text in everything for each in text if each.retry_of]
    texts = [text for text in everything if not text[0].retry_of]
    rng = random.Random(stream.key)  # noqa: S311 - spreads items over weeks
    rng.shuffle(texts)
    share = SHARES[stream.key]
    eve, before = (list(chain(*some)) for some in (texts[: share.eve], texts[share.eve :]))
    now = _note(stream, _BEGUN).done_at
    past = Past(
        stream,
        now=now,
        arrivals=plan_arrivals(before, now=now, rng=rng),
        eve=plan_eve(eve, now=now, rng=rng),
        pace_seconds=share.pace_seconds,
    )
    past.unfold(range(_CALIBRATED_AFTER))
    run_once(
        stream=stream,
        job=JOB,
        period=_CALIBRATED,
        at=timezone.now(),
        work=partial(_calibrate, stream, past.start + timedelta(weeks=_CALIBRATED_AFTER)),
    )
    past.unfold(range(_CALIBRATED_AFTER, WEEKS + 1))
    mark_some_known(stream, [*eve, *before])
    retry_some(stream, retries)


def _calibrate(stream: Stream, at: datetime) -> dict[str, object]:
    """A first refit; where it proposes something, somebody publishes it."""
    until = last_whole_day(at)
    run = recalibrate_stream(stream=stream, at=until, reason="the demo's first labels")
    if run.draft_id is not None:
        publish_policy(
            policy_id=run.draft_id,
            reason=f"Demo: the refit on {run.labels} labels keeps its promises better.",
            published_by_id=None,
            at=at,
        )
    return {"labels": run.labels, "published": run.draft_id is not None}


def _measure(stream: Stream) -> None:
    run = run_once(
        stream=stream,
        job=JOB,
        period=_FINISHED,
        at=timezone.now(),
        work=partial(_measure_and_refit, stream, _note(stream, _BEGUN).done_at),
    )
    log.info("%s: measured, %s", stream, run.result if run else "by another load")


def _measure_and_refit(stream: Stream, now: datetime) -> dict[str, object]:
    """Two monthly tables and another refit, which leaves its draft for a person to publish.

    Of whole cohorts only: what came in since has labels for the easy part of it.
    """
    until = last_whole_day(now)
    for weeks_ago in (WEEKS // 2, 0):
        measure(stream=stream, at=until - timedelta(weeks=weeks_ago), reason="monthly table")
    run = recalibrate_stream(stream=stream, at=until, reason="the demo's later labels")
    return {"labels": run.labels}
