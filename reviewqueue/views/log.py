"""A stream's log for who administers it: pages, the newest first, and files of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from reviewqueue.access import administers, streams_visible_to
from reviewqueue.event_log import (
    FORMATS,
    REST,
    WORK,
    LogEntry,
    LogQuery,
    read_log,
    write_log,
)
from reviewqueue.files.opening import JSONL
from reviewqueue.htmx import INVALID, PersonRequest, respond, signed_in
from reviewqueue.item_files import ENDINGS, TYPES
from reviewqueue.views.items import address_of
from routing.models import Stream

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

TEMPLATE: Final = "review/log.html"
LONGEST_DETAIL: Final = 80
MOST_DETAILS: Final = 6
NOTHING: Final = "–"
# Kinds of events in words, as they are said of somebody who did it.
WORDS: Final[Mapping[str, "_StrPromise"]] = {
    "apikey.changed": gettext_lazy("changed an API key"),
    "apikey.created": gettext_lazy("issued an API key"),
    "apikey.revoked": gettext_lazy("revoked an API key"),
    "audit.opened": gettext_lazy("seats of the week's audit opened"),
    "calibration.measured": gettext_lazy("measured the calibration"),
    "calibration.proposed": gettext_lazy("a recalibration proposed a draft"),
    "calibration.requested": gettext_lazy("asked for a recalibration"),
    "category.changed": gettext_lazy("changed a category"),
    "category.created": gettext_lazy("added a category"),
    "category.deleted": gettext_lazy("deleted a category"),
    "category.retired": gettext_lazy("retired a category"),
    "category.revived": gettext_lazy("made a category active again"),
    "comment.erased": gettext_lazy("erased a comment"),
    "drift.alarm": gettext_lazy("the drift watch raised an alarm"),
    "item.erased": gettext_lazy("erased what an item held"),
    "knownanswer.created": gettext_lazy("marked a known answer"),
    "knownanswer.retired": gettext_lazy("retired a known answer"),
    "membership.changed": gettext_lazy("changed a role"),
    "membership.created": gettext_lazy("gave a role"),
    "membership.deleted": gettext_lazy("took a role away"),
    "model_version.unknown": gettext_lazy("an unknown model version came"),
    "policy.drafted": gettext_lazy("drafted a policy"),
    "policy.mandatory_lifted": gettext_lazy("turned mandatory review off"),
    "policy.published": gettext_lazy("published a policy"),
    "remotemodel.changed": gettext_lazy("changed a remote model"),
    "remotemodel.created": gettext_lazy("added a remote model"),
    "remotemodel.deleted": gettext_lazy("deleted a remote model"),
    "retry.requested": gettext_lazy("asked for a sentence to be drafted again"),
    "stream.changed": gettext_lazy("changed the stream"),
    "stream.created": gettext_lazy("made the stream"),
    "stream.exported": gettext_lazy("exported items"),
    "stream.imported": gettext_lazy("imported items"),
    "task.escalated": gettext_lazy("handed an item to the experts"),
    "task.escalation_undone": gettext_lazy("took an escalation back"),
    "task.released": gettext_lazy("gave a task back to its queue"),
    "task.skip_undone": gettext_lazy("took a skip back"),
    "task.skipped": gettext_lazy("passed an item on"),
    "tasks.brought_forward": gettext_lazy("brought tasks forward"),
    "verdict.overturn_undone": gettext_lazy("took an overturn back"),
    "verdict.overturned": gettext_lazy("overturned a verdict"),
    "verdict.recorded": gettext_lazy("answered"),
    "verdict.undone": gettext_lazy("took an answer back"),
    "webhook.changed": gettext_lazy("changed a webhook"),
    "webhook.created": gettext_lazy("added a webhook"),
    "webhook.deleted": gettext_lazy("deleted a webhook"),
}


class LogForm(forms.Form):
    """Which part of the log."""

    about = forms.ChoiceField(
        label=gettext_lazy("About"),
        required=False,
        choices=(
            ("", gettext_lazy("Everything")),
            (WORK, gettext_lazy("Work on items")),
            (REST, gettext_lazy("Policies, people, settings")),
        ),
    )
    who = forms.CharField(label=gettext_lazy("Who"), max_length=150, required=False)
    since = forms.DateField(
        label=gettext_lazy("Since"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def clean_who(self) -> str:
        who = str(self.cleaned_data["who"]).strip()
        if "\0" in who:
            raise forms.ValidationError(_("This is nobody's name; leave it out for everybody."))
        return who

    def chosen(self) -> dict[str, str]:
        """What is set, as an address holds it."""
        values = {name: self.cleaned_data.get(name) for name in ("about", "who", "since")}
        return {name: str(value) for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One event as the page shows it; `address` is its item's page, empty where there is none."""

    at: datetime
    who: str
    words: str
    item: str
    address: str
    details: tuple[tuple[str, str], ...]


@require_safe
@signed_in
def log(request: PersonRequest, stream_key: str) -> HttpResponse:
    """What happened in the stream, newest first: who did what, with what they changed."""
    stream = _find_stream(request, stream_key)
    form = LogForm(request.GET.dict())
    address = reverse("log", args=[stream.key])
    context: dict[str, object] = {
        "section": "log",
        "is_demo": stream.is_demo,
        "stream": stream,
        "form": form,
        "everything": address,
    }
    if form.is_valid():
        before = form.cleaned_data["before"]
        page = read_log(_query(stream, form), before=before)
        chosen = form.chosen()
        older = urlencode({**chosen, "before": str(page.older)})
        file = reverse("log-file", args=[stream.key])
        context |= {
            "lines": [_draw(stream, entry) for entry in page.entries],
            "before": before,
            "older": f"{address}?{older}" if page.older else "",
            "files": [
                (name.upper(), f"{file}?{urlencode({**chosen, 'format': name})}")
                for name in FORMATS
            ],
        }
    status = INVALID if form.errors else 200
    part = "lines" if context.get("before") else "found"
    with timezone.override(ZoneInfo(stream.time_zone)):
        return respond(request, TEMPLATE, context, part=part, status=status)


@require_safe
@signed_in
def file(request: PersonRequest, stream_key: str) -> HttpResponseBase:
    """The log as JSON lines or CSV, the oldest first, written as it is read."""
    stream = _find_stream(request, stream_key)
    form = LogForm(request.GET.dict())
    name = request.GET.get("format", JSONL)
    if not form.is_valid() or name not in FORMATS:
        words = _("Ask for format=jsonl or format=csv, and for a part of the log as its page does.")
        return HttpResponse(words, status=INVALID, content_type="text/plain; charset=utf-8")
    day = timezone.now().astimezone(ZoneInfo(stream.time_zone)).date()
    return StreamingHttpResponse(
        write_log(_query(stream, form), format_name=name),
        content_type=TYPES[ENDINGS[name]],
        headers={
            "Content-Disposition": f'attachment; filename="{stream.key}-log-{day}.{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def word_kind(kind: str) -> str:
    """What happened, in words; a kind that has none here is shown by its own name."""
    return str(WORDS.get(kind, kind.replace(".", " ").replace("_", " ")))


def _find_stream(request: PersonRequest, stream_key: str) -> Stream:
    """The stream if its log is open to the person: 404 where it may not be seen."""
    stream = get_object_or_404(streams_visible_to(request.user), key=stream_key)
    if not administers(request.user, stream):
        raise PermissionDenied
    return stream


def _query(stream: Stream, form: LogForm) -> LogQuery:
    given = form.cleaned_data
    zone = ZoneInfo(stream.time_zone)
    return LogQuery(
        stream=stream,
        about=given["about"],
        who=given["who"],
        since=datetime.combine(given["since"], time(), zone) if given["since"] else None,
    )


def _draw(stream: Stream, entry: LogEntry) -> LogLine:
    return LogLine(
        at=entry.at,
        who=entry.who,
        words=word_kind(entry.kind),
        item=entry.item,
        address=address_of(stream, entry.item_id) if entry.item_id else "",
        details=tuple(islice(_list_details(entry.data), MOST_DETAILS)),
    )


def _list_details(data: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What an event says besides, a line each, without ids; the files have it whole."""
    for name, value in data.items():
        if name == "changes" and isinstance(value, dict):
            for field, (before, after) in value.items():
                yield _spell(field), _show_change(before, after)
        elif name == "differences" and isinstance(value, list):
            for one in value:
                what = " ".join(filter(None, (one.get("category"), one.get("field"))))
                yield _spell(what), _show_change(one.get("before"), one.get("after"))
        elif value not in ("", None, [], {}) and not _is_id(value):
            yield _spell(name), _show(value)


def _show_change(before: object, after: object) -> str:
    return f"{_show(before)} → {_show(after)}"


def _show(value: object) -> str:
    return Truncator(_word(value)).chars(LONGEST_DETAIL)


def _word(value: object) -> str:
    """A value of JSON as people write it: no brackets, no quotes."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return ", ".join(f"{_spell(name)} {_word(each)}" for name, each in value.items()) or NOTHING
    if isinstance(value, list):
        return ", ".join(map(_word, value)) or NOTHING
    return NOTHING if value in ("", None) else str(value)


def _spell(name: str) -> str:
    return name.replace("_", " ")


def _is_id(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True
