"""Sheets: what insight pages show, made by a worker for one state of a stream's data.

A page reads its sheet and asks for a newer one where the data has moved on: the row is the work,
the message only says that one may be due. So a page costs the same whatever the stream's size, a
sheet is made once however many look at it, and streams that nobody looks at cost nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from reviewqueue.doorbell import MAKE_INSIGHT_SHEETS, ring
from reviewqueue.insight_models import InsightSheet
from routing.models import Stream
from routing.reading import reading

# Raised with what is counted or drawn, so that sheets of an earlier edition are made anew.
EDITION: Final = 2
# One that could not be made is tried again when somebody looks so long after it was asked for.
PATIENCE: Final = timedelta(minutes=2)
# Each part is the end of an index. Items count by the hour: they move shares, not verdicts.
VERSION: Final = """
    SELECT (SELECT id FROM routing_policy
            WHERE stream_id = %(stream)s AND version IS NOT NULL ORDER BY version DESC LIMIT 1),
        (SELECT settled_at FROM calibration_groundtruth
            WHERE stream_id = %(stream)s AND superseded_at IS NULL
            ORDER BY settled_at DESC LIMIT 1),
        (SELECT date_trunc('hour', received_at) FROM routing_item
            WHERE stream_id = %(stream)s ORDER BY received_at DESC LIMIT 1),
        (SELECT id FROM calibration_calibrationrun
            WHERE stream_id = %(stream)s ORDER BY created_at DESC LIMIT 1),
        CURRENT_DATE,
        (SELECT error_budget FROM routing_stream WHERE id = %(stream)s)
"""
ASK: Final = """
    INSERT INTO reviewqueue_insightsheet AS sheet (id, stream_id, kind, version, asked_version,
        figures, pictures, arrays, error, seconds, asked_at)
    VALUES (gen_random_uuid(), %(stream)s, %(kind)s, '', %(version)s, '{}', '{}', '', '', 0,
        statement_timestamp())
    ON CONFLICT ON CONSTRAINT insight_sheet_unique DO UPDATE
    SET asked_version = excluded.asked_version, asked_at = excluded.asked_at
    WHERE sheet.asked_version <> excluded.asked_version
"""
ASK_FIRST: Final = """
    INSERT INTO reviewqueue_insightsheet (id, stream_id, kind, version, asked_version,
        figures, pictures, arrays, error, seconds, asked_at)
    SELECT gen_random_uuid(), stream, %(kind)s, '', 'first', '{}', '{}', '', '', 0,
        statement_timestamp()
    FROM unnest(%(streams)s::uuid[]) AS asked (stream)
    ON CONFLICT ON CONSTRAINT insight_sheet_unique DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Made:
    """The content of a sheet, as its model has it."""

    figures: Mapping[str, object]
    pictures: Mapping[str, str] = field(default_factory=dict)
    arrays: bytes = b""


@dataclass(frozen=True, slots=True)
class Shown:
    """A sheet as a page finds it: what there is, and whether a newer one is on its way."""

    sheet: InsightSheet | None
    is_newest: bool

    @property
    def ready(self) -> InsightSheet | None:
        """The sheet if there is anything on it to show."""
        return self.sheet if self.sheet is not None and self.sheet.made_at is not None else None


def read_sheet(*, stream: Stream, kind: str, with_arrays: bool = False) -> Shown:
    """The stream's sheet; where the data has moved on, a newer one is asked for.

    Two queries, and one more where something is asked for.
    """
    found = InsightSheet.objects.filter(stream=stream, kind=kind)
    sheet = (found if with_arrays else found.defer("arrays")).first()
    version = data_version(stream)
    if sheet is not None and sheet.version == version:
        if not sheet.error or sheet.asked_at > timezone.now() - PATIENCE:
            return Shown(sheet, is_newest=True)
        found.filter(version=version).update(version="", asked_at=Now())
        ring(MAKE_INSIGHT_SHEETS)
        return Shown(sheet, is_newest=False)
    if sheet is None or sheet.asked_version != version:
        _ask_for(stream, kind, version)
    return Shown(sheet, is_newest=False)


def ask_for_first(*, streams: Sequence[Stream], kind: str) -> None:
    """Ask for the sheets of streams that never had one, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(ASK_FIRST, {"kind": kind, "streams": [stream.id for stream in streams]})
    ring(MAKE_INSIGHT_SHEETS)


def ask_again(*, streams: Sequence[Stream], kind: str) -> None:
    """Ask for the sheets of these streams anew, whatever has become of their data; one query."""
    InsightSheet.objects.filter(stream__in=streams, kind=kind, version=F("asked_version")).update(
        asked_version="again", asked_at=Now()
    )
    ring(MAKE_INSIGHT_SHEETS)


def data_version(stream: Stream) -> str:
    """A name for the stream's data as it is now: policy, label, items by the hour, run, budget.

    It ends with the edition of what is made of them.
    """
    with reading().cursor() as cursor:
        cursor.execute(VERSION, {"stream": stream.id})
        parts = cursor.fetchone()
    return " ".join(
        each.isoformat() if hasattr(each, "isoformat") else str(each or "-")
        for each in (*parts, EDITION)
    )


def _ask_for(stream: Stream, kind: str, version: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ASK, {"stream": stream.id, "kind": kind, "version": version})
    ring(MAKE_INSIGHT_SHEETS)
