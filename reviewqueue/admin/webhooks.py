"""Webhooks: their secrets are shown once, and buttons try, pause and end them."""

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from reviewqueue.doorbell import SEND_DELIVERIES, ring
from reviewqueue.outgoing import holds_login, is_private
from reviewqueue.webhook_models import Webhook, default_events
from reviewqueue.webhooks import (
    disable_webhook,
    pause_webhook,
    ping_webhook,
    resume_webhook,
    rotate_secret,
)
from routing.admin.filters import StreamFilter
from routing.admin.scope import InStream, record_change, record_removal
from routing.models import Announcement

if TYPE_CHECKING:
    WebhookModelForm = forms.ModelForm[Webhook]
    WebhookModelAdmin = admin.ModelAdmin[Webhook]
else:
    WebhookModelForm = forms.ModelForm
    WebhookModelAdmin = admin.ModelAdmin

State = Webhook.State


class WebhookForm(WebhookModelForm):
    url = forms.URLField(
        label=gettext_lazy("Address"),
        max_length=500,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"class": "vURLField"}),
        help_text=gettext_lazy("Gets a signed POST for each event; answers with 2xx."),
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Events"),
        choices=[(kind.value, f"{kind.value} – {kind.label}") for kind in Announcement.Kind],
        initial=default_events,
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Webhook
        fields = ("stream", "url", "description", "events")

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        if not url.lower().startswith(("https://", "http://")):
            raise forms.ValidationError(_("Begin the address with https:// or http://."))
        if holds_login(url):
            raise forms.ValidationError(
                _(
                    "A name or password stands before the @ of this address, and addresses are "
                    "shown in lists and in the log. Leave it out: the receiver knows our messages "
                    "by their signature."
                )
            )
        if is_private(url):
            raise forms.ValidationError(
                _(
                    "This address is private; give a public one, or let the deployment allow "
                    "private ones with ALLOW_PRIVATE_ADDRESSES=true."
                )
            )
        return url


@admin.register(Webhook)
class WebhookAdmin(InStream, WebhookModelAdmin):
    """A webhook with its state; buttons try it, pause it and give it another secret."""

    form = WebhookForm
    list_display = ("url", "stream", "description", "state", "event_names")
    list_filter = (StreamFilter, "state")
    change_form_template = "admin/reviewqueue/webhook/change_form.html"
    actions = None
    fields: ClassVar = ("stream", "url", "description", "events")
    told: ClassVar = ("state", "stopped_reason", "rotation", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        return super().get_queryset(request).select_related("stream")

    def get_fields(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Webhook | None = None,
    ) -> Any:
        if obj is None:
            return [*self.fields]
        without = () if obj.stopped_reason else ("stopped_reason",)
        return [*self.fields, *(name for name in self.told if name not in without)]

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Webhook | None = None,
    ) -> list[str]:
        """What it was sent belongs to its stream."""
        return ["stream", *self.told] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Webhook | None = None) -> bool:
        """One that was sent anything is switched off; its row stays, so that the log does."""
        if obj is None or obj.deliveries.exists():
            return False
        return super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        record_removal(request, obj)
        super().delete_model(request, obj)

    @admin.display(description=gettext_lazy("events"))
    def event_names(self, webhook: Webhook) -> str:
        return ", ".join(webhook.events)

    @admin.display(description=gettext_lazy("secret"))
    def rotation(self, webhook: Webhook) -> str:
        if webhook.previous_until is None:
            return _("shown when it was made, or renewed")
        until = webhook.previous_until.strftime("%Y-%m-%d %H:%M UTC")
        return _("renewed; the one before signs too until %(until)s") % {"until": until}

    def save_model(
        self, request: HttpRequest, obj: Webhook, form: "forms.ModelForm[Webhook]", change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        record_change(request=request, form=form, created=not change)
        if not change:
            self._show_secret(request, obj.secret)

    def get_urls(self) -> list[URLPattern]:
        pressed = {
            "ping": self.ping_view,
            "pause": self.pause_view,
            "resume": self.resume_view,
            "rotate": self.rotate_view,
            "disable": self.disable_view,
        }
        own = [
            path(
                f"<uuid:webhook_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"reviewqueue_webhook_{name}",
            )
            for name, view in pressed.items()
        ]
        return [*own, *super().get_urls()]

    def ping_view(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        """Send a signed test message at once and say what came of it."""
        return require_POST(self._ping)(request, webhook_id)

    def pause_view(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        """Let what falls due wait."""
        return require_POST(self._pause)(request, webhook_id)

    def resume_view(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        """Send again, after a pause or what the receiver had ended."""
        return require_POST(self._resume)(request, webhook_id)

    def rotate_view(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        """Give it another secret and show that once."""
        return require_POST(self._rotate)(request, webhook_id)

    def disable_view(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        """Send it nothing any more; what was due is given up."""
        return require_POST(self._disable)(request, webhook_id)

    def _ping(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        webhook = self._find(request, webhook_id)
        posted = ping_webhook(webhook)
        took = {"status": posted.status, "ms": posted.duration_ms, "why": posted.error}
        if posted.is_received:
            text = _("Received: it answered %(status)s after %(ms)s ms.") % took
            messages.success(request, text)
        else:
            text = _("Not received: %(why)s, after %(ms)s ms.") % took
            messages.error(request, text)
        return self._back(webhook)

    def _pause(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        webhook = self._find(request, webhook_id)
        if pause_webhook(webhook_id=webhook.id, by=request.user):  # type: ignore[arg-type]
            messages.success(request, _("It is paused; what falls due waits."))
        return self._back(webhook)

    def _resume(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        webhook = self._find(request, webhook_id)
        if resume_webhook(webhook_id=webhook.id, by=request.user):  # type: ignore[arg-type]
            ring(SEND_DELIVERIES)
            messages.success(request, _("It is active again."))
        return self._back(webhook)

    def _disable(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        webhook = self._find(request, webhook_id)
        reason = _("switched off here")
        if disable_webhook(webhook_id=webhook.id, reason=reason, by=request.user):  # type: ignore[arg-type]
            messages.success(request, _("It is switched off; what was due is given up."))
        return self._back(webhook)

    def _rotate(self, request: HttpRequest, webhook_id: UUID) -> HttpResponse:
        webhook = self._find(request, webhook_id)
        secret = rotate_secret(webhook_id=webhook.id, by=request.user)  # type: ignore[arg-type]
        self._show_secret(request, secret)
        messages.info(
            request, _("For the next 24 hours messages are signed with the old secret too.")
        )
        return self._back(webhook)

    def _find(self, request: HttpRequest, webhook_id: UUID) -> Webhook:
        webhook = get_object_or_404(self.get_queryset(request), id=webhook_id)
        if not self.has_change_permission(request, webhook):
            raise PermissionDenied
        return webhook

    def _back(self, webhook: Webhook) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:reviewqueue_webhook_change", args=[webhook.pk]))

    def _show_secret(self, request: HttpRequest, secret: str) -> None:
        messages.warning(
            request,
            _("The secret is %(secret)s – copy it now: it is never shown again.")
            % {"secret": secret},
        )
