"""The grown stream at a small size: its rows satisfy the product's own checks."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone
from msgspec.structs import replace

from benchmarks.checker import CHECKS
from benchmarks.growth_past import grown_id, make_past
from benchmarks.growth_rows import Shift, forget_past, grow, keep_past
from calibration.frames import confidence_bins
from calibration.models import AuditDraw, FrameCount, FrameDelta, GroundTruth
from reviewqueue.exports import Selection, export_lines
from reviewqueue.intake import Taken, take_in
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.outcomes import read_outcomes
from routing.models import Announcement, Decision, Item
from routing.replays import Difference, replay_decisions

TEMPLATES = 400
CLONES = 4
ITEMS = TEMPLATES * (1 + CLONES)
PERIOD = timedelta(hours=9)
# Those of the checker that need no list of what clients were told.
OF_ROWS = (
    "an item is stored twice",
    "an item has not exactly one decision",
    "a waiting item has no open seat",
    "a task has two live verdicts",
    "a task's state contradicts its verdicts",
    "ground truth contradicts the live verdict",
    "an answered item has no ground truth",
    "an item's state contradicts its ground truth",
    "a verdict has not exactly one event",
    "the frame counts are not the decisions",
)


@pytest.fixture
def grown(transactional_db: None) -> Shift:
    """A stream of five times what the product made."""
    past = make_past(
        "grown", items=TEMPLATES, span=PERIOD, end=timezone.now() - timedelta(minutes=1), seed=5
    )
    shift = Shift(past, PERIOD, most=10)
    keep_past(shift)
    grow(shift, first=1, last=1)
    grow(shift, first=2, last=CLONES)
    forget_past()
    return shift


@pytest.mark.django_db(transaction=True)
def test_grown_rows_are_what_the_product_would_have_left(grown: Shift) -> None:
    check_numbers(grown)
    check_rows()
    check_counters()
    check_decisions(grown)
    check_feed(grown)
    check_posted_again(grown)


def check_numbers(grown: Shift) -> None:
    """There are five times the past of all that it has."""
    assert Item.objects.count() == ITEMS
    assert Decision.objects.count() == ITEMS
    assert 0.15 < Verdict.objects.count() / ITEMS < 0.30
    for rows in (
        ReviewTask.objects.all(),
        AuditDraw.objects.all(),
        Verdict.objects.all(),
        GroundTruth.objects.all(),
        Announcement.objects.exclude(item=None),
    ):
        assert rows.count() % (1 + CLONES) == 0
        assert rows.count() > 0
    times = Item.objects.filter(external_id__contains="-00007").values_list("received_at", "id")
    ids = [at for at, _id in sorted(times, key=lambda row: row[1])]
    assert [later - earlier for earlier, later in pairwise(ids)] == [PERIOD] * CLONES


def check_rows() -> None:
    with connection.cursor() as cursor:
        for name in OF_ROWS:
            cursor.execute(CHECKS[name])
            assert cursor.fetchall() == [], name
        # Foreign keys are back, and nothing points nowhere.
        cursor.execute(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated"
        )
        assert cursor.fetchone() == (0,)
        cursor.execute(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f' "
            "AND conrelid = 'reviewqueue_verdict'::regclass"
        )
        assert cursor.fetchone() == (5,)


def check_counters() -> None:
    """Counts by day and bin are those of the decisions."""
    assert not FrameDelta.objects.exists()
    kept = Counter[object]()
    for row in FrameCount.objects.all():
        kept[row.day, row.category, row.bin, row.queue, row.pi] += row.count
    made = list(
        Decision.objects.values_list(
            "item__received_at", "predicted", "raw_confidence", "queue", "label_pi"
        )
    )
    bins = confidence_bins(np.array([row[2] for row in made])).tolist()
    assert kept == Counter(
        (at.date(), predicted, number, queue, pi)
        for (at, predicted, _raw, queue, pi), number in zip(made, bins, strict=True)
    )


def check_decisions(grown: Shift) -> None:
    found: list[Difference] = []
    done = replay_decisions(stream=grown.past.stream, report=found.append)
    assert (done.decisions, done.differing, found) == (ITEMS, 0, [])
    lines = b"".join(export_lines(Selection(grown.past.stream))).splitlines()
    assert len(lines) == ITEMS


def check_feed(grown: Shift) -> None:
    """The feed tells of each settled item once, in the order of their times."""
    outcomes = read_outcomes(stream=grown.past.stream).outcomes
    told = Announcement.objects.filter(kind="item.settled").count()
    assert len(outcomes) == told
    sent = list(
        Announcement.objects.filter(kind="item.settled").order_by("position").values_list("due_at")
    )
    assert sent == sorted(sent)
    for row in Announcement.objects.filter(kind="item.settled")[:20]:
        verdict = Verdict.objects.get(id=row.subject_id)
        assert row.data["verdict"]["id"] == str(verdict.id)
        assert row.data["decision"]["id"] == str(verdict.task.decision_id)
        assert (row.item_id, row.due_at) == (verdict.item_id, verdict.published_at)


def check_posted_again(grown: Shift) -> None:
    """A body that was taken before gets its stored decision."""
    post = grown.past.posts[17]
    again = replace(post, external_id=grown_id(3, 17))
    [taken] = take_in(stream=grown.past.stream, posts=[again])
    assert isinstance(taken, Taken)
    assert taken.decision_id is not None
    assert not taken.created
    assert Decision.objects.get(id=taken.decision_id).item.external_id == again.external_id
