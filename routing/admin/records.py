"""What came in, what the machine decided and what happened, to be read."""

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from routing.admin.filters import StreamFilter, WatchFilter
from routing.admin.readonly import ReadOnly, show_json, show_share
from routing.blinds import answers_hidden
from routing.models import Decision, Event, Item

if TYPE_CHECKING:
    DecisionInlineBase = admin.TabularInline[Decision, Item]
else:
    DecisionInlineBase = admin.TabularInline


# What tells of an item how the model answered.
SCORED: Final = ("scores_text", "signals_text", "secondary_text")


def show_alternatives(decision: Decision) -> SafeString:
    """The best categories with their raw scores."""
    lines = format_html_join(
        "", "<li>{} <span>{}</span></li>", ((k, f"{p:.3f}") for k, p in decision.alternatives)
    )
    return format_html('<ul class="figures">{}</ul>', lines)


def show_reasons(decision: Decision) -> SafeString:
    """Why the item is where it is, a line for each rule."""
    lines = format_html_join(
        "", "<li>{}</li>", ((reason.get("message", ""),) for reason in decision.reasons)
    )
    return format_html('<ul class="figures">{}</ul>', lines)


class DecisionInline(DecisionInlineBase):
    """An item's decisions, the latest first."""

    model = Decision
    extra = 0
    can_delete = False
    show_change_link = True
    ordering = ("-id",)
    fields: ClassVar = ("decided_at", "queue", "action", "predicted", "confidence_text", "why")
    readonly_fields: ClassVar = fields

    def has_add_permission(self, request: HttpRequest, obj: Item | None = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        found: QuerySet[Decision] = super().get_queryset(request)
        return found.exclude(answers_hidden("item_id")).select_related("item", "policy__stream")

    @admin.display(description=_("confidence"))
    def confidence_text(self, decision: Decision) -> str:
        return show_share(decision.confidence)

    @admin.display(description=_("reasons"))
    def why(self, decision: Decision) -> SafeString:
        return show_reasons(decision)


@admin.register(Item)
class ItemAdmin(ReadOnly):
    list_display = ("external_id", "stream", "state", "model_version", "priority", "received_at")
    list_filter = (StreamFilter, "state", "received_at")
    list_select_related = ("stream",)
    search_exact = "external_id"
    search_help_text = _("The whole external id")
    inlines: ClassVar = [DecisionInline]
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("stream", "external_id", "state"),
                    *("received_at", "settled_at", "erased_at"),
                )
            },
        ),
        (_("As posted"), {"fields": ("payload_text", "scores_text", "signals_text")}),
        (
            _("Beside it"),
            {"fields": ("model_version", "priority", "due_at", "secondary_text", "metadata_text")},
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Item | None = None) -> Any:
        """Without scores and what stands for them where the item is still to be judged blind."""
        found = super().get_fieldsets(request, obj)
        if obj is None or not Item.objects.filter(answers_hidden("id"), id=obj.id).exists():
            return found
        return [
            (name, {**options, "fields": [one for one in options["fields"] if one not in SCORED]})
            for name, options in found
        ]

    @admin.display(description=_("payload"))
    def payload_text(self, item: Item) -> SafeString:
        return show_json(item.payload)

    @admin.display(description=_("scores"))
    def scores_text(self, item: Item) -> SafeString:
        return show_json(item.scores)

    @admin.display(description=_("signals"))
    def signals_text(self, item: Item) -> SafeString:
        return show_json(item.signals)

    @admin.display(description=_("second opinion"))
    def secondary_text(self, item: Item) -> SafeString:
        return show_json(item.secondary)

    @admin.display(description=_("metadata"))
    def metadata_text(self, item: Item) -> SafeString:
        return show_json(item.metadata)


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    list_display = ("item", "stream", "queue", "action", "predicted", "sure", "raw", "decided_at")
    list_filter = (StreamFilter, WatchFilter, "queue", "action", "decided_at")
    search_exact = "item__external_id"
    search_help_text = _("The item's whole external id")
    fieldsets = (
        (None, {"fields": ("stream", "item", "policy", "decided_at")}),
        (_("Outcome"), {"fields": ("queue", "action", "predicted", "watch", "why")}),
        (_("Numbers"), {"fields": ("sure", "raw", "margin", "entropy", "label_pi", "best")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        """Without those of items that are still to be judged blind."""
        found: QuerySet[Decision] = super().get_queryset(request)
        found = found.exclude(answers_hidden("item_id"))
        return found.select_related("stream", "item", "policy__stream")

    @admin.display(description=_("confidence"))
    def sure(self, decision: Decision) -> str:
        return show_share(decision.confidence)

    @admin.display(description=_("raw"))
    def raw(self, decision: Decision) -> str:
        return show_share(decision.raw_confidence)

    @admin.display(description=_("alternatives"))
    def best(self, decision: Decision) -> SafeString:
        return show_alternatives(decision)

    @admin.display(description=_("why not auto?"))
    def why(self, decision: Decision) -> SafeString:
        return show_reasons(decision)


KINDS = (
    "apikey.changed",
    "apikey.created",
    "apikey.revoked",
    "audit.opened",
    "calibration.measured",
    "calibration.proposed",
    "calibration.requested",
    "drift.alarm",
    "knownanswer.created",
    "knownanswer.retired",
    "model_version.unknown",
    "policy.drafted",
    "policy.published",
    "policy.mandatory_lifted",
    "remotemodel.changed",
    "remotemodel.created",
    "remotemodel.deleted",
    "retry.requested",
    "stream.created",
    "stream.changed",
    "stream.exported",
    "stream.imported",
    "category.created",
    "category.changed",
    "category.deleted",
    "category.retired",
    "category.revived",
    "comment.erased",
    "item.erased",
    "membership.created",
    "membership.changed",
    "membership.deleted",
    "task.escalated",
    "task.escalation_undone",
    "task.skipped",
    "task.skip_undone",
    "task.released",
    "tasks.brought_forward",
    "verdict.recorded",
    "verdict.undone",
    "verdict.overturned",
    "verdict.overturn_undone",
    "webhook.changed",
    "webhook.created",
    "webhook.deleted",
)


class KindFilter(admin.SimpleListFilter):
    """Kinds by name; asking the table which it holds would read all of it."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        return [(kind, kind) for kind in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Event)
class EventAdmin(ReadOnly):
    list_display = ("happened_at", "kind", "stream", "actor", "subject_id")
    list_filter = (StreamFilter, KindFilter, "happened_at")
    list_select_related = ("stream", "actor")
    search_exact = "subject_id"
    search_help_text = _("The whole id of an item, policy or task")
    fields = ("happened_at", "kind", "stream", "actor", "subject_id", "data_text")

    @admin.display(description=_("data"))
    def data_text(self, event: Event) -> SafeString:
        return show_json(event.told())
