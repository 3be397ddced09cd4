"""What may be shown of an item, and to whom: the one place that the pages ask.

Nothing of the machine's answer is shown, nor of people's, of what is judged blind or will be: the
item with an unanswered blind seat, the one that is drawn for an audit whose seats open later, the
one whose blind verdict can still be undone, and the one that the viewer may yet be given as a
known answer. Pages say so in one way for all of these, and to everybody: roles change, and a page
that told them apart would tell what was drawn.

What people answered is held back besides from whoever may still be asked about the same item.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from calibration.models import AuditDraw
from reviewqueue.access import OVERTURNING_ROLES, queues_workable_by
from reviewqueue.known_answers import may_be_given_known
from reviewqueue.models import KnownAnswer, Membership, ReviewTask, Verdict
from routing.lookups import there_is
from routing.models import Item, Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

State = ReviewTask.State


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What one person may see of one item.

    `machine`: decisions. `people`: seats, verdicts, events and the label. `names`: who gave them.
    `own_only`: of all that, only what concerns the person's own seat.
    """

    machine: bool
    people: bool
    names: bool
    own_only: bool


def hidden_from(*, viewer: "User", stream: Stream, item: str) -> Q:
    """For a query of the stream's rows: that nothing of any answer may be shown to the viewer.

    `item` is the field that holds an item's id.
    """
    hidden = still_blind(item)
    if not may_be_given_known(viewer, stream):
        return hidden
    had = ReviewTask.objects.filter(stream=stream, item_id=OuterRef("item_id"), holder=viewer)
    # One that was passed on looks as an ordinary seat does that is open again.
    seen = had.exclude(state=State.CANCELLED, blind=True)
    known = KnownAnswer.objects.filter(
        ~Exists(seen), stream=stream, item_id=OuterRef(item), retired_at=None
    )
    return hidden | Q(Exists(known))


def still_blind(item: str) -> Q:
    """For a query of rows that have a stream: that somebody judges their item blind, or will.

    `item` is the field that holds an item's id. Asked row by row: for pages, not whole tables.
    """
    blind_seats = ReviewTask.objects.unanswered().filter(
        stream_id=OuterRef("stream_id"), item_id=OuterRef(item), blind=True
    )
    undoable = Verdict.objects.live().filter(
        item_id=OuterRef(item), blind=True, published_at__gt=Now()
    )
    draws = AuditDraw.objects.filter(
        stream_id=OuterRef("stream_id"), item_id=OuterRef(item), opened_at__isnull=True
    )
    return Q(there_is(blind_seats)) | Q(there_is(undoable)) | Q(there_is(draws))


def disclose(*, viewer: "User", stream: Stream, item: Item) -> Disclosure:
    """What the viewer, who may see the stream, may see of the item."""
    roles = Membership.objects.filter(user=viewer, stream=stream, role__in=OVERTURNING_ROLES)
    names = viewer.is_superuser or roles.exists()
    hidden = hidden_from(viewer=viewer, stream=stream, item="id")
    if Item.objects.filter(hidden, id=item.id).exists():
        return Disclosure(machine=False, people=False, names=names, own_only=False)
    seats = list(ReviewTask.objects.filter(stream=stream, item=item))
    own = [seat for seat in seats if seat.holder_id == viewer.pk]
    slipped_in = any(seat.known_id is not None for seat in own)
    return Disclosure(
        machine=True,
        people=not _may_be_asked(viewer, stream, seats, own) and not _may_undo(viewer, item),
        names=names,
        own_only=slipped_in,
    )


def _may_be_asked(
    viewer: "User", stream: Stream, seats: list[ReviewTask], own: list[ReviewTask]
) -> bool:
    """Whether the viewer's own judgement of the item is still to come, or may be.

    An adjudicator sees the two answers anyway.
    """
    if any(seat.state != State.ANSWERED for seat in own):
        return True
    if own:
        return False
    workable = set(queues_workable_by(viewer, stream)) - {ReviewTask.Queue.ADJUDICATION}
    return any(
        seat.queue in workable and seat.known_id is None
        for seat in seats
        if seat.state in (State.OPEN, State.CLAIMED)
    )


def _may_undo(viewer: "User", item: Item) -> bool:
    """Whether the viewer could take their answer back and give another; an overturn is none."""
    undoable = Verdict.objects.live().first_hand()
    return undoable.filter(item=item, reviewer=viewer, published_at__gt=Now()).exists()
