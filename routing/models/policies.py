"""Policies with all that belongs to them; immutable once published."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    URLValidator,
)
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from routing.core.keywords import LONGEST_PATTERN
from routing.ids import uuid7
from routing.models.guards import (
    PROBABILITY,
    immutable_once_published,
    never_truncated,
    probability_check,
)
from routing.models.streams import Category, Stream, default_edges


class RemoteModel(models.Model):
    """A model that can be asked over HTTP for a second opinion."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.CASCADE, related_name="remote_models")
    name = models.CharField(max_length=60)
    url = models.URLField(
        max_length=500,
        validators=[URLValidator(schemes=["http", "https"])],
        help_text=_("Gets a POST with the item; answers with scores by category."),
    )
    token = models.CharField(
        max_length=500, blank=True, help_text=_("Sent as a bearer token; not shown again.")
    )
    timeout_seconds = models.FloatField(
        default=10.0, validators=[MinValueValidator(0.1), MaxValueValidator(60.0)]
    )

    class Meta:
        ordering: ClassVar = ["stream", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "name"], name="remote_model_name_unique"),
        ]

    def __str__(self) -> str:
        return self.name


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

    class Uncalibrated(models.TextChoices):
        WARN = "warn", _("route by the raw confidence")
        FLAGGED = "flagged", _("at least flagged")
        HOLD = "hold", _("at least hold")

    class FallbackStep(models.TextChoices):
        SECONDARY = "secondary", _("secondary scores posted with the item")
        RULES = "rules", _("keyword rules")
        REMOTE = "remote", _("a remote model, asked over HTTP")
        PERSON = "person", _("a person")
        UNCERTAIN = "uncertain", _("answer “uncertain”")

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
    uncalibrated = models.CharField(
        max_length=10,
        choices=Uncalibrated,
        default=Uncalibrated.WARN,
        help_text=_("For what is predicted as a category that no calibration map applies to."),
    )
    fallback_steps = ArrayField(
        models.CharField(max_length=10, choices=FallbackStep),
        default=list,
        blank=True,
        help_text=_("What is tried, in this order, for an item that would be held or refused."),
    )
    remote_model = models.ForeignKey(
        RemoteModel,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Asked for a second opinion while the item waits."),
    )
    # Weights and range of the gap, see `routing.core.grounding`; null where items have scores.
    grounding = models.JSONField(null=True, blank=True, editable=False)
    source_maps = models.JSONField(default=dict, blank=True, editable=False)
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
            never_truncated(),
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
        triggers: ClassVar = immutable_once_published()

    def __str__(self) -> str:
        return f"{self.policy}: {self.category}"


class KeywordRule(models.Model):
    """Words that say what an item is about, under one policy; see `routing.core.keywords`."""

    class Kind(models.TextChoices):
        KEYWORD = "keyword", _("words")
        REGEX = "regex", _("regular expression")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, editable=False, related_name="+")
    policy = models.ForeignKey(Policy, models.CASCADE, related_name="keyword_rules")
    name = models.SlugField(max_length=40, help_text=_("Stands in the decisions it shapes."))
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.KEYWORD)
    pattern = models.CharField(max_length=LONGEST_PATTERN)
    category = models.ForeignKey(Category, models.PROTECT, related_name="+")
    confidence = models.FloatField(
        default=0.9,
        validators=PROBABILITY,
        help_text=_("How often an item with these words is of the category."),
    )
    field = models.CharField(
        max_length=100,
        blank=True,
        help_text=_("The payload field to read; empty: all of the payload's text."),
    )

    class Meta:
        ordering: ClassVar = ["stream", "policy", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["policy", "name"], name="keyword_rule_name_unique"),
            probability_check("keyword_rule_probability", "confidence"),
        ]
        triggers: ClassVar = immutable_once_published()

    def __str__(self) -> str:
        return self.name
