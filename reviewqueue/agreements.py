"""How far the two people agree who judge an item apart, and people with what they are shown."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.settlements import DECIDING, FIRST_SEATS, first_answers
from routing.models import Category, Stream

if TYPE_CHECKING:
    from calibration.core.agreement import Agreement, Difference

DAYS: Final = 90
FEWEST: Final = 30
MOST: Final = 1_000
MOST_ANSWERS: Final = 20_000
DRAWS: Final = 200
SEED: Final = 0

Rating = tuple[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Agreement over `pairs` items that two people judged apart, in several measures.

    A rating is the whole answer: “ambiguous” between two categories is another than either. The
    measures are those of `calibration.core.agreement`, each with its 95% interval.
    """

    pairs: int
    raw: "Agreement"
    kappa: "Agreement"
    alpha: "Agreement"
    ac1: "Agreement"


def measure_agreement(*, stream: Stream, start: datetime, end: datetime) -> PairAgreement:
    """Agreement on what two people judged apart from `start` until before `end`.

    Only the newest 1,000 items are read. What either could not judge, what was taken back and
    known answers are left out.
    """
    return _measure(stream, _read_pairs(stream, start, end))


def _measure(stream: Stream, pairs: list[tuple[Rating, Rating]]) -> PairAgreement:
    # With it comes scipy, which a process does not need until somebody looks.
    from calibration.core.agreement import (  # noqa: PLC0415
        cohen_kappa,
        count_ratings,
        gwet_ac1,
        krippendorff_alpha,
        raw_agreement,
    )

    ratings = {rating for pair in pairs for rating in pair}
    number = {rating: place for place, rating in enumerate(ratings)}
    codes = np.array([[number[one] for one in pair] for pair in pairs], dtype=np.int64)
    codes = codes.reshape(len(pairs), 2)
    named = {key for rating in ratings if rating[0] == Verdict.Kind.CATEGORY for key in rating[1]}
    # AC1 asks how many answers there are to choose from, used or not.
    unused = Category.objects.filter(stream=stream, retired_at=None).exclude(key__in=named).count()
    size = max(1, len(ratings) + unused)
    counts = count_ratings(codes, categories=size)
    return PairAgreement(
        pairs=len(pairs),
        raw=raw_agreement(counts, seed=SEED, draws=DRAWS),
        kappa=cohen_kappa(codes, categories=size, seed=SEED, draws=DRAWS),
        alpha=krippendorff_alpha(counts, seed=SEED, draws=DRAWS),
        ac1=gwet_ac1(counts, seed=SEED, draws=DRAWS),
    )


def word_recent_agreement(*, stream: Stream, at: datetime) -> str:
    """The agreement of the last 90 days in a sentence or two; that there is not enough of it."""
    pairs = _read_pairs(stream, at - timedelta(days=DAYS), at)
    if len(pairs) < FEWEST:
        words = ngettext(
            "Not enough yet: %(n)s item was judged by two people in the last %(days)s days, "
            "%(fewest)s are needed.",
            "Not enough yet: %(n)s items were judged by two people in the last %(days)s days, "
            "%(fewest)s are needed.",
            len(pairs),
        )
        return words % {"n": len(pairs), "days": DAYS, "fewest": FEWEST}
    found = _measure(stream, pairs)
    facts = {
        "share": _percent(found.raw.value),
        "n": f"{found.pairs:,}",
        "low": _percent(found.raw.low),
        "high": _percent(found.raw.high),
    }
    same = _("Two people gave the same answer to %(share)s of %(n)s items (%(low)s to %(high)s).")
    said = same % facts
    measures = ((_("kappa"), found.kappa), (_("alpha"), found.alpha), (_("AC1"), found.ac1))
    beyond = [_word_measure(name, each) for name, each in measures if each.value is not None]
    if not beyond:
        return said + " " + _("All answers were the same, so chance alone would agree as often.")
    return said + " " + _("Beyond chance: %(measures)s.") % {"measures": ", ".join(beyond)}


def _word_measure(name: str, measure: "Agreement") -> str:
    if measure.low is None or measure.high is None:
        return f"{name} {measure.value:.2f}"
    facts = {"name": name, "value": f"{measure.value:.2f}"}
    facts |= {"low": f"{measure.low:.2f}", "high": f"{measure.high:.2f}"}
    return _("%(name)s %(value)s (%(low)s to %(high)s)") % facts


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.0f}%"


@dataclass(frozen=True, slots=True)
class Sightings:
    """How often people gave the machine's answer, by whether they could see it.

    `kept_blind` of `blind` answers and `kept_shown` of `shown` are the machine's own; `bias` is how
    much more often it was overturned by those who could not see it, with its 95% interval.
    """

    kept_blind: int
    blind: int
    kept_shown: int
    shown: int
    bias: "Difference"


def measure_sightings(*, stream: Stream, start: datetime, end: datetime) -> Sightings:
    """Answers on held items from `start` until before `end`, of the newest 20,000 of all queues.

    Chance decides which held items are judged blind, so the two groups are alike; other queues are
    blind throughout or never. Known answers and what nobody could judge are left out.
    """
    # With it comes scipy, which a process does not need until somebody looks.
    from calibration.core.agreement import automation_bias  # noqa: PLC0415

    given = Verdict.objects.filter(stream=stream, answered_at__gte=start, answered_at__lt=end)
    counted = (
        Verdict.objects.live()
        .first_hand()
        .filter(
            id__in=given.order_by("-answered_at").values("id")[:MOST_ANSWERS],
            task__queue=ReviewTask.Queue.HOLD,
            task__known__isnull=True,
        )
        .exclude(kind=Verdict.Kind.CANNOT_JUDGE)
        .order_by()
        .aggregate(
            all_blind=Count("id", filter=Q(blind=True)),
            kept_blind=Count("id", filter=Q(blind=True, confirms=True)),
            all_shown=Count("id", filter=Q(blind=False)),
            kept_shown=Count("id", filter=Q(blind=False, confirms=True)),
        )
    )
    blind, shown = counted["all_blind"], counted["all_shown"]
    kept_blind, kept_shown = counted["kept_blind"], counted["kept_shown"]
    bias = automation_bias(
        overturned_blind=blind - kept_blind,
        blind=blind,
        overturned_shown=shown - kept_shown,
        shown=shown,
    )
    return Sightings(kept_blind, blind, kept_shown, shown, bias)


def count_agreement_by_person(
    *, stream: Stream, start: datetime, end: datetime
) -> dict[int, tuple[int, int]]:
    """By user id on how many items they gave the other's answer, and how many both judged.

    The items are those of `measure_agreement`.
    """
    counted: dict[int, tuple[int, int]] = {}
    for (one, first), (other, second) in _read_answers(stream, start, end):
        for person in (one, other):
            agreed, pairs = counted.get(person, (0, 0))
            counted[person] = agreed + (first == second), pairs + 1
    return counted


def _read_pairs(stream: Stream, start: datetime, end: datetime) -> list[tuple[Rating, Rating]]:
    return [(one[1], other[1]) for one, other in _read_answers(stream, start, end)]


def _read_answers(
    stream: Stream, start: datetime, end: datetime
) -> list[tuple[tuple[int, Rating], tuple[int, Rating]]]:
    """The two answers of each item with who gave them, in two queries; seat 2 says when."""
    items = list(
        ReviewTask.objects.filter(
            stream=stream,
            seat=FIRST_SEATS[1],
            state=ReviewTask.State.ANSWERED,
            known__isnull=True,
            closed_at__gte=start,
            closed_at__lt=end,
        )
        .exclude(queue__in=DECIDING)
        .order_by("-closed_at")
        .values_list("item_id", flat=True)[:MOST]
    )
    rows = (
        first_answers(items)
        .exclude(kind=Verdict.Kind.CANNOT_JUDGE)
        .order_by("item_id", "task__seat")
        .values_list("item_id", "reviewer_id", "kind", "categories")
    )
    said: dict[object, list[tuple[int, Rating]]] = {}
    for item_id, reviewer, kind, categories in rows:
        said.setdefault(item_id, []).append((reviewer, (kind, frozenset(categories))))
    return [(found[0], found[1]) for found in said.values() if len(found) == len(FIRST_SEATS)]
