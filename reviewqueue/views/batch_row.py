"""A row of the flagged batch by itself: the review screen with every answer, then the table again.

The row stays under the table's lease, and what was chosen for the others is kept.
"""

from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from reviewqueue.batch_claims import held_batch
from reviewqueue.htmx import PersonRequest, go_to, signed_in
from reviewqueue.models import ReviewTask
from reviewqueue.views.batch import lost_table
from reviewqueue.views.batch_form import read_table
from reviewqueue.views.in_hand import show, workable_stream
from reviewqueue.views.kept_table import keep_table
from reviewqueue.views.passed_on import with_passed_on
from reviewqueue.views.screens import show_task

FLAGGED = ReviewTask.Queue.FLAGGED


@require_POST
@signed_in
def open_row(request: PersonRequest, stream_key: str, task_id: UUID) -> HttpResponse:
    """Keep the table as it was posted and go to one of its rows."""
    stream = workable_stream(request.user, stream_key, FLAGGED)
    entry = read_table(request.POST)
    rows = held_batch(request.user, stream).filter(lease_token=entry.lease_token)
    held = set(rows.values_list("id", flat=True))
    if task_id not in held:
        return lost_table(request, stream, entry)
    keep_table(request, stream, entry, rows=held & entry.rows.keys())
    return go_to(request, reverse("batch-row", args=[stream.key, task_id]))


@require_GET
@signed_in
def row(request: PersonRequest, stream_key: str, task_id: UUID) -> HttpResponse:
    """The row on the review screen; the table where it is not in hand any more."""
    stream = workable_stream(request.user, stream_key, FLAGGED)
    held = held_batch(request.user, stream).filter(id=task_id)
    task = held.select_related("item", "decision", "stream").first()
    if task is None:
        return go_to(request, reverse("batch", args=[stream.key]))
    return show(request, with_passed_on(request, show_task(user=request.user, task=task)))
