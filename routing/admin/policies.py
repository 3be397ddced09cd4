"""Policies: drafts are edited, published versions only read, copied and compared."""

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from routing.admin.bands import list_bands
from routing.admin.filters import StreamFilter, UnsetFilter
from routing.admin.publishing import FIELD_NAMES, PublishingPages
from routing.admin.rules import RuleInline
from routing.admin.scope import InStream
from routing.alarms import alarms_of, word_alarms
from routing.core.policy import GATES, CutOffs, PolicyError
from routing.models import Policy
from routing.policies import active_keys, build_spec, copy_policy, load_spec

if TYPE_CHECKING:
    PolicyModelForm = forms.ModelForm[Policy]
    PolicyModelAdmin = admin.ModelAdmin[Policy]
else:
    PolicyModelForm = forms.ModelForm
    PolicyModelAdmin = admin.ModelAdmin

CUT_OFFS = ("auto", "flagged", "hold")
WARNINGS_SHOWN = 8
REASON_SHOWN = 90


class PolicyForm(PolicyModelForm):
    class Meta:
        labels = FIELD_NAMES
        help_texts: ClassVar = {
            "min_margin": gettext_lazy("First minus second raw probability."),
            "max_entropy": gettext_lazy("Of the raw probabilities, 0 to 1."),
            "escalate_entropy": gettext_lazy("From here on an expert sees it at once."),
            "on_other_model": gettext_lazy("For a model version that is not listed."),
        }
        widgets: ClassVar = {
            name: forms.NumberInput(attrs={"min": 0, "max": 1, "step": "any"})
            for name in (*CUT_OFFS, *GATES)
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        stream = cleaned.get("stream") or (
            None if self.instance._state.adding else self.instance.stream
        )
        if stream is None or self.errors:
            return cleaned
        kept = {name: getattr(self.instance, name) for name in ("maps", "distrusted")}
        values = {name: cleaned[name] for name in self._meta.fields or () if name in cleaned}
        candidate = Policy(**(kept | values | {"stream": stream}))
        candidate.reporting_edges = stream.reporting_edges
        try:
            build_spec(candidate, keys=active_keys(stream.id), rules=())
        except PolicyError as error:
            self._show_error(error)
        return cleaned

    def _show_error(self, error: PolicyError) -> None:
        name = error.field.rpartition(".")[2]
        if name == "categories" and "stream" in self.fields:
            message = _("The stream has no categories; add them first.")
            self.add_error("stream", message)
        else:
            self.add_error(name if name in self.fields else None, str(error))


class StateFilter(UnsetFilter):
    field = "version"
    words = (("draft", gettext_lazy("draft")), ("published", gettext_lazy("published")))


@admin.register(Policy)
class PolicyAdmin(InStream, PublishingPages, PolicyModelAdmin):
    form = PolicyForm
    inlines: ClassVar = [RuleInline]
    change_form_template = "admin/routing/policy/change_form.html"
    list_display = ("__str__", "cut_offs", "who", "when", "why", "title")
    show_facets = admin.ShowFacets.NEVER
    list_filter = (StreamFilter, StateFilter)
    ordering: ClassVar = ("stream__name", F("version").desc(nulls_first=True), "-created_at")
    actions = None
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("stream", "title")}),
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
        (gettext_lazy("Model versions"), {"fields": (("model_versions", "on_other_model"),)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        found = super().get_queryset(request)
        return found.select_related("stream", "based_on__stream", "created_by", "published_by")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Policy | None:
        """The policy; locked while it is saved, so that a publication waits or is seen."""
        found = super().get_object(request, object_id, from_field)
        if found is not None and request.method == "POST":
            Policy.objects.select_for_update().get(id=found.id)
            found.refresh_from_db(fields=["version"])
        return found

    def get_inlines(self, request: HttpRequest, obj: Policy | None) -> list[Any]:  # noqa: ARG002
        """Rules need the stream's categories, so they follow the first save."""
        return [RuleInline] if obj else []

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
                "may_publish": may_publish and not policy.is_published,
                "may_copy": self.has_add_permission(request),
                "alarms": word_alarms(alarms_of(policy)) if policy.is_published else [],
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("<uuid:policy_id>/copy/", wrap(self.copy_view), name="routing_policy_copy"),
            path(
                "<uuid:policy_id>/publish/", wrap(self.publish_view), name="routing_policy_publish"
            ),
            path(
                "<uuid:policy_id>/difference/",
                wrap(self.difference_view),
                name="routing_policy_difference",
            ),
        ]
        return own + super().get_urls()

    def copy_view(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
        """A new draft with the content of any version; how one rolls back, too."""
        return require_POST(self._copy)(request, policy_id)

    def _copy(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
        policy = get_object_or_404(self.get_queryset(request), id=policy_id)
        if not self.has_add_permission(request):
            raise PermissionDenied
        draft = copy_policy(policy=policy, created_by_id=request.user.pk)
        note = _("Copied from %(policy)s.") % {"policy": policy}
        self.log_addition(request, draft, note)
        messages.success(request, _("This draft is a copy of %(policy)s.") % {"policy": policy})
        return HttpResponseRedirect(reverse("admin:routing_policy_change", args=[draft.pk]))
