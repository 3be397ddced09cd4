"""The items behind a cell: which are in it, and what is left out."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from calibration.models import AuditDraw, GroundTruth
from reviewqueue.insight import cells
from reviewqueue.insight.cells import CellOfTable, CellPage, read_cell
from reviewqueue.models import ReviewTask
from routing.core.maps import CalibrationMap
from routing.models import Stream
from tests import scenes
from tests.calibration.cohorts import VERSION, label_items, make_audited_stream, post_items
from tests.scenes import KEYS

pytestmark = pytest.mark.django_db

LOWERS = CalibrationMap("platt", (1.0, -2.0))
RAISES = CalibrationMap("platt", (1.0, 2.0))


@pytest.fixture
def stream(db: None) -> Stream:
    """Nothing is drawn for audits, so that labels alone decide what is shown."""
    return make_audited_stream(audit_rate=0.0)


@pytest.fixture
def analyst(stream: Stream) -> User:
    return scenes.make_person("ana", stream, "analyst")


def label(
    stream: Stream, confidence: float, *, is_right: bool = True, predicted: str = KEYS[0]
) -> GroundTruth:
    decisions = post_items(stream, 1, confidence=confidence, predicted=predicted, at=timezone.now())
    label_items(decisions, right=int(is_right))
    ReviewTask.objects.filter(item=decisions[0].item_id).delete()
    return GroundTruth.objects.get(decision=decisions[0])


def cell(
    lower: float,
    upper: float,
    *,
    category: str = "",
    maps: Mapping[str, CalibrationMap] | None = None,
) -> CellOfTable:
    today = timezone.now().date()
    return CellOfTable(maps or {}, category, lower, upper, VERSION, today, today)


def ids(page: CellPage) -> set[UUID]:
    return {each.id for each in page.labels}


def test_band_holds_its_lower_bound_and_the_last_one_its_upper(
    stream: Stream, analyst: User
) -> None:
    low, high, top = (label(stream, confidence) for confidence in (0.8, 0.9, 1.0))
    read = {
        band: ids(read_cell(viewer=analyst, stream=stream, cell=cell(*band)))
        for band in ((0.8, 0.9), (0.9, 1.0))
    }
    assert read == {(0.8, 0.9): {low.id}, (0.9, 1.0): {high.id, top.id}}


def test_band_under_maps_is_another_range_in_each_category(stream: Stream, analyst: User) -> None:
    """At .80 raw, one category's map says .36 and all others' .97."""
    own, other = label(stream, 0.8), label(stream, 0.8, predicted=KEYS[1])
    maps = {"": RAISES, KEYS[0]: LOWERS}

    def found(lower: float, upper: float, category: str = "") -> set[UUID]:
        asked = cell(lower, upper, category=category, maps=maps)
        return ids(read_cell(viewer=analyst, stream=stream, cell=asked))

    assert (found(0.3, 0.4), found(0.9, 1.0)) == ({own.id}, {other.id})
    assert (found(0.9, 1.0, KEYS[1]), found(0.9, 1.0, KEYS[0])) == ({other.id}, set())


def test_right_and_wrong_are_told_apart(stream: Stream, analyst: User) -> None:
    right, wrong = label(stream, 0.8), label(stream, 0.8, is_right=False)

    def found(is_right: bool | None) -> set[UUID]:
        page = read_cell(viewer=analyst, stream=stream, cell=cell(0.8, 0.9), right=is_right)
        return ids(page)

    assert (found(None), found(True), found(False)) == (
        {right.id, wrong.id},
        {right.id},
        {wrong.id},
    )


def test_what_is_judged_again_or_blind_is_left_out(stream: Stream, analyst: User) -> None:
    seat, draw, plain = (label(stream, 0.8) for _ in range(3))
    held = scenes.post(stream, "other")
    ReviewTask.objects.filter(id=held.id).update(item=seat.item_id)
    AuditDraw.objects.create(
        stream=stream, item_id=draw.item_id, decision_id=draw.decision_id, pi=0.5
    )
    page = read_cell(viewer=analyst, stream=stream, cell=cell(0.8, 0.9))
    assert ids(page) == {plain.id}


def test_label_of_other_days_or_models_is_not_in_the_cell(stream: Stream, analyst: User) -> None:
    label(stream, 0.8)
    other = cell(0.8, 0.9)
    day = other.first - timedelta(days=1)
    earlier = CellOfTable({}, "", 0.8, 0.9, VERSION, day, day)
    strange = CellOfTable({}, "", 0.8, 0.9, "other", other.first, other.last)
    for asked in (earlier, strange):
        assert ids(read_cell(viewer=analyst, stream=stream, cell=asked)) == set()


def test_pages_follow_each_other_without_gap(
    stream: Stream, analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "PAGE", 2)
    made = {label(stream, 0.8).id for _ in range(5)}
    seen: list[set[UUID]] = []
    before: UUID | None = None
    for _ in range(3):
        page = read_cell(viewer=analyst, stream=stream, cell=cell(0.8, 0.9), before=before)
        seen.append(ids(page))
        before = page.older
    assert ([len(each) for each in seen], before) == ([2, 2, 1], None)
    assert set().union(*seen) == made


def test_page_looks_at_so_many_labels_and_says_where_it_stopped(
    stream: Stream, analyst: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "LOOKED_AT", 2)
    wanted = label(stream, 0.8)
    for _ in range(2):
        label(stream, 0.6)
    page = read_cell(viewer=analyst, stream=stream, cell=cell(0.8, 0.9))
    assert page.labels == ()
    page = read_cell(viewer=analyst, stream=stream, cell=cell(0.8, 0.9), before=page.older)
    assert ids(page) == {wanted.id}
