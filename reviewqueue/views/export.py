"""A file of a stream's items, for who analyses it: the form, and the download."""

from typing import Final
from zoneinfo import ZoneInfo

from django.http import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from reviewqueue.htmx import INVALID, PersonRequest, respond, signed_in
from reviewqueue.item_files import ExportForm, send_items
from reviewqueue.views.insight.pages import find_analysed

TEMPLATE: Final = "review/export.html"


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def export(request: PersonRequest, stream_key: str) -> HttpResponseBase:
    """The form; a POST answers with the file. Nothing but the log is written."""
    stream = find_analysed(request, stream_key)
    form = ExportForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        return send_items(stream, form, by_id=request.user.pk)
    context = {
        "section": "export",
        "is_demo": stream.is_demo,
        "stream": stream,
        "form": form,
    }
    status = INVALID if form.errors else 200
    with timezone.override(ZoneInfo(stream.time_zone)):
        return respond(request, TEMPLATE, context, part="form", status=status)
