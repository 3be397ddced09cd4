"""The history of a stream's policies: who published what, when and why; from here one goes back."""

from itertools import pairwise
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from routing.admin.pages import PolicyPages
from routing.admin.scope import streams_administered_by
from routing.models import Policy
from routing.policies import copy_policy

SHOWN = 50


class VersionPages(PolicyPages):
    def history_of_stream_view(self, request: HttpRequest, stream_id: UUID) -> HttpResponse:
        """Drafts and published versions, the newest first; `?before=` a version goes on."""
        return require_safe(self._show_history)(request, stream_id)

    def _show_history(self, request: HttpRequest, stream_id: UUID) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        stream = get_object_or_404(streams_administered_by(request.user), id=stream_id)
        policies = self.get_queryset(request).filter(stream=stream)
        before = request.GET.get("before", "")
        older = policies.filter(version__isnull=False).order_by("-version")
        drafts: list[Policy] = []
        if before.isdecimal() and len(before) < 9:
            older = older.filter(version__lt=int(before))
        else:
            drafts = list(policies.filter(version__isnull=True).order_by("-created_at")[:SHOWN])
        found = list(older[: SHOWN + 1])
        versions = found[:SHOWN]
        for policy, replaced in pairwise(found):
            policy.replaced_id = replaced.id  # type: ignore[attr-defined]  # for the template
        newest = policies.filter(version__isnull=False).order_by("-version").first()
        shown = [*drafts, *versions]
        context = self._page(request, _("Policies of %(stream)s") % {"stream": stream})
        context |= {
            "stream": stream,
            "drafts": drafts,
            "versions": versions,
            "in_force": newest,
            "compare_from": shown[1] if len(shown) > 1 else None,
            "compare_to": shown[0] if shown else None,
            "older_than": versions[-1].version if len(found) > SHOWN else None,
            "may_copy": self.has_add_permission(request),
        }
        return TemplateResponse(request, "admin/routing/policy/versions.html", context)

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """From two versions that were picked to the page of their difference."""
        return require_safe(self._compare)(request)

    def _compare(self, request: HttpRequest) -> HttpResponse:
        try:
            base, policy = (UUID(request.GET.get(name, "")) for name in ("from", "to"))
        except ValueError as error:
            raise Http404 from error
        page = reverse("admin:routing_policy_difference", args=[policy])
        return HttpResponseRedirect(f"{page}?against={base}")

    def copy_view(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
        """A new draft with the content of any version; how one rolls back, too."""
        return require_POST(self._copy)(request, policy_id)

    def _copy(self, request: HttpRequest, policy_id: UUID) -> HttpResponse:
        policy = self._find_policy(request, policy_id)
        if not self.has_add_permission(request):
            raise PermissionDenied
        draft = copy_policy(policy=policy, created_by_id=request.user.pk)
        note = _("Copied from %(policy)s.") % {"policy": policy}
        self.log_addition(request, draft, note)
        messages.success(request, _("This draft is a copy of %(policy)s.") % {"policy": policy})
        return HttpResponseRedirect(reverse("admin:routing_policy_change", args=[draft.pk]))
