"""What upstream is told: an outbox of rows, written in the transaction of what they tell."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from routing.ids import uuid7
from routing.models.guards import fixed_when, kept
from routing.models.records import Item
from routing.models.streams import Stream


class Announcement(models.Model):
    """One thing that upstream is told, once it is due. Holds ids and numbers, never a payload.

    It has no position while its transaction may still be open: positions are given to committed
    rows by one sequencer, so that a cursor neither skips nor repeats. What has a position is told
    and can be withdrawn no more.
    """

    class Kind(models.TextChoices):
        ROUTED = "item.routed", _("an item was routed")
        SETTLED = "item.settled", _("an item was settled by a person")
        OVERTURNED = "item.overturned", _("a published verdict was replaced")
        RETRY_REQUESTED = "item.retry_requested", _("a refused sentence is to be drafted again")
        AUDIT_OVERTURNED = "audit.overturned", _("an audit contradicts an automatic action")
        POLICY_PUBLISHED = "policy.published", _("a policy was published")
        DRIFT_ALARM = "drift.alarm", _("the drift watch raised an alarm")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without indexes of their own: constraints below begin with them.
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", db_index=False)
    item = models.ForeignKey(Item, models.PROTECT, null=True, related_name="+", db_index=False)
    kind = models.CharField(max_length=20, choices=Kind)
    # The verdict, decision, policy or alarm that is told of.
    subject_id = models.UUIDField()
    data = models.JSONField(default=dict)
    due_at = models.DateTimeField(default=timezone.now)
    position = models.BigIntegerField(null=True)
    # Counts the announcements of one item, so that a receiver can put them in order.
    sequence = models.PositiveIntegerField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        constraints: ClassVar = [
            # Also finds the last position that was given.
            models.UniqueConstraint(fields=["stream", "position"], name="announcement_position"),
            models.UniqueConstraint(
                fields=["stream", "kind", "subject_id"], name="announcement_once"
            ),
            # Also finds what was told of an item.
            models.UniqueConstraint(fields=["item", "sequence"], name="announcement_sequence"),
            models.CheckConstraint(
                condition=Q(position__isnull=True) | Q(withdrawn_at__isnull=True),
                name="announcement_told_or_withdrawn",
            ),
        ]
        indexes: ClassVar = [
            # What the sequencer gives positions to next.
            models.Index(
                fields=["stream", "due_at"],
                name="announcement_due",
                condition=Q(position__isnull=True, withdrawn_at__isnull=True),
            ),
            # The next page of the feed of outcomes.
            models.Index(
                fields=["stream", "position"],
                name="announcement_outcomes",
                condition=Q(kind__in=["item.settled", "item.overturned"]),
            ),
        ]
        triggers: ClassVar = [
            *kept("stream_id", "item_id", "kind", "subject_id", "data", "created_at"),
            fixed_when(
                "told_at_one_place",
                *("position", "sequence", "withdrawn_at"),
                condition=pgtrigger.Q(old__position__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.due_at:%Y-%m-%d %H:%M}"
