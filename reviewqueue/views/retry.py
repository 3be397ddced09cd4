"""Asking upstream to draft a refused sentence again, and what became of that on the item's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from reviewqueue.access import may_ask_for_retries, streams_visible_to
from reviewqueue.disclosure import disclose
from reviewqueue.htmx import INVALID, PersonRequest, go_to, signed_in
from reviewqueue.payloads import read_item
from reviewqueue.pictures import draw_in_stream
from reviewqueue.retries import RetryError, read_chain, request_retry
from reviewqueue.retry_models import RetryRequest
from reviewqueue.views.answer_panel import describe_machine
from reviewqueue.views.sentence_sheet import draw_sheet
from routing.models import Decision, Item, Stream
from routing.policies import published_spec

if TYPE_CHECKING:
    from django.contrib.auth.models import User

How = RetryRequest.How
NOTE_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class ChainLine:
    """One of the sentences that were drafted in each other's place."""

    external_id: str
    address: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Retry:
    """What became of a refused sentence. `address` is empty where it may not be asked for.

    `chain` has this item and those before and after it; it is empty where there are none.
    """

    address: str
    request: RetryRequest | None
    chain: tuple[ChainLine, ...]
    is_answered: bool


class RetryForm(forms.Form):
    """How upstream is to go about it, and a word to it."""

    how = forms.ChoiceField(
        choices=How.choices,
        error_messages={
            "required": gettext_lazy("Choose between another prompt and a wider retrieval."),
            "invalid_choice": gettext_lazy("Choose between another prompt and a wider retrieval."),
        },
    )
    note = forms.CharField(max_length=NOTE_LONGEST, required=False)


def read_retry(viewer: "User", stream: Stream, item: Item, decision: Decision | None) -> Retry:
    """For the item's page; `decision` is the latest, None where nothing of it may be seen.

    Nothing is told then: only what was refused is ever drafted again.
    """
    if decision is None:
        return Retry("", None, (), is_answered=False)
    chain = read_chain(item)
    is_answered = any(each.retry_of_id == item.id for each in chain)
    request = RetryRequest.objects.filter(item=item).select_related("requested_by").first()
    is_open = decision.action == Decision.Action.REFUSE and request is None and not is_answered
    is_open = is_open and item.erased_at is None
    may_ask = is_open and may_ask_for_retries(viewer, stream)
    return Retry(
        address=reverse("retry", args=[stream.key, item.id]) if may_ask else "",
        request=request,
        chain=_draw_chain(stream, chain, item) if len(chain) > 1 else (),
        is_answered=is_answered,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def retry(request: PersonRequest, stream_key: str, item_id: UUID) -> HttpResponse:
    """Ask how it should be drafted again; then the item's page, which tells of it.

    404 also where it may not be told that it was refused, 403 for members who review nothing.
    """
    stream = get_object_or_404(streams_visible_to(request.user), key=stream_key)
    item = get_object_or_404(Item.objects.filter(stream=stream), id=item_id)
    decision = Decision.objects.filter(item=item).order_by("-id").first()
    if not may_ask_for_retries(request.user, stream):
        raise PermissionDenied
    is_refused = decision is not None and decision.action == Decision.Action.REFUSE
    may_see = disclose(viewer=request.user, stream=stream, item=item).machine
    if decision is None or not (stream.is_grounded and is_refused and may_see):
        raise Http404
    if request.method != "POST":
        return _show(request, stream, item, decision, RetryForm())
    form = RetryForm(request.POST)
    if form.is_valid():
        try:
            request_retry(item_id=item.id, person=request.user, **form.cleaned_data)
        except RetryError as error:
            form.add_error(error.field or None, str(error))
        else:
            messages.success(request, _("Upstream is asked to draft the sentence again."))
            return go_to(request, reverse("item", args=[stream.key, item.id]))
    return _show(request, stream, item, decision, form, status=INVALID)


def _show(
    request: PersonRequest,
    stream: Stream,
    item: Item,
    decision: Decision,
    form: RetryForm,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {
        "section": "item",
        "is_demo": stream.is_demo,
        "stream": stream,
        "item": item,
        "item_address": reverse("item", args=[stream.key, item.id]),
        "paper": read_item(item, stream=stream),
        "sheet": draw_sheet(item, decision=decision),
        "machine": describe_machine(
            decision, policy=published_spec(decision.policy_id), label_of=str
        ),
        "form": form,
        "ways": [
            (How.REWRITE, _("Rewrite the prompt"), _("The sources are right, the wording is not.")),
            (How.WIDEN, _("Widen the retrieval"), _("The right source was not among these.")),
        ],
        "chosen": form["how"].value() or "",
        "note_longest": NOTE_LONGEST,
    }
    return draw_in_stream(
        request, stream, lambda: render(request, "review/retry.html", context, status=status)
    )


def _draw_chain(stream: Stream, chain: Sequence[Item], here: Item) -> tuple[ChainLine, ...]:
    return tuple(
        ChainLine(
            external_id=each.external_id,
            address=reverse("item", args=[stream.key, each.id]),
            is_here=each.id == here.id,
        )
        for each in chain
    )
