"""Refused sentences of the demo that somebody asked for again, and what was drafted instead."""

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from reviewqueue.demo import Prediction
from reviewqueue.demo.backfill import create_simulated_people
from reviewqueue.demo.upstream import make_post
from reviewqueue.intake import IntakeError, take_in
from reviewqueue.models import ReviewTask
from reviewqueue.retries import How, request_retry
from routing.models import Decision, Item, Stream

# The others are left for people to ask for.
EVERY: Final = 2

log = logging.getLogger(__name__)


def retry_some(stream: Stream, retries: Sequence[Prediction]) -> int:
    """Ask for every second refused sentence that there is a retry of, and post that; how many.

    A sentence that was asked for before is not asked for again, and its retry not posted twice.
    """
    instead = {each.retry_of: each for each in retries}
    refused = _find_refused(stream, instead)[::EVERY]
    if not refused:
        return 0
    [person, *_] = create_simulated_people(stream)[ReviewTask.Queue.FLAGGED]
    for item in refused:
        again = instead[item.external_id].payload["sentence"] == item.payload["sentence"]
        request_retry(item_id=item.id, person=person, how=How.WIDEN if again else How.REWRITE)
    posts = [make_post(instead[item.external_id]) for item in refused]
    for answer in take_in(stream=stream, posts=posts):
        if isinstance(answer, IntakeError):
            log.warning("%s refuses a retry: %s", stream, answer)
    return len(refused)


def _find_refused(stream: Stream, external_ids: Iterable[str]) -> list[Item]:
    decisions = (
        Decision.objects.filter(item__stream=stream, item__external_id__in=list(external_ids))
        .order_by("item__external_id", "-id")
        .distinct("item__external_id")
        .select_related("item")
    )
    return [made.item for made in decisions if made.action == Decision.Action.REFUSE]
