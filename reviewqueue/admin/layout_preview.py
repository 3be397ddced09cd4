"""A recent item of a stream as a reviewer would read it, beside the rows that say so."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from reviewqueue.admin.layout_rows import LayoutForm
from reviewqueue.layouts import find_recent_item
from reviewqueue.payloads import read_item
from routing.models import Item, Stream

INVALID = 422
STEPS = {"older": 1, "newer": -1}


def show_saved(stream: Stream) -> tuple[Item | None, dict[str, Any]]:
    """The newest item, and the context of its preview under the layout as it is stored."""
    item = find_recent_item(stream, at=0)
    return item, _show(stream, item, at=0)


def preview_layout(request: HttpRequest, stream: Stream) -> HttpResponse:
    """The part of the page with an item under the layout that a POST holds; stores nothing."""
    template = "admin/routing/stream/layout_preview.html"
    at = _read_place(request)
    form = LayoutForm(request.POST)
    if not form.is_valid():
        context = {"problems": [str(error) for errors in form.errors.values() for error in errors]}
        return TemplateResponse(
            request, template, _address(stream) | context | {"at": at}, status=INVALID
        )
    stream.payload_fields = form.cleaned_data["payload_fields"]
    stream.payload_order = form.cleaned_data["payload_order"]
    stream.image_hosts = form.cleaned_data["image_hosts"]
    item = find_recent_item(stream, at=at)
    if item is None:
        at, item = 0, find_recent_item(stream, at=0)
    return TemplateResponse(request, template, _show(stream, item, at=at))


def _read_place(request: HttpRequest) -> int:
    """How many items behind the newest: where the preview stood, and the step that was asked."""
    stood = request.POST.get("preview_at", "")
    at = int(stood) if stood.isdecimal() and len(stood) < 4 else 0
    return max(0, at + STEPS.get(request.POST.get("step", ""), 0))


def _show(stream: Stream, item: Item | None, *, at: int) -> dict[str, Any]:
    context = _address(stream) | {"item": item, "at": at, "number": at + 1}
    if item is not None:
        paper = read_item(item, stream=stream)
        title = _("%(item)s as a reviewer reads it") % {"item": item.external_id}
        drawn = {"paper": paper, "title": title}
        context |= {
            "title": title,
            "document": render_to_string("admin/routing/stream/paper.html", drawn),
        }
    return context


def _address(stream: Stream) -> dict[str, Any]:
    return {"preview_address": reverse("admin:routing_stream_layout", args=[stream.pk])}
