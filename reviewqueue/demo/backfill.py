"""The demo's past: eight weeks of items, and of people who judged them.

The API takes items for now only, so the past goes in through `take_in(received_at=...)`, and the
simulated reviewers answer through `record_verdict(at=...)`, as the screens do but dated back.
Each week of a stream is one transaction: nobody meets a half-told week, and a load that was
interrupted goes on with the next one.
"""

import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Final
from uuid import uuid4

from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone

from calibration.jobs import run_once
from calibration.monitoring import watch_audits
from reviewqueue.demo import Prediction, simulate_answer
from reviewqueue.demo.logins import EMAIL_DOMAIN
from reviewqueue.demo.upstream import make_post
from reviewqueue.intake import IntakeError, take_in
from reviewqueue.models import Membership, ReviewTask, Verdict
from reviewqueue.seats import open_audit_seats
from reviewqueue.verdicts import Answer, record_verdict
from routing.core.evidence import ENTAILMENT
from routing.core.grounding import SUPPORTED
from routing.items import Grounds
from routing.models import Stream

Queue = ReviewTask.Queue

WEEKS: Final = 8
JOB: Final = "demo"
# What came in later than this long ago still waits for people.
EVE: Final = tuple(timedelta(hours=hours) for hours in (26, 20, 9, 4, 1))
AUDITS_LEFT_OPEN: Final = 12
DISPUTES_LEFT_OPEN: Final = 3
REVIEWERS: Final = (("amal", "Amal"), ("bela", "Bela"))
EXPERT: Final = ("chidi", "Chidi")
ADJUDICATOR: Final = ("dara", "Dara")

_ARRIVALS: Final = (timedelta(hours=9), timedelta(hours=12, minutes=30), timedelta(hours=15))
_AUDITS_OPEN: Final = timedelta(hours=6)
_MORNING: Final = timedelta(hours=8)
_EVENING: Final = timedelta(hours=22)
_ERROR_RATE: Final = 0.03
# Whether a passage says all of a sentence is harder to tell than what a ticket is about.
_SENTENCE_ERROR_RATE: Final = 0.08
_EXPERT_ERROR_RATE: Final = 0.01
_CANNOT_JUDGE_RATE: Final = 0.01
_SAYS_AMBIGUOUS_RATE: Final = 0.5
_DAY: Final = timedelta(days=1)
_FRIDAY: Final = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Items that came in together."""

    at: datetime
    predictions: Sequence[Prediction]


def plan_arrivals(
    predictions: Sequence[Prediction], *, now: datetime, rng: random.Random
) -> list[Arrival]:
    """Spread the predictions over the working hours of the eight weeks before the eve."""
    start = now - WEEKS * 7 * _DAY
    midnights = [midnight for midnight in _midnights(start, now) if midnight.weekday() <= _FRIDAY]
    slots = [midnight + hour for midnight in midnights for hour in _ARRIVALS]
    open_slots = [slot for slot in slots if start <= slot < now - EVE[0] - _DAY / 8]
    return _assign(predictions, open_slots, rng)


def plan_eve(
    predictions: Sequence[Prediction], *, now: datetime, rng: random.Random
) -> list[Arrival]:
    """Spread the predictions over the last day, whose items still wait."""
    return _assign(predictions, [now - before for before in EVE], rng)


def _assign(
    predictions: Sequence[Prediction], slots: Sequence[datetime], rng: random.Random
) -> list[Arrival]:
    """Sentences of one draft come in together, all else by itself."""
    texts = {prediction.text: None for prediction in predictions}
    slot_of = {text: rng.choice(slots) for text in texts}
    dated = sorted(
        ((slot_of[prediction.text], prediction) for prediction in predictions),
        key=lambda pair: (pair[0], pair[1].external_id),
    )
    return [
        Arrival(at, [prediction for _, prediction in group])
        for at, group in groupby(dated, key=lambda pair: pair[0])
    ]


def _midnights(start: datetime, end: datetime) -> Iterator[datetime]:
    midnight = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight <= end:
        yield midnight
        midnight += _DAY


def last_whole_day(now: datetime) -> datetime:
    """The last day whose audits were opened and, but for a few, judged in a past up to `now`."""
    mondays = [day for day in _midnights(now - 14 * _DAY, now) if day.weekday() == 0]
    return max(monday for monday in mondays if _is_worked(monday, now)) - _DAY


def _is_worked(midnight: datetime, now: datetime) -> bool:
    """Whether the morning's work of this day is done well before `now`."""
    return midnight + _MORNING < now - _DAY / 12


def create_simulated_people(stream: Stream) -> dict[str, list[User]]:
    """The simulated people of a stream by the queue they work; nobody can sign in as them."""
    reviewers = [_create_person(stream, name, Membership.Role.REVIEWER) for name in REVIEWERS]
    return {
        **dict.fromkeys((Queue.HOLD, Queue.FLAGGED, Queue.AUDIT), reviewers),
        Queue.ESCALATED: [_create_person(stream, EXPERT, Membership.Role.EXPERT)],
        Queue.ADJUDICATION: [_create_person(stream, ADJUDICATOR, Membership.Role.ADJUDICATOR)],
    }


def _create_person(stream: Stream, names: tuple[str, str], role: str) -> User:
    user, created = User.objects.get_or_create(
        email=f"{names[0]}@{EMAIL_DOMAIN}",
        defaults={
            "username": f"simulated-{names[0]}",
            "first_name": names[1],
            "last_name": "(simulated)",
            "is_active": False,
        },
    )
    if created:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    Membership.objects.get_or_create(stream=stream, user=user, role=role)
    return user


class Past:
    """The past of one stream as it unfolds, week by week."""

    def __init__(
        self,
        stream: Stream,
        *,
        now: datetime,
        arrivals: Sequence[Arrival],
        eve: Sequence[Arrival],
        pace_seconds: float,
    ) -> None:
        """`now` is where the past ends; `pace_seconds` the median time an answer takes."""
        self.stream = stream
        self.now = now
        self.start = next(_midnights(now - WEEKS * 7 * _DAY, now))
        self.arrivals = arrivals
        self.eve = eve
        self.pace_seconds = pace_seconds
        self.rng = random.Random()  # noqa: S311 - plays people
        self.people = create_simulated_people(stream)
        self.predictions: Mapping[str, Prediction] = {
            prediction.external_id: prediction
            for arrival in arrivals
            for prediction in arrival.predictions
        }

    def unfold(self, weeks: range) -> None:
        """Let those of the weeks happen that have not yet; `WEEKS` is the days after the last."""
        for week in weeks:
            run = run_once(
                stream=self.stream,
                job=JOB,
                period=f"week {week + 1}",
                at=timezone.now(),
                work=partial(self._unfold_week, week),
            )
            if run is not None:
                log.info("%s, %s: %d verdicts", self.stream, run.period, run.result["verdicts"])

    def _unfold_week(self, week: int) -> dict[str, object]:
        """Returns how many verdicts there were. The days after the last whole week end it all."""
        # Seeded anew, so that a week is the same whether or not the load was interrupted before.
        self.rng.seed(f"{self.stream.key} {week}")
        first = self.start + week * 7 * _DAY
        days = list(_midnights(first, min(self.now, first + 6 * _DAY)))
        verdicts = sum(self._unfold_day(day) for day in days if day.weekday() <= _FRIDAY)
        if week == WEEKS:
            for arrival in self.eve:
                self._take_in(arrival)
        return {"verdicts": verdicts}

    def _unfold_day(self, midnight: datetime) -> int:
        verdicts = 0
        morning = midnight + _MORNING
        if _is_worked(midnight, self.now):
            if midnight.weekday() == 0:
                open_audit_seats(stream=self.stream, at=midnight + _AUDITS_OPEN)
            is_late = self.now - midnight < 8 * _DAY
            leave = AUDITS_LEFT_OPEN if is_late else 0
            verdicts += self._work(Queue.AUDIT, morning, leave=leave)
            verdicts += self._work(Queue.FLAGGED, morning + timedelta(hours=1))
            leave = DISPUTES_LEFT_OPEN if is_late else 0
            verdicts += self._work(Queue.ADJUDICATION, morning + timedelta(hours=2), leave=leave)
        for arrival in self.arrivals:
            if midnight <= arrival.at < midnight + _DAY:
                self._take_in(arrival)
                begin = arrival.at + timedelta(minutes=self.rng.uniform(10, 40))
                verdicts += self._work(Queue.HOLD, begin)
                verdicts += self._work(Queue.ESCALATED, begin + timedelta(hours=1))
        if midnight + _DAY < self.now:
            watch_audits(stream=self.stream, at=midnight + _EVENING)
        return verdicts

    def _take_in(self, arrival: Arrival) -> None:
        posts = [make_post(prediction) for prediction in arrival.predictions]
        for answer in take_in(stream=self.stream, posts=posts, received_at=arrival.at):
            if isinstance(answer, IntakeError):
                log.warning("%s refuses an item: %s", self.stream, answer)

    def _work(self, queue: str, clock: datetime, *, leave: int = 0) -> int:
        """Answer the past's open tasks of a queue but for the last `leave`; returns how many."""
        waiting = (
            ReviewTask.objects.open()
            .filter(stream=self.stream, queue=queue, opened_at__lte=clock)
            .order_by("-priority", "due_at", "id")
        )
        # Locked, so that nobody claims one meanwhile; what somebody has in hand stays theirs.
        locked = waiting.select_related("item").select_for_update(skip_locked=True, of=("self",))
        tasks = [task for task in locked if task.item.external_id in self.predictions]
        tasks = tasks[: max(0, len(tasks) - leave)]
        held = ReviewTask.objects.filter(item__in={task.item_id for task in tasks})
        seated = set(held.exclude(holder=None).values_list("item_id", "holder_id"))
        for task in tasks:
            free = [one for one in self.people[queue] if (task.item_id, one.pk) not in seated]
            person = self.rng.choice(free)
            seated.add((task.item_id, person.pk))
            clock = self._answer(task, person, clock)
        return len(tasks)

    def _answer(self, task: ReviewTask, person: User, clock: datetime) -> datetime:
        """Claim a task at `clock` and answer it; returns when the next one is claimed."""
        is_expert = task.queue in (Queue.ESCALATED, Queue.ADJUDICATION)
        seconds = min(600.0, self.pace_seconds * self.rng.lognormvariate(0.0, 0.5))
        answered_at = clock + timedelta(seconds=seconds)
        # Not `claim_next`: it would offer what people are to review now as well.
        lease_token = uuid4()
        ReviewTask.objects.open().filter(id=task.id).update(
            state=ReviewTask.State.CLAIMED,
            holder=person,
            claimed_at=clock,
            lease_token=lease_token,
            lease_expires_at=Now() + self.stream.lease,
        )
        record_verdict(
            task_id=task.id,
            lease_token=lease_token,
            reviewer=person,
            answer=self._choose(self.predictions[task.item.external_id], is_expert=is_expert),
            active_ms=int(seconds * 1000),
            at=answered_at,
        )
        return answered_at + timedelta(seconds=1)

    def _choose(self, prediction: Prediction, *, is_expert: bool) -> Answer:
        if not is_expert and self.rng.random() < _CANNOT_JUDGE_RATE:
            return Answer(Verdict.Kind.CANNOT_JUDGE)
        if prediction.also and self.rng.random() < _SAYS_AMBIGUOUS_RATE:
            return Answer(Verdict.Kind.AMBIGUOUS, (prediction.truth, *prediction.also))
        error_rate = _SENTENCE_ERROR_RATE if prediction.grounds else _ERROR_RATE
        if is_expert:
            error_rate = _EXPERT_ERROR_RATE
        chosen = simulate_answer(prediction, self.rng, error_rate)
        if prediction.grounds is not None:
            return answer_sentence(prediction, prediction.grounds, chosen)
        return Answer(Verdict.Kind.CATEGORY, (chosen,))


def answer_sentence(prediction: Prediction, grounds: Grounds, chosen: str) -> Answer:
    """What somebody says of a sentence whom it is `chosen` for: with the block and the claims.

    Who wrongly takes it for supported names the block that came first; in one that is not
    supported, the claim that upstream trusts least is wrong.
    """
    is_supported = chosen == SUPPORTED
    block = (prediction.block or str(grounds.blocks[0]["id"])) if is_supported else ""
    trust = [float(str(claim[ENTAILMENT])) for claim in grounds.claims]
    return Answer(
        Verdict.Kind.CATEGORY,
        (chosen,),
        block=block,
        off_topic=prediction.off_topic,
        claims=[is_supported or each > min(trust) for each in trust] or None,
    )
