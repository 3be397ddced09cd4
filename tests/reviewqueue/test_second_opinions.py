"""Second opinions of remote models: asked while the item waits; a person may be faster."""

import json
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from calibration.frames import fold_deltas
from calibration.models import AuditDraw, FrameCount
from reviewqueue.claims import claim_next, release_task
from reviewqueue.models import RemoteAsk, ReviewTask
from reviewqueue.second_opinions import ask_due_models, settle_ask
from reviewqueue.tasks import ask_remote_models
from reviewqueue.verdicts import Answer, record_verdict, undo_verdict
from routing.core.chain import RemoteAnswer
from routing.models import Decision, Item, RemoteModel, Stream
from tests.conftest import Upstream
from tests.reviewqueue.model_server import ModelServer, run_model, says, sends
from tests.scenes import HELD, KEYS, make_bare_stream, publish

SURE = {"account_unlock": 0.97, "vpn_issue": 0.02, "security_incident": 0.01}
SHY = {"account_unlock": 0.5, "vpn_issue": 0.3, "security_incident": 0.2}
LOW = {"account_unlock": 0.4, "vpn_issue": 0.3, "security_incident": 0.3}


@pytest.fixture
def model(settings: Settings) -> Iterator[ModelServer]:
    settings.ALLOW_PRIVATE_ADDRESSES = True
    with run_model() as server:
        yield server


@pytest.fixture
def stream(db: None, model: ModelServer) -> Stream:
    made = make_bare_stream(audit_rate=1.0, bulk_label_rate=1.0)
    remote = RemoteModel.objects.create(stream=made, name="second", url=model.url)
    publish(made, fallback_steps=["remote"], remote_model=remote)
    return made


def post(upstream: Upstream, external_id: str = "HD-1", **fields: object) -> None:
    body = {"external_id": external_id, "payload": {"body": "no VPN"}, "scores": HELD} | fields
    assert upstream.post("items", body).status_code == 201


def last_decision() -> Decision:
    return Decision.objects.order_by("-id")[0]


def counts() -> dict[str, int]:
    fold_deltas()
    return {row.queue: row.count for row in FrameCount.objects.all() if row.count}


def test_item_waits_with_a_seat_until_the_model_is_asked(
    stream: Stream, upstream: Upstream
) -> None:
    answer = upstream.post(
        "items", {"external_id": "HD-1", "payload": {"body": "no VPN"}, "scores": LOW}
    )
    told = json.loads(answer.content)
    assert (told["action"], told["uncertain"]) == ("wait", None)
    decision = Decision.objects.get()
    assert (decision.queue, decision.action) == ("hold", "wait")
    assert decision.reasons[-1] == {
        "code": "fallback_remote",
        "message": "second is asked for a second opinion",
        "numbers": {"result": "asking", "model": "second"},
    }
    ask = RemoteAsk.objects.get()
    assert (ask.state, ask.decision_id, ask.model.name) == ("due", decision.id, "second")
    assert ReviewTask.objects.get().queue == "hold"


def test_sure_answer_lifts_to_flagged(
    stream: Stream, upstream: Upstream, model: ModelServer
) -> None:
    post(upstream)
    model.answer = says(SURE)
    assert ask_due_models() == 1
    decision = last_decision()
    assert (decision.queue, decision.action) == ("flagged", "act_and_review")
    assert (decision.predicted, decision.category, decision.source) == (
        "vpn_issue",
        "account_unlock",
        "remote",
    )
    assert decision.remote_answer == {"scores": SURE, "error": ""}
    assert decision.reasons[-1]["numbers"]["result"] == "lifted"
    seat = ReviewTask.objects.get()
    assert (seat.queue, seat.state, seat.decision_id) == ("flagged", "open", decision.id)
    assert Item.objects.get().state == "routed"
    assert RemoteAsk.objects.get().state == "answered"
    assert counts() == {"flagged": 1}
    known = json.loads(upstream.get("items/HD-1").content)
    assert (known["category"], known["queue"]) == ("account_unlock", "flagged")


def test_item_that_names_a_category_outside_the_policy_is_decided_again(
    stream: Stream, upstream: Upstream, model: ModelServer
) -> None:
    stream.categories.create(key="printer", label="Printer", position=9)
    post(upstream, scores={"vpn_issue": 0.52, "account_unlock": 0.3, "printer": 0.15})
    model.answer = says(SURE)
    assert ask_due_models() == 1
    decision = last_decision()
    assert (decision.queue, decision.category, decision.source) == (
        "flagged",
        "account_unlock",
        "remote",
    )


def test_item_mostly_outside_the_policy_asks_nobody_and_stays(
    stream: Stream, upstream: Upstream
) -> None:
    stream.categories.create(key="printer", label="Printer", position=9)
    post(upstream, scores={"vpn_issue": 0.2, "account_unlock": 0.1, "printer": 0.6})
    assert (last_decision().queue, RemoteAsk.objects.count()) == ("reject", 0)
    assert [reason["code"] for reason in last_decision().reasons[-2:]] == [
        "outside_policy",
        "fallback_remote",
    ]


def test_shy_answer_leaves_the_item_in_hold(
    stream: Stream, upstream: Upstream, model: ModelServer
) -> None:
    post(upstream, due_at="2030-01-01T00:00:00Z")
    before = ReviewTask.objects.get()
    model.answer = says(SHY)
    ask_due_models()
    decision = last_decision()
    assert (decision.queue, decision.category, decision.source) == ("hold", "", "")
    seat = ReviewTask.objects.get()
    assert (seat.queue, seat.decision_id, seat.due_at) == ("hold", decision.id, before.due_at)
    assert Item.objects.get().state == "waiting"
    assert counts() == {"hold": 1}


def test_refusal_that_waited_for_nothing_is_refused_and_audited(
    stream: Stream, upstream: Upstream, model: ModelServer
) -> None:
    post(upstream, scores=LOW)
    model.answer = sends(b"{}")
    ask_due_models()
    decision = last_decision()
    assert (decision.queue, decision.action, decision.label_pi) == ("reject", "refuse", 1.0)
    assert decision.reasons[-1]["message"] == (
        'second gave no second opinion: its answer has no "scores" by category'
    )
    assert not ReviewTask.objects.exists()
    assert AuditDraw.objects.get().decision_id == decision.id
    assert RemoteAsk.objects.get().state == "failed"
    assert counts() == {"reject": 1}
    assert b'"uncertain":{"message"' in upstream.get("items/HD-1").content


def test_model_out_of_order_is_asked_three_times(
    stream: Stream, upstream: Upstream, model: ModelServer
) -> None:
    post(upstream)
    model.answer = sends(b"", status=503)
    for tries in (1, 2):
        assert ask_due_models() == 1
        ask = RemoteAsk.objects.get()
        assert (ask.state, ask.tries, ask.error) == ("due", tries, "it answered 503")
        assert ask.due_at > timezone.now() + timedelta(seconds=3)
        assert ask_due_models() == 0
        RemoteAsk.objects.update(due_at=timezone.now())
    assert ask_due_models() == 1
    assert RemoteAsk.objects.get().state == "failed"
    assert len(model.asked) == 3
    decision = last_decision()
    assert decision.queue == "hold"
    assert decision.remote_answer == {"scores": {}, "error": "it answered 503"}


def test_later_steps_follow_an_answer_that_fails(upstream: Upstream, model: ModelServer) -> None:
    stream = Stream.objects.get()
    publish(
        stream,
        fallback_steps=["remote", "uncertain"],
        remote_model=RemoteModel.objects.get(),
    )
    post(upstream)
    model.answer = sends(b"nonsense")
    ask_due_models()
    decision = last_decision()
    assert [reason["code"] for reason in decision.reasons] == [
        "confidence",
        "fallback_remote",
        "fallback_uncertain",
    ]
    assert decision.action == "refuse"


@pytest.mark.parametrize("ending", ["in hand", "answered", "undone"])
def test_person_who_took_the_item_is_faster(
    stream: Stream, upstream: Upstream, model: ModelServer, reviewer: User, ending: str
) -> None:
    post(upstream)
    task = claim_next(user=reviewer, stream=stream, queue="hold")
    assert task is not None
    assert task.lease_token is not None
    if ending != "in hand":
        verdict = record_verdict(
            task_id=task.id,
            lease_token=task.lease_token,
            reviewer=reviewer,
            answer=Answer("category", ["vpn_issue"]),
        )
        if ending == "undone":
            again = undo_verdict(verdict_id=verdict.id, reviewer=reviewer)
            assert again.lease_token is not None
            release_task(task_id=again.id, user=reviewer, lease_token=again.lease_token)
    model.answer = says(SURE)
    ask_due_models()
    assert RemoteAsk.objects.get().state == "dropped"
    assert Decision.objects.count() == 1
    assert ReviewTask.objects.get().decision_id == Decision.objects.get().id


def test_answer_of_an_outrun_worker_is_not_taken(stream: Stream, upstream: Upstream) -> None:
    post(upstream)
    ask = RemoteAsk.objects.get()
    answer = RemoteAnswer(scores=SURE)
    assert settle_ask(ask_id=ask.id, token=uuid4(), answer=answer) is None
    assert RemoteAsk.objects.get().state == "due"


def test_worker_that_died_asking_is_made_up_for(
    stream: Stream, upstream: Upstream, model: ModelServer
) -> None:
    post(upstream)
    RemoteAsk.objects.update(tries=1, token=uuid4(), due_at=timezone.now() + timedelta(seconds=90))
    assert ask_due_models() == 0
    RemoteAsk.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    model.answer = says(SURE)
    ask_remote_models()
    assert last_decision().queue == "flagged"


def test_worker_without_patience_leaves_the_rest_to_the_next_sweep(
    stream: Stream, upstream: Upstream, model: ModelServer
) -> None:
    for number in range(9):
        post(upstream, f"HD-{number}")
    model.answer = says(SURE)
    assert ask_due_models(patience=0.0) == 0
    assert ask_due_models(patience=1e-9) in (0, 8)
    ask_due_models()
    assert set(RemoteAsk.objects.values_list("state", flat=True)) == {"answered"}


def test_same_item_again_is_not_asked_again(
    stream: Stream, upstream: Upstream, model: ModelServer
) -> None:
    post(upstream)
    body = {"external_id": "HD-1", "payload": {"body": "no VPN"}, "scores": HELD}
    assert upstream.post("items", body).status_code == 200
    assert RemoteAsk.objects.count() == 1


def test_batch_is_asked_about_item_by_item(
    stream: Stream, upstream: Upstream, model: ModelServer
) -> None:
    items = [
        {"external_id": f"HD-{n}", "payload": {"body": "no VPN"}, "scores": HELD} for n in range(20)
    ]
    assert upstream.post("items/batch", items).status_code == 200
    model.answer = says(SURE)
    assert ask_due_models() == 20
    assert sorted(body["external_id"] for _headers, body in model.asked) == sorted(
        str(item["external_id"]) for item in items
    )
    assert model.asked[0][1]["categories"] == list(KEYS)
    assert counts() == {"flagged": 20}
