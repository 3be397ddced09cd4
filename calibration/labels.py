"""The evidence of a cohort: every item of one model version decided in a window, labelled or not.

A cohort is whole days of the stream's time zone, so that its labels and its frame counts speak
of the same items. Everything is read by a few queries into arrays, whatever the number of
categories and bands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    BooleanField,
    Count,
    Exists,
    F,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.functions import Cast

from calibration.audits import hash_draws
from calibration.core.estimates import FloatArray
from calibration.models import AuditDraw, GroundTruth
from routing.items import WAITING_ACTIONS
from routing.models import Decision, Policy, Stream
from routing.policies import composed_since
from routing.reading import reading
from routing.rows import open_copy

CodeArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
TailArray = npt.NDArray[np.uint64]

CHUNK: Final = 20_000
TAIL: Final = (1 << 62) - 1  # the random end of a uuid7
# Of cohorts up to so many items the labels still to come are counted one by one.
COUNTED_UP_TO: Final = 200_000
QUEUES: Final = tuple(Decision.Queue.values)
# Reasons of rules that hold an item whatever the cut-off.
BOUND: Final = (
    '$[*] ? (@.code != "confidence" && @.code != "uncalibrated" && @.code != "capacity" '
    '&& @.code != "composite" && @.code != "stale_source" && @.code != "number_not_found" '
    '&& !(@.code starts with "fallback_"))'
)
FIELDS: Final = {
    "item": "V8,>u8",
    "raw": ">f8",
    "predicted": ">i4",
    "queue": ">i4",
    "drawn_pi": ">f8",
    "correct": "?",
    "pi": ">f8",
    "bound": "?",
}
# A row as PostgreSQL's binary COPY sends it: the number of fields, each behind its length. Without
# nulls and texts all rows are alike, and numpy reads a million of them as they come.
LABEL: Final = np.dtype(
    [("fields", ">i2")]
    + [pair for name, kind in FIELDS.items() for pair in ((f"{name}_bytes", ">i4"), (name, kind))]
)
COPY_HEAD: Final = 19  # a signature, flags, and the length of an extension that nobody uses
COPY_TAIL: Final = 2
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
# The same by day, bin and queue alone: some hundred rows a day.
DAYS: Final = """
    SELECT {columns} FROM (
        SELECT day, model_version, bin, queue, count FROM calibration_daycount
        WHERE stream_id = %(stream)s AND day BETWEEN %(first)s AND %(last)s
        UNION ALL
        SELECT day, model_version, bin, queue, count FROM calibration_framedelta
        WHERE stream_id = %(stream)s AND day BETWEEN %(first)s AND %(last)s
    ) AS noted
"""
NEWEST_VERSION: Final = (
    DAYS.format(columns="model_version")
    + "GROUP BY day, model_version ORDER BY day DESC, sum(count) DESC, model_version DESC LIMIT 1"
)
ROUTED: Final = (
    FRAME.format(columns="category, queue, pi, sum(count), sum(raw_sum)")
    + "WHERE model_version = %(version)s GROUP BY category, queue, pi, bin "
    "ORDER BY category, queue, pi, bin"
)

ROUTED_IN_ALL: Final = (
    DAYS.format(columns="min(day) FILTER (WHERE count > 0), sum(count)")
    + "WHERE model_version = %(version)s"
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

    Current is the version of most items on the newest day on which anything was routed. Of drafted
    sentences only the days since their signals were weighed in another way: what was composed
    before is another confidence. The day of the change itself holds both and is left out.
    """
    if days < 1:
        raise ValueError(f"days is {days}; give 1 or more")
    zone = ZoneInfo(stream.time_zone)
    last = at.astimezone(zone).date()
    first = last - timedelta(days=days - 1)
    with reading().cursor() as cursor:
        cursor.execute(NEWEST_VERSION, {"stream": stream.id, "first": first, "last": last})
        newest = cursor.fetchone()
    if stream.is_grounded and (since := composed_since(stream.id, at=at)) is not None:
        first = max(first, since.astimezone(zone).date() + timedelta(days=1))
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
        open=_count_open(cohort, strata.keys(), labels, frame),
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
    return labels_of(cohort).count()


def count_routed(cohort: Cohort) -> tuple[date | None, int]:
    """The first day on which anything of the cohort was routed, and how many items in all."""
    with reading().cursor() as cursor:
        cursor.execute(
            ROUTED_IN_ALL,
            {
                "stream": cohort.stream.id,
                "first": cohort.first_day,
                "last": cohort.last_day,
                "version": cohort.model_version,
            },
        )
        first, items = cursor.fetchone()
    return first, int(items or 0)


def labels_of(cohort: Cohort) -> QuerySet[GroundTruth]:
    """The cohort's labels that may enter an estimate."""
    return _of_cohort(GroundTruth.objects.usable(), cohort)


def _of_cohort(labels: QuerySet[GroundTruth], cohort: Cohort) -> QuerySet[GroundTruth]:
    return labels.filter(
        stream_id=cohort.stream.id,
        # Nothing is settled before it is decided: with this the labels of earlier years are not
        # even looked at. A day less, since the two moments may be of two machines' clocks.
        settled_at__gte=cohort.start - timedelta(days=1),
        decision__decided_at__gte=cohort.start,
        decision__decided_at__lt=cohort.end,
        item__model_version=cohort.model_version,
    )


def _read_labels(cohort: Cohort, categories: _Codes, strata: _Codes) -> Labels:
    """A label is right where the prediction is among the categories that would do."""
    keys = _list_keys(cohort.stream)
    rows = _copy_labels(cohort, keys)
    tail = rows["item"]["f1"] & np.uint64(TAIL)
    # Sums in floating point depend on the order; the same labels must give the same numbers.
    order = np.argsort(tail, kind="stable")
    rates, rate = np.unique(rows["drawn_pi"], return_inverse=True)
    drawn = rows["queue"] * np.int32(max(len(rates), 1)) + rate.astype(np.int32)
    names = [name_stratum(queue, pi) for queue in QUEUES for pi in rates.tolist()]
    return Labels(
        tail=tail[order].astype(np.uint64),
        raw=rows["raw"][order].astype(np.float64),
        category=_recode(rows["predicted"][order], keys, categories),
        stratum=_recode(drawn[order], names, strata),
        correct=rows["correct"][order].astype(np.float64),
        pi=rows["pi"][order].astype(np.float64),
        free=~rows["bound"][order],
    )


def _list_keys(stream: Stream) -> list[str]:
    """Every category that a decision of the stream may have predicted: those of its policies."""
    listed = Policy.objects.published().filter(stream=stream).order_by("version")
    policies = listed.values_list("category_keys", flat=True)
    return list(dict.fromkeys(key for keys in policies for key in keys))


def _copy_labels(cohort: Cohort, keys: list[str]) -> npt.NDArray[np.void]:
    """(n,) rows of `LABEL`; `predicted` indexes `keys` and `queue` indexes `QUEUES`."""
    found = (
        labels_of(cohort)
        .annotate(
            predicted=_find_place("decision__predicted", keys),
            queue=_find_place("decision__queue", QUEUES),
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
            "predicted",
            "queue",
            "decision__label_pi",
            "correct",
            "pi",
            "bound",
        )
    )
    statement = reading().ops.compose_sql(  # type: ignore[attr-defined]  # PostgreSQL's own
        *found.query.sql_with_params()
    )
    buffer = bytearray()
    with open_copy(f"COPY ({statement}) TO STDOUT (FORMAT BINARY)", on=reading()) as copy:
        for block in copy:
            buffer += block
    return np.frombuffer(memoryview(buffer)[COPY_HEAD:-COPY_TAIL], dtype=LABEL)


def _find_place(field: str, keys: Sequence[str]) -> Func:
    """SQL of the place of a text among the keys, counted from 0; -1 where it is none of them."""
    return Func(
        Value(list(keys), output_field=ArrayField(TextField())),
        Cast(field, TextField()),
        template="coalesce(array_position(%(expressions)s) - 1, -1)",
        output_field=IntegerField(),
    )


def _recode(places: CodeArray, keys: Sequence[str], codes: _Codes) -> CodeArray:
    """(n,) numbers by `codes` of keys that are given by their places among `keys`."""
    found = np.unique(places)
    numbers = np.zeros(len(keys), dtype=np.int32)
    for place in found.tolist():
        numbers[place] = codes.number(keys[place])
    return numbers[places] if len(places) else np.zeros(0, dtype=np.int32)


def _read_frame(cohort: Cohort, categories: _Codes, strata: _Codes) -> FrameRows:
    labelled = len(strata.numbers)
    with reading().cursor() as cursor:
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


def _count_open(
    cohort: Cohort, strata: Sequence[str], labels: Labels, frame: FrameRows
) -> OpenLabels:
    """Labels still to come: counted, or where the cohort is large as many as the design gives."""
    if frame.items > COUNTED_UP_TO:
        return _expect_open(cohort, strata, labels, frame)
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


def _expect_open(
    cohort: Cohort, strata: Sequence[str], labels: Labels, frame: FrameRows
) -> OpenLabels:
    """N pi - n by stratum, without a look at the items: exact where pi is 1, and else, of this
    many, true to a few in a thousand."""
    chances = np.array([float(key.rpartition(" ")[2]) for key in strata], dtype=np.float64)
    settled = np.bincount(labels.stratum, minlength=len(strata)).astype(np.float64)
    uncertain = (
        _of_cohort(GroundTruth.objects.current().filter(kind=GroundTruth.Kind.UNCERTAIN), cohort)
        .order_by()
        .values_list("decision__queue", "decision__label_pi")
        .annotate(number=Count("id"))
    )
    place = {key: number for number, key in enumerate(strata)}
    for queue, pi, number in uncertain:
        if (key := name_stratum(queue, pi)) in place:
            settled[place[key]] += number
    routed = np.bincount(frame.stratum, weights=frame.count, minlength=len(strata))
    waiting = np.maximum(routed * chances - settled, 0.0)
    weights = np.divide(waiting, chances, out=np.zeros_like(waiting), where=chances > 0.0)
    return OpenLabels(count=round(float(waiting.sum())), weight=float(weights.sum()))
