"""Drafted sentences measured: the reference table, Platt's map, the budget."""

from datetime import datetime, timedelta
from itertools import count

import pytest

from calibration.labels import count_routed, find_cohort, read_evidence
from calibration.models import GroundTruth
from calibration.runs import measure, recalibrate
from calibration.shipping import measure_false_confidence, price_cut_off
from reviewqueue.intake import Taken, take_in
from routing.core.grounding import DEFAULT_GROUNDING
from routing.core.maps import CalibrationMap
from routing.core.policy import STREAM_WIDE
from routing.models import Decision, Policy, Stream
from routing.policies import copy_policy, publish_policy, weighs_anew
from tests.calibration.cohorts import NOON
from tests.grounded_scenes import make_grounded_stream, make_sentence

pytestmark = pytest.mark.django_db

BLOCKS = (
    {"id": "a", "title": "", "text": "It is so.", "score": 1.0},
    {"id": "b", "title": "", "text": "It is not.", "score": 0.0},
)
# Composite, sentences, supported.
REFERENCE = (
    (0.97, 412, 0.97),
    (0.90, 631, 0.88),
    (0.775, 1_109, 0.74),
    (0.60, 684, 0.55),
    (0.40, 287, 0.36),
    (0.16, 142, 0.18),
)
_numbers = count(1)
FITTED = {STREAM_WIDE: CalibrationMap(kind="platt", parameters=(1.2, -0.1)).to_json()}


def post_at(stream: Stream, composite: float, size: int, *, at: datetime = NOON) -> list[Decision]:
    """Take in so many sentences whose signals make this composite."""
    # With one claim and a full gap the entailment has the rest; with one block there is no gap.
    blocks, rest = (BLOCKS, 0.40) if composite >= 0.40 else (BLOCKS[:1], 0.15)
    signals = {"entailment_probability": (composite - rest) / 0.60, "claim_count": 1}
    posts = [
        make_sentence(
            f"s-{next(_numbers)}",
            sentence="It is so.",
            signals=signals,
            blocks=blocks,
            model_version="drafter-1",
        )
        for _ in range(size)
    ]
    taken = take_in(stream=stream, posts=posts, received_at=at)
    ids = [one.decision_id for one in taken if isinstance(one, Taken) and one.decision_id]
    return list(Decision.objects.filter(id__in=ids).order_by("id"))


def judge(decisions: list[Decision], *, supported: int, pi: float = 1.0) -> None:
    """Settle the decisions, the first of them as supported."""
    GroundTruth.objects.bulk_create(
        GroundTruth(
            stream_id=decision.stream_id,
            item_id=decision.item_id,
            decision=decision,
            kind=GroundTruth.Kind.CATEGORY,
            categories=["supported" if number < supported else "not_supported"],
            pi=pi,
            blind=True,
            source=GroundTruth.Source.AUDIT,
            settled_at=decision.decided_at,
        )
        for number, decision in enumerate(decisions)
    )


@pytest.fixture
def reference() -> Stream:
    """The reference set of the requirements, every sentence of it judged."""
    stream = make_grounded_stream(audit_rate=1.0, bulk_label_rate=1.0, error_budget=None)
    for composite, size, share in REFERENCE:
        judge(post_at(stream, composite, size), supported=round(share * size))
    return stream


@pytest.fixture
def with_map() -> Stream:
    """A stream whose policy has a map."""
    stream = make_grounded_stream(audit_rate=1.0, bulk_label_rate=1.0)
    first = stream.policies.get()
    changes = {"maps": FITTED, "model_versions": ["drafter-1"]}
    draft = copy_policy(policy=first, created_by_id=None, changes=changes)
    publish_policy(policy_id=draft.id, reason="fitted", published_by_id=None)
    return stream


def weigh_anew(stream: Stream) -> Policy:
    """Publish the newest version with other weights."""
    draft = copy_policy(
        policy=stream.policies.order_by("-version")[0],
        created_by_id=None,
        changes={"grounding": {**DEFAULT_GROUNDING.to_json(), "gap_high": 2.0}},
    )
    return publish_policy(policy_id=draft.id, reason="a wider gap", published_by_id=None)


def test_reference_table_comes_out_of_the_rows(reference: Stream) -> None:
    run = measure(stream=reference, at=NOON, reason="the reference table")

    cells = run.report["table"]["before"]["aggregate"]
    assert [
        (
            cell["lower"],
            cell["n"],
            round(cell["confidence"], 3),
            round(cell["accuracy"], 2),
            cell["verdict"],
        )
        for cell in cells
    ] == [
        (0.0, 142, 0.16, 0.18, "calibrated"),
        (0.3, 287, 0.4, 0.36, "calibrated"),
        (0.5, 684, 0.6, 0.55, "overconfident_certain"),
        (0.7, 1_109, 0.775, 0.74, "calibrated"),
        (0.85, 631, 0.9, 0.88, "calibrated"),
        (0.95, 412, 0.97, 0.97, "calibrated"),
    ]


def test_recalibration_of_sentences_tries_platt_alone() -> None:
    stream = make_grounded_stream(audit_rate=1.0, bulk_label_rate=1.0)
    for composite, supported in ((0.95, 160), (0.75, 90), (0.55, 40)):
        judge(post_at(stream, composite, 200), supported=supported)

    run = recalibrate(stream=stream, at=NOON, reason="the quarter is over")

    assert [trial["name"] for trial in run.report["candidates"]] == ["Platt"]
    draft = Policy.objects.get(version=None)
    assert draft.id == run.draft_id
    assert draft.maps[""]["kind"] == "platt"
    assert draft.grounding == stream.policies.get(version=1).grounding


def test_other_weights_leave_the_map_behind(with_map: Stream) -> None:
    second = weigh_anew(with_map)

    assert (second.maps, second.distrusted) == ({}, [])
    third = copy_policy(policy=second, created_by_id=None, changes={"maps": FITTED})
    assert weighs_anew(third) is False
    assert third.maps == FITTED


def test_same_weights_keep_the_map(with_map: Stream) -> None:
    draft = copy_policy(
        policy=with_map.policies.get(version=2), created_by_id=None, changes={"auto": 0.9}
    )

    policy = publish_policy(policy_id=draft.id, reason="stricter", published_by_id=None)

    assert policy.maps == FITTED


def test_cohort_begins_on_the_day_after_other_weights(with_map: Stream) -> None:
    changed = weigh_anew(with_map).published_at
    assert changed is not None
    for days in (0, 2):
        judge(post_at(with_map, 0.95, 3, at=changed + timedelta(days=days)), supported=3)

    at = changed + timedelta(days=3)
    cohort = find_cohort(stream=with_map, at=at, days=30)
    assert cohort.first_day == (changed + timedelta(days=1)).date()
    assert len(read_evidence(cohort).labels) == 3
    assert count_routed(cohort) == ((changed + timedelta(days=2)).date(), 3)

    before = with_map.policies.get(version=2).published_at
    assert before is not None
    assert (
        find_cohort(stream=with_map, at=before, days=30).first_day
        == (before - timedelta(days=29)).date()
    )


def test_run_on_the_day_of_other_weights_has_nothing_to_fit(with_map: Stream) -> None:
    changed = weigh_anew(with_map).published_at
    assert changed is not None
    judge(post_at(with_map, 0.95, 3, at=changed), supported=3)

    run = recalibrate(stream=with_map, at=changed, reason="too early")

    assert run.draft_id is None
    assert run.report["cohort"]["model_version"] == "drafter-1"
    assert run.report["labels"]["n"] == 0


def test_false_confidence_is_told_by_band_and_against_the_budget(reference: Stream) -> None:
    reference.error_budget = 0.2

    found = measure_false_confidence(stream=reference, at=NOON)

    green, amber = found.by_queue["auto"], found.by_queue["flagged"]
    # 12 of 412 and 76 of 631; 288 of 1,109 and 308 of 684.
    assert (green.items, green.n, amber.items, amber.n) == (1_043.0, 1_043, 1_793.0, 1_793)
    assert [green.rate, amber.rate] == pytest.approx([88 / 1_043, 596 / 1_793])
    assert found.total.rate == pytest.approx(684 / 2_836)
    assert found.total.completeness == pytest.approx(2_836 / 3_265)
    assert (found.budget, found.is_over_budget) == (0.2, True)


def test_moving_the_refusal_cut_off_is_priced(reference: Stream) -> None:
    half, higher = price_cut_off(stream=reference, at=NOON, cut_offs=(0.5, 0.7))

    assert half.shipped.items == 2_836.0
    assert higher.shipped.items == 2_152.0
    assert higher.shipped.completeness == pytest.approx(2_152 / 3_265)
    assert higher.shipped.rate == pytest.approx(376 / 2_152)


def test_labels_of_sentences_are_free_of_rules() -> None:
    """Neither the composite nor a warning is a rule that holds a sentence whatever the cut-off."""
    stream = make_grounded_stream(freshness_days=1, audit_rate=1.0)
    old = {**BLOCKS[0], "date": "2020-01-01"}
    post = make_sentence("s", sentence="Since 1999.", blocks=(old,), model_version="drafter-1")
    take_in(stream=stream, posts=[post], received_at=NOON)
    decision = Decision.objects.get()
    judge([decision], supported=1)

    evidence = read_evidence(find_cohort(stream=stream, at=NOON, days=1))

    assert [reason["code"] for reason in decision.reasons] == [
        "composite",
        "confidence",
        "stale_source",
        "number_not_found",
    ]
    assert evidence.labels.free.tolist() == [True]
