"""Streams with the people on them, how their payloads are shown, and recalibration on demand."""

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from calibration.admin.drift import read_drift
from calibration.models import LONGEST_REASON, GroundTruth
from reviewqueue.admin.files import FilePages
from reviewqueue.admin.people import RolesOnStreamInline
from reviewqueue.doorbell import WORK_RUN_REQUESTS, ring
from reviewqueue.models import Verdict
from reviewqueue.payloads import KINDS
from reviewqueue.run_requests import RunUnderWayError, find_under_way, request_run
from routing.admin import StreamAdmin
from routing.admin.streams import CategoryFormSet, CategoryInline, FixedKeyForm
from routing.categories import least_id_after
from routing.models import Category, Stream
from routing.policies import NoPolicyError


class ShownStreamForm(FixedKeyForm):
    def clean_payload_fields(self) -> dict[str, str]:
        """Each payload field's name to one of the ways to show it."""
        value = self.cleaned_data["payload_fields"]
        if not isinstance(value, dict):
            raise forms.ValidationError(
                _('Write an object from field to kind, such as {"body": "text"}.')
            )
        for name, kind in value.items():
            if kind not in KINDS:
                raise forms.ValidationError(
                    _("%(name)s: %(kind)s is no way to show a field; use one of %(kinds)s.")
                    % {"name": name, "kind": kind, "kinds": ", ".join(KINDS)}
                )
        return value


class JudgedCategoryFormSet(CategoryFormSet):
    """Categories that people may have named too."""

    def is_named(self, category: Category) -> bool:
        """Whether a policy, an item or something that a person said refers to the category."""
        named = {
            "stream_id": category.stream_id,
            "id__gte": least_id_after(category),
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
            context |= {"drift": read_drift(stream), "under_way": find_under_way(stream)}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.recalibrate_view)
        own = path("<uuid:stream_id>/recalibrate/", view, name="routing_stream_recalibrate")
        return [own, *super().get_urls()]

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
