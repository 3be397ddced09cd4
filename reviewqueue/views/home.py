"""Home: the queues that somebody may work and what waits in them, and their day."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from calibration.watches import BrokenPromise, read_broken_promises
from reviewqueue.access import (
    Seats,
    streams_administered_by,
    streams_analysed_by,
    workable_seats,
)
from reviewqueue.htmx import PersonRequest, signed_in
from reviewqueue.models import Verdict
from reviewqueue.stream_admins import opens_admin
from reviewqueue.views.holding import InHand, read_in_hand
from reviewqueue.views.progress import read_day, read_labels, word_answer
from reviewqueue.views.screens import QueueName, name_queue
from reviewqueue.views.waiting import (
    COUNTED_UP_TO,
    NOTHING,
    Waiting,
    count_waiting,
)
from routing.alarms import SHOWN, alarms_in_force, word_alarms
from routing.models import ModelAlarm, Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LAST_VERDICTS = 5


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue of one stream in the table, with what the person has in hand of it."""

    queue: QueueName
    waiting: Waiting
    address: str
    in_hand: InHand | None


@dataclass(frozen=True, slots=True)
class StreamGroup:
    """One stream in the table, with the queues that may be worked."""

    stream: Stream
    categories: int
    policy_version: int | None
    rows: tuple[QueueRow, ...]
    has_insight: bool
    has_log: bool

    @property
    def busy(self) -> tuple[QueueRow, ...]:
        return tuple(row for row in self.rows if row.waiting.count)

    @property
    def quiet(self) -> str:
        """Names of the queues in which nothing waits, beside those in which something does."""
        if not self.busy:
            return ""
        return ", ".join(row.queue.label for row in self.rows if not row.waiting.count)


@dataclass(frozen=True, slots=True)
class FirstThing:
    """Where a page's button leads, and what it says."""

    address: str
    words: str


@dataclass(frozen=True, slots=True)
class LastLine:
    """One of my last verdicts."""

    id: UUID
    answer: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a stream's admin should know of it, and where to do something about it.

    `stream` and `address` are empty where it is about several.
    """

    stream: str
    what: str
    todo: str
    address: str
    step: str


@require_safe
@signed_in
def home(request: PersonRequest) -> HttpResponse:
    """The start page; a constant number of queries, whatever waits."""
    in_hand = read_in_hand(request.user)
    groups = read_groups(request.user, workable_seats(request.user), in_hand=in_hand)
    with timezone.override(_zone(groups)):
        now = timezone.now()
        # Without a stream there is nothing to read either.
        judges = not groups or any(group.rows for group in groups)
        day, last = read_day(request.user, now=now), read_last(request.user)
        context = {
            "section": "home",
            "is_demo": any(group.stream.is_demo for group in groups),
            "groups": groups,
            "own": [group for group in groups if group.rows],
            "judges": judges,
            "has_day": judges or bool(day.done or last),
            "alarms": [*read_drift_alarms(request.user), *read_alarms(request.user)],
            "summary": word_summary(groups),
            "first": choose_first(groups),
            "day": day,
            "today": now,
            "last": last,
        }
        return render(request, "home.html", context)


def read_groups(
    user: "User", seats: list[Seats], *, in_hand: Mapping[tuple[UUID, str], InHand] | None = None
) -> list[StreamGroup]:
    """What waits in each queue of each stream, beside what is in hand of it, in two queries."""
    held = in_hand or {}
    facts = {
        row["id"]: row
        for row in Stream.objects.filter(id__in=[seat.stream.id for seat in seats])
        .order_by()
        .values("id")
        .annotate(
            version=Max("policies__version"),
            category_count=Count(
                "categories", filter=Q(categories__retired_at__isnull=True), distinct=True
            ),
        )
    }
    counts = count_waiting(
        user=user, queues=[(seat.stream.id, queue) for seat in seats for queue in seat.queues]
    )
    return [
        StreamGroup(
            stream=seat.stream,
            categories=facts[seat.stream.id]["category_count"],
            policy_version=facts[seat.stream.id]["version"],
            rows=tuple(
                QueueRow(
                    queue=name_queue(queue),
                    waiting=counts.get((seat.stream.id, queue), NOTHING),
                    address=reverse("review", args=[seat.stream.key, queue]),
                    in_hand=held.get((seat.stream.id, queue)),
                )
                for queue in seat.queues
            ),
            has_insight=seat.has_insight,
            has_log=seat.has_log,
        )
        for seat in seats
    ]


def read_alarms(user: "User") -> list[Alarm]:
    """Alarms of the streams that the user administers, the newest first, in one query."""
    found = alarms_in_force(streams_administered_by(user))
    # The line that there are more of them is no one stream's.
    places = [(alarm.stream.name, _alarm_address(user, alarm)) for alarm in found[:SHOWN]]
    places += [("", "")] * (len(found) - len(places))
    return [
        Alarm(name, words.what, words.todo, address, _("Open the policy"))
        for (name, address), words in zip(places, word_alarms(found), strict=True)
    ]


def read_drift_alarms(user: "User") -> list[Alarm]:
    """Streams whose promise audits found broken, in one query; until a version is published."""
    return [
        Alarm(
            stream=broken.stream_name,
            what=_word_broken(broken),
            todo=_("A recalibration proposes new maps; they hold once somebody publishes them."),
            address=reverse("insight-drift", args=[broken.stream_key]),
            step=_("See the drift"),
        )
        for broken in read_broken_promises(streams_analysed_by(user))[:SHOWN]
    ]


def _word_broken(broken: BrokenPromise) -> str:
    day = date_format(timezone.localtime(broken.since), "j M")
    if broken.whole:
        return _("Drift alarm of %(day)s: audits break the promise of all categories together.") % {
            "day": day
        }
    words = ngettext(
        "Drift alarm of %(day)s: audits break the promise of %(n)s category.",
        "Drift alarm of %(day)s: audits break the promise of %(n)s categories.",
        broken.categories,
    )
    return words % {"day": day, "n": broken.categories}


def _alarm_address(user: "User", alarm: ModelAlarm) -> str:
    if not opens_admin(user):
        return ""
    return reverse("admin:routing_policy_change", args=[alarm.policy_id])


def choose_first(groups: list[StreamGroup]) -> FirstThing | None:
    """Escalated first, then what is overdue, then what is due next."""
    rows = [(group, row) for group in groups for row in group.busy]
    if not rows:
        return None

    def urgency(pair: tuple[StreamGroup, QueueRow]) -> tuple[bool, bool, float]:
        waiting = pair[1].waiting
        due = waiting.due.timestamp() if waiting.due else 0.0
        return (pair[1].queue.key != "escalated", not waiting.overdue, due)

    group, row = min(rows, key=urgency)
    words = _("Start with %(queue)s, %(stream)s") % {
        "queue": row.queue.label,
        "stream": group.stream.name,
    }
    return FirstThing(row.address, words)


def word_summary(groups: list[StreamGroup]) -> str:
    """How much waits in all, in a sentence."""
    rows = [row for group in groups for row in group.rows]
    total = sum(row.waiting.count for row in rows)
    if groups and not rows:
        return ngettext(
            "One stream is open to you to read.",
            "%(n)d streams are open to you to read.",
            len(groups),
        ) % {"n": len(groups)}
    if not total:
        return _("Nothing waits for you.")
    busy = sum(bool(group.busy) for group in groups)
    capped = any(row.waiting.count > COUNTED_UP_TO for row in rows)
    many = _("Over %(n)s") % {"n": f"{total:,}"} if capped else f"{total:,}"
    sentence = ngettext("%(n)s item waits for you", "%(n)s items wait for you", total)
    place = ngettext(" in one stream.", " in %(streams)d streams.", busy)
    return (sentence % {"n": many}) + (place % {"streams": busy} if busy > 1 else place)


def read_last(
    user: "User",
    *,
    stream: Stream | None = None,
    count: int = LAST_VERDICTS,
    with_items: bool = False,
) -> list[LastLine]:
    """The newest live verdicts of somebody, of one stream or of all, in two queries.

    Payloads may be large: they come only `with_items`.
    """
    joined = ("task__decision", "item") if with_items else ("task__decision",)
    verdicts = Verdict.objects.live().filter(reviewer=user).select_related(*joined)
    if stream is not None:
        verdicts = verdicts.filter(stream=stream)
    newest = list(verdicts.order_by("-answered_at")[:count])
    label = read_labels(list({verdict.stream_id for verdict in newest}))
    return [
        LastLine(
            id=verdict.id,
            answer=word_answer(verdict, partial(label, verdict.stream_id)),
            verdict=verdict,
        )
        for verdict in newest
    ]


def _zone(groups: list[StreamGroup]) -> ZoneInfo:
    """The time zone of somebody's day: that of the first stream they work on."""
    return ZoneInfo(groups[0].stream.time_zone if groups else "UTC")
