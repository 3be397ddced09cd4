"""Tables that grow for ever: no index twice, an early vacuum, and no plan that reads all of one."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet

from calibration.models import AuditDraw, FrameCount, FrameDelta, GroundTruth
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.settlements import told_verdicts
from routing.models import Announcement, Decision, Event, Item, Stream
from tests.reviewqueue.test_claims import claim, post_held
from tests.reviewqueue.test_verdicts import judge

pytestmark = pytest.mark.django_db

LARGE = [
    model._meta.db_table
    for model in (
        *(Item, Decision, Announcement, Event),
        *(AuditDraw, GroundTruth, FrameCount, FrameDelta),
        *(ReviewTask, Verdict),
    )
]
# Whole indexes whose columns another whole index begins with; descending ones serve as well.
DOUBLED = """
    SELECT less.indexrelid::regclass::text, more.indexrelid::regclass::text
    FROM pg_index AS less JOIN pg_index AS more USING (indrelid)
    WHERE less.indrelid = ANY (%s::text[]::regclass[]) AND less.indexrelid <> more.indexrelid
        AND less.indpred IS NULL AND more.indpred IS NULL AND NOT less.indisunique
        AND (more.indkey::int2[])[0:less.indnatts - 1] = less.indkey::int2[]
        -- The one for texts that begin with something is of another kind.
        AND (more.indclass::oid[])[0:less.indnatts - 1] = less.indclass::oid[]
"""


def test_no_index_begins_another() -> None:
    with connection.cursor() as cursor:
        cursor.execute(DOUBLED, [LARGE])
        assert cursor.fetchall() == []


def test_large_tables_are_vacuumed_early() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, reloptions FROM pg_class WHERE relname = ANY (%s)", [LARGE])
        told = {table: dict(one.split("=") for one in options or []) for table, options in cursor}
    late = {
        table
        for table, options in told.items()
        if float(options.get("autovacuum_vacuum_scale_factor", "1")) > 0.02
    }
    assert late == set()
    assert told["routing_item"]["fillfactor"] == "90"


@pytest.fixture
def judged(stream: Stream, reviewer: User) -> Verdict:
    """A verdict of the reviewer."""
    post_held(stream, "a")
    return judge(claim(stream, reviewer), reviewer)


def explain(rows: QuerySet[Verdict]) -> str:
    """The plan as it is where tables are too large to be read or sorted."""
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
    return rows.explain()


def test_last_verdicts_are_read_from_the_end_of_an_index(judged: Verdict, reviewer: User) -> None:
    plan = explain(Verdict.objects.live().filter(reviewer=reviewer).order_by("-answered_at")[:5])
    assert "Anti Join" in plan
    assert "verdict_of_reviewer" in plan
    assert "Sort Key" not in plan


def test_told_verdicts_are_looked_for_among_those_of_their_items(judged: Verdict) -> None:
    found = told_verdicts([judged.item_id])
    assert "Index Cond: (item_id = " in explain(found)
    assert list(found) == []  # it can still be undone
