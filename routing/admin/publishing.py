"""Two pages of a policy: what differs from another version, and publishing with a reason."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import label_for_field
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from routing.admin.bands import list_bands
from routing.admin.rules import LIFT
from routing.core.difference import Difference, find_differences, find_lifted
from routing.core.policy import Policy as PolicySpec
from routing.core.policy import PolicyError
from routing.models import Category, CategoryRule, Policy, Stream
from routing.policies import (
    AlreadyPublishedError,
    PublishReasonError,
    find_published_spec,
    load_spec,
    publish_policy,
)

if TYPE_CHECKING:
    PolicyModelAdmin = admin.ModelAdmin[Policy]
else:
    PolicyModelAdmin = object

FIELD_NAMES = {
    "min_margin": gettext_lazy("Least margin"),
    "max_entropy": gettext_lazy("Highest entropy"),
    "distrust_entropy": gettext_lazy("Highest entropy where distrusted"),
    "escalate_entropy": gettext_lazy("Escalate from entropy"),
    "model_versions": gettext_lazy("Fitted on"),
    "on_other_model": gettext_lazy("Another model version"),
    "categories": gettext_lazy("Categories"),
    "map": gettext_lazy("Calibration map"),
    "distrusted": gettext_lazy("Distrusted confidence"),
    "reporting_edges": gettext_lazy("Edges of reporting bands"),
}


class PublishForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text=gettext_lazy("For those who read the history: what is this version for?"),
    )
    seen = forms.CharField(widget=forms.HiddenInput)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the difference, in the words of the forms."""

    category: str
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A policy beside the version it is compared with."""

    old: PolicySpec | None
    new: PolicySpec
    differences: Sequence[Difference]
    changes: Sequence[Change]
    lifted: Sequence[str]

    def digest(self) -> str:
        """What was shown: another publication or edit in the meantime changes it."""
        shown = [self.old.version if self.old else 0, [asdict(each) for each in self.differences]]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()


def compare(old: PolicySpec | None, new: PolicySpec, stream: Stream) -> Comparison:
    labels = dict(Category.objects.filter(stream=stream).values_list("key", "label"))
    differences = find_differences(old, new)
    changes = [
        Change(
            category=labels.get(each.category, each.category),
            name=_name_field(each),
            before=_name_value(each, each.before),
            after=_name_value(each, each.after),
        )
        for each in differences
    ]
    lifted = [labels.get(key, key) for key in find_lifted(old, new)]
    return Comparison(old, new, differences, changes, lifted)


def _name_field(difference: Difference) -> str:
    if other := FIELD_NAMES.get(difference.field):
        return str(other)
    return str(label_for_field(difference.field, CategoryRule if difference.category else Policy))


def _name_value(difference: Difference, value: str) -> str:
    choices: dict[Any, Any] = {
        "reject_action": dict(Policy.RejectAction.choices),
        "on_other_model": dict(Policy.OtherModel.choices),
    }.get(difference.field, {})
    return str(choices.get(value, value))


class PublishingPages(PolicyModelAdmin):
    """The views; `PolicyAdmin` gives them addresses."""

    def difference_view(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
        """What differs from the version it was made from, or from `?against=` another."""
        policy = get_object_or_404(self.get_queryset(request), id=policy_id)
        if not self.has_view_permission(request, policy):
            raise PermissionDenied
        others = list(
            self.get_queryset(request)
            .filter(stream=policy.stream_id)
            .exclude(id=policy.id)
            .order_by("-version", "-created_at")
        )
        chosen = request.GET.get("against") or str(policy.based_on_id or "")
        base = next((other for other in others if str(other.id) == chosen), None)
        context = self._page(request, policy, _("What %(policy)s says differently"))
        try:
            old = None if base is None else load_spec(base)
            comparison = compare(old, load_spec(policy), policy.stream)
        except PolicyError as error:
            context |= {"problem": str(error)}
        else:
            context |= {"changes": comparison.changes}
        context |= {"base": base, "others": others}
        return TemplateResponse(request, "admin/routing/policy/difference.html", context)

    def publish_view(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
        """The differences and a form that asks why; a POST publishes what was shown."""
        if not request.user.has_perm("routing.publish_policy"):
            raise PermissionDenied
        with transaction.atomic():
            policy = get_object_or_404(self.get_queryset(request), id=policy_id)
            if request.method == "POST":
                Stream.objects.select_for_update().get(id=policy.stream_id)
                policy.refresh_from_db()
            if policy.is_published:
                text = _("%(policy)s was published before; make a new version of it instead.")
                return self._leave(request, policy, text)
            policy.reporting_edges = policy.stream.reporting_edges
            try:
                old = find_published_spec(policy.stream_id)
                comparison = compare(old, load_spec(policy), policy.stream)
            except PolicyError as error:
                return self._show_publish(request, policy, problem=str(error))
            return self._publish(request, policy, comparison)

    def _publish(
        self, request: HttpRequest, policy: Policy, comparison: Comparison
    ) -> HttpResponse:
        barred = bool(comparison.lifted) and not request.user.has_perm(LIFT)
        form = PublishForm(request.POST or None, initial={"seen": comparison.digest()})
        if request.method == "POST" and form.is_valid() and not barred:
            if form.cleaned_data["seen"] != comparison.digest():
                form = PublishForm(
                    {"reason": form.cleaned_data["reason"], "seen": comparison.digest()}
                )
                text = _(
                    "Something changed while you were reading: another version was published or "
                    "this draft was edited. Nothing was published; please look again."
                )
                form.add_error(None, text)
            elif published := self._try_publishing(request, policy, form):
                text = _("%(policy)s is published; it decides from the next item on.")
                return self._leave(request, published, text)
        return self._show_publish(request, policy, comparison=comparison, form=form, barred=barred)

    def _try_publishing(
        self, request: HttpRequest, policy: Policy, form: PublishForm
    ) -> Policy | None:
        reason = form.cleaned_data["reason"]
        try:
            published = publish_policy(
                policy_id=policy.id, reason=reason, published_by_id=request.user.pk
            )
        except PublishReasonError as error:
            form.add_error("reason", str(error))
        except (AlreadyPublishedError, PolicyError) as error:
            form.add_error(None, str(error))
        else:
            note = _("Published as version %(version)d: %(reason)s")
            self.log_change(
                request, published, note % {"version": published.version, "reason": reason}
            )
            return published
        return None

    def _leave(self, request: HttpRequest, policy: Policy, text: str) -> HttpResponse:
        messages.info(request, text % {"policy": policy})
        return HttpResponseRedirect(reverse("admin:routing_policy_change", args=[policy.pk]))

    def _show_publish(
        self,
        request: HttpRequest,
        policy: Policy,
        *,
        comparison: Comparison | None = None,
        form: PublishForm | None = None,
        barred: bool = False,
        problem: str = "",
    ) -> HttpResponse:
        context = self._page(request, policy, _("Publish %(policy)s"))
        context |= {"form": form, "barred": barred, "problem": problem}
        if comparison is not None:
            context |= {
                "current": comparison.old,
                "changes": comparison.changes,
                "lifted": comparison.lifted,
                "warnings": comparison.new.warnings(),
                "bands": list_bands(comparison.new.cut_offs),
                "bands_before": list_bands(comparison.old.cut_offs) if comparison.old else [],
            }
        status = 422 if request.method == "POST" else 200
        return TemplateResponse(
            request, "admin/routing/policy/publish.html", context, status=status
        )

    def _page(self, request: HttpRequest, policy: Policy, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": policy,
            "title": title % {"policy": policy},
        }
