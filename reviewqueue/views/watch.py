"""A stream's watch lists: a page of entries with its filters, and one entry with its item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from reviewqueue.access import queues_workable_by, streams_visible_to
from reviewqueue.htmx import INVALID, PersonRequest, respond, signed_in
from reviewqueue.payloads import read_item
from reviewqueue.pictures import draw_in_stream
from reviewqueue.views.answer_panel import describe_machine
from reviewqueue.views.progress import read_labels_of
from reviewqueue.views.screens import name_queue
from reviewqueue.views.watch_lines import WatchLine, draw_line, draw_lines
from reviewqueue.watchlist import (
    LOOKED_AT,
    Stage,
    WatchedCategory,
    WatchPage,
    find_watched,
    read_watched,
    watched_categories,
)
from routing.models import Stream
from routing.policies import find_published_spec, published_spec

if TYPE_CHECKING:
    from routing.core.policy import Policy

TEMPLATE = "review/watch.html"


class WatchFilter(forms.Form):
    """What of the list is shown, as the address says it."""

    category = forms.ChoiceField(
        label=gettext_lazy("Watched category"),
        required=False,
        error_messages={
            "invalid_choice": gettext_lazy("%(value)s is not watched here; choose one of the list.")
        },
    )
    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        required=False,
        choices=[("", gettext_lazy("All")), *Stage.choices],
        widget=forms.RadioSelect,
        error_messages={
            "invalid_choice": gettext_lazy("%(value)s is no state; choose one of the list.")
        },
    )
    before = forms.UUIDField(
        required=False,
        error_messages={"invalid": gettext_lazy("This page was not found; begin with the newest.")},
    )

    def __init__(
        self, data: Mapping[str, str], *, categories: Sequence[WatchedCategory], spec: "Policy|None"
    ) -> None:
        super().__init__(data)
        choices = [(each.key, _word_choice(each, spec)) for each in categories]
        self.fields["category"].choices = [("", _("Every watched category")), *choices]  # type: ignore[attr-defined]

    def chosen(self) -> dict[str, str]:
        """Category and state as an address holds them, those that are set."""
        values = {name: str(self.cleaned_data.get(name) or "") for name in ("category", "state")}
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class Emptiness:
    """Why nothing stands here, and what to do."""

    heading: str
    words: str


@require_safe
@signed_in
def watch(request: PersonRequest, stream_key: str) -> HttpResponse:
    """The stream's watch lists, newest first, by category and by state."""
    stream = get_object_or_404(streams_visible_to(request.user), key=stream_key)
    categories = watched_categories(stream)
    spec = find_published_spec(stream.id)
    form = WatchFilter(request.GET.dict(), categories=categories, spec=spec)
    page = WatchPage((), None)
    before: UUID | None = None
    if form.is_valid():
        before = form.cleaned_data["before"]
        page = read_watched(
            viewer=request.user,
            stream=stream,
            category=form.cleaned_data["category"],
            stage=form.cleaned_data["state"],
            before=before,
        )
    chosen = form.chosen()
    lines = draw_lines(stream, page.entries)
    context = {
        "section": "watch",
        "is_demo": stream.is_demo,
        "stream": stream,
        "form": form,
        "categories": categories,
        "lines": lines,
        "before": before,
        "older": _address(stream, chosen, page.older) if page.older else "",
        "newest": _address(stream, chosen),
        "everything": _address(stream, {}),
        "empty": None
        if lines or form.errors
        else _word_empty(stream, categories, chosen, before, page),
        "announcement": _announce(lines, page),
    }
    return draw_in_stream(
        request,
        stream,
        lambda: respond(
            request,
            TEMPLATE,
            context,
            part="lines" if before else "watched",
            status=INVALID if form.errors else 200,
        ),
    )


@require_safe
@signed_in
def watched_item(request: PersonRequest, stream_key: str, decision_id: UUID) -> HttpResponse:
    """One entry: the item, what the machine said, and where it waits or what was answered."""
    stream = get_object_or_404(streams_visible_to(request.user), key=stream_key)
    found = find_watched(viewer=request.user, stream=stream, decision_id=decision_id)
    if found is None:
        raise Http404
    decision, item = found.decision, found.decision.item
    label_of = read_labels_of(stream)
    workable = found.seat_queue in queues_workable_by(request.user, stream)
    context = {
        "section": "watch",
        "is_demo": stream.is_demo,
        "stream": stream,
        "item": item,
        "line": draw_line(stream, found, label_of),
        "machine": describe_machine(
            decision, policy=published_spec(decision.policy_id), label_of=label_of
        ),
        "paper": read_item(item, stream=stream),
        "queue": name_queue(found.seat_queue) if workable else None,
    }
    return draw_in_stream(request, stream, lambda: render(request, "review/watched.html", context))


def _word_choice(category: WatchedCategory, spec: "Policy | None") -> str:
    """A category with its level, or that it is watched no more."""
    rule = spec.rules.get(category.key) if spec else None
    if rule is None or rule.watch is None:
        return _("%(label)s, watched no more") % {"label": category.label}
    return _("%(label)s, from %(level)s") % {"label": category.label, "level": f"{rule.watch:.2f}"}


def _address(stream: Stream, chosen: Mapping[str, str], before: UUID | None = None) -> str:
    query = {**chosen, **({"before": str(before)} if before else {})}
    address = reverse("watch", args=[stream.key])
    return f"{address}?{urlencode(query)}" if query else address


def _word_empty(
    stream: Stream,
    categories: Sequence[WatchedCategory],
    chosen: Mapping[str, str],
    before: UUID | None,
    page: WatchPage,
) -> Emptiness:
    if stream.is_grounded:
        return Emptiness(
            _("Drafted sentences are not watched"),
            _(
                "A watch level is about the scores of several categories, and a sentence has none. "
                "What its confidence cannot see, an old source or a number without one, is "
                "warned of beside the sentence."
            ),
        )
    if not categories:
        return Emptiness(
            _("No category of this stream is watched"),
            _(
                "An admin sets a watch level on a category in the stream's policy. From then on "
                "whatever reaches it stands here, whether the category was predicted or not."
            ),
        )
    if page.older:
        return Emptiness(
            _("Nothing like this among the last %(n)s") % {"n": f"{LOOKED_AT:,}"},
            _("Older entries were not looked at yet."),
        )
    if before:
        return Emptiness(_("Nothing older"), _("This was the end of the list."))
    if chosen:
        return Emptiness(
            _("Nothing on the list is like this"),
            _("Choose another category or state, or show everything."),
        )
    return Emptiness(
        _("Nothing has reached a watch level yet"),
        _("What does stands here, newest first; what is judged blind, after its verdict."),
    )


def _announce(lines: Sequence[WatchLine], page: WatchPage) -> str:
    if not lines:
        return _("Nothing on the list is like this")
    if page.older:
        return _("The newest %(n)d items") % {"n": len(lines)}
    return ngettext("%(n)d item", "%(n)d items", len(lines)) % {"n": len(lines)}
