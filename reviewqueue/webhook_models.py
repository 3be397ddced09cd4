"""Where upstream wants to be told, and each telling."""

from typing import ClassVar, Self, TypedDict
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, Value
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from reviewqueue.sealing import seal, unseal
from reviewqueue.webhook_signatures import make_secret
from routing.ids import uuid7
from routing.models import Announcement, Stream

Kind = Announcement.Kind


def default_events() -> list[str]:
    """All but that an item was routed: upstream has the answer to its post."""
    return [kind.value for kind in Kind if kind != Kind.ROUTED]


def make_sealed_secret() -> str:
    """A new secret as it is stored."""
    return seal(make_secret())


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def hearing(self, stream_id: UUID, kind: str) -> Self:
        """Those that want to be told of this kind; one that is paused is told later."""
        return self.filter(stream_id=stream_id, events__contains=[kind]).exclude(
            state=Webhook.State.DISABLED
        )


class Webhook(models.Model):
    """An address of upstream's that is told what happens in a stream.

    active <-> paused (what falls due waits), by a person, or by itself after days of nothing but
    failures; active -> disabled at the receiver's 410 (what falls due is not for it) -> active by a
    person.
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
    # Why it is not active, where that was not a person's wish alone.
    stopped_reason = models.CharField(_("reason"), max_length=300, blank=True, editable=False)
    # Since when it has received nothing that was sent; empty where it received the last.
    failing_since = models.DateTimeField(null=True, editable=False)
    sealed_secret = models.CharField(max_length=300, default=make_sealed_secret, editable=False)
    sealed_previous = models.CharField(max_length=300, blank=True, editable=False)
    previous_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["stream", "url"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(sealed_previous="", previous_until__isnull=True)
                | (~Q(sealed_previous="") & Q(previous_until__isnull=False)),
                name="webhook_previous_secret_ends",
            ),
            models.CheckConstraint(
                condition=~Q(state="active") | Q(stopped_reason=""),
                name="webhook_reason_if_stopped",
            ),
        ]

    def __str__(self) -> str:
        return self.description or self.url

    @property
    def secret(self) -> str:
        """What signs its messages. Raises `SealError` where no key opens it."""
        return unseal(self.sealed_secret)

    @property
    def previous_secret(self) -> str:
        """The secret before, empty where there is none. Raises `SealError` as `secret` does."""
        return unseal(self.sealed_previous) if self.sealed_previous else ""


class Result(TypedDict):
    """What a try came to: its number since the first or since it was sent again, and when."""

    number: int
    at: str
    status: int | None
    error: str
    ms: int | None


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
    # What each of the last tries came to (`Result`), the oldest first; of the last one also above.
    results = models.JSONField(
        default=list, db_default=Value([], models.JSONField()), editable=False
    )
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
        return f"{self.announcement.kind} → {self.webhook}"

    @property
    def is_open_ended(self) -> bool:
        """Whether a try was counted that nothing is known of: under way, or cut off."""
        if self.state != self.State.DUE or not self.tries:
            return False
        if self.results:
            return bool(self.results[-1]["number"] != self.tries)
        return self.status is None and not self.error
