"""Tables that grow for ever: no index twice, an early vacuum, and no plan that reads all of one."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.test import RequestFactory

from calibration.models import AuditDraw, FrameCount, FrameDelta, GroundTruth
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.settlements import told_verdicts
from reviewqueue.webhook_models import Delivery
from routing.lookups import there_is
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


def explain(rows: QuerySet[Any]) -> str:
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


@pytest.mark.parametrize("model", [Announcement, Decision, Delivery, GroundTruth, Verdict])
def test_list_of_the_admin_asks_row_by_row_what_is_judged_blind(
    model: type[Model], judged: Verdict, admin_user: User
) -> None:
    request = RequestFactory().get("/")
    request.user = admin_user
    rows = admin.site.get_model_admin(model).get_queryset(request).order_by("-id")
    assert "hashed SubPlan" not in explain(rows)


def test_exists_beside_another_reads_what_it_could_be_about(judged: Verdict) -> None:
    seats = ReviewTask.objects.unanswered().filter(item_id=OuterRef("item_id"))
    rows = Decision.objects.order_by("-id")
    assert "hashed SubPlan" in explain(rows.filter(~Q(Exists(seats)) | Q(queue="auto")))
    found = explain(rows.filter(~Q(there_is(seats)) | Q(queue="auto")))
    assert "hashed SubPlan" not in found
    assert "Index Cond: (item_id = " in found


def test_there_is_tells_rows_that_are_there_from_those_that_are_not(
    judged: Verdict, stream: Stream
) -> None:
    post_held(stream, "b")
    seats = ReviewTask.objects.unanswered().filter(item_id=OuterRef("id"))
    assert [one.external_id for one in Item.objects.filter(there_is(seats))] == ["b"]
    assert [one.external_id for one in Item.objects.exclude(there_is(seats))] == ["a"]


def test_told_verdicts_are_looked_for_among_those_of_their_items(judged: Verdict) -> None:
    found = told_verdicts([judged.item_id])
    assert "Index Cond: (item_id = " in explain(found)
    assert list(found) == []  # it can still be undone
