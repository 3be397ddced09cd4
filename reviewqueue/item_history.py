"""What became of one item, as far as somebody may see it: decisions, judgements, its label."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from calibration.models import GroundTruth
from reviewqueue.disclosure import Disclosure, disclose
from reviewqueue.models import ReviewTask, Verdict
from routing.models import Decision, Event, Item, Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

OPENED: Final = "task.opened"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to an item.

    `kind` is an event's, or `OPENED`; `queue` that of the seat it happened to, empty where it was
    to none; `verdict` what was answered by it, and `comment` what was written with it.
    """

    at: datetime
    kind: str
    actor_id: int | None
    queue: str
    verdict: Verdict | None
    comment: str


@dataclass(frozen=True, slots=True)
class History:
    """All that may be shown: decisions newest first, happenings in the order of time.

    `standing` is the verdict that settled the item, where one did, and `label` what it is settled
    as; None too where it may not be seen.
    """

    may_see: Disclosure
    decisions: tuple[Decision, ...]
    happenings: tuple[Happening, ...]
    label: GroundTruth | None
    standing: Verdict | None


def read_history(*, viewer: "User", stream: Stream, item: Item) -> History:
    """The item's history for one viewer, in a constant number of queries."""
    may_see = disclose(viewer=viewer, stream=stream, item=item)
    decisions: tuple[Decision, ...] = ()
    if may_see.machine:
        found = Decision.objects.filter(item=item).select_related("policy")
        decisions = tuple(found.order_by("-id"))
    if not may_see.people:
        return History(may_see, decisions, (), None, None)
    seats = ReviewTask.objects.filter(stream=stream, item=item)
    seats = seats.filter(holder=viewer) if may_see.own_only else seats.filter(known__isnull=True)
    tasks = list(seats.order_by("id"))
    verdicts = list(
        Verdict.objects.filter(task__in=tasks).select_related("reviewer", "task").order_by("id")
    )
    for verdict in verdicts:
        verdict.item = item
    label = None
    if not may_see.own_only:
        label = GroundTruth.objects.current().filter(stream=stream, item=item).first()
    return History(
        may_see=may_see,
        decisions=decisions,
        happenings=_list_happenings(stream, item, tasks, verdicts),
        label=label,
        standing=_find_standing(verdicts, label, own_only=may_see.own_only),
    )


def _list_happenings(
    stream: Stream, item: Item, tasks: Sequence[ReviewTask], verdicts: Sequence[Verdict]
) -> tuple[Happening, ...]:
    """Seats that opened and what was done with them; what concerns other seats is left out."""
    seats = {task.id: task for task in tasks}
    answers = {str(verdict.id): verdict for verdict in verdicts}
    listed = [Happening(task.opened_at, OPENED, None, task.queue, None, "") for task in tasks]
    events = Event.objects.filter(stream=stream, subject_id__in=[item.id, *seats])
    for event in events.order_by("id"):
        verdict = answers.get(str(event.data.get("verdict", "")))
        seat = seats.get(event.subject_id) or (seats[verdict.task_id] if verdict else None)
        # An event that names a verdict of a seat that is not shown is not shown either.
        if seat is not None or "verdict" not in event.data:
            queue = "" if seat is None else seat.queue
            comment = str(event.data.get("comment", "")) if verdict is None else verdict.comment
            listed.append(
                Happening(event.happened_at, event.kind, event.actor_id, queue, verdict, comment)
            )
    return tuple(sorted(listed, key=lambda each: each.at))


def _find_standing(
    verdicts: Sequence[Verdict], label: GroundTruth | None, *, own_only: bool
) -> Verdict | None:
    if own_only:
        superseded = {verdict.supersedes_id for verdict in verdicts}
        last = [verdict for verdict in verdicts if verdict.id not in superseded]
        return next((each for each in last if each.kind != Verdict.Kind.WITHDRAWN), None)
    by_id: dict[UUID | None, Verdict] = {verdict.id: verdict for verdict in verdicts}
    return None if label is None else by_id.get(label.verdict_id)
