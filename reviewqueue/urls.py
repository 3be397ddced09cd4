"""Addresses."""

from django.contrib import admin
from django.urls import include, path

from reviewqueue.api import api
from reviewqueue.api.edge import refuse_root

handler429 = "reviewqueue.views.account.too_many_requests"
handler500 = "reviewqueue.failures.server_failed"

urlpatterns = [
    path("api/v1", refuse_root),
    path("api/v1/", refuse_root),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
    path("accounts/", include("reviewqueue.urls_account")),
    path("", include("reviewqueue.urls_review")),
]
