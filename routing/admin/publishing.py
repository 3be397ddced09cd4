"""Two pages of a policy: what differs from another version, and publishing with a reason."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from routing.admin.bands import list_bands
from routing.admin.differences import Comparison, compare
from routing.admin.pages import INVALID, PolicyPages
from routing.admin.rules import LIFT
from routing.core.policy import PolicyError
from routing.models import Policy, Stream
from routing.policies import (
    AlreadyPublishedError,
    PublishReasonError,
    find_published_spec,
    load_spec,
    publish_policy,
    weighs_anew,
)


class PublishForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text=gettext_lazy("For those who read the history: what is this version for?"),
    )
    seen = forms.CharField(widget=forms.HiddenInput)


class PublishingPages(PolicyPages):
    def publish_view(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
        """The differences and a form that asks why; a POST publishes what was shown."""
        return require_http_methods(["GET", "HEAD", "POST"])(self._look_or_publish)(
            request, policy_id
        )

    def _look_or_publish(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
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
        context = self._page(request, _("Publish %(policy)s") % {"policy": policy}, policy)
        context |= {"form": form, "barred": barred, "problem": problem}
        if comparison is not None:
            context |= {
                "current": comparison.old,
                "changes": comparison.changes,
                "lifted": comparison.lifted,
                "warnings": [*comparison.new.warnings(), *_warn_of_weights(policy)],
                "bands": list_bands(comparison.new.cut_offs),
                "bands_before": list_bands(comparison.old.cut_offs) if comparison.old else [],
            }
        status = INVALID if request.method == "POST" else 200
        return TemplateResponse(
            request, "admin/routing/policy/publish.html", context, status=status
        )


def _warn_of_weights(policy: Policy) -> list[str]:
    if not weighs_anew(policy):
        return []
    return [
        _(
            "The signals are weighed in another way: this is another confidence, so the map that "
            "was fitted to the one before is left behind. Until enough sentences of the days "
            "after today are judged and a new map is published, they are routed as uncalibrated."
        )
    ]
