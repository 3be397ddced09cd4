"""How the evidence of a drift watch went, audit by audit, for pages to draw.

A watch keeps its last state only. Here its audits are played again in the order in which they
entered; a label that was overturned since counts as it stands now, so that the end may differ a
little from the watch's own.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import F, OuterRef, Q, Subquery

from calibration.core.drift import trace_evidence
from calibration.core.estimates import FloatArray
from calibration.models import AuditDraw, DriftWatch, GroundTruth
from calibration.monitoring import EVERYTHING, read_states
from calibration.watches import Stretch
from routing.models import Decision

MOST_AUDITS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Course:
    """Evidence after each of n audits: when they were settled, more and fewer errors, (n,) each."""

    at: tuple[datetime, ...]
    more: FloatArray
    fewer: FloatArray

    def thin(self, points: int) -> list[tuple[datetime, float, float]]:
        """At most about so many of the points; of what is skipped the strongest evidence stays."""
        size = len(self.at)
        step = max(1, -(-size // max(points, 1)))
        return [
            (
                self.at[min(start + step, size) - 1],
                float(self.more[start : start + step].max()),
                float(self.fewer[start : start + step].max()),
            )
            for start in range(0, size, step)
        ]


def read_course(*, watch: DriftWatch, stretch: Stretch) -> Course | None:
    """The course of the test of all categories together; None before its first audit. One query.

    A watch of more than 50,000 audits is played from its beginning so far only.
    """
    state = read_states(watch).get(EVERYTHING)
    if state is None:
        return None
    labels = GroundTruth.objects.usable().filter(
        stream_id=watch.stream_id, item=OuterRef("item"), decision=OuterRef("decision")
    )
    right = labels.annotate(right=Q(categories__contains=[F("decision__predicted")]))
    draws = (
        AuditDraw.objects.filter(
            stream_id=watch.stream_id,
            watched_at__gte=stretch.since,
            decision__policy__in=stretch.policy_ids,
            decision__queue=Decision.Queue.AUTO,
            item__model_version=stretch.model_version,
        )
        .annotate(
            settled_at=Subquery(labels.values("settled_at")),
            correct=Subquery(right.values("right")),
        )
        .filter(settled_at__isnull=False)
        .order_by("watched_at", "settled_at", "id")
        .values_list("settled_at", "correct", "decision__confidence")[:MOST_AUDITS]
    )
    rows = list(draws)
    if not rows:
        return None
    more, fewer = trace_evidence(
        correct=[float(row[1]) for row in rows],
        confidence=[row[2] for row in rows],
        largest_risk=state.largest_risk,
    )
    return Course(tuple(row[0] for row in rows), more, fewer)
