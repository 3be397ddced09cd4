"""An item's own page: what is to be read, what was decided, who judged it; and finding one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reviewqueue.access import (
    administers,
    streams_visible_to,
    verdicts_overturnable_by,
)
from reviewqueue.htmx import PersonRequest, go_to, signed_in
from reviewqueue.item_history import OPENED, Happening, History, read_history
from reviewqueue.models import KnownAnswer, Verdict
from reviewqueue.overturns import may_be_overturned
from reviewqueue.payloads import read_item
from reviewqueue.pictures import draw_in_stream
from reviewqueue.stream_admins import opens_admin
from reviewqueue.views.answer_panel import Machine, describe_machine
from reviewqueue.views.drafts import address_of_draft
from reviewqueue.views.given_grounds import word_grounds
from reviewqueue.views.progress import read_labels_of, word_answer
from reviewqueue.views.retry import read_retry
from reviewqueue.views.screens import QueueName, name_queue
from reviewqueue.views.sentence_sheet import draw_sheet
from reviewqueue.views.watch_lines import name_queue_of
from routing.items import state_before_verdict
from routing.models import Decision, Item, Stream
from routing.policies import published_spec

if TYPE_CHECKING:
    from calibration.models import GroundTruth

LABELS_OF_KIND: Final = ("category", "ambiguous")


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """One decision: the machine's answer with its queue; `machine` holds the reasons."""

    at: datetime
    queue: QueueName
    machine: Machine


@dataclass(frozen=True, slots=True)
class HappeningLine:
    """What happened, in words, with the comment that was written with it."""

    at: datetime
    words: str
    comment: str
    grounds: tuple[str, ...]
    queue: QueueName | None
    is_blind: bool


@dataclass(frozen=True, slots=True)
class State:
    """Where the item stands, in words."""

    words: str
    detail: str
    is_settled: bool


@require_safe
@signed_in
def item(request: PersonRequest, stream_key: str, item_id: UUID) -> HttpResponse:
    """One item with its history, as far as the viewer may see it."""
    stream = get_object_or_404(streams_visible_to(request.user), key=stream_key)
    found = get_object_or_404(Item.objects.filter(stream=stream), id=item_id)
    history = read_history(viewer=request.user, stream=stream, item=found)
    label_of = read_labels_of(stream)
    context = {
        "section": "item",
        "is_demo": stream.is_demo,
        "stream": stream,
        "item": found,
        "paper": read_item(found, stream=stream),
        **(_read_grounds(request.user, stream, found, history) if stream.is_grounded else {}),
        "may_see": history.may_see,
        "state": _word_state(found, history, label_of),
        "decisions": [_draw_decision(each, label_of) for each in history.decisions],
        "happenings": draw_happenings(request.user, found, history, label_of),
        "overturn": _find_overturn(request.user, history),
        "known_address": _known_address(request.user, stream, found, history),
    }
    return draw_in_stream(request, stream, lambda: render(request, "review/history.html", context))


def _read_grounds(viewer: User, stream: Stream, item: Item, history: History) -> dict[str, object]:
    """What stands on the page of a drafted sentence besides."""
    decision = history.decisions[0] if history.decisions else None
    block = history.standing.block if history.standing else ""
    return {
        "sheet": draw_sheet(item, decision=decision, block=block or None),
        "retry": read_retry(viewer, stream, item, decision),
        "draft_address": address_of_draft(stream, item.draft) if item.draft else "",
    }


@require_safe
@signed_in
def find_item(request: PersonRequest) -> HttpResponse:
    """To the item with this whole external id; a choice where several streams have one."""
    asked = request.GET.get("id", "").strip()
    found: list[Item] = []
    if asked and "\0" not in asked:
        visible = Item.objects.filter(
            stream__in=streams_visible_to(request.user), external_id=asked
        )
        found = list(visible.select_related("stream").order_by("stream__name"))
    if len(found) == 1:
        return go_to(request, address_of(found[0].stream, found[0].id))
    context = {
        "section": "item",
        "asked": asked,
        "lines": [(each, address_of(each.stream, each.id)) for each in found],
    }
    missing = bool(asked) and not found
    return render(request, "review/find.html", context, status=404 if missing else 200)


def address_of(stream: Stream, item_id: UUID) -> str:
    """The item's own page."""
    return reverse("item", args=[stream.key, item_id])


def _draw_decision(decision: Decision, label_of: Callable[[str], str]) -> DecisionLine:
    machine = describe_machine(
        decision, policy=published_spec(decision.policy_id), label_of=label_of
    )
    return DecisionLine(decision.decided_at, name_queue_of(decision), machine)


def draw_happenings(
    viewer: User, item: Item, history: History, label_of: Callable[[str], str]
) -> list[HappeningLine]:
    """What happened, in words; whose name it was only for those who may know it."""
    actors = {each.actor_id for each in history.happenings if each.actor_id is not None}
    names = {}
    if history.may_see.names:
        names = dict(User.objects.filter(id__in=actors).values_list("id", "username"))

    def who(actor_id: int | None) -> str:
        if actor_id == viewer.pk:
            return _("You")
        return names.get(actor_id or 0, _("A reviewer"))

    return [
        HappeningLine(
            at=each.at,
            words=word_happening(each, who(each.actor_id), label_of),
            comment="" if each.verdict is None else each.verdict.comment,
            grounds=() if each.verdict is None else word_grounds(each.verdict, item),
            queue=name_queue(each.queue) if each.kind == OPENED else None,
            is_blind=each.kind == "verdict.recorded" and bool(each.verdict and each.verdict.blind),
        )
        for each in history.happenings
    ]


def word_happening(each: Happening, who: str, label_of: Callable[[str], str]) -> str:
    """One happening as a sentence; a kind that has no words here is shown by its own name."""
    answer = "" if each.verdict is None else word_answer(each.verdict, label_of)
    words: Mapping[str, str] = {
        OPENED: _("A seat opened"),
        "verdict.recorded": _("%(who)s answered: %(answer)s"),
        "verdict.undone": _("%(who)s took the answer back"),
        "verdict.overturned": _("%(who)s overturned the answer: %(answer)s"),
        "verdict.overturn_undone": _("%(who)s took the overturn back: %(answer)s stands again"),
        "task.skipped": _("%(who)s passed it on"),
        "task.skip_undone": _("%(who)s took it back in hand"),
        "task.escalated": _("%(who)s handed it to the experts"),
        "task.escalation_undone": _("%(who)s took it back from the experts"),
        "item.erased": _("What it held was erased"),
        "comment.erased": _("A comment was erased"),
        "retry.requested": _("%(who)s asked for the sentence to be drafted again"),
        "task.released": _("An admin gave it back to the queue"),
    }
    found = words.get(each.kind, each.kind.replace(".", " ").replace("_", " "))
    return found % {"who": who, "answer": answer}


def _word_state(item: Item, history: History, label_of: Callable[[str], str]) -> State | None:
    """Where it stands; before a settled item's answer may be seen, as it was before it."""
    if not history.decisions:
        return None
    decision = history.decisions[0]
    own_only, standing = history.may_see.own_only, history.standing
    if own_only and standing is not None:
        return State(_("Settled"), word_answer(standing, label_of), is_settled=True)
    if not own_only and history.label is not None and item.state == Item.State.SETTLED:
        return State(_("Settled"), _word_label(history.label, standing, label_of), is_settled=True)
    if state_before_verdict(decision.action) == Item.State.WAITING:
        if item.erased_at is not None and item.state == Item.State.ROUTED:
            return State(_("Not judged"), _("erased before anybody did"), is_settled=False)
        return State(_("Waiting for a person"), "", is_settled=False)
    if decision.action == Decision.Action.REFUSE:
        words = _("answered “uncertain”")
        if item.evidence is not None:
            words = _("“no confident source” stands in its place")
        return State(_("Refused"), words, is_settled=False)
    return State(_("Acted on"), label_of(decision.category), is_settled=False)


def _word_label(
    label: "GroundTruth", standing: Verdict | None, label_of: Callable[[str], str]
) -> str:
    if standing is not None:
        return word_answer(standing, label_of)
    if label.kind in LABELS_OF_KIND:
        return ", ".join(label_of(key) for key in label.categories)
    return str(label.get_kind_display())


def _find_overturn(viewer: User, history: History) -> str:
    """Where the viewer may overturn what stands; empty where not."""
    standing = history.standing
    if standing is None or not verdicts_overturnable_by(viewer).filter(id=standing.id).exists():
        return ""
    return reverse("overturn", args=[standing.id]) if may_be_overturned(standing) else ""


def _known_address(viewer: User, stream: Stream, item: Item, history: History) -> str:
    """Where a stream's admin makes its label a known answer, filled in; empty for others."""
    label = history.label
    if label is None or not administers(viewer, stream) or not opens_admin(viewer):
        return ""
    if not viewer.has_perm("reviewqueue.add_knownanswer"):
        return ""
    if item.erased_at is not None or KnownAnswer.objects.filter(item=item).exists():
        return ""
    filled = {
        "stream": str(stream.id),
        "external_id": item.external_id,
        "kind": label.kind,
        "categories": ",".join(label.categories),
    }
    return f"{reverse('admin:reviewqueue_knownanswer_add')}?{urlencode(filled)}"
