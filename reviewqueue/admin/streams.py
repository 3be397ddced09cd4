"""Streams with the people on them, how their payloads are shown, and recalibration on demand."""

from typing import Any, ClassVar, cast
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from calibration.admin.drift import read_drift
from calibration.models import LONGEST_REASON, GroundTruth
from reviewqueue.admin.files import FilePages
from reviewqueue.admin.layout_preview import preview_layout, show_saved
from reviewqueue.admin.layout_rows import (
    KIND_WORDS,
    HostsField,
    LayoutField,
    LayoutWidget,
    OrderField,
)
from reviewqueue.admin.people import RolesOnStreamInline
from reviewqueue.agreements import word_recent_agreement
from reviewqueue.doorbell import WORK_RUN_REQUESTS, ring
from reviewqueue.layouts import list_fields
from reviewqueue.models import Verdict
from reviewqueue.payloads import kind_of
from reviewqueue.pictures import let_pictures_in
from reviewqueue.run_requests import RunUnderWayError, find_under_way, request_run
from routing.admin import StreamAdmin
from routing.admin.streams import CategoryFormSet, CategoryInline, FixedKeyForm
from routing.ids import least_uuid7_after
from routing.models import Category, Stream
from routing.policies import NoPolicyError


class ShownStreamForm(FixedKeyForm):
    payload_fields = LayoutField(required=False, label=gettext_lazy("Payload fields"))
    payload_order = OrderField(required=False, label=gettext_lazy("Places"))
    image_hosts = HostsField(
        required=False,
        widget=forms.TextInput(attrs={"class": "vLargeTextField"}),
        help_text=Stream._meta.get_field("image_hosts").help_text,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stream: Stream = self.instance
        if stream._state.adding or "payload_fields" not in self.fields:
            return
        item, preview = show_saved(stream)
        widget = cast(LayoutWidget, self.fields["payload_fields"].widget)
        widget.names = list_fields(stream)
        widget.order = stream.payload_order
        widget.preview = preview
        if item is not None:
            widget.by_itself = {
                name: str(KIND_WORDS[kind_of(name, value)]) for name, value in item.payload.items()
            }


class JudgedCategoryFormSet(CategoryFormSet):
    """Categories that people may have named too."""

    def is_named(self, category: Category) -> bool:
        """Whether a policy, an item or something that a person said refers to the category."""
        named = {
            "stream_id": category.stream_id,
            "id__gte": least_uuid7_after(category.id),
            "categories__contains": [category.key],
        }
        return (
            super().is_named(category)
            or Verdict.objects.filter(**named).exists()
            or GroundTruth.objects.filter(**named).exists()
        )


class JudgedCategoryInline(CategoryInline):
    formset = JudgedCategoryFormSet


class RecalibrateForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=LONGEST_REASON,
        widget=forms.TextInput(attrs={"class": "vLargeTextField"}),
        help_text=gettext_lazy("Why now: a rollout, a new taxonomy, an alarm."),
    )


admin.site.unregister(Stream)


@admin.register(Stream)
class StreamWithPeopleAdmin(FilePages, StreamAdmin):
    form = ShownStreamForm
    inlines: ClassVar = [JudgedCategoryInline, RolesOnStreamInline]
    change_form_template = "admin/routing/stream/change_form.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        stream: Stream | None = context["original"]
        if stream is not None:
            context |= {
                "drift": read_drift(stream),
                "under_way": find_under_way(stream),
                "agreement": word_recent_agreement(stream=stream, at=timezone.now()),
            }
        response = super().render_change_form(request, context, *args, **kwargs)
        return response if stream is None else let_pictures_in(request, response, stream)

    def get_urls(self) -> list[URLPattern]:
        pages = (("recalibrate", self.recalibrate_view), ("layout", self.layout_view))
        own = [
            path(
                f"<uuid:stream_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"routing_stream_{name}",
            )
            for name, view in pages
        ]
        return [*own, *super().get_urls()]

    def layout_view(self, request: HttpRequest, stream_id: UUID) -> HttpResponse:
        """A recent item under the layout that the form holds."""
        return require_POST(self._preview_layout)(request, stream_id)

    def _preview_layout(self, request: HttpRequest, stream_id: UUID) -> HttpResponse:
        stream = get_object_or_404(self.get_queryset(request), id=stream_id)
        if not self.has_change_permission(request, stream):
            raise PermissionDenied
        return preview_layout(request, stream)

    def recalibrate_view(self, request: HttpRequest, stream_id: UUID) -> HttpResponse:
        """Take the reason, let a worker know, and show how far it is. Nothing is published."""
        if not request.user.has_perm("calibration.add_calibrationrun"):
            raise PermissionDenied
        stream = get_object_or_404(self.get_queryset(request), id=stream_id)
        form = RecalibrateForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                asked = request_run(
                    stream=stream,
                    reason=form.cleaned_data["reason"],
                    requested_by_id=request.user.pk,
                )
            except (NoPolicyError, RunUnderWayError) as error:
                form.add_error(None, str(error))
            else:
                ring(WORK_RUN_REQUESTS)
                page = reverse("admin:calibration_runrequest_progress", args=[asked.pk])
                return HttpResponseRedirect(page)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": stream,
            "form": form,
            "under_way": find_under_way(stream),
            "title": _("Recalibrate %(stream)s") % {"stream": stream},
        }
        return TemplateResponse(
            request,
            "admin/routing/stream/recalibrate.html",
            context,
            status=422 if form.errors else 200,
        )
