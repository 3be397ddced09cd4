"""Streams and their taxonomies."""

from datetime import timedelta
from itertools import pairwise
from typing import ClassVar
from zoneinfo import available_timezones

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    RegexValidator,
)
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from routing.core.policy import DEFAULT_EDGES
from routing.ids import uuid7
from routing.models.guards import PROBABILITY, probability_check

LARGEST_COST = 1e12
COST = (MinValueValidator(0.0), MaxValueValidator(LARGEST_COST))
KEY_PATTERN = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_./?-]{0,99}\Z",
    _("Use letters, digits and _ - . / ?, at most 100, starting with a letter or digit."),
)

HOST_PATTERN = RegexValidator(
    r"\A(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+"
    r"(:[1-9][0-9]{0,4})?\Z",
    _(
        "%(value)s is no host; write it in small letters, with no scheme and no path, such as "
        "images.example.org."
    ),
)


def cost_check(name: str, *fields: str) -> models.CheckConstraint:
    """Each of `fields` is unset or a finite number from 0 up (NaN is above all to PostgreSQL)."""
    condition = Q()
    for field in fields:
        condition &= Q(**{f"{field}__isnull": True}) | Q(
            **{f"{field}__gte": 0.0, f"{field}__lte": LARGEST_COST}
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
        GROUNDED = "grounded", _("grounded drafts")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.SlugField(
        max_length=60, help_text=_("Stands in the API's addresses; never changes.")
    )
    name = models.CharField(max_length=120)
    kind = models.CharField(
        max_length=20,
        choices=Kind,
        default=Kind.CLASSIFICATION,
        help_text=_("What its items are; never changes."),
    )
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
    topup_rate = models.FloatField(
        _("top-up rate"),
        default=0.0,
        validators=PROBABILITY,
        help_text=_("Share that is drawn besides, by a draw of its own, from this confidence up:"),
    )
    topup_from = models.FloatField(
        _("top-up from"),
        default=0.0,
        validators=PROBABILITY,
        help_text=_("The calibrated confidence from which the further share is drawn."),
    )
    error_budget = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0001), MaxValueValidator(0.5)],
        help_text=_(
            "The error rate among automatic decisions that this stream is willing to ship, such as "
            "0.02. Recalibrations then propose the lowest cut-off that the audits certify for it."
        ),
    )
    cost_error = models.FloatField(
        _("cost of an error"),
        null=True,
        blank=True,
        validators=COST,
        help_text=_(
            "What an error costs that is acted on, in any unit. With the two below, recalibrations "
            "propose the cheapest cut-offs, unless there is an error budget."
        ),
    )
    cost_review = models.FloatField(_("cost of a review"), null=True, blank=True, validators=COST)
    cost_delay = models.FloatField(
        _("cost of a delay"),
        null=True,
        blank=True,
        validators=COST,
        help_text=_("What it costs to hold one item back."),
    )
    irreversible = models.FloatField(
        _("irreversible harm"),
        default=0.5,
        validators=PROBABILITY,
        help_text=_("Share of an error's harm that a later correction does not undo."),
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
    double_rate = models.FloatField(
        _("judged twice"),
        default=0.0,
        validators=PROBABILITY,
        help_text=_(
            "Share of held, audited and singly checked flagged items that two people judge apart; "
            "where they disagree, an adjudicator decides."
        ),
    )
    known_rate = models.FloatField(
        _("known answers"),
        default=0.0,
        validators=PROBABILITY,
        help_text=_(
            "Share of what a reviewer is given whose answer is known, to measure how they judge."
        ),
    )
    lease_minutes = models.PositiveIntegerField(
        default=15, validators=[MinValueValidator(1), MaxValueValidator(24 * 60)]
    )
    undo_seconds = models.PositiveIntegerField(default=10, validators=[MaxValueValidator(3600)])
    hold_capacity = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_(
            "Most held items that may wait for a person; one more is answered uncertain at once. "
            "Empty: no bound."
        ),
    )
    hold_hours = models.PositiveIntegerField(
        default=24,
        validators=[MinValueValidator(1)],
        help_text=_("A held item is due so long after it was posted, unless its post says when."),
    )
    retention_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text=_(
            "What an item holds is erased so many days after it was taken in, once nobody has to "
            "judge it any more. Empty: it is kept."
        ),
    )
    freshness_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text=_(
            "For grounded drafts: a sentence whose cited block is older than so many days is "
            "marked. Empty: no block is too old."
        ),
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
    # Fields in the order in which they are read, those that are to come first.
    payload_order = ArrayField(models.TextField(), default=list, blank=True)
    image_hosts = ArrayField(
        models.CharField(max_length=253, validators=[HOST_PATTERN]),
        default=list,
        blank=True,
        help_text=_(
            "Hosts whose pictures a reviewer's browser may load over https, such as "
            "images.example.org, separated by commas. Those of any other host are shown as links."
        ),
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key"], name="stream_key_unique"),
            cost_check("stream_costs", "cost_error", "cost_review", "cost_delay"),
            probability_check(
                "stream_rates",
                "audit_rate",
                "topup_rate",
                "topup_from",
                "error_budget",
                "irreversible",
                "bulk_label_rate",
                "blind_rate",
                "double_rate",
                "known_rate",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_grounded(self) -> bool:
        """Whether its items are drafted sentences with their sources."""
        return self.kind == Stream.Kind.GROUNDED

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
    double_rate = models.FloatField(
        _("judged twice"),
        null=True,
        blank=True,
        validators=PROBABILITY,
        help_text=_("Overrides the stream's share of items that two people judge."),
    )
    cost_error = models.FloatField(
        _("error's cost"),
        null=True,
        blank=True,
        validators=COST,
        help_text=_("Overrides the stream's cost."),
    )
    cost_delay = models.FloatField(
        _("delay's cost"),
        null=True,
        blank=True,
        validators=COST,
        help_text=_("Overrides the stream's; a dangerous miss is a dear delay."),
    )
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["stream", "position", "key"]
        verbose_name_plural = "categories"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "key"], name="category_key_unique"),
            probability_check("category_rates", "audit_rate", "double_rate"),
            cost_check("category_costs", "cost_error", "cost_delay"),
        ]

    def __str__(self) -> str:
        return self.label
