"""Cut-offs by costs: proposed for the stream and for the categories whose costs differ."""

import pytest
from django.db import IntegrityError, transaction

from calibration.core.thresholds import Costs, cut_offs_from_costs
from calibration.runs import recalibrate
from routing.models import Category, CategoryRule, Policy, Stream
from routing.policies import load_spec
from tests.calibration.cohorts import NOON, make_audited_stream, post_labelled

STREAM = Costs(error=50.0, review=2.0, delay=5.0, irreversible=0.4)
DEAR_MISS = Costs(error=50.0, review=2.0, delay=15.0, irreversible=0.4)


@pytest.fixture
def stream(db: None) -> Stream:
    made = make_audited_stream()
    Stream.objects.filter(id=made.id).update(
        cost_error=50.0, cost_review=2.0, cost_delay=5.0, irreversible=0.4
    )
    Category.objects.filter(stream=made, key="security_incident").update(cost_delay=15.0)
    made.refresh_from_db()
    # Promises that are kept, so that nothing but the costs calls for a change.
    post_labelled(made, 200, right=190, confidence=0.95)
    return made


def draft_of(stream: Stream) -> Policy | None:
    run = recalibrate(stream=stream, at=NOON, reason="the costs")
    return Policy.objects.get(id=run.draft_id) if run.draft_id else None


def test_draft_has_the_cheapest_cut_offs(stream: Stream) -> None:
    draft = draft_of(stream)
    assert draft is not None
    usual, dear = cut_offs_from_costs(STREAM), cut_offs_from_costs(DEAR_MISS)
    assert (draft.auto, draft.flagged, draft.hold) == (usual.auto, usual.flagged, 0.50)
    [rule] = CategoryRule.objects.filter(policy=draft)
    assert rule.category.key == "security_incident"
    assert (rule.auto, rule.flagged, rule.hold) == (dear.auto, dear.flagged, dear.flagged)
    # A dear delay lets more be acted on while it is checked.
    assert dear.flagged < usual.flagged
    assert load_spec(draft).effective("security_incident").flagged == dear.flagged


def test_run_says_why_the_cut_offs_move(stream: Stream) -> None:
    run = recalibrate(stream=stream, at=NOON, reason="the costs")
    assert "the cut-offs are the cheapest ones by the stream's costs" in run.report["notes"]
    [change] = [one for one in run.report["changes"] if one.startswith("security_incident")]
    assert change == "security_incident: auto from 0.933333333, flagged from 0.25"


def test_costs_that_are_not_all_given_move_nothing(stream: Stream) -> None:
    Stream.objects.filter(id=stream.id).update(cost_review=None)
    stream.refresh_from_db()
    assert draft_of(stream) is None


def test_delay_that_costs_nothing_leaves_no_flagged_band(stream: Stream) -> None:
    Stream.objects.filter(id=stream.id).update(cost_delay=0.0)
    Category.objects.filter(stream=stream).update(cost_delay=None)
    stream.refresh_from_db()
    draft = draft_of(stream)
    assert draft is not None
    assert draft.flagged == draft.auto


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
def test_database_refuses_what_is_no_cost(stream: Stream, cost: float) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Stream.objects.filter(id=stream.id).update(cost_error=cost)
