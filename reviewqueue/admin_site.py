"""The Django admin, whose door stream admins pass as staff does."""

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest


class ReviewAdminSite(AdminSite):
    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the person may see any page of it; the rows are each page's own matter."""
        from reviewqueue.stream_admins import opens_admin  # noqa: PLC0415 - models come later

        return opens_admin(request.user)


class ReviewAdminConfig(AdminConfig):
    default_site = "reviewqueue.admin_site.ReviewAdminSite"
