"""Where upstream wants to be told, and each telling."""

from typing import ClassVar, Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from reviewqueue.webhook_signatures import make_secret
from routing.ids import uuid7
from routing.models import Announcement, Stream

Kind = Announcement.Kind


def default_events() -> list[str]:
    """All but that an item was routed: upstream has the answer to its post."""
    return [kind.value for kind in Kind if kind != Kind.ROUTED]


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def hearing(self, stream_id: UUID, kind: str) -> Self:
        """Those that want to be told of this kind; one that is paused is told later."""
        return self.filter(stream_id=stream_id, events__contains=[kind]).exclude(
            state=Webhook.State.DISABLED
        )


class Webhook(models.Model):
    """An address of upstream's that is told what happens in a stream.

    active <-> paused (what falls due waits); active -> disabled at the receiver's 410 (what falls
    due is not for it) -> active by a person.
    """

    class State(models.TextChoices):
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused: what falls due waits")
        DISABLED = "disabled", _("disabled")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="webhooks")
    url = models.URLField(_("address"), max_length=500)
    description = models.CharField(max_length=200, blank=True)
    events = ArrayField(models.CharField(max_length=20, choices=Kind), default=default_events)
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE, editable=False)
    disabled_reason = models.CharField(max_length=300, blank=True, editable=False)
    # Kept as it is, since it signs; shown once.
    secret = models.CharField(max_length=100, default=make_secret, editable=False)
    previous_secret = models.CharField(max_length=100, blank=True, editable=False)
    previous_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["stream", "url"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(previous_secret="", previous_until__isnull=True)
                | (~Q(previous_secret="") & Q(previous_until__isnull=False)),
                name="webhook_previous_secret_ends",
            ),
            models.CheckConstraint(
                condition=Q(state="disabled") | Q(disabled_reason=""),
                name="webhook_reason_if_disabled",
            ),
        ]

    def __str__(self) -> str:
        return self.description or self.url


class Delivery(models.Model):
    """One announcement for one webhook: due until it was received or is given up (dead)."""

    class State(models.TextChoices):
        DUE = "due", _("due")
        DELIVERED = "delivered", _("delivered")
        DEAD = "dead", _("given up")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", db_index=False)
    announcement = models.ForeignKey(
        Announcement, models.CASCADE, related_name="deliveries", db_index=False
    )
    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries", db_index=False)
    state = models.CharField(max_length=10, choices=State, default=State.DUE)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    token = models.UUIDField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=300, blank=True)
    duration_ms = models.PositiveIntegerField(_("took (ms)"), null=True)
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["announcement", "webhook"], name="delivery_once"),
            models.CheckConstraint(
                condition=Q(state="due", closed_at__isnull=True)
                | (~Q(state="due") & Q(closed_at__isnull=False)),
                name="delivery_closed_has_time",
            ),
        ]
        indexes: ClassVar = [
            # What a webhook is sent next.
            models.Index(
                fields=["webhook", "due_at"], name="delivery_due", condition=Q(state="due")
            ),
            # A stream's newest, in the admin; those of a webhook, to be deleted with it.
            models.Index(fields=["stream", "-id"], name="delivery_of_stream"),
            models.Index(fields=["webhook", "-id"], name="delivery_of_webhook"),
            # What is old enough to go.
            models.Index(
                fields=["closed_at"], name="delivery_closed", condition=Q(closed_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.announcement_id} → {self.webhook_id}"
