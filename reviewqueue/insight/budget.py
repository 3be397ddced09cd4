"""The error budget sheet of drafted sentences: what ships, how much of it is wrong, at what price.

Every figure is of one cohort's evidence, read once; cut-offs are priced on it one by one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db.models import Count, Exists, OuterRef, Q

from calibration.core.shipping import Shipped, count_needed
from calibration.labels import Cohort, find_cohort, labels_of, read_evidence
from calibration.shipping import MEASURED_DAYS, SHIPS, measure_false_confidence, price_cut_off
from reviewqueue.insight.charts import price_chart
from reviewqueue.insight.drawing import draw
from reviewqueue.insight.figures import BudgetFigures, PricedCutOff, Ships, Spent, Warned
from reviewqueue.insight.sheets import Made
from reviewqueue.models import Verdict
from reviewqueue.pace import Work, measure_label_work
from routing.core.grounding import SUPPORTED
from routing.models import Stream
from routing.policies import current_spec

HUNDREDTHS: Final = tuple(number / 100.0 for number in range(100))
# The rate of a handful of labels would name a cut-off by luck.
FEWEST_LABELS: Final = 20
CODES: Final = ("stale_source", "number_not_found")


def make_budget(stream: Stream, at: datetime) -> Made:
    """Measure what shipped in 90 days, price the refusal cut-offs and count what it took.

    Raises NoPolicyError where the stream has no published policy.
    """
    policy_id, spec = current_spec(stream.id)
    evidence = read_evidence(find_cohort(stream=stream, at=at, days=MEASURED_DAYS))
    cohort, budget = evidence.cohort, stream.error_budget
    found = measure_false_confidence(stream=stream, at=at, evidence=evidence)
    cut_off = spec.effective(SUPPORTED).flagged
    prices: list[PricedCutOff] = [
        {"cut_off": price.cut_off, "ships": _tell(price.shipped, budget)}
        for price in price_cut_off(
            stream=stream,
            at=at,
            cut_offs=sorted({*HUNDREDTHS, cut_off}),
            evidence=evidence,
        )
    ]
    work = measure_label_work(cohort)
    total = _tell(found.total, budget)
    figures: BudgetFigures = {
        "policy": str(policy_id),
        "version": spec.version,
        "model": cohort.model_version,
        "first": cohort.first_day.isoformat(),
        "last": cohort.last_day.isoformat(),
        "labels": len(evidence.labels),
        "items": evidence.frame.items,
        "open": found.open,
        "budget": budget,
        "cut_off": cut_off,
        "bands": {queue: _tell(each, budget) for queue, each in found.by_queue.items()},
        "total": total,
        "prices": prices,
        "kept_from": find_lowest(prices, budget, "high"),
        "met_from": find_lowest(prices, budget, "rate"),
        "spent": {"answers": _spend(work[False]), "adjudications": _spend(work[True])},
        "warned": count_warnings(cohort),
        "measured": {
            "labels": total["labels"],
            "error": total["rate"],
            "low": total["low"],
            "high": total["high"],
        },
    }
    return Made(
        dict(figures), draw({"price": price_chart(figures)}) if len(evidence.labels) else {}
    )


def find_lowest(prices: Sequence[PricedCutOff], budget: float | None, by: str) -> float | None:
    """The lowest cut-off from which `by`, the rate or its upper end, is within the budget.

    Only those with 20 labels or more count; None without a budget or such a cut-off.
    """
    if budget is None:
        return None
    for price in prices:
        value = price["ships"]["high" if by == "high" else "rate"]
        if price["ships"]["labels"] >= FEWEST_LABELS and value is not None and value <= budget:
            return price["cut_off"]
    return None


def count_warnings(cohort: Cohort) -> dict[str, Warned]:
    """Labels of what shipped, by `wrong` and `right`, and how many had each warning; one query.

    A sentence is off topic where an answer that stands says so.
    """
    off_topic = Verdict.objects.live().filter(item_id=OuterRef("item_id"), off_topic=True)
    warned = {code: Q(decision__reasons__contains=[{"code": code}]) for code in CODES}
    warned["off_topic"] = Q(is_off_topic=True)
    none = ~(warned["stale_source"] | warned["number_not_found"] | warned["off_topic"])
    right = Q(categories__contains=[SUPPORTED])
    sides = {"wrong": ~right, "right": right}
    counted = (
        labels_of(cohort)
        .filter(decision__queue__in=SHIPS)
        .annotate(is_off_topic=Exists(off_topic))
        .aggregate(
            **{
                f"{side}_{name}": Count("id", filter=chosen & condition)
                for side, chosen in sides.items()
                for name, condition in {"labels": Q(), **warned, "none": none}.items()
            }
        )
    )
    return {
        side: {
            "labels": counted[f"{side}_labels"],
            "stale_source": counted[f"{side}_stale_source"],
            "off_topic": counted[f"{side}_off_topic"],
            "number_not_found": counted[f"{side}_number_not_found"],
            "none": counted[f"{side}_none"],
        }
        for side in sides
    }


def _tell(shipped: Shipped, budget: float | None) -> Ships:
    return {
        "items": shipped.items,
        "completeness": shipped.completeness,
        "labels": shipped.n,
        "promised": shipped.promised,
        "rate": shipped.rate,
        "low": shipped.low,
        "high": shipped.high,
        "needed": None if budget is None else count_needed(shipped, budget),
    }


def _spend(work: Work) -> Spent:
    return {"verdicts": work.verdicts, "hours": work.hours, "untimed": work.untimed}
