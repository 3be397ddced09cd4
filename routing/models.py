"""What the machine decides about: streams, categories, policies, items, decisions, events.

`stream` stands in every table and leads every business key and hot index, so that a stream's
rows can be found, moved or partitioned without touching another's. Primary keys are uuid7.
"""

from datetime import timedelta
from itertools import pairwise
from typing import ClassVar
from zoneinfo import available_timezones

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from routing.core.policy import DEFAULT_EDGES
from routing.ids import uuid7

PROBABILITY = (MinValueValidator(0.0), MaxValueValidator(1.0))
KEY_PATTERN = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_./?-]{0,99}\Z",
    _("Use letters, digits and _ - . / ?, at most 100, starting with a letter or digit."),
)


def append_only(name: str = "append_only") -> list[pgtrigger.Trigger]:
    """Triggers that refuse UPDATE, DELETE and TRUNCATE, whoever asks and however."""
    return [
        pgtrigger.Protect(name=name, operation=pgtrigger.Update | pgtrigger.Delete),
        pgtrigger.Trigger(
            name=f"{name}_truncate",
            when=pgtrigger.Before,
            operation=pgtrigger.Truncate,
            level=pgtrigger.Statement,
            func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
        ),
    ]


def probability_check(name: str, *fields: str) -> models.CheckConstraint:
    """Each of `fields` is unset or within 0..1 (NaN is above 1 to PostgreSQL)."""
    condition = Q()
    for field in fields:
        condition &= Q(**{f"{field}__isnull": True}) | Q(
            **{f"{field}__gte": 0.0, f"{field}__lte": 1.0}
        )
    return models.CheckConstraint(condition=condition, name=name)


def default_edges() -> list[float]:
    return list(DEFAULT_EDGES)


def validate_time_zone(value: str) -> None:
    if value not in available_timezones():
        raise ValidationError(
            _("%(value)s is no time zone; use a name such as Europe/Berlin or UTC."),
            params={"value": value},
        )


def validate_edges(value: list[float]) -> None:
    inside = all(0.0 < edge < 1.0 for edge in value)
    if not inside or any(a >= b for a, b in pairwise(value)):
        raise ValidationError(_("Band edges must rise and lie strictly between 0 and 1."))


class Stream(models.Model):
    """One upstream model and its taxonomy, with the people who may see it."""

    class Kind(models.TextChoices):
        CLASSIFICATION = "classification", _("classification")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.SlugField(
        max_length=60, help_text=_("Stands in the API's addresses; never changes.")
    )
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.CLASSIFICATION)
    description = models.TextField(blank=True)
    time_zone = models.CharField(
        max_length=60,
        default="UTC",
        validators=[validate_time_zone],
        help_text=_("Defines the stream's day, week and quarter."),
    )
    is_demo = models.BooleanField(default=False)
    audit_rate = models.FloatField(
        default=0.05,
        validators=PROBABILITY,
        help_text=_("Share of decisions without a seat that is drawn for blind review."),
    )
    bulk_label_rate = models.FloatField(
        default=0.10,
        validators=PROBABILITY,
        help_text=_("Share of flagged items that is judged singly and blind."),
    )
    blind_rate = models.FloatField(
        default=0.0,
        validators=PROBABILITY,
        help_text=_("Share of held items whose reviewer does not see the model's answer."),
    )
    lease_minutes = models.PositiveIntegerField(
        default=15, validators=[MinValueValidator(1), MaxValueValidator(24 * 60)]
    )
    undo_seconds = models.PositiveIntegerField(default=10, validators=[MaxValueValidator(3600)])
    hold_hours = models.PositiveIntegerField(
        default=24,
        validators=[MinValueValidator(1)],
        help_text=_("A held item is due so long after it was posted, unless its post says when."),
    )
    reporting_edges = ArrayField(
        models.FloatField(),
        default=default_edges,
        validators=[validate_edges],
        help_text=_("Edges of the bands in reliability tables; apart from the cut-offs."),
    )
    payload_fields = models.JSONField(
        default=dict,
        blank=True,
        help_text=_('How payload fields are shown, such as {"body": "text", "scan": "image"}.'),
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key"], name="stream_key_unique"),
            probability_check("stream_rates", "audit_rate", "bulk_label_rate", "blind_rate"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def undo_window(self) -> timedelta:
        return timedelta(seconds=self.undo_seconds)

    @property
    def lease(self) -> timedelta:
        return timedelta(minutes=self.lease_minutes)


class Category(models.Model):
    """A class of the stream's taxonomy."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.CASCADE, related_name="categories")
    key = models.CharField(max_length=100, validators=[KEY_PATTERN])
    label = models.CharField(max_length=120)
    definition = models.TextField(blank=True)
    position = models.PositiveIntegerField(default=0)
    audit_rate = models.FloatField(
        null=True,
        blank=True,
        validators=PROBABILITY,
        help_text=_("Overrides the stream's rate; the rarest and costliest may need all."),
    )
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["stream", "position", "key"]
        verbose_name_plural = "categories"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "key"], name="category_key_unique"),
            probability_check("category_rates", "audit_rate"),
        ]

    def __str__(self) -> str:
        return self.label


class PolicyManager(models.Manager["Policy"]):
    def published(self) -> "models.QuerySet[Policy]":
        return self.filter(version__isnull=False)

    def current(self) -> "models.QuerySet[Policy]":
        """Of a stream's related manager: its published policy, as a query of at most one."""
        return self.published().order_by("-version")[:1]


class Policy(models.Model):
    """A stream's thresholds, gates, category rules and maps; immutable once published."""

    class RejectAction(models.TextChoices):
        REFUSE = "refuse", _("refuse: answer “uncertain” at once")
        ESCALATE = "escalate", _("escalate: to an expert at once")

    class OtherModel(models.TextChoices):
        WARN = "warn", _("route uncalibrated, with a warning")
        FLAGGED = "flagged", _("at least flagged")
        HOLD = "hold", _("at least hold")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="policies")
    version = models.PositiveIntegerField(null=True, blank=True, editable=False)
    title = models.CharField(max_length=120, blank=True)

    auto = models.FloatField(_("auto from"), default=0.90, validators=PROBABILITY)
    flagged = models.FloatField(
        _("flagged from"),
        default=0.70,
        validators=PROBABILITY,
        help_text=_("Equal to the auto cut-off: no flagged band."),
    )
    hold = models.FloatField(
        _("hold from"),
        default=0.50,
        validators=PROBABILITY,
        help_text=_("Under it: reject. 0: no reject band."),
    )
    min_margin = models.FloatField(null=True, blank=True, validators=PROBABILITY)
    max_entropy = models.FloatField(null=True, blank=True, validators=PROBABILITY)
    distrust_entropy = models.FloatField(
        null=True,
        blank=True,
        validators=PROBABILITY,
        help_text=_("For distrusted cells; by default half of the entropy gate."),
    )
    escalate_entropy = models.FloatField(null=True, blank=True, validators=PROBABILITY)
    reject_action = models.CharField(
        max_length=10, choices=RejectAction, default=RejectAction.REFUSE
    )
    model_versions = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        help_text=_("The model versions the maps were fitted on."),
    )
    on_other_model = models.CharField(max_length=10, choices=OtherModel, default=OtherModel.WARN)
    maps = models.JSONField(default=dict, blank=True, editable=False)
    distrusted = models.JSONField(default=list, blank=True, editable=False)
    reporting_edges = ArrayField(models.FloatField(), default=default_edges, editable=False)
    category_keys = ArrayField(models.CharField(max_length=100), default=list, editable=False)

    based_on = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, editable=False, related_name="drafts"
    )
    reason = models.TextField(blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    published_at = models.DateTimeField(null=True, editable=False)

    objects = PolicyManager()

    class Meta:
        ordering: ClassVar = ["stream", F("version").desc(nulls_first=True), "-created_at"]
        verbose_name_plural = "policies"
        constraints: ClassVar = [
            # Also serves "the newest published policy of a stream", asked at every intake.
            models.UniqueConstraint(fields=["stream", "version"], name="policy_version_unique"),
            models.CheckConstraint(
                condition=Q(version__isnull=True, published_at__isnull=True)
                | Q(version__isnull=False, published_at__isnull=False),
                name="policy_published_is_numbered",
            ),
            models.CheckConstraint(
                condition=Q(auto__gte=F("flagged")) & Q(flagged__gte=F("hold")),
                name="policy_cut_offs_fall",
            ),
            probability_check(
                "policy_probabilities",
                "auto",
                "flagged",
                "hold",
                "min_margin",
                "max_entropy",
                "distrust_entropy",
                "escalate_entropy",
            ),
        ]
        triggers: ClassVar = [
            pgtrigger.Protect(
                name="published_is_immutable",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__version__isnull=False),
            ),
        ]
        permissions: ClassVar = [
            ("publish_policy", "Can publish a policy"),
            ("lift_mandatory_review", "Can turn mandatory review off"),
        ]

    def __str__(self) -> str:
        version = f"v{self.version}" if self.version else _("draft")
        return f"{self.stream} {version}"

    @property
    def is_published(self) -> bool:
        return self.version is not None


class CategoryRule(models.Model):
    """What one category does differently under one policy; unset means as the policy says."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, editable=False, related_name="+")
    policy = models.ForeignKey(Policy, models.CASCADE, related_name="rules")
    category = models.ForeignKey(Category, models.PROTECT, related_name="+")
    auto = models.FloatField(_("auto from"), null=True, blank=True, validators=PROBABILITY)
    flagged = models.FloatField(_("flagged from"), null=True, blank=True, validators=PROBABILITY)
    hold = models.FloatField(_("hold from"), null=True, blank=True, validators=PROBABILITY)
    watch = models.FloatField(
        _("watch from"),
        null=True,
        blank=True,
        validators=PROBABILITY,
        help_text=_("At this probability, top-ranked or not, the item goes on the watch list."),
    )
    mandatory_review = models.BooleanField(default=False)
    mandatory_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["stream", "policy", "category__position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["policy", "category"], name="rule_category_unique"),
            probability_check("rule_probabilities", "auto", "flagged", "hold", "watch"),
            models.CheckConstraint(
                condition=Q(mandatory_review=False) | ~Q(mandatory_reason=""),
                name="rule_mandatory_has_reason",
                violation_error_message=_("Say why nothing of this category is acted on alone."),
            ),
        ]
        triggers: ClassVar = [
            pgtrigger.Trigger(
                name="of_published_is_immutable",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                declare=[("changed", "uuid")],
                func="""
                FOREACH changed IN ARRAY
                    CASE TG_OP WHEN 'INSERT' THEN ARRAY[NEW.policy_id]
                               WHEN 'DELETE' THEN ARRAY[OLD.policy_id]
                               ELSE ARRAY[OLD.policy_id, NEW.policy_id] END
                LOOP
                    IF EXISTS (SELECT 1 FROM routing_policy
                               WHERE id = changed AND version IS NOT NULL) THEN
                        RAISE EXCEPTION
                            'pgtrigger: rules of a published policy are immutable (%)', changed;
                    END IF;
                END LOOP;
                IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy}: {self.category}"


class Item(models.Model):
    """One thing to be judged, as it was posted. The payload stands here and nowhere else."""

    class State(models.TextChoices):
        ROUTED = "routed", _("routed")
        WAITING = "waiting", _("waiting for a person")
        SETTLED = "settled", _("settled by a person")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="items")
    external_id = models.CharField(max_length=200)
    payload = models.JSONField()
    scores = models.JSONField()
    signals = models.JSONField(default=dict)
    secondary = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict)
    model_version = models.CharField(max_length=100, blank=True)
    priority = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    fingerprint = models.BinaryField(max_length=32)
    state = models.CharField(max_length=10, choices=State, default=State.ROUTED)
    received_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["stream", "external_id"], name="item_external_id_unique"
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
        ]

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
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    item = models.ForeignKey(Item, models.PROTECT, related_name="decisions")
    policy = models.ForeignKey(Policy, models.PROTECT, related_name="+")
    queue = models.CharField(max_length=10, choices=Queue)
    action = models.CharField(max_length=20, choices=Action)
    predicted = models.CharField(max_length=100)
    raw_confidence = models.FloatField()
    confidence = models.FloatField()
    margin = models.FloatField()
    entropy = models.FloatField()
    alternatives = models.JSONField(default=list)
    watch = ArrayField(models.CharField(max_length=100), default=list)
    reasons = models.JSONField(default=list)
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
            # A category's watch list.
            models.Index(fields=["stream", "-id"], name="decision_watched", condition=~Q(watch=[])),
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.item}: {self.queue}"


class Event(models.Model):
    """What happened, written in the transaction that made it happen. Holds ids, no payload."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
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
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.kind} {self.happened_at:%Y-%m-%d %H:%M}"
