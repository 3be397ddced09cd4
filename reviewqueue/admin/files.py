"""Files of items on a stream's page: taken in from one, and written to one."""

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
)
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from reviewqueue.files.columns import read_columns
from reviewqueue.files.opening import format_of, open_items
from reviewqueue.files.records import FileError, RefusedFile, Source
from reviewqueue.imports import Counts, Refusal, import_records, names_of_categories
from reviewqueue.item_files import FORMATS, TYPES, ExportForm, send_items
from routing.events import record_event
from routing.models import Stream
from routing.policies import NoPolicyError

if TYPE_CHECKING:
    StreamModelAdmin = admin.ModelAdmin[Stream]
else:
    StreamModelAdmin = admin.ModelAdmin

MAY_IMPORT: Final = "routing.change_stream"
MAY_EXPORT: Final = "routing.view_stream"
SHOWN_REFUSALS: Final = 100
GZIP_MAGIC: Final = b"\x1f\x8b"
# Refused records go to the browser and back on demand, since no web process keeps files.
REFUSED_BYTES: Final = 5 * 1024 * 1024


class ImportForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("File"))
    format = forms.ChoiceField(
        label=gettext_lazy("Format"),
        choices=(("", gettext_lazy("By its name")), *FORMATS),
        required=False,
    )
    text = forms.CharField(
        label=gettext_lazy("Text column"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Of a CSV: the column that people read, unless it is named text."),
    )
    columns = forms.CharField(
        label=gettext_lazy("Columns"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy(
            "Of a CSV: which field another column is, one to a line, such as ticket=external_id or "
            "city=metadata.city; junk= leaves it out."
        ),
    )
    with_truth = forms.BooleanField(
        label=gettext_lazy("Every item brings its truth"),
        required=False,
        help_text=gettext_lazy("It becomes ground truth, and nobody is asked about the items."),
    )

    def clean_file(self) -> "UploadedFile[Any]":
        """A file of ordinary size that is not zipped."""
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if file.size is None or file.size > settings.IMPORT_MAX_BYTES:
            raise forms.ValidationError(
                _("The file has %(size)s and at most %(most)s are taken here; use import_items.")
                % {
                    "size": filesizeformat(file.size or 0),
                    "most": filesizeformat(settings.IMPORT_MAX_BYTES),
                }
            )
        if file.read(2) == GZIP_MAGIC:
            raise forms.ValidationError(_("The file is zipped; unzip it, or use import_items."))
        file.seek(0)
        return file

    def clean_columns(self) -> dict[str, str]:
        """Fields by column."""
        try:
            return read_columns(filter(str.strip, self.cleaned_data["columns"].splitlines()))
        except FileError as error:
            raise forms.ValidationError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: counts, the first refusals, and all refused records as a file."""

    counts: Counts
    refusals: tuple[str, ...]
    refused_file: str
    ending: str

    @property
    def is_cut(self) -> bool:
        return self.counts.refused > len(self.refusals)


class FilePages(StreamModelAdmin):
    """The pages of a stream that take items in from a file and write them to one."""

    def get_urls(self) -> list[URLPattern]:
        pages = {
            "import": (self.import_view, "routing_stream_import"),
            "import/refused": (self.refused_view, "routing_stream_refused"),
            "export": (self.export_view, "routing_stream_export"),
        }
        own = [
            path(f"<uuid:stream_id>/{end}/", self.admin_site.admin_view(view), name=name)
            for end, (view, name) in pages.items()
        ]
        return [*own, *super().get_urls()]

    def import_view(self, request: HttpRequest, stream_id: UUID) -> HttpResponse:
        """The form; a POST takes the file in and tells what became of it."""
        return require_http_methods(["GET", "HEAD", "POST"])(self._import)(request, stream_id)

    def export_view(self, request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
        """The form; a POST answers with the file, written as it is read."""
        return require_http_methods(["GET", "HEAD", "POST"])(self._export)(request, stream_id)

    def refused_view(self, request: HttpRequest, stream_id: UUID) -> HttpResponse:
        """The refused records of an import as a file, from the page that was told of them."""
        return require_POST(self._refused)(request, stream_id)

    def _import(self, request: HttpRequest, stream_id: UUID) -> HttpResponse:
        stream = self._stream(request, stream_id, MAY_IMPORT)
        sent = request.method == "POST"
        form = ImportForm(*((request.POST, request.FILES) if sent else ()))
        done = None
        if form.is_valid():
            try:
                done = _import_file(stream, form.cleaned_data)
            except FileError as error:
                form.add_error("file", str(error))
            except NoPolicyError as error:
                form.add_error(None, str(error))
        if done is not None:
            record_event(
                stream_id=stream.id,
                kind="stream.imported",
                subject_id=stream.id,
                actor_id=request.user.pk,
                taken=done.counts.taken,
            )
        context = {"form": form, "done": done, "title": _("Import items")}
        return self._page(request, stream, "import", context, invalid=bool(form.errors))

    def _export(self, request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
        stream = self._stream(request, stream_id, MAY_EXPORT)
        form = ExportForm(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            context = {"form": form, "title": _("Export items")}
            return self._page(request, stream, "export", context, invalid=bool(form.errors))
        return send_items(stream, form, by_id=request.user.pk)

    def _refused(self, request: HttpRequest, stream_id: UUID) -> HttpResponse:
        self._stream(request, stream_id, MAY_IMPORT)
        ending = request.POST.get("ending", "")
        try:
            content = b64decode(request.POST.get("content", ""), validate=True)
        except binascii.Error:
            content = b""
        if ending not in TYPES or not content:
            return HttpResponseBadRequest(_("This file is gone; import again."))
        return HttpResponse(
            content,
            content_type=TYPES[ending],
            headers={"Content-Disposition": f'attachment; filename="refused.{ending}"'},
        )

    def _stream(self, request: HttpRequest, stream_id: UUID, permission: str) -> Stream:
        """One of the streams that the user administers."""
        if not request.user.has_perm(permission):
            raise PermissionDenied
        return get_object_or_404(self.get_queryset(request), id=stream_id)

    def _page(
        self,
        request: HttpRequest,
        stream: Stream,
        name: str,
        context: dict[str, Any],
        *,
        invalid: bool,
    ) -> HttpResponse:
        return TemplateResponse(
            request,
            f"admin/routing/stream/{name}.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": stream,
                "most_bytes": settings.IMPORT_MAX_BYTES,
                **context,
            },
            status=422 if invalid else 200,
        )


def _import_file(stream: Stream, given: dict[str, Any]) -> Imported:
    """Take in an uploaded file.

    Raises:
        FileError: nothing of it can be read.
        NoPolicyError: the stream has no published policy.
    """
    file: UploadedFile[Any] = given["file"]
    items = open_items(
        cast(Source, file),
        format_name=given["format"] or format_of(file.name or ""),
        columns=({given["text"]: "payload.text"} if given["text"] else {}) | given["columns"],
        names=names_of_categories(stream),
    )
    content, shown = BytesIO(), list[str]()
    refused = RefusedFile(items, lambda: content)

    def tell(refusal: Refusal) -> None:
        if len(shown) < SHOWN_REFUSALS:
            shown.append(str(refusal))
        if content.tell() < REFUSED_BYTES:
            refused.add(refusal.record, str(refusal))

    counts = import_records(
        stream=stream, records=items, with_truth=given["with_truth"], on_refusal=tell
    )
    refused.end()
    # A file of some of them would look like one of all.
    whole = content.getvalue() if content.tell() < REFUSED_BYTES else b""
    return Imported(counts, tuple(shown), b64encode(whole).decode(), items.suffix.removeprefix("."))
