"""Policies: drafts are edited, published versions only read, copied and compared."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from routing.admin.bands import list_bands
from routing.admin.differences import FIELD_NAMES, DifferencePages
from routing.admin.filters import StreamFilter, UnsetFilter
from routing.admin.keywords import KeywordRuleInline
from routing.admin.policy_form import CUT_OFFS, PolicyForm
from routing.admin.previewing import PreviewPages
from routing.admin.publishing import PublishingPages
from routing.admin.rules import RuleInline
from routing.admin.scope import InStream
from routing.admin.shares import Reviewed
from routing.admin.starting import StartPages
from routing.admin.versions import VersionPages
from routing.alarms import alarms_of, word_alarms
from routing.core.grounding import GAP_RANGE, WEIGHTS
from routing.core.policy import CutOffs
from routing.models import Policy
from routing.policies import load_spec

if TYPE_CHECKING:
    PolicyModelAdmin = admin.ModelAdmin[Policy]
else:
    PolicyModelAdmin = admin.ModelAdmin

CORE_FIELDS = ("stream", "title")
WARNINGS_SHOWN = 8
REASON_SHOWN = 90


# What a stream of drafted sentences has instead of gates, second opinions and rules by category.
GROUNDED_FIELDS: Any = (
    (
        gettext_lazy("Cut-offs"),
        {
            "description": gettext_lazy(
                "Calibrated confidence from which a sentence is green (auto) or amber (flagged); "
                "under the lowest one it is refused."
            ),
            "fields": (CUT_OFFS,),
        },
    ),
    (
        gettext_lazy("Confidence"),
        {
            "description": gettext_lazy(
                "What the signals weigh in the raw confidence; the weights sum to 1. The gap is "
                "the reranker's score of the best block less that of the fifth, on its own scale."
            ),
            "fields": (WEIGHTS, GAP_RANGE),
        },
    ),
    (gettext_lazy("Reject"), {"fields": ("reject_action",)}),
    (
        gettext_lazy("Calibration"),
        {"fields": (("model_versions", "on_other_model", "uncalibrated"),)},
    ),
    (
        gettext_lazy("Fallback"),
        {
            "description": gettext_lazy(
                "For a sentence that would be refused: a person decides instead, or nobody."
            ),
            "fields": ("fallback_steps",),
        },
    ),
)


class StateFilter(UnsetFilter):
    field = "version"
    words = (("draft", gettext_lazy("draft")), ("published", gettext_lazy("published")))


@admin.register(Policy)
class PolicyAdmin(
    InStream,
    StartPages,
    PreviewPages,
    DifferencePages,
    PublishingPages,
    VersionPages,
    PolicyModelAdmin,
):
    form = PolicyForm
    inlines: ClassVar = [RuleInline, KeywordRuleInline]
    change_form_template = "admin/routing/policy/change_form.html"
    list_display = ("__str__", "cut_offs", "who", "when", "why", "title")
    show_facets = admin.ShowFacets.NEVER
    list_filter = (StreamFilter, StateFilter)
    ordering: ClassVar = ("stream__name", F("version").desc(nulls_first=True), "-created_at")
    actions = None
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": CORE_FIELDS}),
        (
            gettext_lazy("Cut-offs"),
            {
                "description": gettext_lazy(
                    "Calibrated confidence from which a prediction belongs to a band; the lower "
                    "bound belongs to its band."
                ),
                "fields": (CUT_OFFS,),
            },
        ),
        (
            gettext_lazy("Gates"),
            {
                "description": gettext_lazy(
                    "Nothing is acted on unless it passes; otherwise it is held. Empty: no gate."
                ),
                "fields": (("min_margin", "max_entropy", "distrust_entropy"),),
            },
        ),
        (
            gettext_lazy("Reject and escalation"),
            {"fields": (("reject_action", "escalate_entropy"),)},
        ),
        (
            gettext_lazy("Calibration"),
            {"fields": (("model_versions", "on_other_model", "uncalibrated"),)},
        ),
        (
            gettext_lazy("Fallback"),
            {
                "description": gettext_lazy(
                    "For an item that would be held or refused by confidence, margin, entropy or "
                    "distrust alone: asked in this order, until one is sure enough. What a second "
                    "opinion settles is acted on and reviewed, never acted on alone."
                ),
                "fields": ("fallback_steps", "remote_model"),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        found = super().get_queryset(request)
        return found.select_related(
            "stream", "based_on__stream", "created_by", "published_by", "remote_model"
        )

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Policy | None:
        """The policy; locked while it is saved, so that a publication waits or is seen."""
        found = super().get_object(request, object_id, from_field)
        if found is not None and request.method == "POST":
            Policy.objects.select_for_update().get(id=found.id)
            found.refresh_from_db()
        return found

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page; who saves what somebody else has published meanwhile is told so."""
        if request.method == "POST":
            found = super().get_object(request, object_id)
            if found is not None and found.is_published and super().has_change_permission(request):
                text = _(
                    "%(policy)s is published by now, so nothing of yours was saved. Make a new "
                    "version of it; your browser's back button shows what you had entered."
                )
                messages.error(request, text % {"policy": found})
                return HttpResponseRedirect(reverse("admin:routing_policy_change", args=[found.pk]))
        return super().change_view(request, object_id, form_url, extra_context)

    def get_fieldsets(self, request: HttpRequest, obj: Policy | None = None) -> Any:
        found = super().get_fieldsets(request, obj)
        if obj is not None and obj.stream.is_grounded:
            found = [(None, {"fields": CORE_FIELDS}), *GROUNDED_FIELDS]
        if obj is None or not self.has_change_permission(request, obj):
            return found
        return [(None, {"fields": (*CORE_FIELDS, "seen")}), *found[1:]]

    def get_inlines(self, request: HttpRequest, obj: Policy | None) -> list[Any]:  # noqa: ARG002
        """Rules need the stream's categories, so follow the first save; sentences have none."""
        return list(self.inlines) if obj and not obj.stream.is_grounded else []

    def get_readonly_fields(self, request: HttpRequest, obj: Policy | None = None) -> list[str]:  # noqa: ARG002
        return ["stream"] if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        is_open = obj is None or not obj.is_published
        return is_open and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        is_open = obj is None or not obj.is_published
        return is_open and super().has_delete_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Policy | None = None) -> bool:
        """Who edits drafts reads what is published."""
        return super().has_view_permission(request, obj) or super().has_change_permission(request)

    @admin.display(description=FIELD_NAMES["entailment_weight"])
    def entailment_weight(self, policy: Policy) -> str:
        return _show_number(policy, "entailment_weight")

    @admin.display(description=FIELD_NAMES["gap_weight"])
    def gap_weight(self, policy: Policy) -> str:
        return _show_number(policy, "gap_weight")

    @admin.display(description=FIELD_NAMES["claims_weight"])
    def claims_weight(self, policy: Policy) -> str:
        return _show_number(policy, "claims_weight")

    @admin.display(description=FIELD_NAMES["gap_low"])
    def gap_low(self, policy: Policy) -> str:
        return _show_number(policy, "gap_low")

    @admin.display(description=FIELD_NAMES["gap_high"])
    def gap_high(self, policy: Policy) -> str:
        return _show_number(policy, "gap_high")

    @admin.display(description=gettext_lazy("auto / flagged / hold from"))
    def cut_offs(self, policy: Policy) -> str:
        return f"{policy.auto:g} / {policy.flagged:g} / {policy.hold:g}"

    @admin.display(description=gettext_lazy("who"))
    def who(self, policy: Policy) -> str:
        user = policy.published_by if policy.is_published else policy.created_by
        return str(user) if user else _("by the system")

    @admin.display(description=gettext_lazy("when"))
    def when(self, policy: Policy) -> Any:
        return policy.published_at or policy.created_at

    @admin.display(description=gettext_lazy("reason"))
    def why(self, policy: Policy) -> str:
        return Truncator(policy.reason).chars(REASON_SHOWN)

    def save_model(
        self, request: HttpRequest, obj: Policy, form: "forms.ModelForm[Policy]", change: bool
    ) -> None:
        if not change:
            obj.created_by_id = request.user.pk
            obj.reporting_edges = obj.stream.reporting_edges
        super().save_model(request, obj, form, change)

    def save_formset(
        self, request: HttpRequest, form: "forms.ModelForm[Policy]", formset: Any, change: bool
    ) -> None:
        for row in formset.forms:
            row.instance.stream_id = form.instance.stream_id
        super().save_formset(request, form, formset, change)

    def response_add(
        self, request: HttpRequest, obj: Policy, post_url_continue: str | None = None
    ) -> HttpResponse:
        self._warn(request, obj)
        text = _("The draft is saved. Add the categories that differ, then publish it.")
        messages.success(request, text)
        if post_url_continue is None and "_addanother" not in request.POST:
            return HttpResponseRedirect(reverse("admin:routing_policy_change", args=[obj.pk]))
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Policy) -> HttpResponse:
        self._warn(request, obj)
        return super().response_change(request, obj)

    def _warn(self, request: HttpRequest, policy: Policy) -> None:
        """Point out cut-offs that cannot bind or be reached."""
        found = load_spec(policy).warnings()
        for text in found[:WARNINGS_SHOWN]:
            messages.warning(request, text)
        if len(found) > WARNINGS_SHOWN:
            more = len(found) - WARNINGS_SHOWN
            messages.warning(request, _("… and %(count)d more like these.") % {"count": more})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        policy: Policy | None = context["original"]
        if policy is not None:
            cut_offs = CutOffs(auto=policy.auto, flagged=policy.flagged, hold=policy.hold)
            may_publish = request.user.has_perm("routing.publish_policy")
            context |= {
                "bands": list_bands(cut_offs),
                "reviewed": _list_mandatory(policy),
                "live_preview": self.has_change_permission(request, policy),
                "may_publish": may_publish and not policy.is_published,
                "may_copy": self.has_add_permission(request),
                "alarms": word_alarms(alarms_of(policy)) if policy.is_published else [],
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The ready-made policies; an empty form with `?empty=1`."""
        if request.method == "GET" and "empty" not in request.GET:
            return self.start_view(request)
        return super().add_view(request, form_url, extra_context)

    def get_urls(self) -> list[URLPattern]:
        pages = (
            ("start/", self.start_view, "start"),
            ("compare/", self.compare_view, "compare"),
            ("of/<uuid:stream_id>/", self.history_of_stream_view, "versions"),
            ("<uuid:policy_id>/preview/", self.preview_view, "preview"),
            ("<uuid:policy_id>/difference/", self.difference_view, "difference"),
            ("<uuid:policy_id>/publish/", self.publish_view, "publish"),
            ("<uuid:policy_id>/copy/", self.copy_view, "copy"),
        )
        own = [
            path(address, self.admin_site.admin_view(view), name=f"routing_policy_{name}")
            for address, view, name in pages
        ]
        return own + super().get_urls()


def _show_number(policy: Policy, name: str) -> str:
    """A number of a published policy's grounding."""
    return f"{(policy.grounding or {}).get(name, 0.0):g}"


def _list_mandatory(policy: Policy) -> list[Reviewed]:
    rules = policy.rules.filter(mandatory_review=True).select_related("category")
    ordered = rules.order_by("category__position", "category__key")
    return [Reviewed(rule.category.label, rule.mandatory_reason) for rule in ordered]
