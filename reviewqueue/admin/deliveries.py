"""What upstream is told, and the log of how each telling went to each webhook."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import BooleanField, ExpressionWrapper, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from reviewqueue.deliveries import replay_deliveries
from reviewqueue.doorbell import SEND_DELIVERIES, ring
from reviewqueue.webhook_models import Delivery, Webhook
from routing.admin.filters import StreamFilter
from routing.admin.readonly import FOUND_ITEMS, ReadOnly, find_items, ids_of_streams, show_json
from routing.admin.scope import streams_administered_by
from routing.blinds import answers_hidden
from routing.models import Announcement

if TYPE_CHECKING:
    from django.utils.safestring import SafeString


NAMED: Final = 60  # characters of an address, which is as long as upstream made it


class WebhookFilter(admin.SimpleListFilter):
    """The webhooks of the streams one administers; of the chosen stream, if one is."""

    title = gettext_lazy("webhook")
    parameter_name = "webhook"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        found = Webhook.objects.filter(stream__in=streams_administered_by(request.user))
        chosen = request.GET.get(StreamFilter.parameter_name)
        return [
            (str(webhook.id), Truncator(str(webhook)).chars(NAMED))
            for webhook in found.order_by("description", "url", "id")
            if chosen in (None, str(webhook.stream_id))
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        known = {key for key, _name in self.lookup_choices}
        return queryset.filter(webhook_id=self.value()) if self.value() in known else queryset


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    """The log of what was sent; what was delivered or given up can be sent again."""

    list_display = (
        "told",
        "item_name",
        "webhook",
        "state",
        "tries",
        "answer",
        "duration_ms",
        "moment",
    )
    list_filter = (StreamFilter, WebhookFilter, "state", "created_at")
    search_exact = "announcement_id"
    search_help_text = gettext_lazy("The whole id of a message (webhook-id) or of its item")
    change_form_template = "admin/reviewqueue/delivery/change_form.html"
    fields = (
        *("stream", "announcement", "item", "webhook"),
        *("state", "tries", "answer", "moment", "created_at"),
    )
    actions = ("replay",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        found: QuerySet[Delivery] = super().get_queryset(request)
        hidden = answers_hidden("announcement__item_id")
        found = found.annotate(hides_item=ExpressionWrapper(hidden, BooleanField()))
        found = found.select_related("stream", "webhook", "announcement__item")
        held = ("payload", "scores", "blocks")
        return found.defer(*(f"announcement__item__{name}" for name in held))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Those of a message, or of all that was told of an item."""
        term = search_term.strip()
        if not term:
            return queryset, False
        streams = ids_of_streams(request)
        told = Announcement.objects.filter(item_id__in=find_items(streams, term))
        told = told.exclude(answers_hidden("item_id")).order_by()
        ids = list(told.values_list("id", flat=True)[:FOUND_ITEMS])
        with suppress(ValueError):
            ids.append(UUID(term))
        return queryset.filter(stream__in=streams, announcement_id__in=ids), False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        delivery: Delivery = context["original"]
        context["results"] = [
            {**result, "at": parse_datetime(result["at"])} for result in delivery.results
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("message"))
    def told(self, delivery: Delivery) -> str:
        return delivery.announcement.kind

    @admin.display(description=gettext_lazy("item"))
    def item_name(self, delivery: Any) -> str:
        item = delivery.announcement.item
        if item is None:
            return "–"
        return _("hidden: still to be judged blind") if delivery.hides_item else str(item)

    @admin.display(description=gettext_lazy("item"))
    def item(self, delivery: Any) -> "str | SafeString":
        """Its name, which leads to its page."""
        name, item_id = self.item_name(delivery), delivery.announcement.item_id
        if item_id is None or delivery.hides_item:
            return name
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:routing_item_change", args=[item_id]), name
        )

    @admin.display(description=gettext_lazy("answer"))
    def answer(self, delivery: Delivery) -> str:
        return delivery.error or (str(delivery.status) if delivery.status else "–")

    @admin.display(description=gettext_lazy("next try, or end"))
    def moment(self, delivery: Delivery) -> str:
        return date_format(localtime(delivery.closed_at or delivery.due_at), "DATETIME_FORMAT")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("reviewqueue.change_delivery")

    @admin.action(permissions=["replay"], description=gettext_lazy("Send again"))
    def replay(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Make what was delivered or given up due again, under the same id."""
        count = replay_deliveries(queryset)
        if count:
            ring(SEND_DELIVERIES)
        text = ngettext(
            "%(count)d delivery is due again.", "%(count)d deliveries are due again.", count
        )
        messages.success(request, text % {"count": count})


@admin.register(Announcement)
class AnnouncementAdmin(ReadOnly):
    """What upstream is told, with its place in the feed."""

    change_form_template = "admin/routing/announcement/change_form.html"
    list_display = ("kind", "stream", "item", "due_at", "position", "sequence", "withdrawn_at")
    list_filter = (StreamFilter, "kind", "due_at")
    search_exact = "item__external_id"
    search_help_text = gettext_lazy("The item's whole external id")
    fields = (
        "stream",
        "kind",
        "item",
        "due_at",
        "position",
        "sequence",
        "withdrawn_at",
        "created_at",
        "data_text",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Announcement]:
        """Without what tells of items that are still to be judged blind."""
        found: QuerySet[Announcement] = super().get_queryset(request)
        found = found.exclude(answers_hidden("item_id"))
        found = found.select_related("stream", "item")
        return found.defer("item__payload", "item__scores", "item__blocks")

    @admin.display(description=gettext_lazy("data"))
    def data_text(self, announcement: Any) -> "SafeString":
        return show_json(announcement.data)
