"""A file of a stream's items, as somebody asked for it in a browser: the form, and the download."""

from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from django import forms
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from reviewqueue.exports import Selection, export_items
from reviewqueue.files.opening import CSV, JSONL, LABEL_STUDIO
from routing.events import record_event
from routing.models import Item, Stream

FORMATS: Final = (
    (JSONL, gettext_lazy("JSON lines")),
    (CSV, "CSV"),
    (LABEL_STUDIO, gettext_lazy("Label Studio JSON")),
)
ENDINGS: Final = {JSONL: "jsonl", CSV: "csv", LABEL_STUDIO: "json"}
TYPES: Final = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}


class ExportForm(forms.Form):
    format = forms.ChoiceField(label=gettext_lazy("Format"), choices=FORMATS)
    state = forms.ChoiceField(
        label=gettext_lazy("Items"),
        choices=(("", gettext_lazy("All")), *Item.State.choices),
        required=False,
    )
    since = forms.DateField(
        label=gettext_lazy("Received since"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("In the stream's time zone; empty for all."),
    )


def send_items(stream: Stream, form: ExportForm, *, by_id: int | None) -> StreamingHttpResponse:
    """The file that a valid form asks for, written as it is read; the log tells who took it."""
    given = form.cleaned_data
    record_event(
        stream_id=stream.id,
        kind="stream.exported",
        subject_id=stream.id,
        actor_id=by_id,
        format=given["format"],
        state=given["state"],
    )
    zone = ZoneInfo(stream.time_zone)
    since = given["since"] and datetime.combine(given["since"], time(), zone)
    blocks = export_items(
        Selection(stream=stream, since=since, state=given["state"]), format_name=given["format"]
    )
    ending = ENDINGS[given["format"]]
    day = timezone.now().astimezone(zone).date()
    return StreamingHttpResponse(
        blocks,
        content_type=TYPES[ending],
        headers={
            "Content-Disposition": f'attachment; filename="{stream.key}-{day}.{ending}"',
            "Cache-Control": "no-store",
        },
    )
