"""The evidence of a cohort: every item of one model version decided in a window, labelled or not.

A cohort is whole days of the stream's time zone, so that its labels and its frame counts speak
of the same items. Everything is read by a few queries into arrays, whatever the number of
categories and bands.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from django.db import connection
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet, Value

from calibration.audits import hash_draws
from calibration.core.estimates import FloatArray
from calibration.models import AuditDraw, GroundTruth
from routing.items import WAITING_ACTIONS
from routing.models import Decision, Stream

CodeArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
TailArray = npt.NDArray[np.uint64]

CHUNK: Final = 20_000
TAIL: Final = (1 << 62) - 1  # the random end of a uuid7
LABEL: Final = np.dtype(
    [
        ("tail", np.uint64),
        ("raw", np.float64),
        ("category", np.int32),
        ("stratum", np.int32),
        ("correct", np.bool_),
        ("pi", np.float64),
        ("free", np.bool_),
    ]
)
# Reasons of rules that hold an item whatever the cut-off.
BOUND: Final = (
    '$[*] ? (@.code != "confidence" && @.code != "uncalibrated" && @.code != "capacity" '
    '&& !(@.code starts with "fallback_"))'
)
# Counts that are not folded in yet are read beside those that are, in one snapshot.
FRAME: Final = """
    SELECT {columns} FROM (
        SELECT day, model_version, category, bin, queue, pi, count, raw_sum
        FROM calibration_framecount
        WHERE stream_id = %(stream)s AND day BETWEEN %(first)s AND %(last)s
        UNION ALL
        SELECT day, model_version, category, bin, queue, pi, count, raw_sum
        FROM calibration_framedelta
        WHERE stream_id = %(stream)s AND day BETWEEN %(first)s AND %(last)s
    ) AS noted
"""
NEWEST_VERSION: Final = (
    FRAME.format(columns="model_version")
    + "GROUP BY day, model_version ORDER BY day DESC, sum(count) DESC, model_version DESC LIMIT 1"
)
ROUTED: Final = (
    FRAME.format(columns="category, queue, pi, sum(count), sum(raw_sum)")
    + "WHERE model_version = %(version)s GROUP BY category, queue, pi, bin "
    "ORDER BY category, queue, pi, bin"
)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Items of `model_version` decided from `start` (inclusive) to `end` (exclusive)."""

    stream: Stream
    model_version: str
    first_day: date
    last_day: date
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of the cohort, (n,) each: codes index the evidence's categories and strata.

    `tail` is the random end of the item's id: the same in every run, so it splits the labels.
    `free` tells that confidence alone decided the queue: no gate, no rule, no watch level.
    """

    tail: TailArray
    raw: FloatArray
    category: CodeArray
    stratum: CodeArray
    correct: FloatArray
    pi: FloatArray
    free: BoolArray

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def weights(self) -> FloatArray:
        """(n,) inclusion weights 1/pi."""
        return np.asarray(1.0 / self.pi, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class FrameRows:
    """Everything routed, rolled up, (m,) each: mean raw confidence and items per row."""

    raw: FloatArray
    count: FloatArray
    category: CodeArray
    stratum: CodeArray

    @property
    def items(self) -> int:
        """How many items were routed."""
        return int(self.count.sum())


@dataclass(frozen=True, slots=True)
class OpenLabels:
    """Labels that the sampling design will give but nobody has given yet, and their weight."""

    count: int
    weight: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a cohort. A stratum is a queue at one inclusion probability.

    `stratum_pi` (strata,) is that probability of each.
    """

    cohort: Cohort
    categories: tuple[str, ...]
    strata: tuple[str, ...]
    labels: Labels
    frame: FrameRows
    open: OpenLabels

    @property
    def stratum_pi(self) -> FloatArray:
        return np.array([float(key.rpartition(" ")[2]) for key in self.strata], dtype=np.float64)


class _Codes:
    """Numbers keys in the order in which they turn up."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, key: str) -> int:
        return self.numbers.setdefault(key, len(self.numbers))

    def keys(self) -> tuple[str, ...]:
        return tuple(self.numbers)


def find_cohort(*, stream: Stream, at: datetime, days: int) -> Cohort:
    """The last `days` days, that of `at` included, of the model version that is current then.

    Current is the version of most items on the newest day on which anything was routed.
    """
    if days < 1:
        raise ValueError(f"days is {days}; give 1 or more")
    zone = ZoneInfo(stream.time_zone)
    last = at.astimezone(zone).date()
    first = last - timedelta(days=days - 1)
    with connection.cursor() as cursor:
        cursor.execute(NEWEST_VERSION, {"stream": stream.id, "first": first, "last": last})
        newest = cursor.fetchone()
    return Cohort(
        stream=stream,
        model_version="" if newest is None else newest[0],
        first_day=first,
        last_day=last,
        start=datetime.combine(first, time.min, zone),
        end=datetime.combine(last + timedelta(days=1), time.min, zone),
    )


def read_evidence(cohort: Cohort) -> Evidence:
    """Labels, frame counts and what is still open, in a constant number of queries.

    The labels come first, so that the frame, read later, holds the items of all of them.
    """
    categories, strata = _Codes(), _Codes()
    labels = _read_labels(cohort, categories, strata)
    frame = _read_frame(cohort, categories, strata)
    return Evidence(
        cohort=cohort,
        categories=categories.keys(),
        strata=strata.keys(),
        labels=labels,
        frame=frame,
        open=_count_open(cohort),
    )


def decisions_of(cohort: Cohort) -> QuerySet[Decision]:
    """The cohort's decisions."""
    return Decision.objects.filter(
        stream_id=cohort.stream.id,
        decided_at__gte=cohort.start,
        decided_at__lt=cohort.end,
        item__model_version=cohort.model_version,
    )


def name_stratum(queue: str, pi: float) -> str:
    """The key of a stratum: a queue at one inclusion probability."""
    return f"{queue} {pi!r}"


def count_labels(cohort: Cohort) -> int:
    """How many labels of the cohort may enter an estimate."""
    return _labels_of(cohort).count()


def _labels_of(cohort: Cohort) -> QuerySet[GroundTruth]:
    return GroundTruth.objects.usable().filter(
        stream_id=cohort.stream.id,
        decision__decided_at__gte=cohort.start,
        decision__decided_at__lt=cohort.end,
        item__model_version=cohort.model_version,
    )


def _read_labels(cohort: Cohort, categories: _Codes, strata: _Codes) -> Labels:
    """A label is right where the prediction is among the categories that would do."""
    found = (
        _labels_of(cohort)
        .annotate(
            correct=Q(categories__contains=[F("decision__predicted")]),
            bound=Func(
                F("decision__reasons"),
                Value(BOUND),
                template="jsonb_path_exists(%(expressions)s::jsonpath)",
                output_field=BooleanField(),
            ),
        )
        .order_by()
        .values_list(
            "item_id",
            "decision__raw_confidence",
            "decision__predicted",
            "decision__queue",
            "decision__label_pi",
            "correct",
            "pi",
            "bound",
        )
    )
    rows = np.fromiter(
        (
            (
                item_id.int & TAIL,
                raw,
                categories.number(predicted),
                strata.number(name_stratum(queue, drawn_pi)),
                correct,
                pi,
                not bound,
            )
            for item_id, raw, predicted, queue, drawn_pi, correct, pi, bound in found.iterator(
                CHUNK
            )
        ),
        dtype=LABEL,
    )
    # Sums in floating point depend on the order; the same labels must give the same numbers.
    rows = rows[np.argsort(rows["tail"], kind="stable")]
    return Labels(
        tail=rows["tail"].copy(),
        raw=rows["raw"].copy(),
        category=rows["category"].copy(),
        stratum=rows["stratum"].copy(),
        correct=rows["correct"].astype(np.float64),
        pi=rows["pi"].copy(),
        free=rows["free"].copy(),
    )


def _read_frame(cohort: Cohort, categories: _Codes, strata: _Codes) -> FrameRows:
    labelled = len(strata.numbers)
    with connection.cursor() as cursor:
        cursor.execute(
            ROUTED,
            {
                "stream": cohort.stream.id,
                "first": cohort.first_day,
                "last": cohort.last_day,
                "version": cohort.model_version,
            },
        )
        rows = [
            (
                min(1.0, raw_sum / count),
                float(count),
                categories.number(category),
                strata.number(name_stratum(queue, pi)),
            )
            for category, queue, pi, count, raw_sum in cursor.fetchall()
        ]
    counted = {row[3] for row in rows}
    # Days move when a stream's time zone is changed; a label then needs its stratum all the same.
    rows += [(0.0, 0.0, 0, number) for number in range(labelled) if number not in counted]
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 4)
    return FrameRows(
        raw=columns[:, 0].copy(),
        count=columns[:, 1].copy(),
        category=columns[:, 2].astype(np.int32),
        stratum=columns[:, 3].astype(np.int32),
    )


def _count_open(cohort: Cohort) -> OpenLabels:
    """Unanswered seats, by what made them: certainty, the audit's draw or the flagged share's."""
    settled = GroundTruth.objects.current().filter(
        stream_id=cohort.stream.id, item_id=OuterRef("item_id")
    )
    unsettled = decisions_of(cohort).filter(~Exists(settled))
    sure = unsettled.filter(action__in=WAITING_ACTIONS).count()
    drawn = AuditDraw.objects.filter(
        ~Exists(settled),
        stream_id=cohort.stream.id,
        decision__decided_at__gte=cohort.start,
        decision__decided_at__lt=cohort.end,
        item__model_version=cohort.model_version,
    ).values_list("pi", flat=True)
    flagged = (
        unsettled.filter(action=Decision.Action.ACT_AND_REVIEW, label_pi__gt=0.0)
        .order_by()
        .values_list("item_id", "label_pi")
    )
    stream_id = cohort.stream.id
    chances = list(drawn.order_by()) + [
        pi
        for item_id, pi in flagged.iterator(CHUNK)
        if hash_draws(stream_id=stream_id, item_id=item_id, rate=pi, purpose="flagged")
    ]
    return OpenLabels(count=sure + len(chances), weight=sure + sum(1.0 / pi for pi in chances))
