"""Erasures: what an item held is in no table, key or log; what was decided and counted stays."""

import base64
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction
from django.test import Client
from django.utils import timezone

from calibration.frames import fold_deltas
from calibration.models import AuditDraw, FrameCount, GroundTruth, JobRun
from reviewqueue import erasures
from reviewqueue.access import issue_api_key
from reviewqueue.batch_claims import claim_batch
from reviewqueue.batches import confirm_batch, undo_batch
from reviewqueue.claims import claim_next, escalate_task
from reviewqueue.deliveries import send_due
from reviewqueue.erasures import Erased, ErasureError, erase_expired, erase_items
from reviewqueue.event_log import FORMATS as LOG_FORMATS
from reviewqueue.event_log import LogQuery, write_log
from reviewqueue.exports import Selection, export_items
from reviewqueue.files.opening import FORMATS as ITEM_FORMATS
from reviewqueue.insight import making
from reviewqueue.insight.making import make_next
from reviewqueue.insight.sheets import Made, read_sheet
from reviewqueue.insight_models import InsightSheet
from reviewqueue.intake import ConflictError, Taken, take_in
from reviewqueue.known_answers import KnownAnswerError, mark_known
from reviewqueue.models import KnownAnswer, RemoteAsk, ReviewTask, Verdict
from reviewqueue.overturns import NotOverturnableError, overturn_verdict
from reviewqueue.retries import RetryError, request_retry
from reviewqueue.retry_models import RetryRequest
from reviewqueue.seats import open_audit_seats
from reviewqueue.second_opinions import settle_ask
from reviewqueue.sequencer import sequence_all
from reviewqueue.tasks import erase_expired_items, sweep_retention
from reviewqueue.urls_review import urlpatterns
from reviewqueue.verdicts import (
    Answer,
    LateVerdictError,
    UndoWindowPassedError,
    record_verdict,
    undo_verdict,
)
from reviewqueue.webhook_models import Webhook
from routing.core.chain import RemoteAnswer
from routing.items import Post
from routing.models import Decision, Event, Item, RemoteModel, Stream
from routing.replays import replay_decisions
from tests.conftest import Upstream
from tests.grounded_scenes import BLOCKS, REFUSED, make_grounded_stream, post_sentence
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

CANARY = "Quetzal Birdsong"
SAID = {"subject": CANARY, "body": f"I am {CANARY}, and locked out."}
MONTH = timedelta(days=31)


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream(undo_seconds=0)


@pytest.fixture
def rita(stream: Stream) -> User:
    return make_person("rita", stream, "reviewer", "expert", "stream_admin")


@pytest.fixture
def upstream(stream: Stream) -> Upstream:
    _, key = issue_api_key(name="tickets", streams=[stream])
    return Upstream(Client(), key, stream.key)


def answer(
    task: ReviewTask, person: User, said: Answer | None = None, queue: str = "hold"
) -> Verdict:
    """The person claims the next of the queue, which has to be this task, and answers."""
    claimed = claim_next(user=person, stream=task.stream, queue=queue)
    assert claimed is not None
    assert claimed.id == task.id
    assert claimed.lease_token is not None
    return record_verdict(
        task_id=task.id,
        lease_token=claimed.lease_token,
        reviewer=person,
        answer=said or Answer("category", ("vpn_issue",), comment=f"It is {CANARY} again"),
    )


def tables_holding(text: str) -> set[str]:
    """Every table of which a row has the text in whatever column, bytes included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        found = set()
        for table in tables:
            cursor.execute(
                f'SELECT 1 FROM "{table}" AS row '
                "WHERE strpos(row::text, %s) > 0 OR strpos(row::text, %s) > 0 LIMIT 1",
                [text, text.encode().hex()],
            )
            if cursor.fetchone():
                found.add(table)
    assert len(tables) > 40
    return found


def keys_holding(text: str) -> list[str]:
    """Every key of the broker whose name or value has the text; there have to be some."""
    server = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)
    read: dict[str, Callable[[str], object]] = {
        "string": server.get,
        "list": lambda key: server.lrange(key, 0, -1),
        "set": server.smembers,
        "zset": lambda key: server.zrange(key, 0, -1),
        "hash": server.hgetall,
        "stream": server.xrange,
    }
    keys = list(server.scan_iter())
    assert keys
    messages = [f"{key} {read[str(server.type(key))](key)!r}" for key in keys]
    # A message's arguments are written in base64.
    bodies = [
        base64.b64decode(body).decode(errors="replace")
        for body in re.findall(r'"body": "([A-Za-z0-9+/=]+)"', " ".join(messages))
    ]
    assert bodies
    return [said for said in (*messages, *bodies) if text in said]


def files_of(*streams: Stream) -> dict[str, str]:
    """Every file that can be taken away of the streams, by name: items, logs, insight tables."""
    written: dict[str, Iterable[bytes]] = {}
    for name in ITEM_FORMATS:
        parts = [export_items(Selection(one), format_name=name) for one in streams]
        written[f"items.{name}"] = itertools.chain(*parts)
    for name in LOG_FORMATS:
        parts = [write_log(LogQuery(one), format_name=name) for one in streams]
        written[f"log.{name}"] = itertools.chain(*parts)
    files = {name: b"".join(blocks).decode() for name, blocks in written.items()}
    root = User.objects.filter(is_superuser=True).first()
    client = log_in(root or make_person("root", is_superuser=True))
    tables = [str(each.pattern) for each in urlpatterns if str(each.pattern).endswith(".csv")]
    assert len(tables) == 8
    for path in tables:
        for one in streams:
            address = "/" + path.replace("<slug:stream_key>", one.key)
            client.get(address)
            while make_next():
                pass
            files[address] = client.get(address).content.decode()
    return files


def refused(sql: str, *values: UUID) -> bool:
    """Whether the database refuses the statement, by a trigger of ours."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, values)
    except Error as error:
        return "pgtrigger" in str(error)
    return False


def test_canary_is_nowhere_afterwards(
    stream: Stream, rita: User, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    Webhook.objects.create(
        stream=stream, url="http://127.0.0.1:9/", events=["item.routed", "item.settled"]
    )
    body = {
        "external_id": "t1",
        "payload": SAID,
        "scores": HELD,
        "metadata": {"from": CANARY},
        "signals": {"caller": CANARY},
    }
    assert upstream.post("items", body).status_code == 201
    task = ReviewTask.objects.get()
    claimed = claim_next(user=rita, stream=stream, queue="hold")
    assert claimed is not None
    assert claimed.lease_token is not None
    assert escalate_task(
        task_id=task.id, user=rita, lease_token=claimed.lease_token, comment=f"{CANARY} shouts"
    )
    expert = make_person("erin", stream, "expert")
    said = Answer("no_category_fits", (), proposed_name=f"Calls of {CANARY}", comment=CANARY)
    first = answer(task, expert, said, queue="escalated")
    read_sheet(stream=stream, kind=InsightSheet.Kind.AMBIGUITY)
    make_next()
    overturn_verdict(
        verdict_id=first.id,
        by=rita,
        answer=Answer("category", ("vpn_issue",), comment=f"No, {CANARY} means the VPN"),
    )
    mark_known(
        stream=stream,
        external_id="t1",
        answer=Answer("category", ("vpn_issue",)),
        reason=f"{CANARY} said so",
    )
    drafts = make_grounded_stream()
    blocks = [{**BLOCKS[0], "title": CANARY, "text": f"{CANARY} may post 10 MB."}, BLOCKS[1]]
    claims = [{"text": f"{CANARY} may.", "entailment_probability": 0.1}]
    refused_one = post_sentence(
        drafts,
        "s1",
        sentence=f"{CANARY} may post 99 MB.",
        signals=REFUSED | {"author": CANARY},
        blocks=blocks,
        claims=claims,
    )
    assert refused_one.item_id is not None
    request_retry(item_id=refused_one.item_id, person=rita, how="rewrite", note=f"Ask {CANARY}")
    sequence_all()
    send_due()
    log_in(rita).get(f"/streams/helpdesk/items/{task.item_id}/")
    assert tables_holding(CANARY) == {
        "routing_item",
        "routing_event",
        "reviewqueue_verdict",
        "reviewqueue_knownanswer",
        "reviewqueue_retryrequest",
        "reviewqueue_insightsheet",
    }

    told = {name for name, content in files_of(stream, drafts).items() if CANARY in content}
    assert told == {f"items.{name}" for name in ITEM_FORMATS}

    assert erase_items(stream=stream, external_ids=["t1"], by=rita) == Erased(1, 0, ())
    assert erase_items(stream=drafts, external_ids=["s1"], by=rita) == Erased(1, 0, ())

    assert tables_holding(CANARY) == set()
    assert keys_holding(CANARY) == []
    assert CANARY not in caplog.text
    files = files_of(stream, drafts)
    assert [name for name, content in files.items() if CANARY in content] == []
    assert files["items.jsonl"].count('"erased_at":"') == 2
    again = upstream.post("items", body)
    assert (again.status_code, tables_holding(CANARY)) == (200, set())


def test_what_was_decided_and_counted_stays_and_replays(stream: Stream, rita: User) -> None:
    answer(post(stream, "t1"), rita)
    post(stream, "t2")
    take_in(stream=stream, posts=[Post("t3", SAID, SURE)])
    drafts = make_grounded_stream()
    post_sentence(drafts, "s1", sentence="It has 99 MB.")
    fold_deltas()

    def figures() -> list[object]:
        tables = (Decision, GroundTruth, FrameCount)
        return [list(table.objects.order_by("id").values()) for table in tables]

    before = figures()
    erase_items(stream=stream, external_ids=["t1", "t2", "t3"])
    erase_items(stream=drafts, external_ids=["s1"])
    fold_deltas()

    assert figures() == before
    replayed = [replay_decisions(stream=one) for one in (stream, drafts)]
    assert [(each.decisions, each.differing) for each in replayed] == [(3, 0), (1, 0)]
    [verdict] = Verdict.objects.all()
    assert (verdict.kind, verdict.categories, verdict.comment) == ("category", ["vpn_issue"], "")


def test_same_body_again_is_answered_and_not_stored(upstream: Upstream, stream: Stream) -> None:
    body = {"external_id": "t1", "payload": SAID, "scores": HELD}
    first = json.loads(upstream.post("items", body).content)
    erase_items(stream=stream, external_ids=["t1"])
    item = Item.objects.get()

    again = upstream.post("items", body)
    answered = json.loads(again.content)
    assert (again.status_code, answered["id"]) == (200, first["id"])
    assert item.erased_at is not None
    assert answered.pop("erased_at") == item.erased_at.isoformat()
    assert answered == first
    other = upstream.post("items", body | {"payload": {"body": "another"}})
    assert other.status_code == 422
    fetched = json.loads(upstream.get("items/t1").content)
    assert (fetched["state"], fetched["action"]) == ("routed", "wait")
    assert fetched["erased_at"] == item.erased_at.isoformat()
    assert Item.objects.get().payload == {}


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


def test_words_are_emptied_of_erased_items_alone_and_nothing_else_changes(
    stream: Stream, rita: User
) -> None:
    verdict = answer(post(stream, "t1"), rita)
    kept = answer(post(stream, "t2"), rita)
    event = Event.objects.filter(kind="verdict.recorded").order_by("id")[0]
    erase_items(stream=stream, external_ids=["t1"])

    change = "UPDATE reviewqueue_verdict SET {} WHERE id = %s"
    assert [
        refused(change.format(what), one.id)
        for what, one in (
            ("comment = ''", kept),
            ("comment = 'x'", verdict),
            ("categories = '{account_unlock}'", verdict),
            ("comment = '', active_ms = 1", verdict),
            ("comment = ''", verdict),
        )
    ] == [True, True, True, True, False]
    assert refused("DELETE FROM reviewqueue_verdict WHERE id = %s", verdict.id)
    assert refused("UPDATE routing_event SET data = '{}' WHERE id = %s", event.id)
    assert refused(
        """UPDATE routing_event SET data = data || '{"comment": ""}' WHERE id = %s""", event.id
    )


@pytest.mark.parametrize("kind", ["jsonl", "csv", "label-studio"])
def test_export_with_an_erased_item_can_be_imported(
    stream: Stream, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_stream("other")
    for name in ("t1", "t2"):
        post(stream, name, payload=SAID)
    erase_items(stream=stream, external_ids=["t1"])
    file = tmp_path / "items"
    call_command("export_items", "helpdesk", "--format", kind, "--output", str(file))
    call_command("import_items", "other", str(file), "--format", kind)
    stored = dict(Item.objects.filter(stream=other).values_list("external_id", "payload"))
    assert stored == {"t1": {}, "t2": SAID}


def test_erased_before_and_unknown_are_told_apart(stream: Stream) -> None:
    post(stream, "t1")
    post(stream, "t2")
    erase_items(stream=stream, external_ids=["t1"])
    at = Item.objects.get(external_id="t1").erased_at

    done = erase_items(stream=stream, external_ids=["t1", "t2", "t2", "t9", "\0"])
    assert done == Erased(1, 1, ("t9", "\0"))
    assert Item.objects.get(external_id="t1").erased_at == at
    assert Event.objects.filter(kind="item.erased").count() == 2


def test_other_stream_s_item_of_the_same_id_stays(stream: Stream) -> None:
    other = make_stream("other")
    post(stream, "t1", payload=SAID)
    post(other, "t1", payload=SAID)
    erase_items(stream=stream, external_ids=["t1"])

    assert Item.objects.get(stream=other).payload == SAID


def test_command_erases_and_names_what_is_unknown(
    stream: Stream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("t1", "t2"):
        post(stream, name, payload=SAID)
    call_command("erase", "helpdesk", "t1")
    assert capsys.readouterr().out == "1 erased, 0 were erased before\n"

    listed = tmp_path / "ids"
    listed.write_text("t1\n\nt2\n")
    call_command("erase", "helpdesk", "--from", str(listed))
    assert capsys.readouterr().out == "1 erased, 1 were erased before\n"
    assert set(Item.objects.values_list("external_id", "state")) == {
        ("t1", "routed"),
        ("t2", "routed"),
    }
    with pytest.raises(CommandError, match=r"No item of helpdesk has these ids.*: t9\."):
        call_command("erase", "helpdesk", "t9")
    with pytest.raises(CommandError, match="There is no stream 'nobody'"):
        call_command("erase", "nobody", "t1")
    with pytest.raises(CommandError, match="Name the items"):
        call_command("erase", "helpdesk")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("erase", "helpdesk", "--from", str(tmp_path / "none"))


@pytest.fixture
def held_elsewhere(transactional_db: None) -> Iterator[Callable[[float], threading.Thread]]:
    """Locks the item's row in another connection for so many seconds."""
    threads: list[threading.Thread] = []

    def hold(seconds: float) -> threading.Thread:
        ready = threading.Event()

        def work() -> None:
            with transaction.atomic():
                Item.objects.select_for_update().get()
                ready.set()
                time.sleep(seconds)
            connection.close()

        thread = threading.Thread(target=work)
        threads.append(thread)
        thread.start()
        assert ready.wait(10)
        return thread

    yield hold
    for thread in threads:
        thread.join()


def test_who_erases_waits_for_people_at_work(
    held_elsewhere: Callable[[float], threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = make_stream()
    post(stream, "t1")
    thread = held_elsewhere(1.0)
    monkeypatch.setattr(erasures, "MOST_TRIES", 1)
    with pytest.raises(ErasureError, match="stayed in use"):
        erase_items(stream=stream, external_ids=["t1"])
    monkeypatch.setattr(erasures, "MOST_TRIES", 20)
    assert erase_items(stream=stream, external_ids=["t1"]).erased == 1
    thread.join()


def test_retention_erases_what_is_over_and_old(rita: User, stream: Stream) -> None:
    Stream.objects.update(retention_days=30, audit_rate=0.0)
    stream.refresh_from_db()
    answer(post(stream, "settled", payload=SAID), rita)
    take_in(stream=stream, posts=[Post("acted on", SAID, SURE)])
    answer(post(stream, "known", payload=SAID), rita)
    mark_known(stream=stream, external_id="known", answer=Answer("category", ("vpn_issue",)))
    Stream.objects.update(undo_seconds=3600)
    answer(post(stream, "undoable", payload=SAID), rita)
    post(stream, "waiting", payload=SAID)
    post(stream, "flagged", payload=SAID, scores=LIKELY)
    Stream.objects.update(audit_rate=1.0)
    stream.refresh_from_db()
    take_in(stream=stream, posts=[Post("drawn", SAID, SURE)])
    assert AuditDraw.objects.count() == 1
    now = timezone.now()

    def erased() -> set[str]:
        return set(Item.objects.exclude(erased_at=None).values_list("external_id", flat=True))

    early = erase_expired(stream=stream, at=now + timedelta(days=29))
    assert early is not None
    assert (early.result["erased"], erased()) == (0, set())
    done = erase_expired(stream=stream, at=now + MONTH)
    assert done is not None
    assert (done.result["erased"], erased()) == (2, {"settled", "acted on"})
    assert erase_expired(stream=stream, at=now + MONTH) is None
    KnownAnswer.objects.update(retired_at=now)
    later = erase_expired(stream=stream, at=now + MONTH + timedelta(days=1))
    assert later is not None
    assert (later.result["erased"], erased()) == (1, {"settled", "acted on", "known"})
    assert JobRun.objects.filter(job="retention").count() == 3
    assert set(Event.objects.filter(kind="item.erased").values_list("data__why", flat=True)) == {
        "retention"
    }


def test_retention_goes_through_in_batches(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    Stream.objects.update(retention_days=30)
    stream.refresh_from_db()
    take_in(stream=stream, posts=[Post(f"t{n}", SAID, SURE) for n in range(5)])
    monkeypatch.setattr(erasures, "AT_ONCE", 2)
    at = timezone.now() + MONTH

    assert erase_expired(stream=stream, at=at, patience=0.0) is None
    assert Item.objects.exclude(erased_at=None).count() == 2
    done = erase_expired(stream=stream, at=at)
    assert done is not None
    assert done.result["erased"] == 3
    assert Item.objects.filter(erased_at=None).count() == 0


def test_retention_of_a_hundred_years_keeps_all(stream: Stream) -> None:
    Stream.objects.update(retention_days=36_500)
    stream.refresh_from_db()
    take_in(stream=stream, posts=[Post("t1", SAID, SURE)])
    done = erase_expired(stream=stream, at=timezone.now())
    assert done is not None
    assert done.result["erased"] == 0
    assert Item.objects.get().payload == SAID


def test_stream_without_retention_keeps_all(stream: Stream) -> None:
    take_in(stream=stream, posts=[Post("t1", SAID, SURE)])
    assert erase_expired(stream=stream, at=timezone.now() + 100 * MONTH) is None
    erase_expired_items(str(stream.id))
    sweep_retention()
    assert Item.objects.get().payload == SAID


def test_retention_task_does_the_day_s_work_once(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    Stream.objects.update(retention_days=30)
    for _again in range(2):
        erase_expired_items(str(stream.id))
    assert JobRun.objects.filter(job="retention").count() == 1
    assert caplog.text.count("helpdesk: retention of") == 1


def test_taken_again_tells_when_it_was_erased(stream: Stream) -> None:
    posted = Post("t1", SAID, SURE)
    take_in(stream=stream, posts=[posted])
    erase_items(stream=stream, external_ids=["t1"])
    again, other = take_in(stream=stream, posts=[posted, Post("t1", {}, SURE)])
    assert isinstance(again, Taken)
    assert again.erased_at == Item.objects.get().erased_at
    assert isinstance(other, ConflictError)
