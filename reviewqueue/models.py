"""People and the outside: memberships, API keys, review tasks, verdicts."""

from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from reviewqueue import (  # whose tables are of this app too
    insight_models,  # noqa: F401
    retry_models,  # noqa: F401
    webhook_models,  # noqa: F401
)
from routing.ids import uuid7
from routing.models import (
    OF_ERASED_ITEM,
    Decision,
    Erasable,
    Item,
    RemoteModel,
    Stream,
    append_only,
    kept,
    never_truncated,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Membership(models.Model):
    """What one person may do on one stream."""

    class Role(models.TextChoices):
        REVIEWER = "reviewer", _("reviewer")
        ADJUDICATOR = "adjudicator", _("adjudicator")
        EXPERT = "expert", _("expert")
        ANALYST = "analyst", _("analyst")
        STREAM_ADMIN = "stream_admin", _("stream admin")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role)

    class Meta:
        ordering: ClassVar = ["stream", "user", "role"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "user", "role"], name="membership_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()} of {self.stream}"


class ApiKey(models.Model):
    """A bearer key of an upstream system: only its prefix and SHA-256 are kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    streams = models.ManyToManyField(Stream, related_name="api_keys")
    requests_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_("A batch is one request. Empty: as for every key; 0: no limit."),
    )
    item_max_bytes = models.PositiveIntegerField(
        _("bytes of an item"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Empty: as much as for every key; it is never more than that."),
    )
    batch_max_items = models.PositiveIntegerField(
        _("items of a batch"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Empty: as many as for every key; it is never more than that."),
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prefix"], name="api_key_prefix_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class KnownKind(models.TextChoices):
    """The kinds of answer that can be known beforehand."""

    CATEGORY = "category", _("category")
    NONE_FITS = "no_category_fits", _("no category fits")
    AMBIGUOUS = "ambiguous", _("ambiguous")


class ReviewTaskQuerySet(models.QuerySet["ReviewTask"]):
    def open(self) -> Self:
        return self.filter(state=ReviewTask.State.OPEN)

    def unanswered(self) -> Self:
        return self.filter(state__in=[ReviewTask.State.OPEN, ReviewTask.State.CLAIMED])

    def leased_to(self, user: "User") -> Self:
        """What the user holds under a lease that has not run out by the database's clock."""
        return self.filter(state=ReviewTask.State.CLAIMED, holder=user, lease_expires_at__gt=Now())

    def singly(self) -> Self:
        """Seats that are judged one by one: all but the rows of a flagged batch."""
        flagged = Q(queue=ReviewTask.Queue.FLAGGED)
        return self.filter(Q(pi__isnull=False) | ~flagged | Q(known__isnull=False))

    def in_batch(self) -> Self:
        """Rows of a flagged batch."""
        return self.filter(pi__isnull=True, queue=ReviewTask.Queue.FLAGGED, known__isnull=True)


class ReviewTask(models.Model):
    """One seat for one human judgement of one item.

    open -> claimed -> answered; a lease that runs out, a skip or a release leads back to open,
    an undo from answered to claimed. The state chart stands in docs/architecture.md.
    """

    class Queue(models.TextChoices):
        ESCALATED = "escalated", _("escalated")
        ADJUDICATION = "adjudication", _("adjudication")
        HOLD = "hold", _("hold")
        FLAGGED = "flagged", _("flagged")
        AUDIT = "audit", _("audit")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        CLAIMED = "claimed", _("claimed")
        ANSWERED = "answered", _("answered")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Without an index of its own: the first of the constraints begins with it.
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="tasks", db_index=False)
    item = models.ForeignKey(Item, models.PROTECT, related_name="tasks")
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="+")
    queue = models.CharField(max_length=12, choices=Queue)
    seat = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    blind = models.BooleanField(default=False)
    # Probability with which this seat came to be; NULL for one whose verdict is no sample. A
    # flagged seat without it is a row of the batch; all others are judged singly.
    pi = models.FloatField(null=True)
    # Set on a seat that was slipped in to measure its holder: its verdict settles nothing.
    known = models.ForeignKey(
        "KnownAnswer", models.PROTECT, null=True, editable=False, related_name="tasks"
    )
    priority = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField()
    opened_at = models.DateTimeField(default=timezone.now)
    holder = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="held_tasks"
    )
    claimed_at = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    objects = ReviewTaskQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "item", "seat"], name="task_seat_unique"),
            models.UniqueConstraint(
                fields=["stream", "item", "holder"],
                name="task_one_seat_per_person",
                condition=Q(holder__isnull=False),
            ),
            models.CheckConstraint(
                condition=Q(
                    state="claimed",
                    holder__isnull=False,
                    claimed_at__isnull=False,
                    lease_token__isnull=False,
                    lease_expires_at__isnull=False,
                )
                | Q(
                    state="answered",
                    holder__isnull=False,
                    lease_expires_at__isnull=True,
                    closed_at__isnull=False,
                )
                | Q(
                    state="open",
                    holder__isnull=True,
                    lease_token__isnull=True,
                    lease_expires_at__isnull=True,
                    closed_at__isnull=True,
                )
                | Q(state="cancelled", lease_expires_at__isnull=True, closed_at__isnull=False),
                name="task_state_complete",
            ),
            models.CheckConstraint(
                condition=Q(pi__isnull=True) | Q(pi__gt=0, pi__lte=1), name="task_pi_range"
            ),
        ]
        indexes: ClassVar = [
            # The next task of a queue: priority, then due time, then age.
            models.Index(
                F("stream"),
                F("queue"),
                F("priority").desc(),
                F("due_at"),
                F("id"),
                name="task_next",
                condition=Q(state="open") & (Q(pi__isnull=False) | ~Q(queue="flagged")),
            ),
            # The batch of flagged items: priority, then due time, then age.
            models.Index(
                F("stream"),
                F("priority").desc(),
                F("due_at"),
                F("id"),
                name="task_batch",
                condition=Q(state="open", queue="flagged", pi__isnull=True),
            ),
            # What two people judged lately, for their agreement.
            models.Index(
                fields=["stream", "-closed_at"],
                name="task_judged_twice",
                condition=Q(seat=2, state="answered"),
            ),
            # Leases that ran out.
            models.Index(
                fields=["lease_expires_at"], name="task_leases", condition=Q(state="claimed")
            ),
            # What a person holds now.
            models.Index(
                fields=["holder", "stream"], name="task_held", condition=Q(state="claimed")
            ),
        ]
        triggers: ClassVar = [never_truncated()]

    def __str__(self) -> str:
        return f"{self.item}: {self.get_queue_display()}"

    @property
    def in_batch(self) -> bool:
        """Whether it is a row of a flagged batch."""
        is_drawn = self.pi is not None or self.known_id is not None
        return self.queue == self.Queue.FLAGGED and not is_drawn

    @property
    def lease_left(self) -> int:
        """Whole seconds until the lease ends; 0 when it is over, or without one."""
        if self.lease_expires_at is None:
            return 0
        return max(0, int((self.lease_expires_at - timezone.now()).total_seconds()))


class RemoteAsk(models.Model):
    """A question to a remote model about an item that waits for the answer."""

    class State(models.TextChoices):
        DUE = "due", _("due")
        ANSWERED = "answered", _("answered")
        FAILED = "failed", _("failed")
        DROPPED = "dropped", _("dropped: a person was faster")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    item = models.ForeignKey(Item, models.PROTECT, related_name="+")
    decision = models.OneToOneField(Decision, models.PROTECT, related_name="+")
    model = models.ForeignKey(RemoteModel, models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.DUE)
    tries = models.PositiveSmallIntegerField(default=0)
    token = models.UUIDField(null=True)
    due_at = models.DateTimeField(default=timezone.now)
    error = models.CharField(max_length=300, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="due", closed_at__isnull=True)
                | (~Q(state="due") & Q(closed_at__isnull=False)),
                name="ask_closed_has_time",
            ),
        ]
        indexes: ClassVar = [
            # What a worker asks next.
            models.Index(fields=["due_at"], name="ask_due", condition=Q(state="due")),
        ]

    def __str__(self) -> str:
        return f"{self.model} on {self.item}"


class KnownAnswer(models.Model):
    """An item whose answer is known, to be slipped in among a reviewer's work."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="known_answers")
    item = models.OneToOneField(Item, models.PROTECT, related_name="known_answer")
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=KnownKind)
    categories = ArrayField(models.CharField(max_length=100), default=list)
    reason = models.TextField(
        blank=True, max_length=1000, help_text=_("Why this is the answer; shown to nobody else.")
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind="category", categories__len=1)
                | Q(kind="ambiguous", categories__len__gte=2)
                | Q(kind="no_category_fits", categories__len=0),
                name="known_categories_match_kind",
            ),
        ]
        indexes: ClassVar = [
            # What may be slipped in.
            models.Index(
                fields=["stream", "id"], name="known_live", condition=Q(retired_at__isnull=True)
            ),
        ]
        triggers: ClassVar = kept(
            "stream_id", "item_id", "decision_id", "kind", "categories", "created_at"
        )

    def __str__(self) -> str:
        return f"{self.item}: {', '.join(self.categories) or self.get_kind_display()}"


class TaskSkip(models.Model):
    """That a person passed a task on; it is not offered to the same person again for a while."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    task = models.ForeignKey(ReviewTask, models.CASCADE, related_name="skips")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    skipped_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["task", "user"], name="skip_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.user} skipped {self.task}"


class VerdictQuerySet(models.QuerySet["Verdict"]):
    def live(self) -> Self:
        """Verdicts that nothing supersedes and that are no withdrawals.

        Not by `superseded_by__isnull`: of an outer join the planner expects that hardly a row is
        left, and then reads and sorts all that somebody ever judged to show their last five.
        """
        later = Verdict.objects.filter(supersedes=OuterRef("pk"))
        return self.filter(~Exists(later)).exclude(kind=Verdict.Kind.WITHDRAWN)

    def overturns(self) -> Self:
        """Verdicts that another answer stood before, in whose place they came."""
        return self.filter(supersedes__isnull=False).exclude(
            supersedes__kind=Verdict.Kind.WITHDRAWN
        )

    def first_hand(self) -> Self:
        """All but overturns: a seat's first answer, or the next one after a withdrawal."""
        return self.filter(Q(supersedes__isnull=True) | Q(supersedes__kind=Verdict.Kind.WITHDRAWN))

    def told(self) -> Self:
        """Verdicts that upstream may know: published, and nothing that is supersedes them."""
        told = self.exclude(kind=Verdict.Kind.WITHDRAWN).filter(published_at__lte=Now())
        return told.exclude(superseded_by__published_at__lte=Now())


class Verdict(models.Model):
    """The human's answer to a task. Append-only: undo and overturn are new rows.

    Of an erased item the words are emptied; what the answer is stays.
    """

    class Kind(models.TextChoices):
        CATEGORY = "category", _("category")
        NONE_FITS = "no_category_fits", _("no category fits")
        AMBIGUOUS = "ambiguous", _("ambiguous")
        CANNOT_JUDGE = "cannot_judge", _("cannot judge")
        WITHDRAWN = "withdrawn", _("withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Stream, item and reviewer without indexes of their own: those below begin with them.
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", db_index=False)
    item = models.ForeignKey(Item, models.PROTECT, related_name="verdicts", db_index=False)
    task = models.ForeignKey(ReviewTask, models.PROTECT, related_name="verdicts")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="verdicts", db_index=False
    )
    kind = models.CharField(max_length=20, choices=Kind)
    categories = ArrayField(models.CharField(max_length=100), default=list)
    proposed_name = models.CharField(max_length=120, blank=True)
    comment = models.TextField(blank=True, max_length=4000)
    # Of a drafted sentence: the id of the block that supports it, whether what was retrieved is
    # about something else, and of each claim that was posted whether it is supported.
    block = models.CharField(max_length=200, blank=True, default="", db_default="")
    off_topic = models.BooleanField(default=False, db_default=False)
    claims = ArrayField(models.BooleanField(), null=True)
    blind = models.BooleanField()
    # Whether the answer is the machine's own, for agreement and pace without a join.
    confirms = models.BooleanField()
    # The table this row was closed with, if it was closed in bulk.
    batch = models.UUIDField(null=True)
    supersedes = models.OneToOneField(
        "self", models.PROTECT, null=True, related_name="superseded_by"
    )
    opened_at = models.DateTimeField()
    active_ms = models.PositiveIntegerField()
    answered_at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField()

    objects = VerdictQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        constraints: ClassVar = [
            # With the one-to-one of `supersedes` a task's verdicts form one chain, so that
            # never more than one of them is live.
            models.UniqueConstraint(
                fields=["task"],
                name="verdict_first_unique",
                condition=Q(supersedes__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(kind="category", categories__len=1)
                | Q(kind="ambiguous", categories__len__gte=2)
                | Q(kind="withdrawn", categories__len=0, supersedes__isnull=False)
                | Q(kind__in=["no_category_fits", "cannot_judge"], categories__len=0),
                name="verdict_categories_match_kind",
            ),
            models.CheckConstraint(
                condition=Q(opened_at__lte=F("answered_at")), name="verdict_times_in_order"
            ),
        ]
        indexes: ClassVar = [
            # A reviewer's own last verdicts and today's count.
            models.Index(fields=["reviewer", "-answered_at"], name="verdict_of_reviewer"),
            # A stream's work by day, from the index alone.
            models.Index(
                fields=["stream", "answered_at"],
                name="verdict_of_stream",
                include=["kind", "batch", "active_ms"],
            ),
            # An item's verdicts, for the API's answer.
            models.Index(fields=["item", "-id"], name="verdict_of_item"),
        ]
        triggers: ClassVar = append_only(
            erasable=Erasable(
                emptied="""'{"comment": "", "proposed_name": ""}'""", once=OF_ERASED_ITEM
            )
        )

    def __str__(self) -> str:
        return f"{self.item}: {', '.join(self.categories) or self.get_kind_display()}"

    @property
    def undo_left(self) -> int:
        """Seconds in which it can still be undone; 0 when that is over."""
        return max(0, round((self.published_at - timezone.now()).total_seconds()))
