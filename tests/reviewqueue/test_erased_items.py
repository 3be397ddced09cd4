"""An item that was erased: what people still see of it, and what nobody can do with it."""

from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from reviewqueue.batch_claims import claim_batch
from reviewqueue.batches import confirm_batch, undo_batch
from reviewqueue.claims import claim_next
from reviewqueue.erasures import erase_items
from reviewqueue.insight import making
from reviewqueue.insight.making import make_next
from reviewqueue.insight.sheets import Made, read_sheet
from reviewqueue.insight_models import InsightSheet
from reviewqueue.intake import take_in
from reviewqueue.known_answers import KnownAnswerError, mark_known
from reviewqueue.models import KnownAnswer, RemoteAsk, ReviewTask, Verdict
from reviewqueue.overturns import NotOverturnableError, overturn_verdict
from reviewqueue.retries import RetryError, request_retry
from reviewqueue.retry_models import RetryRequest
from reviewqueue.seats import open_audit_seats
from reviewqueue.second_opinions import settle_ask
from reviewqueue.verdicts import (
    Answer,
    LateVerdictError,
    UndoWindowPassedError,
    record_verdict,
    undo_verdict,
)
from routing.core.chain import RemoteAnswer
from routing.items import Post
from routing.models import Decision, Event, Item, RemoteModel, Stream
from tests.grounded_scenes import REFUSED, make_grounded_stream, post_sentence
from tests.reviewqueue.canary import CANARY, SAID, answer
from tests.routing.admin.conftest import log_in
from tests.scenes import (
    HELD,
    LIKELY,
    SURE,
    make_bare_stream,
    make_person,
    make_stream,
    post,
    publish,
)


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream(undo_seconds=0)


@pytest.fixture
def rita(stream: Stream) -> User:
    return make_person("rita", stream, "reviewer", "expert", "stream_admin")


def test_item_in_hand_is_judged_no_more(stream: Stream, rita: User) -> None:
    task = post(stream, "t1")
    claimed = claim_next(user=rita, stream=stream, queue="hold")
    assert claimed is not None
    assert claimed.lease_token is not None
    erase_items(stream=stream, external_ids=["t1"])

    with pytest.raises(LateVerdictError):
        record_verdict(
            task_id=task.id,
            lease_token=claimed.lease_token,
            reviewer=rita,
            answer=Answer("category", ("vpn_issue",), comment=CANARY),
        )
    assert claim_next(user=rita, stream=stream, queue="hold") is None
    task.refresh_from_db()
    item = Item.objects.get()
    assert (task.state, item.state) == ("cancelled", "routed")
    event = Event.objects.get(kind="item.erased")
    assert (event.subject_id, event.data) == (item.id, {"why": "request", "seats_cancelled": 1})


def test_erased_item_page_says_so(stream: Stream, rita: User) -> None:
    task = post(stream, "t1", payload=SAID)
    answer(task, rita)
    erase_items(stream=stream, external_ids=["t1"], by=rita)

    page = log_in(rita).get(f"/streams/helpdesk/items/{task.item_id}/").content.decode()
    assert "What this item held was erased" in page
    assert "What it held was erased" in page
    assert (CANARY in page, "All fields of this item" in page) == (False, False)
    assert "Overturn the answer" not in page


def test_erased_sentence_is_named_as_such_in_its_draft(db: None) -> None:
    drafts = make_grounded_stream()
    rita = make_person("rita", drafts, "reviewer")
    taken = post_sentence(drafts, "s1", draft="letter-7", sentence=f"{CANARY} has 99 MB.")
    erase_items(stream=drafts, external_ids=["s1"])

    client = log_in(rita)
    for address in (
        f"/streams/drafts/items/{taken.item_id}/",
        "/streams/drafts/drafts/",
        f"/streams/drafts/draft/?id=letter-7&at={taken.item_id}",
    ):
        answered = client.get(address)
        assert (answered.status_code, CANARY in answered.content.decode()) == (200, False)
    assert "(erased)" in answered.content.decode()


def test_answer_on_an_erased_item_stays_what_it_is(stream: Stream, rita: User) -> None:
    Stream.objects.update(undo_seconds=3600)
    undoable = answer(post(stream, "t1"), rita)
    Stream.objects.update(undo_seconds=0)
    told = answer(post(stream, "t2"), rita)
    erase_items(stream=stream, external_ids=["t1", "t2"])

    with pytest.raises(UndoWindowPassedError):
        undo_verdict(verdict_id=undoable.id, reviewer=rita)
    with pytest.raises(NotOverturnableError, match="erased"):
        overturn_verdict(
            verdict_id=told.id,
            by=rita,
            answer=Answer("category", ("account_unlock",), comment=CANARY),
        )
    with pytest.raises(KnownAnswerError, match="erased"):
        mark_known(stream=stream, external_id="t2", answer=Answer("category", ("vpn_issue",)))
    assert Verdict.objects.count() == 2


def test_erased_row_is_left_out_of_a_table_taken_back(stream: Stream, rita: User) -> None:
    Stream.objects.update(undo_seconds=3600)
    stream.refresh_from_db()
    for name in ("t1", "t2"):
        post(stream, name, scores=LIKELY)
    rows = claim_batch(user=rita, stream=stream, with_today=True)
    assert rows[0].lease_token is not None
    done = confirm_batch(
        user=rita,
        stream=stream,
        lease_token=rows[0].lease_token,
        confirmed=[row.id for row in rows],
        corrections={},
    )
    erase_items(stream=stream, external_ids=["t1"])

    [back] = undo_batch(batch=done.batch, user=rita)
    states = dict(Item.objects.values_list("external_id", "state"))
    assert (back.item.external_id, states) == ("t2", {"t1": "settled", "t2": "routed"})


def test_refused_sentence_is_not_drafted_again_once_erased(db: None) -> None:
    drafts = make_grounded_stream()
    taken = post_sentence(drafts, "s1", signals=REFUSED)
    assert taken.item_id is not None
    erase_items(stream=drafts, external_ids=["s1"])

    with pytest.raises(RetryError, match="erased"):
        request_retry(item_id=taken.item_id, person=None, how="widen", note=CANARY)
    assert RetryRequest.objects.count() == 0


def test_drawn_item_is_not_audited_once_erased(db: None) -> None:
    stream = make_stream(audit_rate=1.0)
    take_in(stream=stream, posts=[Post(name, SAID, SURE) for name in ("t1", "t2")])
    erase_items(stream=stream, external_ids=["t1"])

    done = open_audit_seats(stream=stream, at=timezone.now())
    assert done is not None
    assert done.result == {"drawn": 1, "opened": 1, "settled": 0, "seated": 0}
    assert ReviewTask.objects.get().item.external_id == "t2"


def test_known_answer_is_retired_with_its_item(stream: Stream, rita: User) -> None:
    answer(post(stream, "t1"), rita)
    mark_known(
        stream=stream,
        external_id="t1",
        answer=Answer("category", ("vpn_issue",)),
        reason=CANARY,
    )
    Stream.objects.update(known_rate=1.0)
    stream.refresh_from_db()
    post(stream, "t2")
    sam = make_person("sam", stream, "reviewer")
    slipped_in = claim_next(user=sam, stream=stream, queue="hold")
    assert slipped_in is not None
    assert slipped_in.item.external_id == "t1"
    erase_items(stream=stream, external_ids=["t1"])

    slipped_in.refresh_from_db()
    known = KnownAnswer.objects.get()
    assert (slipped_in.state, known.reason, known.retired_at is None) == ("cancelled", "", False)
    waiting = claim_next(user=sam, stream=stream, queue="hold")
    assert waiting is not None
    assert waiting.item.external_id == "t2"


def test_question_to_a_remote_model_is_dropped(db: None) -> None:
    stream = make_bare_stream()
    remote = RemoteModel.objects.create(stream=stream, name="second", url="http://127.0.0.1:9/")
    publish(stream, fallback_steps=["remote"], remote_model=remote)
    take_in(stream=stream, posts=[Post("t1", SAID, HELD)])
    ask = RemoteAsk.objects.get()
    erase_items(stream=stream, external_ids=["t1"])

    assert settle_ask(ask_id=ask.id, token=ask.token, answer=RemoteAnswer(scores=SURE)) is None
    ask.refresh_from_db()
    assert (ask.state, Decision.objects.count()) == ("dropped", 1)


def test_sheet_that_is_being_drawn_meanwhile_is_not_kept(
    stream: Stream, rita: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(post(stream, "t1"), rita)

    def make(_stream: Stream, _at: datetime) -> Made:
        erase_items(stream=stream, external_ids=["t1"])
        return Made({"clusters": [CANARY]})

    monkeypatch.setattr(making, "MAKERS", dict.fromkeys(InsightSheet.Kind, make))
    read_sheet(stream=stream, kind=InsightSheet.Kind.AMBIGUITY)
    assert make_next() is not None
    assert InsightSheet.objects.get().figures == {}
    assert not read_sheet(stream=stream, kind=InsightSheet.Kind.AMBIGUITY).ready
