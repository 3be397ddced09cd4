"""What comes in, what was decided about it, and what happened."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from routing.ids import uuid7
from routing.models.draws import is_indexed
from routing.models.guards import Erasable, append_only, never_truncated, probability_check
from routing.models.policies import Policy
from routing.models.streams import Stream


class Item(models.Model):
    """One thing to be judged, as it was posted. The payload stands here and nowhere else.

    Of one that was erased are left its id, what it was decided from and when; `docs/erasure.md`.
    """

    class State(models.TextChoices):
        ROUTED = "routed", _("routed")
        WAITING = "waiting", _("waiting for a person")
        SETTLED = "settled", _("settled by a person")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without an index of its own: two of those below begin with it.
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="items", db_index=False)
    external_id = models.CharField(max_length=200)
    payload = models.JSONField()
    scores = models.JSONField()
    signals = models.JSONField(default=dict)
    secondary = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict)
    # Of a drafted sentence, null of other items: what was retrieved for it, long, and never needed
    # to decide; the claims that it was taken apart into; and what is decided from instead.
    blocks = models.JSONField(null=True)
    claims = models.JSONField(null=True)
    evidence = models.JSONField(null=True)
    # The text that the sentence is of, in upstream's words, and its place there.
    draft = models.CharField(max_length=200, blank=True, db_default="", default="")
    position = models.PositiveIntegerField(null=True)
    # The refused sentence in whose place this one was drafted.
    retry_of = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="retries", db_index=False
    )
    model_version = models.CharField(max_length=100, blank=True)
    priority = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    fingerprint = models.BinaryField(max_length=32)
    state = models.CharField(max_length=10, choices=State, default=State.ROUTED)
    received_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        permissions: ClassVar = [("erase_item", "Can erase what items hold")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["stream", "external_id"], name="item_external_id_unique"
            ),
            models.CheckConstraint(
                condition=Q(erased_at__isnull=True)
                | Q(Q(blocks__isnull=True) | Q(blocks=[]), payload={}, signals={}, metadata={})
                & Q(Q(claims__isnull=True) | Q(claims=[]), state__in=["routed", "settled"]),
                name="item_erased_is_empty",
            ),
            models.CheckConstraint(
                condition=Q(state="settled", settled_at__isnull=False)
                | (~Q(state="settled") & Q(settled_at__isnull=True)),
                name="item_settled_has_time",
            ),
        ]
        indexes: ClassVar = [
            # The newest items of a stream, in the admin and in the reports.
            models.Index(fields=["stream", "-received_at"], name="item_stream_received"),
            # The next page of an export.
            models.Index(fields=["stream", "id"], name="item_of_stream"),
            # The sentences of a draft, in their order.
            models.Index(
                fields=["stream", "draft", "position", "id"],
                name="item_of_draft",
                condition=~Q(draft=""),
            ),
            # What was drafted in the place of a refused sentence.
            models.Index(
                fields=["retry_of", "id"],
                name="item_retries",
                condition=Q(retry_of__isnull=False),
            ),
        ]
        triggers: ClassVar = [never_truncated()]

    def __str__(self) -> str:
        return self.external_id


class Decision(models.Model):
    """The machine's: which queue, under which policy version, with all the reasons."""

    class Queue(models.TextChoices):
        AUTO = "auto", _("auto")
        FLAGGED = "flagged", _("flagged")
        HOLD = "hold", _("hold")
        REJECT = "reject", _("reject")

    class Action(models.TextChoices):
        ACT = "act", _("act")
        ACT_AND_REVIEW = "act_and_review", _("act and review")
        WAIT = "wait", _("wait")
        REFUSE = "refuse", _("refuse")
        ESCALATE = "escalate", _("escalate")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without indexes of their own: those below begin with them.
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", db_index=False)
    item = models.ForeignKey(Item, models.PROTECT, related_name="decisions", db_index=False)
    policy = models.ForeignKey(Policy, models.PROTECT, related_name="+")
    queue = models.CharField(max_length=10, choices=Queue)
    action = models.CharField(max_length=20, choices=Action)
    predicted = models.CharField(max_length=100)
    # What is acted on: the prediction, or what a second opinion says; empty where nothing is.
    category = models.CharField(max_length=100, blank=True)
    # Whose second opinion is acted on: secondary, rules or remote; empty: the item's own scores.
    source = models.CharField(max_length=10, blank=True)
    raw_confidence = models.FloatField()
    confidence = models.FloatField()
    margin = models.FloatField()
    entropy = models.FloatField()
    alternatives = models.JSONField(default=list)
    watch = ArrayField(models.CharField(max_length=100), default=list)
    reasons = models.JSONField(default=list)
    # With the item's own, what the decision was made from: it can be made again.
    matched_rules = ArrayField(models.CharField(max_length=40), default=list)
    remote_answer = models.JSONField(null=True)
    at_capacity = models.BooleanField(default=False)
    # Probability with which this decision's item comes to be labelled, fixed when it was drawn.
    label_pi = models.FloatField()
    decided_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        constraints: ClassVar = [
            probability_check(
                "decision_probabilities",
                "raw_confidence",
                "confidence",
                "margin",
                "entropy",
                "label_pi",
            ),
        ]
        indexes: ClassVar = [
            # The latest decision of an item, for the API's answer.
            models.Index(fields=["item", "-id"], name="decision_latest_of_item"),
            # Decisions of a period, for reports and recalibration.
            models.Index(fields=["stream", "decided_at"], name="decision_stream_time"),
            # A sample of a long period: a sixteenth of the decisions, drawn by their items' ids.
            models.Index(
                fields=["stream", "decided_at"],
                name="decision_sampled",
                include=["id", "item"],
                condition=is_indexed("item"),
            ),
            # A category's watch list.
            models.Index(fields=["stream", "-id"], name="decision_watched", condition=~Q(watch=[])),
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.item}: {self.queue}"


class ModelAlarm(models.Model):
    """That items of a model version came which a policy's maps were not fitted on."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    policy = models.ForeignKey(Policy, models.PROTECT, related_name="alarms")
    model_version = models.CharField(max_length=100, blank=True)
    first_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        constraints: ClassVar = [
            # Also finds a policy's alarms, and what a batch with such items would note again.
            models.UniqueConstraint(
                fields=["stream", "policy", "model_version"], name="model_alarm_unique"
            ),
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.policy}: {self.model_version}"


# Kinds of events that come with every item; all others are few.
_IS_WORK = Q(kind__startswith="verdict.") | Q(kind__startswith="task.")


class Event(models.Model):
    """What happened, written in the transaction that made it happen. Holds no payload.

    A comment in its data is emptied when its item is erased, after an event that says so.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without an index of its own: two of those below begin with it.
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    data = models.JSONField(default=dict)
    happened_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        indexes: ClassVar = [
            # The history of one item, policy or task.
            models.Index(fields=["stream", "subject_id", "id"], name="event_of_subject"),
            # The next page of a stream's log.
            models.Index(fields=["stream", "id"], name="event_of_stream"),
            # The same without the work on items, among which the rest would be looked for for ever.
            models.Index(fields=["stream", "id"], name="event_but_work", condition=~_IS_WORK),
        ]
        triggers: ClassVar = append_only(
            erasable=Erasable(
                emptied="""jsonb_build_object('data', OLD.data || '{"comment": ""}')""",
                once="""EXISTS (
                    SELECT FROM routing_event AS erasure
                    WHERE erasure.stream_id = OLD.stream_id
                        AND erasure.subject_id = OLD.subject_id
                        AND erasure.kind = 'comment.erased')""",
            )
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.happened_at:%Y-%m-%d %H:%M}"

    def told(self) -> dict[str, object]:
        """What a log may tell: not what somebody wrote for the expert who judges the item next.

        It may say what the machine answered, of an item that others still judge blind.
        """
        return {name: value for name, value in self.data.items() if name != "comment"}

    @staticmethod
    def is_work() -> Q:
        """For a query: that it is about the work on an item."""
        return _IS_WORK
