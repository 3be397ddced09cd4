"""The review screen as one value: the task in hand or an empty queue, with what stands around."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from reviewqueue.access import queues_workable_by
from reviewqueue.agreements import word_recent_agreement
from reviewqueue.claims import SKIP_REST, claim_next
from reviewqueue.escalations import PassedOn, read_passed_on
from reviewqueue.grounds import cited_block
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.payloads import Paper, read_item
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
    ask_for_surroundings,
    read_surroundings,
)
from reviewqueue.views.sentence_sheet import Sheet, draw_sheet
from reviewqueue.views.two_answers import TAKING_KEYS, GivenAnswer, read_given_answers
from reviewqueue.views.waiting import NOTHING, Waiting, count_in_words, count_waiting
from routing.models import Decision, Item, Stream
from routing.policies import published_spec
from routing.rows import Question
from routing.taxonomies import Taxonomy

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
    cancelled: bool
    stream_key: str
    queue: str
    in_batch: bool

    @property
    def is_overdue(self) -> bool:
        return self.due_at < timezone.now()


@dataclass(frozen=True, slots=True)
class EmptyQueue:
    """What an empty queue says, and where there is work instead."""

    heading: str
    words: str
    next_address: str = ""
    next_words: str = ""
    also_address: str = ""
    also_words: str = ""
    leads_to_batch: bool = False
    agreement: str = ""


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Where a skip or an escalation is undone, and for how many seconds more."""

    address: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Screen:
    """All that the review templates show. `machine` is None on blind and on empty screens.

    `answers` are those that an adjudicator decides between; nobody else has any. One made `ahead`
    is shown while the answer before it is still under way: what its status bar tells of that answer
    comes later.
    """

    stream: Stream
    queue: QueueName
    address: str
    title: str
    announcement: str
    progress: Progress
    last: LastVerdict | None
    answers: tuple[GivenAnswer, ...] = ()
    task: TaskCard | None = None
    paper: Paper | None = None
    sheet: Sheet | None = None
    machine: Machine | None = None
    choices: Choices | None = None
    form: Entry | None = None
    primary_words: str = ""
    late: str = ""
    notice: str = ""
    told: str = ""
    take_back: TakeBack | None = None
    passed_on: Sequence[PassedOn] = ()
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
    asked = ask_for_surroundings(user=user, stream=stream)
    task = claim_next(user=user, stream=stream, queue=queue, taking_up=taking_up, along=asked)
    if task is None:
        return _show_empty(user=user, stream=stream, queue=queue, asked=asked)
    return show_task(user=user, task=task, asked=asked)


def show_task(
    *,
    user: "User",
    task: ReviewTask,
    entry: Entry | None = None,
    late: str = "",
    asked: Question | None = None,
) -> Screen:
    """Show a task (with its item, decision and stream) and what was entered so far.

    `asked`: what stands around it, where that was asked for already.
    """
    stream, item = task.stream, task.item
    asked = asked or ask_for_surroundings(user=user, stream=stream)
    around = read_surroundings(stream=stream, queue=task.queue, asked=asked)
    taxonomy = around.taxonomy
    machine = None if task.blind else _read_machine(task.decision, taxonomy)
    answers = read_given_answers(
        user=user,
        task=task,
        label_of=taxonomy.label_of,
        active=[category.key for category in taxonomy.active],
    )
    if entry is None:
        # An adjudicator weighs two answers: neither they nor the machine's are chosen beforehand.
        entry = _propose(item, machine) if machine and not answers else Entry()
    paper = read_item(item, stream=stream)
    choices = arrange_choices(
        taxonomy.active,
        scores=None if task.blind or stream.is_grounded else item.scores,
        chosen=entry.categories,
        keys_taken=TAKING_KEYS if answers else "",
    )
    return Screen(
        stream=stream,
        queue=name_queue(task.queue),
        address=address_of_task(task),
        title=paper.title,
        announcement=late or _announce(paper, machine, answers),
        progress=around.progress,
        last=around.last,
        task=card_of(task),
        paper=paper,
        sheet=_draw_sheet(task, entry) if stream.is_grounded else None,
        machine=machine,
        choices=choices,
        answers=answers,
        form=entry,
        primary_words=_word_primary(entry, choices, machine, is_sentence=stream.is_grounded),
        late=late,
        passed_on=read_passed_on(task),
    )


def _read_machine(decision: Decision, taxonomy: Taxonomy) -> Machine:
    predicted = taxonomy.by_key.get(decision.predicted)
    return describe_machine(
        decision,
        policy=published_spec(decision.policy_id),
        label_of=taxonomy.label_of,
        retired_at=None if predicted is None else predicted.retired_at,
    )


def show_ahead(*, user: "User", task: ReviewTask) -> Screen:
    """The screen of the one ahead, to be kept until the one in hand is answered."""
    return replace(show_task(user=user, task=task), ahead=True)


def show_bar(*, user: "User", stream: Stream, queue: str) -> Screen:
    """What stands in the status bar alone, for a page that shows its task already."""
    asked = ask_for_surroundings(user=user, stream=stream)
    return _without_task(stream=stream, queue=queue, asked=asked)


def with_notice(screen: Screen, notice: str) -> Screen:
    """The same screen with a sentence above the answer, which is announced too."""
    return replace(screen, notice=notice, announcement=notice)


def with_told(screen: Screen, told: str, take_back: TakeBack | None = None) -> Screen:
    """The same screen with what became of the item before in its status bar, announced first."""
    words = f"{told}. {screen.announcement}" if screen.announcement else told
    return replace(screen, told=told, take_back=take_back, announcement=words)


def with_last_told(screen: Screen, told: str, take_back: TakeBack) -> Screen:
    """The same screen with what was told on the one before still in its status bar."""
    return replace(screen, told=told, take_back=take_back)


def card_of(task: ReviewTask) -> TaskCard:
    """What the screen needs to know of the seat itself."""
    return TaskCard(
        id=task.id,
        lease_token=task.lease_token,
        lease_left=task.lease_left,
        lease_whole=task.stream.lease_minutes * 60,
        external_id=task.item.external_id,
        due_at=task.due_at,
        blind=task.blind,
        cancelled=task.state == ReviewTask.State.CANCELLED,
        stream_key=task.stream.key,
        queue=task.queue,
        in_batch=task.in_batch,
    )


def address_of_task(task: ReviewTask) -> str:
    """Where the task is judged: its queue, or the page of a row of the flagged batch."""
    if task.in_batch:
        return reverse("batch-row", args=[task.stream.key, task.id])
    return reverse("review", args=[task.stream.key, task.queue])


def _propose(item: Item, machine: Machine) -> Entry:
    """The machine's answer, to be confirmed; of a sentence that it refused there is none."""
    if not machine.offered:
        return Entry()
    block = None if machine.grounds is None else cited_block(item)
    return Entry(categories=(machine.offered,), block=block)


def _draw_sheet(task: ReviewTask, entry: Entry) -> Sheet:
    return draw_sheet(
        task.item,
        decision=None if task.blind else task.decision,
        block=entry.block,
        claims=entry.claims,
    )


def _word_primary(
    entry: Entry, choices: Choices, machine: Machine | None, *, is_sentence: bool
) -> str:
    """The main button's words; the script keeps them true while the answer changes."""
    if entry.mode == Verdict.Kind.NONE_FITS:
        return _("Send: no category fits")
    if entry.mode == Verdict.Kind.AMBIGUOUS:
        return _("Send: ambiguous, %(n)d would do") % {"n": len(choices.chosen)}
    if not choices.chosen:
        return _("Choose a category") if not is_sentence else _("Supported or not?")
    chosen = choices.chosen[0]
    confirms = machine is not None and machine.offered == chosen.key
    if is_sentence:
        words = _("Confirm: %(name)s") if confirms else _("Send: %(name)s")
        return words % {"name": chosen.label}
    if confirms:
        return _("Confirm %(name)s") % {"name": chosen.label}
    return _("Choose %(name)s") % {"name": chosen.label}


def _announce(paper: Paper, machine: Machine | None, answers: Sequence[GivenAnswer]) -> str:
    if answers:
        said = [_("%(who)s: %(answer)s.") % {"who": a.who, "answer": a.words} for a in answers]
        next_item = _("Next item: %(title)s. Two answers differ.") % {"title": paper.title}
        return " ".join([next_item, *said])
    if machine is None:
        return _("Next item: %(title)s. Judged blind.") % {"title": paper.title}
    if machine.grounds is not None:
        return _("Next item: %(title)s. %(badge)s, %(figure)s per cent.") % {
            "title": paper.title,
            "badge": machine.grounds.badge.label,
            "figure": machine.figure,
        }
    return _("Next item: %(title)s. Machine's answer: %(label)s, %(figure)s per cent.") % {
        "title": paper.title,
        "label": _("%(label)s, retired") % {"label": machine.label}
        if machine.retired_at
        else machine.label,
        "figure": machine.figure,
    }


def _show_empty(*, user: "User", stream: Stream, queue: str, asked: Question) -> Screen:
    empty = offer_other_queue(user=user, stream=stream, name=name_queue(queue))
    if queue == Queue.ADJUDICATION:
        agreement = word_recent_agreement(stream=stream, at=timezone.now())
        empty = replace(empty, agreement=agreement)
    screen = _without_task(stream=stream, queue=queue, asked=asked)
    announcement = f"{empty.heading}. {empty.words}"
    return replace(screen, title=empty.heading, announcement=announcement, empty=empty)


def _without_task(*, stream: Stream, queue: str, asked: Question) -> Screen:
    around = read_surroundings(stream=stream, queue=queue, asked=asked)
    return Screen(
        stream=stream,
        queue=name_queue(queue),
        address=reverse("review", args=[stream.key, queue]),
        title="",
        announcement="",
        progress=around.progress,
        last=around.last,
    )


def offer_other_queue(*, user: "User", stream: Stream, name: QueueName) -> EmptyQueue:
    """What to say where nothing of a queue can be offered, and what else waits."""
    others = queues_workable_by(user, stream)
    counts = count_waiting(user=user, queues=[(stream.id, queue) for queue in others])
    heading = _("Nothing waits for you in %(queue)s") % {"queue": name.label}
    here = counts.get((stream.id, name.key))
    if here is not None and here.batch:
        return _lead_to_batch(stream, here.batch)
    words = _("Every item of this queue has its verdict, or somebody is reading it now.")
    if here is not None and here.count:
        words = _(
            "What is left here you skipped a moment ago, or judged already. "
            "What you skip comes back to you after %(minutes)d minutes."
        ) % {"minutes": SKIP_REST.total_seconds() // 60}
    return EmptyQueue(heading, words, *offer_next(stream, counts, but=name.key))


def offer_next(
    stream: Stream, counts: Mapping[tuple[UUID, str], Waiting], *, but: str
) -> tuple[str, str]:
    """Address and words of the first other queue in which something waits; empty without one."""
    for queue in Queue.values:
        waiting = counts.get((stream.id, queue), NOTHING)
        if queue != but and waiting.count:
            words = _("Go on with %(queue)s (%(count)s)")
            shown = {"queue": name_queue(queue).label, "count": count_in_words(waiting.count)}
            return reverse("review", args=[stream.key, queue]), words % shown
    return "", ""


def _lead_to_batch(stream: Stream, count: int) -> EmptyQueue:
    return EmptyQueue(
        heading=_("No more to judge one by one"),
        words=_("The other flagged items are gone through as a table."),
        next_address=reverse("batch", args=[stream.key]),
        next_words=_("Go on with the batch (%(count)s)") % {"count": count_in_words(count)},
        leads_to_batch=True,
    )
