"""The review screen as one value: the task in hand or an empty queue, with what stands around."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from reviewqueue.access import queues_workable_by
from reviewqueue.claims import SKIP_REST, claim_next
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.payloads import Paper, read_payload
from reviewqueue.views.answer_form import Entry
from reviewqueue.views.answer_panel import (
    Choices,
    Machine,
    arrange_choices,
    describe_machine,
)
from reviewqueue.views.progress import (
    LastVerdict,
    Progress,
    read_last_verdict,
    read_progress,
)
from reviewqueue.views.waiting import count_in_words, count_waiting
from routing.models import Category, Stream
from routing.policies import published_spec

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Queue = ReviewTask.Queue


@dataclass(frozen=True, slots=True)
class QueueName:
    """A queue as people call it."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class TaskCard:
    """The task in hand, without anything that the machine said. Lease times in seconds."""

    id: UUID
    lease_token: UUID | None
    lease_left: int
    lease_whole: int
    external_id: str
    due_at: datetime
    blind: bool
    stream_key: str
    queue: str


@dataclass(frozen=True, slots=True)
class EmptyQueue:
    """What an empty queue says, and where there is work instead."""

    heading: str
    words: str
    next_address: str = ""
    next_words: str = ""


@dataclass(frozen=True, slots=True)
class Screen:
    """All that the review templates show. `machine` is None on blind and on empty screens.

    One made `ahead` is shown while the answer before it is still under way: what its status bar
    tells of that answer comes later.
    """

    stream: Stream
    queue: QueueName
    address: str
    title: str
    announcement: str
    progress: Progress
    last: LastVerdict | None
    task: TaskCard | None = None
    paper: Paper | None = None
    machine: Machine | None = None
    choices: Choices | None = None
    form: Entry | None = None
    primary_words: str = ""
    late: str = ""
    notice: str = ""
    told: str = ""
    ahead: bool = False
    empty: EmptyQueue | None = None


def name_queue(key: str) -> QueueName:
    """The queue in the reader's words."""
    labels: Mapping[str, str] = {
        Queue.ESCALATED: _("Escalated"),
        Queue.HOLD: _("Hold"),
        Queue.FLAGGED: _("Flagged"),
        Queue.AUDIT: _("Audit"),
        Queue.ADJUDICATION: _("Adjudication"),
    }
    return QueueName(key, labels[key])


def show_next(*, user: "User", stream: Stream, queue: str, taking_up: bool = False) -> Screen:
    """Claim the next task of the queue, or keep the one in hand, and show it."""
    task = claim_next(user=user, stream=stream, queue=queue, taking_up=taking_up)
    if task is None:
        return _show_empty(user=user, stream=stream, queue=queue)
    return show_task(user=user, task=task)


def show_task(
    *, user: "User", task: ReviewTask, entry: Entry | None = None, late: str = ""
) -> Screen:
    """Show a task (with its item, decision and stream) and what was entered so far."""
    stream, item, decision = task.stream, task.item, task.decision
    policy = published_spec(decision.policy_id)
    taxonomy = {category.key: category for category in _read_taxonomy(stream)}

    def label_of(key: str) -> str:
        return taxonomy[key].label if key in taxonomy else key

    blind = task.blind
    machine = None
    if not blind:
        predicted = taxonomy.get(decision.predicted)
        machine = describe_machine(
            decision,
            policy=policy,
            label_of=label_of,
            retired_at=None if predicted is None else predicted.retired_at,
        )
    if entry is None:
        entry = Entry(categories=() if machine is None else (machine.key,))
    paper = read_payload(
        item.payload, layout=stream.payload_fields, fallback_title=item.external_id
    )
    choices = arrange_choices(
        [category for category in taxonomy.values() if category.retired_at is None],
        scores=None if blind else item.scores,
        chosen=entry.categories,
    )
    return Screen(
        stream=stream,
        queue=name_queue(task.queue),
        address=reverse("review", args=[stream.key, task.queue]),
        title=paper.title,
        announcement=_announce(paper, machine, late),
        progress=read_progress(user=user, stream=stream, queue=task.queue),
        last=read_last_verdict(user=user, stream=stream, label_of=label_of),
        task=card_of(task),
        paper=paper,
        machine=machine,
        choices=choices,
        form=entry,
        primary_words=_word_primary(entry, choices, machine),
        late=late,
    )


def show_ahead(*, user: "User", task: ReviewTask) -> Screen:
    """The screen of the one ahead, to be kept until the one in hand is answered."""
    return replace(show_task(user=user, task=task), ahead=True)


def show_bar(*, user: "User", stream: Stream, queue: str) -> Screen:
    """What stands in the status bar alone, for a page that shows its task already."""
    return _without_task(user=user, stream=stream, queue=queue)


def with_notice(screen: Screen, notice: str) -> Screen:
    """The same screen with a sentence above the answer, which is announced too."""
    return replace(screen, notice=notice, announcement=notice)


def with_told(screen: Screen, told: str) -> Screen:
    """The same screen with what became of the item before in its status bar, announced first."""
    announcement = f"{told}. {screen.announcement}" if screen.announcement else told
    return replace(screen, told=told, announcement=announcement)


def card_of(task: ReviewTask) -> TaskCard:
    """What the screen needs to know of the seat itself."""
    left = 0.0
    if task.lease_expires_at is not None:
        left = (task.lease_expires_at - timezone.now()).total_seconds()
    return TaskCard(
        id=task.id,
        lease_token=task.lease_token,
        lease_left=max(0, int(left)),
        lease_whole=task.stream.lease_minutes * 60,
        external_id=task.item.external_id,
        due_at=task.due_at,
        blind=task.blind,
        stream_key=task.stream.key,
        queue=task.queue,
    )


def _read_taxonomy(stream: Stream) -> list[Category]:
    """All categories in the taxonomy's order, those that were retired too."""
    return list(Category.objects.filter(stream=stream).order_by("position", "key"))


def _word_primary(entry: Entry, choices: Choices, machine: Machine | None) -> str:
    """The main button's words; the script keeps them true while the answer changes."""
    if entry.mode == Verdict.Kind.NONE_FITS:
        return _("Send: no category fits")
    if entry.mode == Verdict.Kind.AMBIGUOUS:
        return _("Send: ambiguous, %(n)d would do") % {"n": len(choices.chosen)}
    if not choices.chosen:
        return _("Choose a category")
    chosen = choices.chosen[0]
    if machine is not None and machine.key == chosen.key:
        return _("Confirm %(name)s") % {"name": chosen.label}
    return _("Choose %(name)s") % {"name": chosen.label}


def _announce(paper: Paper, machine: Machine | None, late: str) -> str:
    if late:
        return late
    if machine is None:
        return _("Next item: %(title)s. Judged blind.") % {"title": paper.title}
    return _("Next item: %(title)s. Machine's answer: %(label)s, %(figure)s per cent.") % {
        "title": paper.title,
        "label": _("%(label)s, retired") % {"label": machine.label}
        if machine.retired_at
        else machine.label,
        "figure": machine.figure,
    }


def _show_empty(*, user: "User", stream: Stream, queue: str) -> Screen:
    empty = _offer_other_queue(user=user, stream=stream, name=name_queue(queue))
    screen = _without_task(user=user, stream=stream, queue=queue)
    announcement = f"{empty.heading}. {empty.words}"
    return replace(screen, title=empty.heading, announcement=announcement, empty=empty)


def _without_task(*, user: "User", stream: Stream, queue: str) -> Screen:
    labels = dict(Category.objects.filter(stream=stream).values_list("key", "label"))
    return Screen(
        stream=stream,
        queue=name_queue(queue),
        address=reverse("review", args=[stream.key, queue]),
        title="",
        announcement="",
        progress=read_progress(user=user, stream=stream, queue=queue),
        last=read_last_verdict(user=user, stream=stream, label_of=lambda key: labels.get(key, key)),
    )


def _offer_other_queue(*, user: "User", stream: Stream, name: QueueName) -> EmptyQueue:
    others = queues_workable_by(user, stream)
    counts = count_waiting(user=user, queues=[(stream.id, queue) for queue in others])
    heading = _("Nothing waits for you in %(queue)s") % {"queue": name.label}
    here = counts.get((stream.id, name.key))
    words = _("Every item of this queue has its verdict, or somebody is reading it now.")
    if here is not None and here.count:
        words = _(
            "What is left here you skipped a moment ago, or judged already. "
            "What you skip comes back to you after %(minutes)d minutes."
        ) % {"minutes": SKIP_REST.total_seconds() // 60}
    for queue in others:
        waiting = counts.get((stream.id, queue))
        if queue != name.key and waiting is not None and waiting.count:
            return EmptyQueue(
                heading,
                words,
                reverse("review", args=[stream.key, queue]),
                _("Go on with %(queue)s (%(count)s)")
                % {"queue": name_queue(queue).label, "count": count_in_words(waiting.count)},
            )
    return EmptyQueue(heading, words)
