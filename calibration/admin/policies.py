"""A policy's page with what was last measured beside its cut-offs."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from calibration.admin.findings import read_cells
from calibration.models import CalibrationRun
from routing.admin import PolicyAdmin
from routing.models import Policy

admin.site.unregister(Policy)


@admin.register(Policy)
class MeasuredPolicyAdmin(PolicyAdmin):
    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        policy: Policy | None = context["original"]
        if policy is not None:
            runs = CalibrationRun.objects.filter(stream=policy.stream_id, labels__gt=0)
            run = runs.select_related("policy__stream").order_by("-created_at").first()
            if run is not None:
                context |= {"measured": run, "measured_rows": read_cells(run)}
        return super().render_change_form(request, context, *args, **kwargs)
