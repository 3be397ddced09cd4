"""Recalibrations on demand: the list, and the page that shows how far one is."""

from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from calibration.models import RunRequest
from reviewqueue.htmx import OVER, is_htmx, respond, signed_in
from routing.admin.filters import StreamFilter
from routing.admin.readonly import ReadOnly

MAY_RECALIBRATE = "calibration.add_calibrationrun"


@admin.register(RunRequest)
class RunRequestAdmin(ReadOnly):
    """Whoever may ask for a recalibration may see what becomes of it."""

    list_display = ("requested_at", "stream", "reason", "requested_by", "state", "ended_at")
    list_display_links = ("requested_at", "reason")
    list_filter = (StreamFilter, "state", "requested_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RunRequest]:
        found: QuerySet[RunRequest] = super().get_queryset(request)
        return found.select_related("stream", "requested_by")

    def has_view_permission(self, request: HttpRequest, obj: RunRequest | None = None) -> bool:
        may = request.user.has_perm(MAY_RECALIBRATE)
        return may or super().has_view_permission(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        # An expired session sends a polling page to the sign-in as a whole.
        view = signed_in(self.admin_site.admin_view(self.progress_view))
        own = path("<uuid:request_id>/change/", view, name="calibration_runrequest_progress")
        return [own, *super().get_urls()]

    def progress_view(self, request: HttpRequest, request_id: UUID) -> HttpResponse:
        """How far the request is, as a page; its part for HTMX, which stops asking at the end."""
        return require_safe(self._progress)(request, request_id)

    def _progress(self, request: HttpRequest, request_id: UUID) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = get_object_or_404(self.get_queryset(request), id=request_id)
        context = {
            **({} if is_htmx(request) else self.admin_site.each_context(request)),
            "opts": self.opts,
            "original": asked,
            "asked": asked,
            "may_ask": request.user.has_perm(MAY_RECALIBRATE),
            "title": _("Recalibration of %(stream)s") % {"stream": asked.stream},
        }
        status = OVER if asked.is_over and is_htmx(request) else 200
        template = "admin/calibration/runrequest/progress.html"
        return respond(request, template, context, part="progress", status=status)
