"""The false-confidence rate of a stream, and the price of moving its refusal cut-off."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from calibration.core.shipping import Price, Sentences, Shipped, measure_strata, price_cut_offs
from calibration.judgements import Maps
from calibration.labels import Cohort, Evidence, find_cohort, read_evidence
from calibration.proposals import maps_in_force
from routing.core.rules import apply_maps
from routing.models import Decision, Stream
from routing.policies import current_spec

MEASURED_DAYS: Final = 90
SHIPS: Final = (Decision.Queue.AUTO, Decision.Queue.FLAGGED)


@dataclass(frozen=True, slots=True)
class FalseConfidence:
    """What shipped in a window and how much of it was judged wrong: by queue, and in total.

    `budget` is the error rate that the stream is willing to ship, None where it has none; `open`
    the labels that are still to come.
    """

    cohort: Cohort
    by_queue: dict[str, Shipped]
    total: Shipped
    budget: float | None
    open: int

    @property
    def is_over_budget(self) -> bool | None:
        """Whether more than the budget is wrong, as far as is known; None where that is unknown."""
        if self.budget is None or self.total.rate is None:
            return None
        return self.total.rate > self.budget


def measure_false_confidence(
    *, stream: Stream, at: datetime, days: int = MEASURED_DAYS, evidence: Evidence | None = None
) -> FalseConfidence:
    """The share of what shipped in the last `days` days that people judged wrong.

    By the queues that the sentences were in, with the confidence as the maps in force have it.
    `evidence` saves reading it again.

    Raises:
        NoPolicyError: the stream has no published policy.
    """
    evidence = evidence or read_evidence(find_cohort(stream=stream, at=at, days=days))
    sentences = _lay_out(stream, evidence)
    codes = {
        queue: [code for code, key in enumerate(evidence.strata) if key.rpartition(" ")[0] == queue]
        for queue in SHIPS
    }
    return FalseConfidence(
        cohort=evidence.cohort,
        by_queue={str(queue): measure_strata(sentences, own) for queue, own in codes.items()},
        total=measure_strata(sentences, [code for own in codes.values() for code in own]),
        budget=stream.error_budget,
        open=evidence.open.count,
    )


def price_cut_off(
    *,
    stream: Stream,
    at: datetime,
    cut_offs: Sequence[float],
    days: int = MEASURED_DAYS,
    evidence: Evidence | None = None,
) -> list[Price]:
    """What would have shipped, and how much of it wrong, had each of these been the least
    confidence that ships.

    What was refused is known from its audits, so that a lower cut-off can be priced too, with the
    wider interval that few labels give.

    Raises:
        NoPolicyError: the stream has no published policy.
    """
    evidence = evidence or read_evidence(find_cohort(stream=stream, at=at, days=days))
    return price_cut_offs(_lay_out(stream, evidence), cut_offs)


def _lay_out(stream: Stream, evidence: Evidence) -> Sentences:
    _policy_id, spec = current_spec(stream.id)
    maps: Maps = maps_in_force(spec, evidence.cohort.model_version)
    labels, frame, keys = evidence.labels, evidence.frame, evidence.categories
    return Sentences(
        confidence=apply_maps(maps, raw=labels.raw, predicted=labels.category, categories=keys),
        correct=labels.correct,
        pi=labels.pi,
        stratum=labels.stratum,
        frame_confidence=apply_maps(maps, raw=frame.raw, predicted=frame.category, categories=keys),
        count=frame.count,
        frame_stratum=frame.stratum,
    )
