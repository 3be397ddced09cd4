"""What the sheets hold, for cohorts with known figures."""

from datetime import timedelta
from typing import cast

import pytest

from calibration.models import CalibrationRun
from calibration.runs import recalibrate
from calibration.samples import Sample
from reviewqueue.insight.figures import Promise, ReliabilityFigures, WhatIfFigures
from reviewqueue.insight.reliability import make_month
from reviewqueue.insight.trials import find_promise, make_trials
from routing.models import Policy, Stream
from routing.policies import publish_policy
from tests.calibration.cohorts import (
    NOON,
    VERSION,
    make_audited_stream,
    post_items,
    post_labelled,
)
from tests.scenes import KEYS, publish

pytestmark = pytest.mark.django_db

HALVES = {"kind": "platt", "parameters": [1.0, -2.0], "knots": []}


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


def reliability_of(stream: Stream) -> tuple[ReliabilityFigures, set[str]]:
    made = make_month(stream, NOON)
    return cast(ReliabilityFigures, made.figures), set(made.pictures)


def test_bands_and_categories_have_the_reference_figures(stream: Stream) -> None:
    post_labelled(stream, 300, right=156, confidence=0.80, predicted=KEYS[2])
    post_labelled(stream, 300, right=247, confidence=0.80)
    figures, pictures = reliability_of(stream)
    assert (figures["labels"], figures["items"], figures["model"]) == (600, 600, VERSION)
    [raw] = figures["series"]
    assert figures["worst"][:1] == [KEYS[2]]
    cells = {key: cells[4] for key, cells in raw["categories"].items()}
    said = {key: (cell["verdict"], cell["tone"]) for key, cell in cells.items()}
    assert said == {
        KEYS[2]: ("overconfident_certain", "over"),
        KEYS[0]: ("calibrated", "calibrated"),
    }
    assert cells[KEYS[2]]["accuracy"] == pytest.approx(0.52)
    assert [len(each) for each in raw["categories"].values()] == [6, 6]
    assert pictures == {"raw", "category-0", "category-1"}


def test_policy_s_maps_are_shown_after_the_raw_confidence(stream: Stream) -> None:
    publish(stream, maps={"": HALVES}, model_versions=[VERSION])
    post_labelled(stream, 60, right=30, confidence=0.90)
    figures, _pictures = reliability_of(stream)
    names = [series["name"] for series in figures["series"]]
    assert (names, figures["version"], figures["draft"]) == (["raw", "in_force"], 2, "")
    promised = [
        cell["confidence"]
        for series in figures["series"]
        for cell in series["bands"]
        if cell["labels"]
    ]
    assert promised == [pytest.approx(0.9), pytest.approx(0.5492, abs=1e-3)]


def test_maps_of_the_newest_draft_are_shown_where_none_are_in_force(stream: Stream) -> None:
    post_labelled(stream, 300, right=150, confidence=0.90)
    run = recalibrate(stream=stream, at=NOON, reason="a test")
    figures, pictures = reliability_of(stream)
    assert [series["name"] for series in figures["series"]] == ["raw", "draft"]
    assert (figures["draft"], "draft" in pictures) == (str(run.draft_id), True)


def test_stream_without_labels_has_nothing_to_draw(stream: Stream) -> None:
    post_items(stream, 3, confidence=0.9)
    figures, pictures = reliability_of(stream)
    assert (figures["labels"], figures["items"], pictures) == (0, 3, set())
    assert figures["series"][0]["ece"] is None


def test_trials_hold_sample_volume_and_curve(stream: Stream) -> None:
    post_labelled(stream, 60, right=54, confidence=0.95)
    post_labelled(stream, 40, right=20, confidence=0.75)
    made = make_trials(stream, NOON)
    figures = cast(WhatIfFigures, made.figures)
    assert (figures["sampled"], figures["labels"], figures["items"]) == (100, 100, 100)
    assert (figures["items_a_week"], figures["seconds"], figures["promise"]) == (700.0, {}, None)
    assert (figures["measured"]["labels"], figures["measured"]["error"]) == (60, 0.1)
    assert figures["today"] is not None
    assert figures["today"]["share"] == pytest.approx(0.6)
    assert figures["today"]["error"] == pytest.approx(0.1)
    shares = [step["share"] for step in figures["curve"]]
    assert shares == [pytest.approx(0.6), pytest.approx(1.0)]
    assert len(Sample.from_bytes(made.arrays).items) == 100
    assert set(made.pictures) == {"curve"}


def test_trials_of_a_stream_without_items_are_empty(stream: Stream) -> None:
    made = make_trials(stream, NOON)
    figures = cast(WhatIfFigures, made.figures)
    assert (figures["sampled"], figures["curve"], figures["today"]) == (0, [], None)
    assert made.pictures == {}


def certify(stream: Stream, policy: Policy, draft: Policy | None, cut_off: float | None) -> None:
    certificate = {"cut_off": cut_off, "alpha": 0.02, "delta": 0.05, "audits": 400}
    CalibrationRun.objects.create(
        stream=stream,
        kind=CalibrationRun.Kind.REFIT,
        reason="a test",
        policy=policy,
        window_start=NOON - timedelta(days=90),
        window_end=NOON,
        labels=400,
        report={"certificate": certificate},
        draft_id=None if draft is None else draft.id,
    )


def test_promise_is_that_of_the_policy_whose_maps_were_certified(stream: Stream) -> None:
    first = stream.policies.get()
    draft = Policy.objects.create(stream=stream)
    certify(stream, first, draft, 0.97)
    publish_policy(policy_id=draft.id, reason="certified", published_by_id=None)
    expected: Promise = {"cut_off": 0.97, "alpha": 0.02, "delta": 0.05, "audits": 400}
    assert find_promise(stream, draft.id) == expected
    third = publish(stream, auto=0.8)
    assert find_promise(stream, third.id) is None
    CalibrationRun.objects.create(
        stream=stream,
        kind=CalibrationRun.Kind.TABLE,
        reason="a test",
        policy=draft,
        window_start=NOON,
        window_end=NOON,
        labels=400,
        report={"certificate": None},
    )
    assert find_promise(stream, draft.id) == expected
    certify(stream, third, None, None)
    assert find_promise(stream, third.id) is None
