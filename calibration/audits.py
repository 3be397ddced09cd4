"""What the keyed hash draws: the audit sample, judged blind later, and what two people judge."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.conf import settings

from calibration.core.sampling import is_drawn
from calibration.models import AuditDraw
from routing.ids import uuid7
from routing.models import Stream
from routing.rows import fetch_rows
from routing.tables import Row, Table

DRAWS: Final = Table(AuditDraw, "id", "stream_id", "item_id", "decision_id", "pi", "drawn_at")


class Draw(NamedTuple):
    """A decision in the sample and the probability with which it came there."""

    item_id: UUID
    decision_id: UUID
    pi: float


@dataclass(frozen=True, slots=True)
class Rates:
    """A stream's rates, by the category that is predicted: its own where it has one."""

    stream: Stream
    own_audit: Mapping[str, float]
    own_double: Mapping[str, float]

    def audit(self, predicted: str) -> float:
        """The share of decisions without a seat that is drawn for the audit."""
        return self.own_audit.get(predicted, self.stream.audit_rate)

    def double(self, predicted: str) -> float:
        """The share of what is judged singly that two people judge."""
        return self.own_double.get(predicted, self.stream.double_rate)


# One value, so that other statements can ask for it by the way; null where no category has its own.
READ_RATES: Final = """
    SELECT jsonb_agg(jsonb_build_array(key, audit_rate, double_rate)) FROM routing_category
    WHERE stream_id = %(stream)s AND (audit_rate IS NOT NULL OR double_rate IS NOT NULL)
"""


def read_rates(stream: Stream) -> Rates:
    """The rates of a stream and of its categories, in one query."""
    [(own,)] = fetch_rows(READ_RATES, {"stream": stream.id})
    return make_rates(stream, own)


def make_rates(stream: Stream, own: str | None) -> Rates:
    """The rates of a stream whose categories have these `own`, the JSON of READ_RATES."""
    found = json.loads(own or "[]")
    return Rates(
        stream,
        {key: float(rate) for key, rate, _double in found if rate is not None},
        {key: float(rate) for key, _audit, rate in found if rate is not None},
    )


def is_judged_twice(*, rates: Rates, item_id: UUID, predicted: str) -> bool:
    """Whether two people judge the item apart: the same answer however often it is asked."""
    rate = rates.double(predicted)
    return bool(rate) and hash_draws(
        stream_id=rates.stream.id, item_id=item_id, rate=rate, purpose="double"
    )


def hash_draws(*, stream_id: UUID, item_id: UUID, rate: float, purpose: str) -> bool:
    """Whether the item is in the sample: the same answer however often it is asked."""
    return is_drawn(
        secret=settings.AUDIT_SECRET,
        stream_id=str(stream_id),
        item_id=str(item_id),
        rate=rate,
        purpose=purpose,
    )


def draw_rows(
    *, stream_id: UUID, draws: Sequence[Draw], drawn_at: datetime
) -> tuple[Table, list[Row]]:
    """What was drawn, as it is stored."""
    return DRAWS, [
        (uuid7(), stream_id, draw.item_id, draw.decision_id, draw.pi, drawn_at) for draw in draws
    ]
