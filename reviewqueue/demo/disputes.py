"""One open dispute of the demo, so that an adjudicator has something to decide from the start."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from django.db.models.functions import Now
from django.utils import timezone

from reviewqueue.demo import Prediction
from reviewqueue.demo.backfill import answer_sentence, create_simulated_people
from reviewqueue.models import ReviewTask
from reviewqueue.verdicts import Answer, record_verdict
from routing.models import Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Queue = ReviewTask.Queue

READING: Final = timedelta(seconds=20)


def dispute_one(stream: Stream, predictions: Sequence[Prediction]) -> bool:
    """Let two simulated people answer one held item differently; whether there was one to take.

    Of drafted sentences, none of which is held, a flagged one.

    One that is judged twice anyway if there is such, else a second seat is opened for it. The last
    in the queue is taken: the first are somebody's to read now.
    """
    known = {each.external_id: each for each in predictions}
    queue = Queue.FLAGGED if stream.is_grounded else Queue.HOLD
    held = (
        ReviewTask.objects.open()
        .filter(stream=stream, queue=queue, item__external_id__in=known)
        .filter(blind=stream.is_grounded)  # the flagged are judged singly in no other way
        .select_related("item")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("priority", "-due_at", "-id")
    )
    seats: dict[str, list[ReviewTask]] = {}
    for task in held:
        seats.setdefault(task.item.external_id, []).append(task)
    if not seats:
        return False
    name = max(seats, key=lambda each: len(seats[each]))
    chosen = seats[name] if len(seats[name]) > 1 else [seats[name][0], _second(seats[name][0])]
    people = create_simulated_people(stream)[queue]
    answers = _two_readings(known[name])
    for task, person, category in zip(chosen, people, answers, strict=False):
        _answer(task, person, _word(known[name], category))
    return True


def _two_readings(prediction: Prediction) -> tuple[str, str]:
    """What is right, and the likeliest of what is not."""
    others: Mapping[str, float] = {
        key: score for key, score in prediction.scores.items() if key != prediction.truth
    }
    return prediction.truth, max(others, key=lambda key: others[key])


def _word(prediction: Prediction, category: str) -> Answer:
    if prediction.grounds is None:
        return Answer("category", (category,))
    return answer_sentence(prediction, prediction.grounds, category)


def _second(task: ReviewTask) -> ReviewTask:
    return ReviewTask.objects.create(
        stream_id=task.stream_id,
        item_id=task.item_id,
        decision_id=task.decision_id,
        queue=task.queue,
        seat=2,
        blind=task.blind,
        pi=task.pi,
        priority=task.priority,
        due_at=task.due_at,
        opened_at=task.opened_at,
    )


def _answer(task: ReviewTask, person: "User", answer: Answer) -> None:
    token = uuid4()
    ReviewTask.objects.open().filter(id=task.id).update(
        state=ReviewTask.State.CLAIMED,
        holder=person,
        claimed_at=Now() - READING,
        lease_token=token,
        lease_expires_at=Now() + READING,
    )
    record_verdict(
        task_id=task.id,
        lease_token=token,
        reviewer=person,
        answer=answer,
        active_ms=int(READING / timedelta(milliseconds=1)),
        at=timezone.now(),
    )
