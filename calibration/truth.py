"""Ground truth: labels that people settled, each with its inclusion probability."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from calibration.models import GroundTruth


def settle_truth(
    *,
    stream_id: UUID,
    item_id: UUID,
    decision_id: UUID,
    kind: str,
    categories: Sequence[str],
    pi: float | None,
    blind: bool,
    source: str,
    verdict_id: UUID | None = None,
    settled_at: datetime | None = None,
) -> GroundTruth:
    """Make this the item's label; an earlier one is kept and marked superseded."""
    settled_at = settled_at or timezone.now()
    withdraw_truth(stream_id=stream_id, item_id=item_id, at=settled_at)
    return GroundTruth.objects.create(
        stream_id=stream_id,
        item_id=item_id,
        decision_id=decision_id,
        kind=kind,
        categories=list(categories),
        pi=pi,
        blind=blind,
        source=source,
        verdict_id=verdict_id,
        settled_at=settled_at,
    )


def settle_truths(truths: Sequence[GroundTruth]) -> None:
    """Make each of these its item's label, all of one stream, in two statements.

    As `settle_truth` does: earlier labels are kept and marked superseded.
    """
    if not truths:
        return
    withdraw_truths(
        stream_id=truths[0].stream_id,
        item_ids=[truth.item_id for truth in truths],
        at=truths[0].settled_at,
    )
    GroundTruth.objects.bulk_create(truths)


def withdraw_truths(*, stream_id: UUID, item_ids: Sequence[UUID], at: datetime) -> int:
    """The items have no label any more; returns how many had one."""
    current = GroundTruth.objects.current().filter(stream_id=stream_id, item_id__in=item_ids)
    return current.update(superseded_at=at)


def withdraw_truth(*, stream_id: UUID, item_id: UUID, at: datetime | None = None) -> bool:
    """The item has no label any more; whether it had one."""
    return bool(withdraw_truths(stream_id=stream_id, item_ids=[item_id], at=at or timezone.now()))
