"""Frame counts: how many decisions were made per cell, labelled or not.

Estimates divide by exact counts of everything routed, so intake notes each decision's cell
(`FrameDelta`, append-only and thus free of contention) and one writer folds the notes into
`FrameCount`, which reports read, and into `DayCount`, the same by day, bin and queue alone.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction

from calibration.models import FrameDelta
from routing.ids import uuid7s
from routing.tables import Row, Table

BIN_WIDTH = 0.02
LOGIT_LIMIT = 12.0
KEY = ("day", "policy_id", "model_version", "category", "bin", "queue", "pi")
DELTAS: Final = Table(FrameDelta, "id", "stream_id", *KEY, "count", "raw_sum")
FOLD_LOCK = 0x52515F46  # "RQ_F": the one writer that folds


class Cell(NamedTuple):
    """The frame cell of one decision and its raw confidence."""

    day: date
    policy_id: UUID
    model_version: str
    category: str
    queue: str
    pi: float
    raw_confidence: float


def confidence_bins(raw: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Bin numbers (n,) of raw confidences (n,): the logit, clipped to +-12, in steps of .02."""
    with np.errstate(divide="ignore"):
        logits = np.log(raw) - np.log1p(-raw)
    steps: npt.NDArray[np.float64] = np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT) / BIN_WIDTH
    return np.rint(steps).astype(np.int64)


def cell_rows(*, stream_id: UUID, cells: Sequence[Cell], count: int = 1) -> tuple[Table, list[Row]]:
    """Notes that add `count` to each cell; -1 where another decision took the place of one."""
    bins = confidence_bins(np.array([cell.raw_confidence for cell in cells])).tolist()
    counted: dict[tuple[object, ...], tuple[int, float]] = {}
    for (day, policy_id, model_version, category, queue, pi, raw), bin_number in zip(
        cells, bins, strict=True
    ):
        key = day, policy_id, model_version, category, bin_number, queue, pi
        so_far, raw_sum = counted.get(key, (0, 0.0))
        counted[key] = so_far + count, raw_sum + count * raw
    return DELTAS, [
        (cell_id, stream_id, *key, total, raw_sum)
        for cell_id, (key, (total, raw_sum)) in zip(
            uuid7s(len(counted)), counted.items(), strict=True
        )
    ]


@transaction.atomic
def fold_deltas(*, limit: int = 100_000) -> int:
    """Add up to `limit` noted deltas to the counts; returns how many. A second folder waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FOLD_LOCK])
        cursor.execute(
            """
            WITH taken AS (
                DELETE FROM calibration_framedelta WHERE id IN
                    (SELECT id FROM calibration_framedelta ORDER BY id LIMIT %s)
                RETURNING *
            ), added AS (
                INSERT INTO calibration_framecount AS kept
                    (id, stream_id, day, policy_id, model_version, category, bin, queue, pi,
                     count, raw_sum)
                SELECT gen_random_uuid(), stream_id, day, policy_id, model_version, category,
                    bin, queue, pi, sum(count), sum(raw_sum)
                FROM taken
                GROUP BY stream_id, day, policy_id, model_version, category, bin, queue, pi
                ON CONFLICT ON CONSTRAINT frame_key_unique DO UPDATE SET
                    count = kept.count + excluded.count,
                    raw_sum = kept.raw_sum + excluded.raw_sum
            ), summed AS (
                INSERT INTO calibration_daycount AS kept
                    (id, stream_id, day, model_version, bin, queue, count)
                SELECT gen_random_uuid(), stream_id, day, model_version, bin, queue, sum(count)
                FROM taken
                GROUP BY stream_id, day, model_version, bin, queue
                ON CONFLICT ON CONSTRAINT day_count_unique DO UPDATE SET
                    count = kept.count + excluded.count
            )
            SELECT count(*) FROM taken
            """,
            [limit],
        )
        return int(cursor.fetchone()[0])


RECOUNT: Final = """
    INSERT INTO calibration_daycount (id, stream_id, day, model_version, bin, queue, count)
    SELECT gen_random_uuid(), stream_id, day, model_version, bin, queue, sum(count)
    FROM calibration_framecount WHERE stream_id = %(stream)s
    GROUP BY stream_id, day, model_version, bin, queue
"""


@transaction.atomic
def recount_days(stream_id: UUID) -> None:
    """Sum a stream's days up anew, where frame counts were written by another way than folding."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FOLD_LOCK])
        cursor.execute("DELETE FROM calibration_daycount WHERE stream_id = %s", [stream_id])
        cursor.execute(RECOUNT, {"stream": stream_id})
