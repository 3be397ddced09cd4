"""The admin's pages for people, keys and their work; and the site they stand on."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.views.generic import RedirectView

from reviewqueue.access import streams_administered_by
from reviewqueue.admin.deliveries import AnnouncementAdmin, DeliveryAdmin
from reviewqueue.admin.items import ErasableItemAdmin
from reviewqueue.admin.keys import ApiKeyAdmin
from reviewqueue.admin.known_answers import KnownAnswerAdmin
from reviewqueue.admin.people import MembershipAdmin, PersonAdmin
from reviewqueue.admin.remote_models import RemoteAskAdmin, RemoteModelAdmin
from reviewqueue.admin.run_requests import RunRequestAdmin
from reviewqueue.admin.streams import StreamWithPeopleAdmin
from reviewqueue.admin.webhooks import WebhookAdmin
from reviewqueue.admin.work import ReviewTaskAdmin, VerdictAdmin
from reviewqueue.disclosure import still_blind
from routing.admin.scope import administer_streams_by
from routing.blinds import hide_answers_by

__all__ = [
    "AnnouncementAdmin",
    "ApiKeyAdmin",
    "DeliveryAdmin",
    "ErasableItemAdmin",
    "KnownAnswerAdmin",
    "MembershipAdmin",
    "PersonAdmin",
    "RemoteAskAdmin",
    "RemoteModelAdmin",
    "ReviewTaskAdmin",
    "RunRequestAdmin",
    "StreamWithPeopleAdmin",
    "VerdictAdmin",
    "WebhookAdmin",
]

administer_streams_by(streams_administered_by)
hide_answers_by(still_blind)

admin.site.site_header = "Review Queue"
admin.site.site_title = "Review Queue"
admin.site.index_title = "Administration"
# The admin's own form would let people in without their second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
# And its own page for passwords would not count the tries.
admin.site.password_change = RedirectView.as_view(  # type: ignore[method-assign,assignment]
    pattern_name="account_change_password"
)
