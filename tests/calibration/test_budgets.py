"""Certified cut-offs: which labels may speak, where the tests begin, and what is promised."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from calibration.budgets import certify_budget, choose_audits, spend_delta
from calibration.judgements import judge_maps
from calibration.labels import Cohort, Evidence, FrameRows, Labels, OpenLabels, name_stratum
from calibration.models import AuditDraw, CalibrationRun
from calibration.proposals import NOT_IN_RAW_ORDER
from calibration.runs import OvertakenError, recalibrate
from routing.models import Policy, Stream
from routing.policies import publish_policy
from tests.calibration.cohorts import (
    NOON,
    VERSION,
    label_items,
    make_audited_stream,
    post_items,
)
from tests.scenes import make_bare_stream, publish

DAY = date(2026, 11, 18)
AT = datetime(2026, 11, 18, 12, tzinfo=UTC)


def make_evidence(*groups: tuple[str, float, float, int, int, int], free: bool = True) -> Evidence:
    """Groups of (queue, pi, raw confidence, routed, labelled, right)."""
    strata = sorted({name_stratum(queue, pi) for queue, pi, *_ in groups})
    code = [strata.index(name_stratum(queue, pi)) for queue, pi, *_ in groups]
    labelled = [group[4] for group in groups]
    total = sum(labelled)
    correct = [np.arange(group[4]) < group[5] for group in groups]
    return Evidence(
        cohort=Cohort(Stream(key="s"), "m", DAY, DAY, AT, AT),
        categories=("a",),
        strata=tuple(strata),
        labels=Labels(
            # Their ends spread over all folds alike in every group.
            tail=np.concatenate([np.arange(n, dtype=np.uint64) * 7919 for n in labelled]),
            raw=np.repeat([group[2] for group in groups], labelled),
            category=np.zeros(total, dtype=np.int32),
            stratum=np.repeat(code, labelled).astype(np.int32),
            correct=np.concatenate(correct).astype(np.float64),
            pi=np.repeat([group[1] for group in groups], labelled),
            free=np.full(total, free),
        ),
        frame=FrameRows(
            raw=np.array([group[2] for group in groups]),
            count=np.array([float(group[3]) for group in groups]),
            category=np.zeros(len(groups), dtype=np.int32),
            stratum=np.array(code, dtype=np.int32),
        ),
        open=OpenLabels(0, 0.0),
    )


def test_audits_of_one_rate_all_speak() -> None:
    evidence = make_evidence(("auto", 0.5, 0.99, 800, 400, 400), ("reject", 0.5, 0.6, 200, 100, 50))
    audits = choose_audits(evidence, judge_maps(evidence, {}, edges=[0.5]), alpha=0.02, delta=0.05)
    assert (audits.pi, audits.floor, audits.raw.size) == (0.5, 0.0, 500)


def test_lower_rate_below_bounds_what_can_be_certified() -> None:
    evidence = make_evidence(
        ("auto", 0.5, 0.99, 800, 400, 400), ("reject", 0.02, 0.6, 2000, 40, 20)
    )
    audits = choose_audits(evidence, judge_maps(evidence, {}, edges=[0.5]), alpha=0.02, delta=0.05)
    assert (audits.pi, audits.raw.size) == (0.5, 400)
    assert 0.6 < audits.floor < 0.61


def test_full_review_is_thinned_to_the_audit_rate() -> None:
    evidence = make_evidence(
        ("auto", 0.25, 0.99, 8000, 2000, 2000), ("hold", 1.0, 0.7, 4000, 4000, 2000)
    )
    audits = choose_audits(evidence, judge_maps(evidence, {}, edges=[0.5]), alpha=0.02, delta=0.05)
    assert (audits.pi, audits.floor) == (0.25, 0.0)
    held = int((audits.raw == 0.7).sum())
    assert abs(held - 1000) < 4 * (4000 * 0.25 * 0.75) ** 0.5
    assert int((audits.raw == 0.99).sum()) == 2000


def test_labels_that_a_rule_held_do_not_speak() -> None:
    evidence = make_evidence(("auto", 0.5, 0.99, 800, 400, 400), free=False)
    audits = choose_audits(evidence, judge_maps(evidence, {}, edges=[0.5]), alpha=0.02, delta=0.05)
    assert audits.raw.size == 0


def test_no_labels_need_as_many_as_an_error_free_sample_takes() -> None:
    evidence = make_evidence(("auto", 0.0, 0.99, 800, 0, 0))
    judgement = judge_maps(evidence, {}, edges=[0.5])
    certificate = certify_budget(evidence=evidence, judgement=judgement, alpha=0.02)
    assert (certificate.cut_off, certificate.audits_needed) == (None, 149)


def test_error_free_audits_certify_down_to_where_errors_begin() -> None:
    evidence = make_evidence(
        ("auto", 0.5, 0.99, 800, 400, 400),
        ("auto", 0.5, 0.95, 800, 400, 399),
        ("auto", 0.5, 0.90, 800, 400, 300),
    )
    judgement = judge_maps(evidence, {}, edges=[0.5])
    certificate = certify_budget(evidence=evidence, judgement=judgement, alpha=0.02)
    assert certificate.cut_off == 0.95
    # A part of the labels says where the tests begin and takes no part in them.
    assert 600 < certificate.audits < 800
    assert certificate.errors <= 1


def test_planning_labels_leave_the_others_whole() -> None:
    evidence = make_evidence(("auto", 0.5, 0.99, 800, 400, 400))
    judgement = judge_maps(evidence, {}, edges=[0.5])
    certificate = certify_budget(
        evidence=evidence, judgement=judgement, alpha=0.02, planned_from=evidence
    )
    assert certificate.audits == 400


def test_delta_is_spent_once_for_ever() -> None:
    spent = [spend_delta(0.05, attempt) for attempt in range(1, 100_000)]
    assert spent[0] == pytest.approx(0.0304, abs=1e-4)
    assert 0.0499 < sum(spent) < 0.05


@pytest.fixture
def stream(db: None) -> Stream:
    made = make_audited_stream()
    Stream.objects.filter(id=made.id).update(error_budget=0.02)
    made.refresh_from_db()
    return made


def settle(stream: Stream, size: int, *, right: int, confidence: float) -> None:
    label_items(post_items(stream, size, confidence=confidence), right=right)


def refit(stream: Stream) -> CalibrationRun:
    return recalibrate(stream=stream, at=NOON, reason="the budget")


def test_recalibration_overtaken_by_another_spends_no_share_of_the_risk_twice(
    stream: Stream,
) -> None:
    settle(stream, 500, right=500, confidence=0.98)

    def let_another_by(step: str, _share: float) -> None:
        if step == "routing the newest items again":
            refit(stream)

    with pytest.raises(OvertakenError):
        recalibrate(stream=stream, at=NOON, reason="the budget", progress=let_another_by)
    [stored] = CalibrationRun.objects.all()
    assert stored.report["certificate"]["delta"] == pytest.approx(0.0304, abs=1e-4)
    assert Policy.objects.filter(version=None).count() == 1


def test_recalibration_proposes_the_certified_cut_off(stream: Stream) -> None:
    settle(stream, 500, right=500, confidence=0.98)
    settle(stream, 300, right=210, confidence=0.92)
    run = refit(stream)
    draft = Policy.objects.get(id=run.draft_id or "")
    certificate = run.report["certificate"]
    assert (certificate["alpha"], certificate["errors"]) == (0.02, 0)
    assert certificate["delta"] == pytest.approx(0.0304, abs=1e-4)
    assert draft.auto == certificate["cut_off"]
    assert draft.flagged == min(0.70, draft.auto)
    publish_policy(policy_id=draft.id, reason="certified", published_by_id=None)
    [decision] = post_items(stream, 1, confidence=0.98)
    assert decision.queue == "auto"
    [decision] = post_items(stream, 1, confidence=0.92)
    assert decision.queue != "auto"


def test_recalibration_says_what_is_wanting(stream: Stream) -> None:
    settle(stream, 100, right=100, confidence=0.98)
    run = refit(stream)
    assert run.draft_id is None
    assert run.report["certificate"]["cut_off"] is None
    wanting = [note for note in run.report["notes"] if note.startswith("not certifiable yet")]
    assert len(wanting) == 1
    assert "at most 2% errors among automatic items" in wanting[0]
    assert wanting[0].endswith("more audits")


def test_each_attempt_has_a_smaller_risk(stream: Stream) -> None:
    settle(stream, 100, right=100, confidence=0.98)
    deltas = [refit(stream).report["certificate"]["delta"] for _ in range(3)]
    assert deltas == pytest.approx([spend_delta(0.05, attempt) for attempt in (1, 2, 3)])


def test_failed_certificate_keeps_the_map_of_the_cut_off_in_force(stream: Stream) -> None:
    settle(stream, 500, right=500, confidence=0.98)
    settle(stream, 300, right=210, confidence=0.92)
    run = refit(stream)
    assert run.draft_id is not None
    publish_policy(policy_id=run.draft_id, reason="certified", published_by_id=None)
    settle(stream, 400, right=200, confidence=0.98)
    again = refit(stream)
    assert again.report["certificate"]["cut_off"] is None
    kept = "the map stays with the cut-off that was set under it"
    assert kept in again.report["notes"]
    # It may still distrust what was found overconfident.
    assert again.draft_id is not None
    first, second = (Policy.objects.get(id=one.draft_id or "") for one in (run, again))
    assert (second.maps, second.auto) == (first.maps, first.auto)
    assert second.distrusted != first.distrusted


def test_maps_by_category_give_way_to_one_that_keeps_the_order(stream: Stream) -> None:
    platt = {"kind": "platt", "parameters": [1.0, 0.0], "knots": []}
    publish(stream, maps={"": platt, "vpn_issue": platt}, model_versions=[VERSION])
    settle(stream, 500, right=500, confidence=0.98)
    settle(stream, 300, right=210, confidence=0.92)
    run = refit(stream)
    assert NOT_IN_RAW_ORDER in run.report["notes"]
    draft = Policy.objects.get(id=run.draft_id or "")
    assert list(draft.maps) == [""]
    assert draft.auto == run.report["certificate"]["cut_off"]


def test_top_up_is_drawn_besides_from_its_confidence_up(db: None) -> None:
    stream = make_bare_stream(audit_rate=0.2, topup_rate=0.5, topup_from=0.95)
    publish(stream)
    sure = post_items(stream, 400, confidence=0.97)
    others = post_items(stream, 400, confidence=0.92)
    assert {one.label_pi for one in sure} == {0.2 + 0.5 * 0.8}
    assert {one.label_pi for one in others} == {0.2}
    drawn = dict(AuditDraw.objects.values_list("decision_id", "pi"))
    taken = [one for one in sure if drawn.get(one.id) == one.label_pi]
    # 240 expected, standard deviation under 10.
    assert 190 <= len(taken) <= 290
    assert len([one for one in others if drawn.get(one.id) == 0.2]) == len(drawn) - len(taken)
