"""The audit sample: drawn by a keyed hash when an item is decided, judged blind later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from calibration.core.sampling import is_drawn
from calibration.models import AuditDraw
from routing.ids import uuid7
from routing.items import copy_rows
from routing.models import Category, Stream


@dataclass(frozen=True, slots=True)
class Draw:
    """A decision in the sample and the probability with which it came there."""

    item_id: UUID
    decision_id: UUID
    pi: float


def own_audit_rates(stream: Stream) -> dict[str, float]:
    """The audit rates of the stream's categories that have one of their own, by key."""
    rates = Category.objects.filter(stream=stream, audit_rate__isnull=False)
    return {key: rate for key, rate in rates.values_list("key", "audit_rate") if rate is not None}


def audit_rate(stream: Stream, category_rates: Mapping[str, float], predicted: str) -> float:
    """The category's own rate if it has one (`own_audit_rates`), else the stream's."""
    return category_rates.get(predicted, stream.audit_rate)


def hash_draws(*, stream_id: UUID, item_id: UUID, rate: float, purpose: str) -> bool:
    """Whether the item is in the sample: the same answer however often it is asked."""
    return is_drawn(
        secret=settings.AUDIT_SECRET,
        stream_id=str(stream_id),
        item_id=str(item_id),
        rate=rate,
        purpose=purpose,
    )


def record_draws(*, stream_id: UUID, draws: Sequence[Draw], drawn_at: datetime) -> None:
    """Store what was drawn, with one COPY."""
    if draws:
        copy_rows(
            AuditDraw._meta.db_table,
            ("id", "stream_id", "item_id", "decision_id", "pi", "drawn_at"),
            ((uuid7(), stream_id, d.item_id, d.decision_id, d.pi, drawn_at) for d in draws),
        )
