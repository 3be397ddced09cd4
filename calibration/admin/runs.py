"""Calibration runs: what was measured, what is proposed, and the draft that holds it."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from calibration.admin.findings import read_findings
from calibration.models import CalibrationRun
from routing.admin.filters import StreamFilter
from routing.admin.readonly import ReadOnly
from routing.models import Category, Policy


@admin.register(CalibrationRun)
class CalibrationRunAdmin(ReadOnly):
    list_display = (
        "created_at",
        "stream",
        "kind",
        "reason",
        "labels",
        "error_before",
        "error_after",
        "has_draft",
    )
    list_filter = (StreamFilter, "kind", "created_at")
    ordering: ClassVar[tuple[str, ...]] = ("-created_at", "-id")
    change_form_template = "admin/calibration/calibrationrun/change_form.html"
    fields = (
        ("stream", "kind"),
        ("policy", "model_version"),
        "reason",
        ("window_start", "window_end"),
        ("labels", "open_tasks"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CalibrationRun]:
        found: QuerySet[CalibrationRun] = super().get_queryset(request)
        is_list = request.path.endswith("/calibrationrun/")
        found = found.select_related("stream", "policy__stream")
        return found.defer("report") if is_list else found

    @admin.display(description=_("calibration error"))
    def error_before(self, run: CalibrationRun) -> str:
        return "–" if run.ece_before is None else f"{run.ece_before:.4f}"

    @admin.display(description=_("as proposed"))
    def error_after(self, run: CalibrationRun) -> str:
        return "–" if run.ece_after is None else f"{run.ece_after:.4f}"

    @admin.display(description=_("draft"), boolean=True)
    def has_draft(self, run: CalibrationRun) -> bool:
        return run.draft_id is not None

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        run: CalibrationRun = context["original"]
        labels = dict(Category.objects.filter(stream=run.stream_id).values_list("key", "label"))
        drafts = Policy.objects.select_related("stream")
        draft = drafts.filter(id=run.draft_id).first() if run.draft_id else None
        context |= {"found": read_findings(run, labels), "draft": draft}
        return super().render_change_form(request, context, *args, **kwargs)
