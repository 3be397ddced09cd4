"""Review tasks and verdicts, to be read; a lease can be taken back."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy, ngettext

from reviewqueue.claims import release_task
from reviewqueue.models import ReviewTask, Verdict
from routing.admin.filters import StreamFilter
from routing.admin.readonly import ReadOnly
from routing.blinds import answers_hidden
from routing.events import record_event
from routing.lookups import there_is


class OfItem(ReadOnly):
    """Rows of an item, with the way to its page."""

    readonly_fields = ("item_page",)

    @admin.display(description=gettext_lazy("item's page"))
    def item_page(self, row: ReviewTask | Verdict) -> SafeString:
        address = reverse("item", args=[row.stream.key, row.item_id])
        return format_html('<a href="{}">{}</a>', address, row.item.external_id)


@admin.register(ReviewTask)
class ReviewTaskAdmin(OfItem):
    list_display = (
        "item",
        "stream",
        "queue",
        "state",
        "holder",
        "lease_expires_at",
        "due_at",
        "blind",
        "priority",
    )
    list_filter = (StreamFilter, "queue", "state", "blind", "due_at")
    search_exact = "item__external_id"
    search_help_text = gettext_lazy("The item's whole external id")
    actions = ("release",)
    # A decision is named by its queue.
    exclude = ("lease_token", "decision")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReviewTask]:
        found: QuerySet[ReviewTask] = super().get_queryset(request)
        return found.select_related("item", "stream", "holder")

    def has_release_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("reviewqueue.change_reviewtask")

    @admin.action(
        permissions=["release"],
        description=gettext_lazy("Give tasks back to the queue"),
    )
    def release(self, request: HttpRequest, queryset: QuerySet[ReviewTask]) -> None:
        """Open what somebody holds; an answer under the old lease is then refused."""
        held = queryset.filter(state=ReviewTask.State.CLAIMED)
        released = sum(self._release(request, task) for task in held)
        text = ngettext(
            "%(count)d task is open again.", "%(count)d tasks are open again.", released
        )
        messages.success(request, text % {"count": released})

    @transaction.atomic
    def _release(self, request: HttpRequest, task: ReviewTask) -> bool:
        holder, token = task.holder, task.lease_token
        if holder is None or token is None:
            return False
        if not release_task(task_id=task.id, user=holder, lease_token=token):
            return False
        record_event(
            stream_id=task.stream_id,
            kind="task.released",
            subject_id=task.id,
            actor_id=request.user.pk,
            held_by=holder.pk,
        )
        return True


@admin.register(Verdict)
class VerdictAdmin(OfItem):
    list_display = (
        "item",
        "stream",
        "reviewer",
        "kind",
        "answer",
        "confirms",
        "blind",
        "answered_at",
        "superseded",
    )
    list_filter = (StreamFilter, "kind", "confirms", "blind", "answered_at")
    search_exact = "item__external_id"
    search_help_text = gettext_lazy("The item's whole external id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Verdict]:
        """Without what others said of items that are still to be judged by a further person.

        Whoever reads here may work the stream's queues too, and must not know the first answer.
        Of what is judged blind one's own is left out too: it tells whether the machine agrees.
        """
        found: QuerySet[Verdict] = super().get_queryset(request)
        to_come = ReviewTask.objects.unanswered().filter(
            stream_id=OuterRef("stream_id"), item_id=OuterRef("item_id")
        )
        known = found.filter(Q(reviewer=request.user.pk) | ~Q(there_is(to_come)))
        return known.filter(~answers_hidden("item_id")).select_related(
            "item", "stream", "reviewer", "task__item", "supersedes__item", "superseded_by"
        )

    @admin.display(description=gettext_lazy("answer"))
    def answer(self, verdict: Verdict) -> str:
        return ", ".join(verdict.categories) or verdict.proposed_name or "–"

    @admin.display(description=gettext_lazy("superseded"), boolean=True)
    def superseded(self, verdict: Any) -> bool:
        return hasattr(verdict, "superseded_by")
