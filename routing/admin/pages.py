"""What the pages around a policy share: fetching it, and the frame they are shown in."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from routing.models import Policy, Stream

if TYPE_CHECKING:
    PolicyModelAdmin = admin.ModelAdmin[Policy]
else:
    PolicyModelAdmin = object

INVALID = 422  # the status of a form that is shown again with its errors


class PolicyPages(PolicyModelAdmin):
    """Views besides the admin's own; `PolicyAdmin` gives them addresses."""

    def _find_policy(self, request: HttpRequest, policy_id: UUID) -> Policy:
        """A policy that the member of staff may see; 404 for one of another stream."""
        policy = get_object_or_404(self.get_queryset(request), id=policy_id)
        if not self.has_view_permission(request, policy):
            raise PermissionDenied
        return policy

    def _page(
        self, request: HttpRequest, title: str, original: Policy | Stream | None = None
    ) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": original,
            "title": title,
        }
