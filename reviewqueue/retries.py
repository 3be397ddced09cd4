"""Retries: asking upstream to draft a refused sentence again, and the chain that it makes."""

from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from reviewqueue.retry_models import RetryRequest
from routing.announcements import announce_all
from routing.events import record_event
from routing.models import Announcement, Decision, Item

if TYPE_CHECKING:
    from django.contrib.auth.models import User

How = RetryRequest.How

LONGEST_CHAIN: Final = 100
# Both ways from one item; a chain cannot close, since an item names one that was there before it.
_CHAIN: Final = """
    WITH RECURSIVE earlier AS (
        SELECT item.id, item.retry_of_id, 0 AS place FROM routing_item AS item WHERE id = %(item)s
        UNION ALL
        SELECT item.id, item.retry_of_id, earlier.place - 1
        FROM earlier JOIN routing_item AS item ON item.id = earlier.retry_of_id
        WHERE earlier.place > -%(most)s
    ), later AS (
        SELECT %(item)s::uuid AS id, 0 AS place
        UNION ALL
        SELECT item.id, later.place + 1
        FROM later JOIN routing_item AS item ON item.retry_of_id = later.id
        WHERE later.place < %(most)s
    )
    SELECT item.id, item.stream_id, item.external_id, item.received_at, item.state,
        item.retry_of_id, chain.place
    FROM (SELECT id, place FROM earlier UNION SELECT id, place FROM later) AS chain
    JOIN routing_item AS item ON item.id = chain.id
    ORDER BY chain.place, item.id LIMIT %(most)s
"""


class RetryError(ValueError):
    """A retry that cannot be asked for; `field` is the place in the form."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@transaction.atomic
def request_retry(
    *, item_id: UUID, person: "User | None", how: str, note: str = ""
) -> RetryRequest:
    """Ask upstream to draft a refused sentence again: with another prompt, or a wider retrieval.

    Upstream is told in the transaction of the request, of the note only that there is one: its
    words are told by `GET …/items/{external_id}`. Asked again, it is the request that there is.

    Raises:
        RetryError: the item is no refused sentence or was erased, or `how` is no way to go about
            it.
    """
    if how not in How.values:
        raise RetryError(_("Choose between another prompt and a wider retrieval."), field="how")
    note = note.strip()
    longest = RetryRequest._meta.get_field("note").max_length or 0
    if len(note) > longest or "\0" in note:
        text = _("Shorten the note to %(count)d characters.") % {"count": longest}
        raise RetryError(text, field="note")
    # Locked, so that of two who ask at once the second finds the request of the first.
    item = Item.objects.select_for_update(no_key=True, of=("self",)).select_related("stream")
    found = item.defer("payload", "blocks").get(id=item_id)
    known = RetryRequest.objects.filter(item=found).first()
    if known is not None:
        return known
    if found.erased_at is not None:
        raise RetryError(_("What this sentence was is erased; post it anew upstream."))
    decision = Decision.objects.filter(item=found).order_by("-id").first()
    if not found.stream.is_grounded or decision is None or decision.action != "refuse":
        raise RetryError(_("Only a refused sentence is drafted again; this one was not refused."))
    request = RetryRequest.objects.create(
        stream_id=found.stream_id,
        item=found,
        how=how,
        note=note,
        requested_by=person,
        requested_at=timezone.now(),
    )
    _announce(request, decision)
    record_event(
        stream_id=found.stream_id,
        kind="retry.requested",
        subject_id=found.id,
        actor_id=None if person is None else person.pk,
        happened_at=request.requested_at,
        request=str(request.id),
        how=str(request.how),
    )
    return request


def _announce(request: RetryRequest, decision: Decision) -> None:
    item = request.item
    data = {
        "stream": item.stream.key,
        "retry": {
            "id": str(request.id),
            "how": str(request.how),
            "has_note": bool(request.note),
            "requested_at": request.requested_at.isoformat(),
        },
        "decision": {
            "id": str(decision.id),
            "queue": decision.queue,
            "action": decision.action,
            "confidence": decision.confidence,
        },
        "draft": item.draft,
        "position": item.position,
    }
    announce_all(
        [
            Announcement(
                stream_id=request.stream_id,
                item_id=request.item_id,
                kind=Announcement.Kind.RETRY_REQUESTED,
                subject_id=request.id,
                due_at=request.requested_at,
                data=data,
            )
        ]
    )


def read_chain(item: Item) -> list[Item]:
    """The sentence with those that it was drafted in the place of, and those drafted in its own.

    Oldest first, in one statement, without payloads; one item alone where nothing was retried.
    """
    if item.evidence is None:
        return [item]
    return list(Item.objects.raw(_CHAIN, {"item": item.id, "most": LONGEST_CHAIN}))
