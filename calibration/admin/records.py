"""Labels, samples, counts and periodic jobs, to be read."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from calibration.models import AuditDraw, FrameCount, GroundTruth, JobRun
from routing.admin.filters import StreamFilter, UnsetFilter
from routing.admin.readonly import ReadOnly, show_json, show_share
from routing.blinds import answers_hidden


class OpenedFilter(UnsetFilter):
    """Draws that wait for the weekly task, and those whose seat is open."""

    title = _("seat")
    parameter_name = "seat"
    field = "opened_at"
    words = (("waiting", _("not opened yet")), ("opened", _("opened")))


@admin.register(AuditDraw)
class AuditDrawAdmin(ReadOnly):
    list_display = ("item", "stream", "chance", "drawn_at", "opened_at")
    list_filter = (StreamFilter, OpenedFilter, "drawn_at")
    search_exact = "item__external_id"
    search_help_text = _("The item's whole external id")
    fields = ("stream", "item", "chance", "drawn_at", "opened_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditDraw]:
        found: QuerySet[AuditDraw] = super().get_queryset(request)
        return found.select_related("item", "stream")

    @admin.display(description=_("inclusion probability"))
    def chance(self, draw: AuditDraw) -> str:
        return show_share(draw.pi)


class CurrentFilter(UnsetFilter):
    """Labels that count now, and those that a later one replaced."""

    field = "superseded_at"
    words = (("current", _("current")), ("superseded", _("superseded")))


@admin.register(GroundTruth)
class GroundTruthAdmin(ReadOnly):
    list_display = (
        "item",
        "stream",
        "kind",
        "label",
        "predicted",
        "source",
        "blind",
        "chance",
        "settled_at",
    )
    list_filter = (StreamFilter, CurrentFilter, "kind", "source", "blind", "settled_at")
    search_exact = "item__external_id"
    search_help_text = _("The item's whole external id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[GroundTruth]:
        """Without those of items that are still to be judged blind."""
        found: QuerySet[GroundTruth] = super().get_queryset(request)
        found = found.exclude(answers_hidden("item_id"))
        return found.select_related("item", "stream", "decision__item")

    @admin.display(description=_("label"))
    def label(self, truth: GroundTruth) -> str:
        return ", ".join(truth.categories) or "–"

    @admin.display(description=_("predicted"))
    def predicted(self, truth: GroundTruth) -> str:
        return truth.decision.predicted

    @admin.display(description=_("inclusion probability"))
    def chance(self, truth: GroundTruth) -> str:
        return show_share(truth.pi)


@admin.register(FrameCount)
class FrameCountAdmin(ReadOnly):
    list_display = ("day", "stream", "version", "category", "queue", "chance", "mean_raw", "count")
    list_filter = (StreamFilter, "queue", "day")
    search_exact = "category"
    search_help_text = _("The whole key of a category")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FrameCount]:
        found: QuerySet[FrameCount] = super().get_queryset(request)
        return found.select_related("stream", "policy__stream")

    @admin.display(description=_("policy"))
    def version(self, counted: FrameCount) -> str:
        return f"v{counted.policy.version}"

    @admin.display(description=_("inclusion probability"))
    def chance(self, counted: FrameCount) -> str:
        return show_share(counted.pi)

    @admin.display(description=_("mean raw confidence"))
    def mean_raw(self, counted: FrameCount) -> str:
        return show_share(counted.raw_sum / counted.count if counted.count else None)


@admin.register(JobRun)
class JobRunAdmin(ReadOnly):
    list_display = ("job", "period", "stream", "done_at")
    list_filter = (StreamFilter, "done_at")
    list_select_related = ("stream",)
    search_exact = "job"
    search_help_text = _("The whole name of a job")
    fields = ("job", "period", "stream", "done_at", "result_text")

    @admin.display(description=_("result"))
    def result_text(self, run: JobRun) -> SafeString:
        return show_json(run.result)
