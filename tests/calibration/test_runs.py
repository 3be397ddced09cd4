"""Calibration runs: what is stored, what is proposed, and that nothing is published."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from calibration.models import CalibrationRun
from calibration.runs import RunReasonError, measure, recalibrate
from routing.core.difference import find_differences
from routing.core.maps import IDENTITY
from routing.models import Category, CategoryRule, Event, Policy, Stream
from routing.policies import NoPolicyError, copy_policy, load_spec, publish_policy
from tests.calibration.cohorts import (
    NOON,
    VERSION,
    label_items,
    make_audited_stream,
    post_items,
    post_labelled,
)
from tests.scenes import KEYS, make_bare_stream

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream(db: None) -> Stream:
    return make_audited_stream()


def post_overconfident_cohort(stream: Stream) -> None:
    """A 0.90+ band that runs at 78%, as a model does whose scores are all too far out."""
    post_labelled(stream, 412, right=321, confidence=0.93)
    post_labelled(stream, 300, right=186, confidence=0.75)
    post_labelled(stream, 200, right=104, confidence=0.55)


def refit(stream: Stream, **options: object) -> CalibrationRun:
    return recalibrate(stream=stream, at=NOON, reason="a rollout", **options)  # type: ignore[arg-type]


def draft_of(run: CalibrationRun) -> Policy:
    assert run.draft_id is not None, run.report["notes"]
    return Policy.objects.get(id=run.draft_id)


def find_cell(cells: list[dict[str, Any]], lower: float) -> dict[str, Any]:
    return next(cell for cell in cells if cell["lower"] == lower)


def test_labels_of_a_retired_category_are_kept_apart_and_named_in_no_draft(
    stream: Stream,
) -> None:
    post_overconfident_cohort(stream)
    post_labelled(stream, 100, right=20, confidence=0.95, predicted=KEYS[1])
    before = refit(stream).report
    stream.categories.filter(key=KEYS[1]).update(retired_at=NOON)
    stream.categories.create(key="printer", label="Printer", position=9)
    copy = copy_policy(policy=stream.policies.get(version=1), created_by_id=None)
    publish_policy(policy_id=copy.id, reason="a new taxonomy", published_by_id=None)
    run = refit(stream)
    for part in ("labels", "scores", "findings", "cohort"):
        assert run.report[part] == before[part]
    assert run.report["labels"]["by_category"][KEYS[1]] == {"n": 100, "right": 20}
    assert run.report["queues"]["items"] == 1012
    draft = draft_of(run)
    assert {category for category, _band in draft.distrusted} <= {KEYS[0]}
    published = publish_policy(policy_id=draft.id, reason="recalibrated", published_by_id=None)
    assert published.category_keys == [KEYS[0], KEYS[2], "printer"]
    assert measure(stream=stream, at=NOON, reason="after it").labels == 1012


def test_measured_band_that_runs_at_78_is_reported_as_certainly_overconfident(
    stream: Stream,
) -> None:
    post_overconfident_cohort(stream)
    run = measure(stream=stream, at=NOON, reason="monthly table")
    cell = find_cell(run.report["table"]["before"]["aggregate"], 0.9)
    assert (cell["n"], cell["frame"], cell["verdict"]) == (412, 412, "overconfident_certain")
    assert cell["accuracy"] == pytest.approx(321 / 412)
    assert cell["confidence"] == pytest.approx(0.93)
    assert run.report["findings"][0] == (
        "all categories, 0.90 to 1.00: promised 93.0%, right 77.9% "
        "(95% interval 73.7% to 81.7%, 412 labels): overconfident, certain"
    )
    fine = find_cell(run.report["table"]["before"]["aggregate"], 0.5)
    assert (fine["verdict"], fine["accuracy"]) == ("calibrated", pytest.approx(0.52))
    assert run.kind == CalibrationRun.Kind.TABLE
    assert (run.labels, run.open_tasks, run.draft_id, run.ece_after) == (912, 0, None, None)
    promised = 412 * 0.93 + 300 * 0.75 + 200 * 0.55
    assert run.ece_before == pytest.approx((promised - 321 - 186 - 104) / 912)


def test_overconfident_band_leads_to_a_draft_whose_map_moves_the_cut_off(stream: Stream) -> None:
    post_overconfident_cohort(stream)
    run = refit(stream)
    draft = draft_of(run)
    assert draft.version is None
    assert draft.model_versions == [VERSION]
    assert (draft.auto, draft.flagged, draft.hold) == (0.9, 0.7, 0.5)
    assert draft.maps[""]["kind"] == "platt"
    spec = load_spec(draft)
    assert spec.maps[""].apply(np.array([0.93])) == pytest.approx([321 / 412], abs=0.05)
    moved = run.report["cut_offs"]["auto"]
    assert (moved["calibrated_now"], moved["raw_now"]) == (0.9, 0.9)
    assert (moved["calibrated_draft"]) == 0.9
    # 78% at a raw .93: a promise of 90% begins at .989 only.
    assert moved["raw_draft"] == pytest.approx(0.989, abs=0.005)
    assert run.report["queues"]["now"]["auto"] == pytest.approx(412 / 912)
    assert run.report["queues"]["draft"]["auto"] == 0.0
    assert run.ece_before is not None
    assert run.ece_after is not None
    assert run.ece_before is not None
    assert run.ece_after is not None
    assert run.ece_after < run.ece_before / 2
    assert run.report["changes"][0].startswith("calibration: platt ")
    verdicts = {cell["verdict"] for cell in run.report["table"]["after"]["aggregate"]}
    assert verdicts <= {"calibrated", "not_enough_labels"}


def test_cut_off_is_raised_where_no_map_can_mend_the_band(stream: Stream) -> None:
    """The model is right where it is shy and wrong where it is sure: no rising map can say that."""
    post_labelled(stream, 400, right=380, confidence=0.55)
    post_labelled(stream, 400, right=380, confidence=0.75)
    post_labelled(stream, 300, right=151, confidence=0.93)
    post_labelled(stream, 100, right=99, confidence=0.99)
    run = refit(stream)
    draft = draft_of(run)
    assert draft.maps == {}
    assert (draft.auto, draft.flagged, draft.hold) == (0.99, 0.7, 0.5)
    assert "auto from 0.99 instead of 0.90" in run.report["changes"]
    assert (
        "62.5% of what is at 0.90 or above is right, so auto is proposed from 0.99 "
        "(exploratory, not certified)"
    ) in run.report["notes"]
    # The band is distrusted besides, until labels of the draft's own time lift that.
    assert draft.distrusted == [[KEYS[0], 5]]
    assert run.report["queues"]["draft"]["auto"] == 0.0


def test_auto_is_closed_where_no_cut_off_keeps_the_promise(stream: Stream) -> None:
    post_labelled(stream, 400, right=380, confidence=0.55)
    post_labelled(stream, 300, right=150, confidence=0.93)
    post_labelled(stream, 100, right=60, confidence=0.99)
    run = refit(stream)
    draft = draft_of(run)
    assert (draft.auto, draft.flagged) == (1.0, 0.7)
    assert run.report["queues"]["draft"]["auto"] == 0.0


def test_raised_cut_off_opens_no_flagged_band_in_a_policy_without_one(stream: Stream) -> None:
    policy = Policy.objects.create(stream=stream, auto=0.9, flagged=0.9)
    publish_policy(policy_id=policy.id, reason="auto or hold", published_by_id=None)
    post_labelled(stream, 400, right=380, confidence=0.55)
    post_labelled(stream, 300, right=150, confidence=0.93)
    post_labelled(stream, 100, right=99, confidence=0.99)
    draft = draft_of(refit(stream))
    assert (draft.auto, draft.flagged) == (0.99, 0.99)


def test_cut_off_that_a_category_rule_forbids_is_left_to_a_person(stream: Stream) -> None:
    policy = Policy.objects.create(stream=stream, auto=0.9, flagged=0.9)
    CategoryRule.objects.create(
        stream=stream, policy=policy, category=stream.categories.get(key=KEYS[1]), auto=0.95
    )
    publish_policy(policy_id=policy.id, reason="auto or hold", published_by_id=None)
    post_labelled(stream, 400, right=380, confidence=0.55)
    post_labelled(stream, 300, right=150, confidence=0.93)
    post_labelled(stream, 100, right=99, confidence=0.99)
    run = refit(stream)
    note = next(note for note in run.report["notes"] if "auto belongs at 0.99" in note)
    assert note.endswith("change it by hand")
    assert KEYS[1] in note
    assert not any(change.startswith("auto") for change in run.report["changes"])


def test_run_never_publishes_and_proposes_the_same_again(stream: Stream) -> None:
    post_overconfident_cohort(stream)
    first, second = refit(stream), refit(stream)
    assert first.report == second.report
    drafts = [draft_of(run) for run in (first, second)]
    for name in ("maps", "distrusted", "model_versions", "auto", "flagged", "hold", "title"):
        assert getattr(drafts[0], name) == getattr(drafts[1], name), name
    assert Policy.objects.filter(stream=stream, version__isnull=False).count() == 1
    kinds = Event.objects.filter(subject_id=second.id).values_list("kind", flat=True)
    assert list(kinds) == ["calibration.proposed"]


def test_calibrated_stream_gets_no_draft(stream: Stream) -> None:
    post_labelled(stream, 400, right=380, confidence=0.95)
    post_labelled(stream, 400, right=300, confidence=0.75)
    post_labelled(stream, 400, right=220, confidence=0.55)
    run = refit(stream)
    assert run.draft_id is None
    assert run.report["changes"] == []
    assert run.report["findings"] == []
    assert run.report["notes"][-1] == "nothing to change: the policy in force may stand"
    assert run.report["queues"]["now"] == run.report["queues"]["draft"]


def test_published_proposal_is_judged_by_its_own_map(stream: Stream) -> None:
    post_overconfident_cohort(stream)
    first = refit(stream)
    publish_policy(policy_id=draft_of(first).id, reason="recalibrated", published_by_id=None)
    second = refit(stream)
    assert second.draft_id is None
    assert second.report["table"]["before"] == first.report["table"]["after"]
    assert (
        second.report["cut_offs"]["auto"]["raw_now"]
        == (first.report["cut_offs"]["auto"]["raw_draft"])
    )


def test_few_labels_are_reported_as_not_enough(stream: Stream) -> None:
    post_labelled(stream, 20, right=10, confidence=0.93)
    run = refit(stream)
    assert run.draft_id is None
    assert (
        "not enough labels: 20.0 effective labels, 30 are needed for a fit" in run.report["notes"]
    )
    assert (
        "not enough labels in 1 of 1 category-and-band cells: each needs 50, "
        "the fullest of these has 20"
    ) in run.report["notes"]


def test_stream_without_items_is_measured_without_numbers(stream: Stream) -> None:
    run = refit(stream)
    assert (run.labels, run.ece_before, run.draft_id) == (0, None, None)
    assert run.report["notes"] == ["not enough labels: there are none in this window"]
    assert run.report["table"]["before"] == {"aggregate": [], "categories": []}
    assert run.report["queues"]["items"] == 0


def test_certainly_overconfident_category_is_distrusted_while_the_others_are_not(
    stream: Stream,
) -> None:
    """Right where it is shy and wrong where it is sure, on too few labels for its own slope."""
    post_labelled(stream, 200, right=180, confidence=0.92, predicted=KEYS[0])
    post_labelled(stream, 150, right=82, confidence=0.55, predicted=KEYS[0])
    post_labelled(stream, 80, right=73, confidence=0.55, predicted=KEYS[2])
    post_labelled(stream, 110, right=66, confidence=0.92, predicted=KEYS[2])
    run = refit(stream)
    draft = draft_of(run)
    assert [key for key, _ in draft.distrusted] == [KEYS[2]]
    maps = load_spec(draft).maps
    own = maps.get(KEYS[2], maps.get("", IDENTITY))
    confidence = float(own.apply(np.array([0.92]))[0])
    band = int(np.searchsorted(stream.reporting_edges, confidence, side="right"))
    assert draft.distrusted == [[KEYS[2], band]]
    assert f"distrusted: {KEYS[2]}, band {band}" in run.report["changes"]


def post_categories_that_differ(stream: Stream) -> None:
    """The aggregate of .80 and up hides one bad category behind two good ones."""
    for key, sure, shy in zip(KEYS, (264, 247, 156), (70, 63, 33), strict=True):
        post_labelled(stream, 300, right=sure, confidence=0.82, predicted=key)
        post_labelled(stream, 100, right=shy, confidence=0.62, predicted=key)


def test_categories_that_differ_get_maps_of_their_own_right_through(stream: Stream) -> None:
    post_categories_that_differ(stream)
    run = refit(stream)
    draft = draft_of(run)
    assert set(draft.maps) == {"", *KEYS}
    assert {one["kind"] for one in draft.maps.values()} == {"platt"}
    chosen = [each["name"] for each in run.report["candidates"] if each["outcome"] == "chosen"]
    assert chosen == ["Platt with category intercepts"]
    assert run.report["notes"][-1].startswith("proposed: platt, slope 0.")
    slope, intercept = draft.maps[""]["parameters"]
    own = ", ".join(
        f"{key}: platt {slope:.4f} {draft.maps[key]['parameters'][1]:.4f}" for key in sorted(KEYS)
    )
    assert run.report["changes"] == [
        f"calibration: platt {slope:.4f} {intercept:.4f}, {own} instead of none, "
        "for model 'model-1'"
    ]
    cells = [cell for cell in run.report["table"]["after"]["categories"] if cell["n"]]
    assert {cell["verdict"] for cell in cells} == {"calibrated"}
    low, high = run.report["cut_offs"]["flagged"]["own_draft"]
    assert low < 0.82 < (high or 1.0)
    assert run.report["cut_offs"]["flagged"]["own_now"] is None

    before = load_spec(stream.policies.get(version=1))
    changed = find_differences(before, load_spec(draft))
    assert [each.category for each in changed if each.field == "map"] == ["", *KEYS]

    published = publish_policy(policy_id=draft.id, reason="recalibrated", published_by_id=None)
    spec = load_spec(published)
    queues = {}
    for key in KEYS:
        decision = post_items(stream, 1, confidence=0.82, predicted=key)[0]
        expected = float(spec.maps[key].apply(np.array([0.82]))[0])
        assert decision.confidence == pytest.approx(expected, abs=1e-9)
        queues[key] = decision.queue
    # .82 is right in 88%, 82% and 52% of them.
    assert queues == {KEYS[0]: "flagged", KEYS[1]: "flagged", KEYS[2]: "hold"}
    again = measure(stream=stream, at=NOON, reason="after it").report["table"]["before"]
    kept = [cell for cell in again["categories"] if cell["n"]]
    assert [cell["accuracy"] for cell in kept] == pytest.approx(
        [cell["accuracy"] for cell in cells]
    )


def test_map_of_a_category_retired_since_is_left_out_of_the_draft(stream: Stream) -> None:
    post_categories_that_differ(stream)
    Category.objects.filter(stream=stream, key=KEYS[2]).update(retired_at=NOON)
    assert set(draft_of(refit(stream)).maps) == {"", *KEYS[:2]}


def test_candidates_are_reported_with_what_they_saved_or_why_they_were_not_tried(
    stream: Stream,
) -> None:
    post_overconfident_cohort(stream)
    candidates = {each["name"]: each for each in refit(stream).report["candidates"]}
    platt = candidates["Platt"]
    gain, error = platt["saving"]
    assert gain > 2 * error > 0.0
    assert (platt["simpler"], platt["over_simpler"], platt["outcome"]) == ("", None, "chosen")
    untried = {"saving": None, "simpler": "", "over_simpler": None, "fit": ""}
    assert candidates["beta"] == untried | {
        "name": "beta",
        "outcome": "needs 1,000 effective labels, there are 912",
    }
    assert candidates["Platt with category intercepts"]["outcome"] == (
        "all labels are of one category"
    )


def test_refit_that_would_make_things_worse_says_so_and_proposes_nothing(stream: Stream) -> None:
    """The promises are kept, but not along any curve of Platt's."""
    post_labelled(stream, 300, right=285, confidence=0.95)
    post_labelled(stream, 300, right=255, confidence=0.85)
    post_labelled(stream, 300, right=165, confidence=0.55)
    run = refit(stream)
    assert (run.draft_id, run.report["changes"]) == (None, [])
    said = next(note for note in run.report["notes"] if note.startswith("no new map: Platt"))
    assert "would make things worse, it costs 0.0" in said
    assert run.report["notes"][-1] == "nothing to change: the policy in force may stand"


def test_distrust_stays_until_labels_lift_it(stream: Stream) -> None:
    policy = Policy.objects.create(
        stream=stream, distrusted=[[KEYS[1], 4], [KEYS[2], 4], [KEYS[2], 1]]
    )
    publish_policy(policy_id=policy.id, reason="distrust", published_by_id=None)
    post_labelled(stream, 300, right=255, confidence=0.85, predicted=KEYS[1])
    post_labelled(stream, 300, right=165, confidence=0.55, predicted=KEYS[0])
    run = refit(stream)
    draft = draft_of(run)
    assert sorted(draft.distrusted) == [[KEYS[2], 1], [KEYS[2], 4]]
    assert run.report["changes"] == [f"trusted again: {KEYS[1]}, band 4"]


def test_weights_undo_what_auditing_a_tenth_does_to_the_mean(stream: Stream) -> None:
    """900 automatic items at 95% right of which 90 are labelled, 100 held ones at 50%, all."""
    stream.audit_rate = 0.1
    stream.save()
    sure = post_items(stream, 900, confidence=0.95)
    label_items(sure[:100], right=95, pi=0.1)
    post_labelled(stream, 100, right=50, confidence=0.55)
    run = measure(stream=stream, at=NOON, reason="monthly table")
    weighted = run.report["labels"]
    total = 1000 * 1.0 + 100.0
    assert weighted["n"] == 200
    assert weighted["n_eff"] == pytest.approx(total**2 / (100 * 100.0 + 100))
    # Unweighted the labels would say 145 of 200, 72.5%.
    error = run.report["scores"]["before"]["ece"]
    assert error == pytest.approx(100 * 0.05 / total)
    cell = find_cell(run.report["table"]["before"]["aggregate"], 0.9)
    assert (cell["frame"], cell["n"]) == (900, 100)
    assert cell["accuracy"] == pytest.approx(0.95)


def test_open_labels_are_stated_and_bound(stream: Stream) -> None:
    held = post_items(stream, 100, confidence=0.55)
    label_items(held[:75], right=45)
    run = measure(stream=stream, at=NOON, reason="monthly table")
    labels = run.report["labels"]
    assert run.open_tasks == 25
    assert (labels["open"], labels["open_share"]) == (25, 0.25)
    assert labels["accuracy_if_open_wrong"] == pytest.approx(0.45)
    assert labels["accuracy_if_open_right"] == pytest.approx(0.70)
    assert "25 labels of this window are still open" in run.report["notes"]


@pytest.mark.parametrize(
    ("pace", "hours"),
    [
        ({}, None),
        ({"hold": 36.0, "audit": 18.0}, (100 * 36.0 + 200 * 18.0) / 3600),
        ({"hold": 36.0}, (100 * 36.0 + 200 * 36.0) / 3600),
    ],
)
def test_reviewer_hours_follow_the_measured_pace(
    stream: Stream, pace: Mapping[str, float], hours: float | None
) -> None:
    post_labelled(stream, 100, right=55, confidence=0.55)
    post_labelled(stream, 200, right=190, confidence=0.95)
    run = refit(stream, seconds_per_review=pace)
    assert run.report["review"]["hours_now"] == (None if hours is None else pytest.approx(hours))
    assert run.report["review"]["items"] == 300


def test_model_that_the_maps_were_not_fitted_on_is_judged_raw(stream: Stream) -> None:
    policy = Policy.objects.create(
        stream=stream,
        maps={"": {"kind": "platt", "parameters": [1.0, -3.0], "knots": []}},
        model_versions=["model-0"],
    )
    publish_policy(policy_id=policy.id, reason="fitted on model-0", published_by_id=None)
    post_labelled(stream, 400, right=380, confidence=0.95)
    post_labelled(stream, 400, right=220, confidence=0.55)
    run = refit(stream)
    assert run.ece_before == pytest.approx(0.0, abs=1e-9)
    draft = draft_of(run)
    assert draft.maps[""]["kind"] == "identity"
    assert draft.model_versions == [VERSION]


def test_retired_categories_do_not_stand_in_the_way(stream: Stream) -> None:
    policy = Policy.objects.create(stream=stream, distrusted=[[KEYS[2], 5]])
    publish_policy(policy_id=policy.id, reason="distrust", published_by_id=None)
    post_overconfident_cohort(stream)
    post_labelled(stream, 100, right=50, confidence=0.95, predicted=KEYS[2])
    Category.objects.filter(stream=stream, key=KEYS[2]).update(retired_at=NOON)
    draft = draft_of(refit(stream))
    assert load_spec(draft).categories == KEYS[:2]
    assert all(key != KEYS[2] for key, _ in draft.distrusted)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
def test_reason_is_asked_for(stream: Stream, reason: str) -> None:
    with pytest.raises(RunReasonError, match="give 1 to 200"):
        recalibrate(stream=stream, at=NOON, reason=reason)
    assert not CalibrationRun.objects.exists()


def test_stream_without_a_policy_is_refused(stream: Stream) -> None:
    with pytest.raises(NoPolicyError):
        measure(stream=make_bare_stream("bare"), at=NOON, reason="too early")


def test_run_covers_whole_days_and_is_dated_by_its_clock(stream: Stream) -> None:
    run = measure(stream=stream, at=NOON, reason="monthly table", days=30)
    assert run.window_end - run.window_start == timedelta(days=30)
    assert run.created_at == NOON
    assert run.report["cohort"] == {
        "model_version": "",
        "first_day": "2026-10-20",
        "last_day": "2026-11-18",
    }


def test_query_count_does_not_grow_with_labels_and_cells(stream: Stream) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(connection) as context:
            refit(stream)
        return len(context)

    post_labelled(stream, 60, right=40, confidence=0.95)
    few = count_queries()
    for key in KEYS:
        post_labelled(stream, 60, right=40, confidence=0.95, predicted=key)
        post_labelled(stream, 60, right=40, confidence=0.85, predicted=key)
        post_labelled(stream, 60, right=40, confidence=0.75, predicted=key)
    assert count_queries() == few
