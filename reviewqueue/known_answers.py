"""Known answers: items slipped in among a reviewer's work to measure how they judge.

Whether the next seat is one of these is a keyed hash of the person and their last verdict, or of
the task in hand where the next is claimed ahead: asking again changes nothing, and of all that
somebody answers the stream's share is known, whatever they skip. The seat looks like any other of
its queue. It settles nothing and never opens: it is its holder's alone, and cancelled where an
ordinary one would go back to the queue.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypedDict
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _
from django_stubs_ext import WithAnnotations

from calibration.audits import hash_draws
from calibration.core.sampling import is_drawn
from reviewqueue.access import QUEUES_OF_ROLE, roles_on
from reviewqueue.models import KnownAnswer, KnownKind, Membership, ReviewTask, Verdict
from reviewqueue.verdicts import Answer, VerdictError, check_answer
from routing.events import record_event
from routing.models import Decision, Item, Stream
from routing.policies import active_keys

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from calibration.core.agreement import Rate

Queue = ReviewTask.Queue

SLIPPED_INTO: Final = (Queue.HOLD, Queue.FLAGGED, Queue.AUDIT)
ALWAYS_BLIND: Final = (Queue.FLAGGED, Queue.AUDIT)
NAMED: Final = (Verdict.Kind.CATEGORY, Verdict.Kind.AMBIGUOUS)
# Seats of an item's own judgements are counted from 1; these keep out of their way.
FIRST_SEAT: Final = 1_001


class KnownAnswerError(ValueError):
    """An item that cannot be used as known; `field` is the place in the form."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@transaction.atomic
def mark_known(
    *, stream: Stream, external_id: str, answer: Answer, reason: str = "", by: "User | None" = None
) -> KnownAnswer:
    """Let this be the item's known answer from now on.

    Raises:
        KnownAnswerError: there is no such item, people still have to judge it, it is in use
            already, or the answer does not hold together.
    """
    item = _find_item(stream, external_id)
    try:
        check_answer(answer, stream)
    except VerdictError as error:
        raise KnownAnswerError(str(error), field=error.field) from error
    if answer.kind not in KnownKind.values:
        words = _("%(kind)s is no answer that can be known; choose one of the list.")
        raise KnownAnswerError(words % {"kind": answer.kind}, field="kind")
    decision = Decision.objects.filter(item=item).order_by("-id").first()
    if decision is None:
        raise KnownAnswerError(
            _("This item was never decided; choose another."), field="external_id"
        )
    known = KnownAnswer.objects.create(
        stream=stream,
        item=item,
        decision=decision,
        kind=answer.kind,
        categories=list(answer.categories),
        reason=reason.strip(),
        created_by=by,
    )
    record_event(
        stream_id=stream.id,
        kind="knownanswer.created",
        subject_id=known.id,
        actor_id=None if by is None else by.pk,
        item=str(item.id),
    )
    return known


def _find_item(stream: Stream, external_id: str) -> Item:
    asked = {"id": external_id, "stream": stream.name}
    item = None
    if "\0" not in external_id:
        # Locked, so that it is not erased before this is done.
        items = Item.objects.select_for_update(no_key=True)
        item = items.filter(stream=stream, external_id=external_id).first()
    if item is None:
        words = _("No item “%(id)s” was posted to %(stream)s; check the id.")
        raise KnownAnswerError(words % asked, field="external_id")
    if item.erased_at is not None:
        words = _("What “%(id)s” held was erased; choose another.")
        raise KnownAnswerError(words % asked, field="external_id")
    if KnownAnswer.objects.filter(item=item).exists():
        words = _("“%(id)s” has a known answer already.")
        raise KnownAnswerError(words % asked, field="external_id")
    if ReviewTask.objects.unanswered().filter(stream=stream, item=item).exists():
        words = _("“%(id)s” still waits for a person; use it once it is settled.")
        raise KnownAnswerError(words % asked, field="external_id")
    return item


@transaction.atomic
def retire_known(*, known_id: UUID, by: "User") -> bool:
    """Slip it in no more; whether it was in use. What was answered stays counted."""
    known = KnownAnswer.objects.filter(id=known_id, retired_at=None).first()
    if known is None or not KnownAnswer.objects.filter(id=known_id, retired_at=None).update(
        retired_at=Now()
    ):
        return False
    record_event(
        stream_id=known.stream_id, kind="knownanswer.retired", subject_id=known.id, actor_id=by.pk
    )
    return True


def seat_known(
    *, user: "User", stream: Stream, queue: str, ahead_of: ReviewTask | None = None
) -> UUID | None:
    """Seat the user, by chance, at an item whose answer is known; the task, or None.

    `ahead_of` is the task in hand, where the seat is to come after it. Costs one look-up where the
    stream slips anything in, and more only for what is drawn. None too where nothing else waits in
    the queue, where the user had every known item, and for who can look the answers up.
    """
    if not stream.known_rate or queue not in SLIPPED_INTO:
        return None
    after: UUID | None = None
    since: datetime | None = None
    if ahead_of is not None:
        after, since = ahead_of.id, ahead_of.claimed_at
    elif (last := _last_verdict(user, stream)) is not None:
        after, since = last.id, last.answered_at
    if not draws_known(user=user, stream=stream, after=after):
        return None
    if not may_be_given_known(user, stream):
        return None
    with transaction.atomic():
        return _seat_one(user, stream, queue, since=since, in_hand=ahead_of)


def may_be_given_known(user: "User", stream: Stream) -> bool:
    """Whether the user works a queue that known items are slipped into, and cannot look them up.

    Who administers the stream sees the list of them in the admin, right answers and all: what they
    answered would measure nothing.
    """
    if user.is_superuser:
        return False
    roles = roles_on(user, stream)
    queues = {queue for role in roles for queue in QUEUES_OF_ROLE[role]}
    return Membership.Role.STREAM_ADMIN not in roles and not queues.isdisjoint(SLIPPED_INTO)


def draws_known(*, user: "User", stream: Stream, after: UUID | None) -> bool:
    """Whether what the user is given next is known.

    `after` is their last verdict, or the task in hand where it is for the one ahead of that; None
    at the start.
    """
    return is_drawn(
        secret=settings.AUDIT_SECRET,
        stream_id=str(stream.id),
        item_id=f"{user.pk} {after or ''}",
        rate=stream.known_rate,
        purpose="known",
    )


def _last_verdict(user: "User", stream: Stream) -> Verdict | None:
    found = Verdict.objects.filter(reviewer=user, stream=stream).only("id", "answered_at")
    return found.order_by("-answered_at", "-id").first()


def _seat_one(
    user: "User",
    stream: Stream,
    queue: str,
    *,
    since: datetime | None,
    in_hand: ReviewTask | None,
) -> UUID | None:
    mine = ReviewTask.objects.filter(stream=stream, item__known_answer__isnull=False, holder=user)
    fresh = mine.filter(known__isnull=False)
    if in_hand is not None:
        fresh = fresh.exclude(id=in_hand.id)
    if since is not None:
        fresh = fresh.filter(opened_at__gt=since)
    # Given already, and skipped or let lapse: once is what was drawn.
    if fresh.exists():
        return None
    like = ReviewTask.objects.open().filter(stream=stream, queue=queue)
    if queue == Queue.FLAGGED:
        like = like.filter(pi__isnull=False)
    waiting = like.order_by("-priority", "due_at", "id").values_list("priority", "due_at").first()
    chosen = None if waiting is None else _choose(user, stream, queue)
    if waiting is None or chosen is None:
        return None
    known, blind = chosen
    seats = ReviewTask.objects.filter(stream=stream, item_id=known.item_id, known=known)
    last = seats.aggregate(last=Max("seat"))["last"]
    return ReviewTask.objects.create(
        stream=stream,
        item_id=known.item_id,
        decision_id=known.decision_id,
        queue=queue,
        seat=FIRST_SEAT if last is None else last + 1,
        state=ReviewTask.State.CLAIMED,
        blind=blind,
        known=known,
        priority=waiting[0],
        due_at=waiting[1],
        opened_at=timezone.now(),
        holder=user,
        claimed_at=Now(),
        lease_token=uuid4(),
        lease_expires_at=Now() + stream.lease,
    ).id


def _choose(user: "User", stream: Stream, queue: str) -> tuple[KnownAnswer, bool] | None:
    """A known item that the user never had, locked, and whether it is judged blind.

    In the hold queue the machine's answer may stand beside it: then only what it would have held.
    """
    had = ReviewTask.objects.filter(stream=stream, item_id=OuterRef("item_id"), holder=user)
    found = KnownAnswer.objects.filter(~Exists(had), stream=stream, retired_at=None)
    keys = set(active_keys(stream.id))
    usable = [
        (known, blind)
        for known in found.select_related("decision").defer("decision__alternatives")
        if keys.issuperset(known.categories)
        and ((blind := _is_blind(known, stream, queue)) or known.decision.action == "wait")
    ]
    if not usable:
        return None
    known, blind = min(usable, key=lambda pair: _shuffle(user, pair[0]))
    # Whoever gives it the next seat number waits; so does the same person in another window.
    KnownAnswer.objects.select_for_update().get(id=known.id)
    return None if found.filter(id=known.id).first() is None else (known, blind)


def _is_blind(known: KnownAnswer, stream: Stream, queue: str) -> bool:
    return queue in ALWAYS_BLIND or hash_draws(
        stream_id=stream.id, item_id=known.item_id, rate=stream.blind_rate, purpose="blind"
    )


def _shuffle(user: "User", known: KnownAnswer) -> bytes:
    """Another order for everybody, that nobody can tell beforehand."""
    return hmac.digest(settings.AUDIT_SECRET, f"{user.pk} {known.id}".encode(), "sha256")


def is_right() -> Q:
    """That a verdict on a known seat is right: what it names are among the known categories."""
    return _right(verdict="", known="task__known__")


def _right(*, verdict: str, known: str) -> Q:
    """The same from either side: how a query reaches the verdict and the known answer."""
    named = {
        f"{verdict}kind__in": NAMED,
        f"{verdict}categories__contained_by": F(f"{known}categories"),
    }
    neither = {f"{verdict}kind": Verdict.Kind.NONE_FITS, f"{known}kind": KnownKind.NONE_FITS}
    return Q(**named) | Q(**neither)


def judged_known(streams: Iterable[UUID] | QuerySet[Stream]) -> QuerySet[Verdict]:
    """Standing answers on known seats of the streams; who could not judge gave none."""
    return (
        Verdict.objects.live()
        .filter(stream__in=streams, task__known__isnull=False)
        .exclude(kind=Verdict.Kind.CANNOT_JUDGE)
    )


def measure_reviewer(*, stream: Stream, user: "User", start: datetime, end: datetime) -> "Rate":
    """How often the user was right on known items from `start` (inclusive) to `end` (exclusive).

    The share of right answers with an exact 95% interval; None in it where nothing was judged.
    """
    counted = (
        judged_known([stream.id])
        .filter(reviewer=user, answered_at__gte=start, answered_at__lt=end)
        .order_by()
        .aggregate(answered=Count("id"), right=Count("id", filter=is_right()))
    )
    return _measure(right=counted["right"], answered=counted["answered"])


def _measure(*, right: int, answered: int) -> "Rate":
    # With it comes scipy, which a process does not need until somebody looks.
    from calibration.core.agreement import known_answer_accuracy  # noqa: PLC0415

    return known_answer_accuracy(right=right, answered=answered)


class Counts(TypedDict):
    """What `with_counts` notes on each known answer."""

    judged_count: int
    right_count: int


if TYPE_CHECKING:
    Counted = WithAnnotations[KnownAnswer, Counts]


def with_counts(known: QuerySet[KnownAnswer]) -> "QuerySet[Counted]":
    """Notes on each how often it was judged (`judged_count`) and rightly (`right_count`)."""
    verdicts = "tasks__verdicts"
    judged = Q(
        **{
            f"{verdicts}__superseded_by__isnull": True,
            f"{verdicts}__kind__in": [*NAMED, Verdict.Kind.NONE_FITS],
        }
    )
    right = _right(verdict=f"{verdicts}__", known="")
    return known.annotate(
        judged_count=Count(verdicts, filter=judged),
        right_count=Count(verdicts, filter=judged & right),
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """How often one person was right on known items of one stream."""

    stream: str
    reviewer: str
    rate: "Rate"


def measure_reviewers(streams: QuerySet[Stream]) -> list[Measured]:
    """Everybody who judged a known item of the streams, in one query."""
    rows = (
        judged_known(streams)
        .order_by("stream__name", "reviewer__username")
        .values_list("stream__name", "reviewer__username")
        .annotate(answered=Count("id"), right=Count("id", filter=is_right()))
    )
    return [
        Measured(name, person, _measure(right=right, answered=answered))
        for name, person, answered, right in rows
    ]
