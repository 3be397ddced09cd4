"""That a refused sentence is to be drafted again."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from routing.ids import uuid7
from routing.models import OF_ERASED_ITEM, Erasable, Item, Stream, append_only


class RetryRequest(models.Model):
    """What a person asks of upstream for a refused sentence; at most one for each.

    It is answered by items whose `retry_of` is this one's; a further retry is asked of the newest.
    """

    class How(models.TextChoices):
        REWRITE = "rewrite", _("rewrite the prompt")
        WIDEN = "widen", _("widen the retrieval")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    # Also finds an item's request.
    item = models.OneToOneField(Item, models.PROTECT, related_name="retry_request")
    how = models.CharField(max_length=10, choices=How)
    note = models.TextField(blank=True, max_length=1000)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    requested_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["stream", "-id"]
        triggers: ClassVar = append_only(
            erasable=Erasable(emptied="""'{"note": ""}'""", once=OF_ERASED_ITEM)
        )

    def __str__(self) -> str:
        return f"{self.item}: {self.get_how_display()}"
