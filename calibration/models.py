"""What the labels say: audit draws, ground truth, frame counts, runs."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from routing.ids import uuid7
from routing.models import (
    Decision,
    Item,
    Policy,
    Stream,
    append_only,
    fixed_when,
    kept,
    never_truncated,
    probability_check,
)

LONGEST_REASON = 200


class AuditDraw(models.Model):
    """A decision without a seat of its own that the keyed hash put into the audit sample."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without an index of its own: the constraint below begins with it.
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", db_index=False)
    item = models.ForeignKey(Item, models.PROTECT, related_name="+")
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="+")
    pi = models.FloatField()
    drawn_at = models.DateTimeField(default=timezone.now)
    opened_at = models.DateTimeField(null=True)
    # When the drift watch took its label: each is looked at once, however often it is settled.
    watched_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["stream", "-drawn_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "decision"], name="draw_decision_unique"),
            models.CheckConstraint(condition=Q(pi__gt=0, pi__lte=1), name="draw_pi_range"),
        ]
        indexes: ClassVar = [
            # The weekly task: what was drawn and has no review task yet.
            models.Index(
                fields=["stream", "drawn_at"],
                name="draw_unopened",
                condition=Q(opened_at__isnull=True),
            ),
            # How the evidence of a drift watch went, in the order in which it looked.
            models.Index(
                fields=["stream", "watched_at"],
                name="draw_watched",
                condition=Q(watched_at__isnull=False),
            ),
            # The drift watch: what it has not looked at yet.
            models.Index(
                fields=["stream", "drawn_at"],
                name="draw_unwatched",
                condition=Q(watched_at__isnull=True),
            ),
        ]
        triggers: ClassVar = kept("stream_id", "item_id", "decision_id", "pi", "drawn_at")

    def __str__(self) -> str:
        return f"{self.item}: pi {self.pi:g}"


class GroundTruthQuerySet(models.QuerySet["GroundTruth"]):
    def current(self) -> "GroundTruthQuerySet":
        return self.filter(superseded_at__isnull=True)

    def usable(self) -> "GroundTruthQuerySet":
        """Labels that may enter an estimate: settled, with a known inclusion probability."""
        return self.current().exclude(kind=GroundTruth.Kind.UNCERTAIN).filter(pi__isnull=False)


class GroundTruth(models.Model):
    """The settled label of an item, with the probability with which it came to be labelled."""

    class Kind(models.TextChoices):
        CATEGORY = "category", _("one category")
        AMBIGUOUS = "ambiguous", _("ambiguous: each of several would do")
        NONE_FITS = "no_category_fits", _("no category fits")
        UNCERTAIN = "uncertain", _("settled as uncertain")

    class Source(models.TextChoices):
        HOLD = "hold", _("held item")
        FLAGGED = "flagged", _("flagged item, judged singly")
        ESCALATED = "escalated", _("escalated item")
        AUDIT = "audit", _("audit sample")
        ADJUDICATION = "adjudication", _("settled by an adjudicator")
        IMPORT = "import", _("imported with the item")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    item = models.ForeignKey(Item, models.PROTECT, related_name="truths")
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind)
    categories = ArrayField(models.CharField(max_length=100), default=list)
    # Unknown pi (a complaint, somebody browsing) is kept apart and enters no estimate.
    pi = models.FloatField(null=True)
    blind = models.BooleanField()
    source = models.CharField(max_length=12, choices=Source)
    verdict_id = models.UUIDField(null=True)
    settled_at = models.DateTimeField(default=timezone.now)
    superseded_at = models.DateTimeField(null=True)

    objects = GroundTruthQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["stream", "-settled_at"]
        verbose_name_plural = "ground truth"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["stream", "item"],
                name="truth_current_unique",
                condition=Q(superseded_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(pi__isnull=True) | Q(pi__gt=0, pi__lte=1), name="truth_pi_range"
            ),
            models.CheckConstraint(
                condition=Q(kind="category", categories__len=1)
                | Q(kind="ambiguous", categories__len__gte=2)
                | Q(kind__in=["no_category_fits", "uncertain"], categories__len=0),
                name="truth_categories_match_kind",
            ),
        ]
        indexes: ClassVar = [
            # A stream's labels by the day they were settled, in the admin.
            models.Index(
                fields=["stream", "settled_at"],
                name="truth_stream_settled",
                condition=Q(superseded_at__isnull=True),
            ),
        ]
        triggers: ClassVar = [
            *kept(
                *("stream_id", "item_id", "decision_id", "kind", "categories"),
                *("pi", "blind", "source", "verdict_id", "settled_at"),
            ),
            fixed_when(
                "superseded_once",
                "superseded_at",
                condition=pgtrigger.Q(old__superseded_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item}: {', '.join(self.categories) or self.get_kind_display()}"


class FrameKey(models.Model):
    """The columns that frame counts are kept by: what was routed, labelled or not.

    `bin` numbers the raw confidence on the logit scale (`calibration.frames`), so that the
    crowded end near 1 keeps its resolution; `raw_sum` keeps the exact mean.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without an index of its own: the counts' constraint begins with it, the notes are few.
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", db_index=False)
    day = models.DateField()
    policy = models.ForeignKey(Policy, models.PROTECT, related_name="+")
    model_version = models.CharField(max_length=100, blank=True)
    category = models.CharField(max_length=100)
    bin = models.SmallIntegerField()
    queue = models.CharField(max_length=10, choices=Decision.Queue)
    pi = models.FloatField()
    # Of a count never negative; what a folder adds to it may be, and a constraint would look at
    # that alone.
    count = models.IntegerField()
    raw_sum = models.FloatField()

    class Meta:
        abstract = True


class FrameCount(FrameKey):
    """Decisions per stream, day, policy, category, bin, queue and pi: reports read these."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=[
                    "stream",
                    "day",
                    "policy",
                    "model_version",
                    "category",
                    "bin",
                    "queue",
                    "pi",
                ],
                name="frame_key_unique",
            ),
        ]
        triggers: ClassVar = kept(
            *("stream_id", "day", "policy_id", "model_version", "category", "bin", "queue", "pi")
        )

    def __str__(self) -> str:
        return f"{self.day} {self.category} {self.queue}: {self.count}"


class FrameDelta(FrameKey):
    """Counts that intake wrote beside its decisions and the one roll-up has yet to add.

    Many writers would queue on a hot counter; appending here they never meet. A count is negative
    where a further decision took the place of an earlier one.
    """

    class Meta:
        triggers: ClassVar = [never_truncated()]

    def __str__(self) -> str:
        return f"{self.day} {self.category} {self.queue}: +{self.count}"


class DayCount(models.Model):
    """Decisions per stream, day, model version, bin and queue: `FrameCount` summed up for pages.

    Some hundred rows a day, whatever is routed and however many categories there are; the same
    folder adds to both.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without an index of its own: the one below begins with it.
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", db_index=False)
    day = models.DateField()
    model_version = models.CharField(max_length=100, blank=True)
    bin = models.SmallIntegerField()
    queue = models.CharField(max_length=10, choices=Decision.Queue)
    count = models.IntegerField()

    class Meta:
        ordering: ClassVar = ["stream", "-day", "queue"]
        constraints: ClassVar = [
            # Also finds a stream's days.
            models.UniqueConstraint(
                fields=["stream", "day", "model_version", "bin", "queue"], name="day_count_unique"
            ),
        ]
        triggers: ClassVar = [never_truncated()]

    def __str__(self) -> str:
        return f"{self.day} {self.queue}: {self.count}"


class JobRun(models.Model):
    """That a periodic job did its work for a period: written in the job's own transaction."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    job = models.CharField(max_length=40)
    period = models.CharField(max_length=20)
    done_at = models.DateTimeField(default=timezone.now)
    result = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["stream", "-done_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "job", "period"], name="job_period_unique"),
        ]
        triggers: ClassVar = [never_truncated()]

    def __str__(self) -> str:
        return f"{self.job} {self.period}"


class CalibrationRun(models.Model):
    """One measurement, and perhaps one refit, with everything it found. Append-only."""

    class Kind(models.TextChoices):
        TABLE = "table", _("reliability table")
        REFIT = "refit", _("refit of the maps")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="calibration_runs")
    kind = models.CharField(max_length=10, choices=Kind)
    reason = models.CharField(max_length=LONGEST_REASON)
    policy = models.ForeignKey(Policy, models.PROTECT, related_name="+")
    model_version = models.CharField(max_length=100, blank=True)
    window_start = models.DateTimeField()
    window_end = models.DateTimeField()
    labels = models.PositiveIntegerField()
    open_tasks = models.PositiveIntegerField(default=0)
    ece_before = models.FloatField(null=True)
    ece_after = models.FloatField(null=True)
    report = models.JSONField(default=dict)
    draft_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["stream", "-created_at"]
        constraints: ClassVar = [probability_check("run_ece", "ece_before", "ece_after")]
        indexes: ClassVar = [
            # A stream's runs, newest first.
            models.Index(fields=["stream", "-created_at"], name="run_stream_created"),
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.stream}: {self.get_kind_display()} {self.created_at:%Y-%m-%d}"


class RunRequestQuerySet(models.QuerySet["RunRequest"]):
    def unfinished(self) -> "RunRequestQuerySet":
        return self.filter(state__in=["queued", "running"])


class RunRequest(models.Model):
    """That somebody asked for a recalibration; a worker takes it, says how far it is and ends it.

    Whoever works on it renews `leased_until`, by the database's clock; once that is over another
    worker begins anew under a `token` of its own.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting for a worker")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="run_requests")
    reason = models.CharField(max_length=LONGEST_REASON)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    step = models.CharField(max_length=200, blank=True)
    share = models.FloatField(default=0.0)
    tries = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    run = models.OneToOneField(CalibrationRun, models.PROTECT, null=True, related_name="request")
    error = models.CharField(max_length=500, blank=True)
    requested_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = RunRequestQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["stream", "-requested_at"]
        verbose_name = "recalibration request"
        constraints: ClassVar = [
            # Also finds what workers have to do, and a stream's request under way.
            models.UniqueConstraint(
                fields=["stream"],
                name="run_request_unfinished_unique",
                condition=Q(state__in=["queued", "running"]),
            ),
            models.CheckConstraint(
                condition=Q(state="queued", token__isnull=True, leased_until__isnull=True)
                | Q(state="running", token__isnull=False, leased_until__isnull=False)
                | Q(state__in=["done", "failed"]),
                name="run_request_running_has_lease",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], ended_at__isnull=True)
                | Q(state__in=["done", "failed"], ended_at__isnull=False),
                name="run_request_ended_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state="done", run__isnull=False)
                | (~Q(state="done") & Q(run__isnull=True)),
                name="run_request_done_has_run",
            ),
            probability_check("run_request_share", "share"),
        ]

    def __str__(self) -> str:
        return f"{self.stream}: {self.reason}"

    @property
    def is_over(self) -> bool:
        return self.state in (self.State.DONE, self.State.FAILED)


class DriftWatch(models.Model):
    """What the drift test remembers of one stretch of unchanged maps and one model version.

    `policy` is the first version with these maps. `state` is the test of all audits, under the
    empty key, and of each category's (`calibration.core.drift.DriftState`); the first one's number
    of audits, evidence and threshold stand beside it for the pages. `shift` compares scores and
    queue shares of the last week with the stretch's first ones (`calibration.shifts`).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    policy = models.ForeignKey(Policy, models.PROTECT, related_name="+")
    model_version = models.CharField(max_length=100, blank=True)
    state = models.JSONField(default=dict)
    audits = models.PositiveIntegerField(default=0)
    evidence = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    shift = models.JSONField(default=dict)
    started_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        verbose_name_plural = "drift watches"
        constraints: ClassVar = [
            # Also finds the watch of now.
            models.UniqueConstraint(
                fields=["stream", "policy", "model_version"], name="drift_watch_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.policy}: {self.model_version}"


class DriftAlarm(models.Model):
    """That audits broke the promise, of all categories or of one; raised once. Append-only."""

    class Side(models.TextChoices):
        MORE = "more", _("more errors than promised")
        FEWER = "fewer", _("fewer errors than promised")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    watch = models.ForeignKey(DriftWatch, models.PROTECT, related_name="alarms")
    category = models.CharField(max_length=100, blank=True)
    side = models.CharField(max_length=10, choices=Side)
    audits = models.PositiveIntegerField()
    errors = models.PositiveIntegerField()
    promised_errors = models.FloatField()
    evidence = models.FloatField()
    threshold = models.FloatField()
    raised_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        constraints: ClassVar = [
            # Also finds the alarms of a watch.
            models.UniqueConstraint(
                fields=["watch", "category", "side"], name="drift_alarm_unique"
            ),
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.category or self.watch}: {self.get_side_display()}"
