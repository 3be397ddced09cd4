"""The form that overturns a verdict after its undo window."""

from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from reviewqueue.access import streams_visible_to, verdicts_overturnable_by
from reviewqueue.disclosure import disclose
from reviewqueue.htmx import INVALID, LOST, PersonRequest, go_to, signed_in
from reviewqueue.models import Verdict
from reviewqueue.overturns import (
    NotOverturnableError,
    may_be_overturned,
    overturn_verdict,
)
from reviewqueue.payloads import read_item
from reviewqueue.pictures import draw_in_stream
from reviewqueue.verdicts import VerdictError
from reviewqueue.views.answer_form import Entry, OverturnForm
from reviewqueue.views.answer_panel import arrange_choices, describe_machine
from reviewqueue.views.given_grounds import word_grounds
from reviewqueue.views.items import address_of
from reviewqueue.views.progress import word_answer
from reviewqueue.views.sentence_sheet import draw_sheet
from routing.models import Category, Stream
from routing.policies import published_spec

if TYPE_CHECKING:
    from django.contrib.auth.models import User


TEMPLATE: Final = "review/overturn.html"


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def overturn(request: PersonRequest, verdict_id: UUID) -> HttpResponse:
    """Ask for another answer and why; then the new verdict's page, or the form with what is wrong.

    404 for strangers to the stream, 403 for members who may not, 409 with what was entered where
    the verdict is not the one that stands any more.
    """
    verdict = _find_verdict(request.user, verdict_id)
    if request.method != "POST":
        status = 200 if may_be_overturned(verdict) else LOST
        return _show(request, verdict, Entry(), status=status)
    form = OverturnForm(request.POST)
    if not form.is_valid():
        return _show(request, verdict, form.entry(), status=INVALID)
    try:
        made = overturn_verdict(
            verdict_id=verdict.id,
            by=request.user,
            answer=form.answer(),
            active_ms=form.cleaned_data["active_ms"] or 0,
        )
    except NotOverturnableError as error:
        return _show(request, verdict, form.entry(), status=LOST, late=str(error))
    except VerdictError as error:
        entry = form.entry(errors={error.field or "categories": str(error)})
        return _show(request, verdict, entry, status=INVALID)
    messages.success(request, _word_done(verdict.stream))
    return go_to(request, reverse("my-verdict", args=[made.id]))


def _find_verdict(user: "User", verdict_id: UUID) -> Verdict:
    verdicts = Verdict.objects.select_related("item", "stream", "task__decision")
    verdict = get_object_or_404(verdicts.filter(stream__in=streams_visible_to(user)), id=verdict_id)
    if not verdicts_overturnable_by(user).filter(id=verdict_id).exists():
        raise PermissionDenied
    return verdict


def _word_done(stream: Stream) -> str:
    seconds = stream.undo_seconds
    if not seconds:
        return _("Overturned, and upstream may know it.")
    words = ngettext(
        "Overturned. You can undo it for %(n)d second; after that upstream may know it.",
        "Overturned. You can undo it for %(n)d seconds; after that upstream may know it.",
        seconds,
    )
    return words % {"n": seconds}


def _show(
    request: PersonRequest, verdict: Verdict, entry: Entry, *, status: int, late: str = ""
) -> HttpResponse:
    stream, item, decision = verdict.stream, verdict.item, verdict.task.decision
    categories = list(Category.objects.filter(stream=stream).order_by("position", "key"))
    labels = {category.key: category.label for category in categories}

    def label_of(key: str) -> str:
        return labels.get(key, key)

    if status == LOST and not late:
        late = _("It can still be undone, was changed meanwhile, or is not what settled the item.")
    machine, shown = None, None
    if disclose(viewer=request.user, stream=stream, item=item).machine:
        shown = decision
        machine = describe_machine(
            decision, policy=published_spec(decision.policy_id), label_of=label_of
        )
    context = {
        "section": "item",
        "is_demo": stream.is_demo,
        "stream": stream,
        "verdict": verdict,
        "answer": word_answer(verdict, label_of),
        "is_own": verdict.reviewer_id == request.user.pk,
        "item_address": address_of(stream, item.id),
        "paper": read_item(item, stream=stream),
        # By the names that the review screen's answer has for them.
        "screen": {
            "machine": machine,
            "choices": arrange_choices(
                [category for category in categories if category.retired_at is None],
                scores=item.scores if machine and not stream.is_grounded else None,
                chosen=entry.categories,
            ),
            "form": entry,
            "sheet": draw_sheet(item, decision=shown, block=entry.block, claims=entry.claims)
            if stream.is_grounded
            else None,
        },
        "grounds": word_grounds(verdict, item),
        "late": late,
        "keeps_input": not late or request.method == "POST",
    }
    return draw_in_stream(
        request, stream, lambda: render(request, "review/overturn.html", context, status=status)
    )
