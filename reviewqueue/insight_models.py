"""What insight pages show, counted and drawn beforehand."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from routing.ids import uuid7
from routing.models import Stream


class InsightSheet(models.Model):
    """What one insight page shows of one stream: a worker counts and draws it, pages only read it.

    `version` names the data that it was made of and `asked_version` the data that a page found
    when it asked for a newer one; it is due while they differ. A worker holds it by a lease on the
    database's clock. `figures` are numbers, `pictures` drawings by name, `arrays` what figures are
    worked out from when somebody moves a cut-off. `seconds` is how long the making took.
    """

    class Kind(models.TextChoices):
        MONTH = "reliability_30", _("reliability of 30 days")
        QUARTER = "reliability_90", _("reliability of 90 days")
        WHAT_IF = "what_if", _("what-if")
        AMBIGUITY = "ambiguity", _("ambiguity map")
        DRIFT = "drift", _("drift")
        REVIEWERS = "reviewers", _("reviewers")
        BUDGET = "budget", _("error budget")
        HEALTH = "health", _("health")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind)
    version = models.CharField(max_length=200, blank=True)
    asked_version = models.CharField(max_length=200, blank=True)
    figures = models.JSONField(default=dict)
    pictures = models.JSONField(default=dict)
    arrays = models.BinaryField(default=bytes)
    error = models.CharField(max_length=500, blank=True)
    seconds = models.FloatField(default=0.0)
    token = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(default=timezone.now)
    made_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["stream", "kind"]
        constraints: ClassVar = [
            # Also finds a page's sheet.
            models.UniqueConstraint(fields=["stream", "kind"], name="insight_sheet_unique"),
        ]
        indexes: ClassVar = [
            # What workers have to make.
            models.Index(
                fields=["asked_at"],
                name="insight_sheet_due",
                condition=~Q(version=models.F("asked_version")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream}: {self.get_kind_display()}"
