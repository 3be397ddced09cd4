"""Watch lists: the items on which a watched category's probability reached its level.

What is judged blind, or will be, is on nobody's list until its verdict stands (`disclosure`): that
an item is on a list is already part of the machine's answer, so such rows are neither shown with
gaps nor counted, whoever asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict
from uuid import UUID

from django.db import models
from django.db.models import Exists, Func, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import WithAnnotations

from reviewqueue.disclosure import hidden_from
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.settlements import told_verdicts
from routing.core.policy import STREAM_WIDE
from routing.models import Category, CategoryRule, Decision, Item, Stream

PAGE: Final = 25
# A page looks at no more decisions than these, so that a filter that few pass costs no more than
# one that all do; older ones are a page further.
LOOKED_AT: Final = 2_000
UNREAD: Final = ("item__scores", "item__signals", "item__secondary", "item__metadata")


class Stage(models.TextChoices):
    """What became of a watched item."""

    WAITING = "waiting", _("Waiting")
    ACTED = "acted", _("Acted on")
    REFUSED = "refused", _("Refused")
    SETTLED = "settled", _("Settled")


# In a policy's maps, by key: the predicted category's own, or the stream's under the empty one.
HAS_MAP: Final = Q(policy__maps__has_key=STREAM_WIDE) | Q(
    Func("policy__maps", "predicted", function="jsonb_exists", output_field=models.BooleanField())
)

STAGES: Final[Mapping[str, Q]] = {
    Stage.WAITING: Q(item__state=Item.State.WAITING),
    Stage.ACTED: Q(
        item__state=Item.State.ROUTED,
        action__in=[Decision.Action.ACT, Decision.Action.ACT_AND_REVIEW],
    ),
    Stage.REFUSED: Q(item__state=Item.State.ROUTED, action=Decision.Action.REFUSE),
    Stage.SETTLED: Q(item__state=Item.State.SETTLED),
}


class HasMap(TypedDict):
    """What `listed` notes on each decision."""

    has_map: bool


if TYPE_CHECKING:
    from django.contrib.auth.models import User

    Listed = WithAnnotations[Decision, HasMap]


@dataclass(frozen=True, slots=True)
class WatchedCategory:
    """A category that some published policy of the stream watches or watched."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Watched:
    """One entry of a watch list: the decision with its item, and what became of it.

    `has_map`: its policy has a map for what it is predicted as. `seat_queue` is where a person's
    judgement is still to come, empty where none is; `verdict` the one that stands, None before its
    undo window is over or while another seat is open.
    """

    decision: Decision
    has_map: bool
    seat_queue: str
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class WatchPage:
    """Entries, newest first; `older` is the cursor of the next page, None at the end.

    A page can be empty and have an older one: nothing passed among those it looked at.
    """

    entries: tuple[Watched, ...]
    older: UUID | None


def watched_categories(stream: Stream) -> list[WatchedCategory]:
    """The stream's watched categories in the order of its taxonomy, past ones included."""
    rules = CategoryRule.objects.filter(
        stream=stream, policy__version__isnull=False, watch__isnull=False
    )
    found = Category.objects.filter(id__in=rules.order_by().values("category_id"))
    rows = found.order_by("position", "key").values_list("key", "label")
    return [WatchedCategory(key, label) for key, label in rows]


def read_watched(
    *,
    viewer: "User",
    stream: Stream,
    category: str = "",
    stage: str = "",
    before: UUID | None = None,
) -> WatchPage:
    """The newest entries older than the decision `before`, in a constant number of queries.

    `category` is a category's key, `stage` one of `Stage`; empty for all.
    """
    window = _watched(stream)
    if before is not None:
        window = window.filter(id__lt=before)
    window = window.order_by("-id")
    last = window.values_list("id", flat=True)[LOOKED_AT - 1 : LOOKED_AT].first()
    found = listed(window, viewer=viewer, stream=stream)
    if last is not None:
        found = found.filter(id__gte=last)
    if category:
        found = found.filter(watch__contains=[category])
    if stage:
        found = found.filter(STAGES[stage])
    decisions = list(found.select_related("item").defer(*UNREAD, "alternatives")[: PAGE + 1])
    older = decisions[PAGE - 1].id if len(decisions) > PAGE else last
    return WatchPage(_with_outcomes(decisions[:PAGE]), older)


def find_watched(*, viewer: "User", stream: Stream, decision_id: UUID) -> Watched | None:
    """One entry of the stream's watch list; None where it is none, or judged blind."""
    entries = listed(_watched(stream), viewer=viewer, stream=stream).filter(id=decision_id)
    found = entries.select_related("item").first()
    return None if found is None else _with_outcomes([found])[0]


def _watched(stream: Stream) -> QuerySet[Decision]:
    """In the words of the index `decision_watched`."""
    return Decision.objects.filter(stream=stream).exclude(watch=[])


def listed(decisions: QuerySet[Decision], *, viewer: "User", stream: Stream) -> "QuerySet[Listed]":
    """Those that are their item's latest and give nothing away to somebody who judges blind."""
    later = Decision.objects.filter(item_id=OuterRef("item_id"), id__gt=OuterRef("id"))
    hidden = hidden_from(viewer=viewer, stream=stream, item="item_id")
    return decisions.exclude(Exists(later) | hidden).annotate(has_map=HAS_MAP)


def _with_outcomes(decisions: "list[Listed]") -> tuple[Watched, ...]:
    item_ids = [decision.item_id for decision in decisions]
    seats = dict(
        ReviewTask.objects.unanswered()
        .filter(stream_id__in={each.stream_id for each in decisions}, item_id__in=item_ids)
        .filter(known__isnull=True)
        .order_by("-seat")
        .values_list("item_id", "queue")
    )
    verdicts = {verdict.item_id: verdict for verdict in told_verdicts(item_ids)}
    return tuple(
        Watched(
            decision=decision,
            has_map=decision.has_map,
            seat_queue=(queue := seats.get(decision.item_id, "")),
            verdict=None if queue else verdicts.get(decision.item_id),
        )
        for decision in decisions
    )
